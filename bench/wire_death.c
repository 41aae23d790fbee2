/* SPDX-License-Identifier: MIT */
/*
 * A client is killed while it holds a million objects, and the daemon takes them back.
 *
 * Another client watches, from another CPU than the daemon's: it asks without a pause to have the
 * cache unmade, which is refused while any of its objects is held. So the first time that it works
 * all is back. The longest that it waited for an answer is how long the daemon was deaf, if nothing
 * else wanted the CPUs.
 *
 * The daemon's CPU time is counted from the kill on, and what it takes to answer is in it. The time
 * of a process that runs on another CPU is told by the tick; so it is read on the daemon's own,
 * where the daemon must have paused for it.
 */

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/daemon_process.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/wire.h"
#include "pagepool.h"

#define POOL_BYTES (UINT64_C(256) << 20)
#define OBJECT_BYTES 64u
#define NR_OBJECTS (UINT32_C(1) << 20)
#define NR_OBJECTS_SMOKE (UINT32_C(1) << 14)
#define BATCH 1024u

/* Where it happens. */
struct place {
	struct daemon_process daemon;
	int daemon_cpu, own_cpu;
};

struct client {
	struct pp_client *client;
	struct pp_pool *pool;
	struct pp_cache *cache;
};

static int client_init(struct client *client, const struct daemon_process *process)
{
	struct pp_client_config config = { .struct_size = sizeof(config),
					   .socket = process->socket };
	struct pp_cache_config cache_config = { .struct_size = sizeof(cache_config),
						.name = "bench",
						.object_size = OBJECT_BYTES };
	int error = pp_client_new(&client->client, &config);

	if (!error)
		error = pp_pool_open(client->client, NULL, 0, &client->pool);
	return error ? error : pp_cache_create(client->pool, &cache_config, &client->cache);
}

/* The one that dies. It says when it holds all. */
static void hold_objects(const struct daemon_process *process, uint32_t nr_objects, int say_fd)
{
	struct client client = { 0 };
	void *objects[BATCH];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (client_init(&client, process))
		_exit(1);
	for (uint32_t nr = 0; nr < nr_objects; nr += BATCH)
		if (pp_cache_alloc_bulk(client.cache, 0, objects, BATCH) != BATCH)
			_exit(1);
	if (write(say_fd, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int start_holder(const struct daemon_process *process, uint32_t nr_objects, pid_t *ret_pid)
{
	int fds[2];
	char said;

	if (pipe(fds) != 0)
		return -errno;
	*ret_pid = fork();
	if (*ret_pid == 0)
		hold_objects(process, nr_objects, fds[1]);
	close(fds[1]);
	if (*ret_pid > 0 && read(fds[0], &said, 1) != 1) {
		waitpid(*ret_pid, NULL, 0);
		*ret_pid = -1;
	}
	close(fds[0]);
	return *ret_pid > 0 ? 0 : -ECHILD;
}

enum value { ALL_MS, CPU_MS, WAIT_US, NR_VALUES };

/* Unmakes the cache as soon as the daemon does. */
static int watch(struct client *client, double values[NR_VALUES])
{
	const uint64_t first = measure_wall_ns();
	uint64_t now = first, longest_ns = 0;
	int error;

	do {
		uint64_t before = now;

		error = pp_cache_destroy(client->cache);
		now = measure_wall_ns();
		longest_ns = now - before > longest_ns ? now - before : longest_ns;
	} while (error == -EBUSY);
	if (!error)
		client->cache = NULL;
	values[ALL_MS] = (double)(now - first) / 1e6;
	values[WAIT_US] = (double)longest_ns / 1e3;
	return error;
}

static uint64_t read_cpu_ns(const struct place *place, clockid_t clock)
{
	uint64_t cpu_ns;

	measure_pin(place->daemon_cpu);
	cpu_ns = measure_clock_ns(clock);
	measure_pin(place->own_cpu);
	return cpu_ns;
}

/* The dead is waited for, so that its end, on the CPU of who watches, is no part of the time. */
static int measure_death(struct client *client, const struct place *place, uint32_t nr_objects,
			 double values[NR_VALUES])
{
	clockid_t clock;
	uint64_t started_ns;
	pid_t pid = -1;
	int error = start_holder(&place->daemon, nr_objects, &pid);

	if (error)
		return error;
	if (clock_getcpuclockid(place->daemon.pid, &clock) != 0)
		error = -ESRCH;
	else
		started_ns = read_cpu_ns(place, clock);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (error)
		return error;
	error = watch(client, values);
	values[CPU_MS] = (double)(read_cpu_ns(place, clock) - started_ns) / 1e6;
	return error;
}

static int measure_run(const struct bench *bench, const struct place *place,
		       double values[NR_VALUES])
{
	const uint32_t nr_objects = bench->smoke ? NR_OBJECTS_SMOKE : NR_OBJECTS;
	struct client client = { 0 };
	int error = client_init(&client, &place->daemon);

	if (!error)
		error = measure_death(&client, place, nr_objects, values);
	pp_client_free(client.client);
	return error;
}

static int measure(const struct bench *bench, const struct place *place)
{
	static const char *const names[NR_VALUES] = { "objects_death", "objects_death_cpu",
						      "objects_death_wait" };
	static const char *const units[NR_VALUES] = { "ms", "ms", "us" };
	struct report_sample samples[NR_VALUES] = { 0 };

	for (unsigned run = 0; run <= bench->nr_runs; run++) {
		double values[NR_VALUES] = { 0 };
		int error = measure_run(bench, place, values);

		if (error)
			return error;
		for (unsigned i = 0; i < NR_VALUES && run > 0; i++)
			report_sample_add(&samples[i], values[i]);
	}
	for (unsigned i = 0; i < NR_VALUES; i++)
		report_add(bench->report,
			   &(struct report_key){ "wire", names[i],
						 bench->smoke ? "16k x 64 B" : "1M x 64 B",
						 units[i] },
			   &samples[i]);
	return 0;
}

int wire_measure_death(const struct bench *bench)
{
	struct place place;
	int cpus[2], error;

	if (measure_list_cpus(cpus, 2) < 2) {
		fputs("bench: objects_death: left out, there is one CPU only\n", stderr);
		return 0;
	}
	place.own_cpu = cpus[0];
	place.daemon_cpu = cpus[1];
	measure_pin(place.own_cpu);
	error = daemon_process_start(&place.daemon, POOL_BYTES, place.daemon_cpu);
	if (!error)
		error = measure(bench, &place);
	daemon_process_stop(&place.daemon);
	return error;
}
