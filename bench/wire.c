/* SPDX-License-Identifier: MIT */
/*
 * The wire group: a client of the library and the real daemon, beside a bare ping-pong of as many
 * bytes.
 *
 * One page is one round trip, so what counts is how much dearer than the bare one it is. In bulk a
 * round trip is shared by 1,024 pages, so what counts is a page's share, against a page that was
 * asked for alone. With objects, of 64 bytes, it is the same: one from pp_malloc() is held against
 * a page, and the share of one in bulk against one from pp_malloc(). All are measured with client
 * and daemon on the same CPU, where a wake-up is a switch of context, and on two CPUs, where it is
 * an interrupt. Daemon and ping-pong server live side by side; who is not being measured sleeps.
 *
 * Times are as they pass. All of the pool is backed by memory beforehand, and no page is touched.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/daemon_process.h"
#include "bench/measure.h"
#include "bench/ping_pong.h"
#include "bench/report.h"
#include "bench/wire.h"
#include "pagepool.h"
#include "proto/codec.h"
#include "proto/frame.h"
#include "proto/message.h"

#define BULK_PAGES 1024u
#define OBJECT_BYTES 64u
#define FEW_OBJECTS 256u
#define MANY_OBJECTS BULK_PAGES /* what addrs has room for */

/* Short rounds, but more of them: waking up is what others on the machine disturb most. */
#define RUNS_FACTOR 3u

struct wire_sizes {
	uint64_t pool_bytes;
	unsigned nr_rounds;  /* single pages or objects; they fit in the pool all at once */
	unsigned nr_batches; /* of BULK_PAGES, and of objects; they too */
};

static const struct wire_sizes full_sizes = { .pool_bytes = UINT64_C(256) << 20,
					      .nr_rounds = 1500,
					      .nr_batches = 32 };
static const struct wire_sizes smoke_sizes = { .pool_bytes = UINT64_C(64) << 20,
					       .nr_rounds = 200,
					       .nr_batches = 4 };

enum value {
	PING_PONG,
	PAIR, /* a round trip of which alloc and free are two */
	ALLOC,
	FREE,
	BULK_ALLOC,
	BULK_FREE,
	SINGLE_RATE, /* thousands of pages allocated and freed one by one */
	BULK_RATE,
	MALLOC,
	MALLOC_FREE,
	FEW_ALLOC,
	FEW_FREE,
	MANY_ALLOC,
	MANY_FREE,
	NR_VALUES
};

static const struct row {
	const char *name, *unit;
	enum value baseline; /* itself: none */
} rows[NR_VALUES] = {
	[PING_PONG] = { "ping_pong", "ns", PING_PONG },
	[PAIR] = { "round_trip", "ns", PING_PONG },
	[ALLOC] = { "alloc_page", "ns/page", PING_PONG },
	[FREE] = { "free_page", "ns/page", PING_PONG },
	[BULK_ALLOC] = { "bulk_1024_alloc", "ns/page", ALLOC },
	[BULK_FREE] = { "bulk_1024_free", "ns/page", FREE },
	[SINGLE_RATE] = { "single_rate", "kpages/s", SINGLE_RATE },
	[BULK_RATE] = { "bulk_1024_rate", "kpages/s", SINGLE_RATE },
	[MALLOC] = { "malloc", "ns/object", ALLOC },
	[MALLOC_FREE] = { "malloc_free", "ns/object", FREE },
	[FEW_ALLOC] = { "objects_256_alloc", "ns/object", MALLOC },
	[FEW_FREE] = { "objects_256_free", "ns/object", MALLOC_FREE },
	[MANY_ALLOC] = { "objects_1024_alloc", "ns/object", MALLOC },
	[MANY_FREE] = { "objects_1024_free", "ns/object", MALLOC_FREE },
};

struct wire {
	const struct bench *bench;
	const struct wire_sizes *sizes;
	struct daemon_process daemon;
	struct ping_pong ping_pong;
	struct pp_client *client;
	struct pp_pool *pool;
	struct pp_cache *cache;
	void **addrs; /* room for the larger of all single pages and all batches */
};

/* How many bytes one page takes on the wire, there and back. */
static int measure_frames(size_t *ret_request_bytes, size_t *ret_reply_bytes)
{
	/* An id as it is after some hundred thousand requests, as a library numbers them. */
	const uint64_t id = UINT64_C(100000) << 8;
	struct message_run run = { .base = 1000, .mask = 1 };
	struct message request = { .id = id, .type = MESSAGE_ALLOC };
	struct message reply = { .id = id, .type = MESSAGE_GRANTED };
	uint8_t buf[PING_PONG_BYTES_MAX];
	ptrdiff_t request_bytes, reply_bytes;

	request.u.alloc.pool = 1;
	request.u.alloc.count = 1;
	reply.u.granted.runs = &run;
	reply.u.granted.nr_runs = 1;
	request_bytes = codec_encode_request(&request, buf, sizeof(buf));
	reply_bytes = codec_encode_reply(&reply, buf, sizeof(buf));
	if (request_bytes < 0 || reply_bytes < 0)
		return -EINVAL;
	*ret_request_bytes = FRAME_HEADER_BYTES + (size_t)request_bytes;
	*ret_reply_bytes = FRAME_HEADER_BYTES + (size_t)reply_bytes;
	return 0;
}

static int run_ping_pong(struct wire *wire, double *ret_ns)
{
	uint64_t started = measure_wall_ns();

	for (unsigned i = 0; i < wire->sizes->nr_rounds; i++) {
		int error = ping_pong_round(&wire->ping_pong);

		if (error)
			return error;
	}
	*ret_ns = (double)(measure_wall_ns() - started) / wire->sizes->nr_rounds;
	return 0;
}

static int run_pairs(struct wire *wire, double *ret_ns)
{
	uint64_t started = measure_wall_ns();

	for (unsigned i = 0; i < wire->sizes->nr_rounds / 2; i++) {
		void *addr = pp_alloc_pages(wire->pool, 0, 0);
		int error = addr ? pp_free_pages(wire->pool, addr, 0) : -errno;

		if (error)
			return error;
	}
	*ret_ns = (double)(measure_wall_ns() - started) / (wire->sizes->nr_rounds / 2 * 2);
	return 0;
}

/* Pages and objects, alone and in bulk. Each returns how many were granted, or a negative errno. */

static ssize_t alloc_page(struct wire *wire, void **addrs, size_t count)
{
	(void)count;
	addrs[0] = pp_alloc_pages(wire->pool, 0, 0);
	return addrs[0] ? 1 : -errno;
}

static int free_page(struct wire *wire, void *const *addrs, size_t count)
{
	(void)count;
	return pp_free_pages(wire->pool, addrs[0], 0);
}

static ssize_t alloc_pages(struct wire *wire, void **addrs, size_t count)
{
	return pp_alloc_bulk(wire->pool, 0, 0, addrs, count);
}

static int free_pages(struct wire *wire, void *const *addrs, size_t count)
{
	return pp_free_bulk(wire->pool, 0, addrs, count);
}

static ssize_t alloc_object(struct wire *wire, void **addrs, size_t count)
{
	(void)count;
	addrs[0] = pp_malloc(wire->pool, OBJECT_BYTES, 0);
	return addrs[0] ? 1 : -errno;
}

static int free_object(struct wire *wire, void *const *addrs, size_t count)
{
	(void)count;
	return pp_free(wire->pool, addrs[0]);
}

static ssize_t alloc_objects(struct wire *wire, void **addrs, size_t count)
{
	return pp_cache_alloc_bulk(wire->cache, 0, addrs, count);
}

static int free_objects(struct wire *wire, void *const *addrs, size_t count)
{
	return pp_cache_free_bulk(wire->cache, addrs, count);
}

static const struct goods {
	size_t batch; /* 1: alone */
	ssize_t (*alloc)(struct wire *wire, void **addrs, size_t count);
	int (*free)(struct wire *wire, void *const *addrs, size_t count);
	enum value alloc_value, free_value;
} goods[] = {
	{ 1, alloc_page, free_page, ALLOC, FREE },
	{ BULK_PAGES, alloc_pages, free_pages, BULK_ALLOC, BULK_FREE },
	{ 1, alloc_object, free_object, MALLOC, MALLOC_FREE },
	{ FEW_OBJECTS, alloc_objects, free_objects, FEW_ALLOC, FEW_FREE },
	{ MANY_OBJECTS, alloc_objects, free_objects, MANY_ALLOC, MANY_FREE },
};

#define NR_GOODS (sizeof(goods) / sizeof(goods[0]))

/* Takes batch by batch until all are held, then gives them back so. */
static int run_goods(struct wire *wire, const struct goods *some, double values[NR_VALUES])
{
	size_t nr = some->batch;
	uint64_t started, taken;

	nr *= some->batch == 1 ? wire->sizes->nr_rounds : wire->sizes->nr_batches;
	started = measure_wall_ns();
	for (size_t i = 0; i < nr; i += some->batch) {
		ssize_t granted = some->alloc(wire, wire->addrs + i, some->batch);

		if (granted != (ssize_t)some->batch)
			return granted < 0 ? (int)granted : -ENOMEM;
	}
	taken = measure_wall_ns();
	for (size_t i = 0; i < nr; i += some->batch) {
		int error = some->free(wire, wire->addrs + i, some->batch);

		if (error)
			return error;
	}
	values[some->alloc_value] = (double)(taken - started) / (double)nr;
	values[some->free_value] = (double)(measure_wall_ns() - taken) / (double)nr;
	return 0;
}

static int run_round(struct wire *wire, double values[NR_VALUES])
{
	int error = run_ping_pong(wire, &values[PING_PONG]);

	if (!error)
		error = run_pairs(wire, &values[PAIR]);
	for (size_t i = 0; i < NR_GOODS && !error; i++)
		error = run_goods(wire, &goods[i], values);
	if (error)
		return error;
	values[SINGLE_RATE] = 1e6 / (values[ALLOC] + values[FREE]);
	values[BULK_RATE] = 1e6 / (values[BULK_ALLOC] + values[BULK_FREE]);
	return 0;
}

static void report_values(const struct wire *wire, const char *where,
			  const struct report_sample samples[NR_VALUES])
{
	for (unsigned i = 0; i < NR_VALUES; i++) {
		const struct row *row = &rows[i];
		struct report_key key = { "wire", row->name, where, row->unit };

		if (row->baseline == i)
			report_add(wire->bench->report, &key, &samples[i]);
		else
			report_add_against(wire->bench->report, &key, &samples[i],
					   rows[row->baseline].name, &samples[row->baseline]);
	}
}

static int measure(struct wire *wire, const char *where)
{
	struct report_sample samples[NR_VALUES] = { 0 };

	for (unsigned run = 0; run <= wire->bench->nr_runs * RUNS_FACTOR; run++) {
		double values[NR_VALUES] = { 0 };
		int error = run_round(wire, values);

		if (error)
			return error;
		for (unsigned i = 0; i < NR_VALUES && run > 0; i++)
			report_sample_add(&samples[i], values[i]);
	}
	report_values(wire, where, samples);
	return 0;
}

static int connect_client(struct wire *wire)
{
	struct pp_client_config config = { .struct_size = sizeof(config),
					   .socket = wire->daemon.socket,
					   .name = "bench" };
	struct pp_cache_config cache_config = { .struct_size = sizeof(cache_config),
						.name = "bench",
						.object_size = OBJECT_BYTES };
	int error = pp_client_new(&wire->client, &config);

	if (!error)
		error = pp_pool_open(wire->client, NULL, 0, &wire->pool);
	return error ? error : pp_cache_create(wire->pool, &cache_config, &wire->cache);
}

/* This process stays on client_cpu, where it has been pinned. */
static int measure_placement(struct wire *wire, int server_cpu, const char *where)
{
	size_t request_bytes, reply_bytes;
	int error = measure_frames(&request_bytes, &reply_bytes);

	if (!error)
		error = ping_pong_start(&wire->ping_pong, request_bytes, reply_bytes, server_cpu);
	if (!error)
		error = daemon_process_start(&wire->daemon, wire->sizes->pool_bytes, server_cpu);
	if (!error)
		error = connect_client(wire);
	if (!error)
		error = measure(wire, where);
	wire->cache = pp_cache_close(wire->cache);
	wire->pool = pp_pool_close(wire->pool);
	wire->client = pp_client_free(wire->client);
	daemon_process_stop(&wire->daemon);
	ping_pong_stop(&wire->ping_pong);
	return error;
}

static int measure_placements(struct wire *wire)
{
	int cpus[2];
	unsigned nr_cpus = measure_list_cpus(cpus, 2);
	int error;

	if (nr_cpus == 0)
		return -ENODEV;
	measure_pin(cpus[0]);
	error = measure_placement(wire, cpus[0], "one CPU");
	if (error)
		return error;
	if (nr_cpus < 2) {
		fputs("bench: wire: there is one CPU only, so none of the rows for two\n", stderr);
		return 0;
	}
	return measure_placement(wire, cpus[1], "two CPUs");
}

int bench_wire(const struct bench *bench)
{
	struct wire wire = { .bench = bench, .sizes = bench->smoke ? &smoke_sizes : &full_sizes };
	size_t nr_addrs = (size_t)wire.sizes->nr_batches * BULK_PAGES;
	int error = -ENOMEM;

	wire.daemon.pidfd = -1;
	if (nr_addrs < wire.sizes->nr_rounds)
		nr_addrs = wire.sizes->nr_rounds;
	wire.addrs = calloc(nr_addrs, sizeof(wire.addrs[0]));
	if (wire.addrs)
		error = measure_placements(&wire);
	if (!error)
		error = wire_measure_death(bench);
	if (error)
		fprintf(stderr, "bench: wire: %s\n", strerror(-error));
	free(wire.addrs);
	return error;
}
