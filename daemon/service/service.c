/* SPDX-License-Identifier: MIT */
/*
 * The daemon from start to end.
 *
 * Start: loop and signals, then the host's nodes, then the pools, then (commit = start) the memory
 * behind them, and only then the socket: who can connect is served from memory that is there.
 * The end is the same way back. Every step may fail, and service_deinit() takes down what stands,
 * so there is one way out.
 *
 * Threads are ended before what they work on is freed, and clients before the pools whose pages
 * they hold.
 */

#include "service/service.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/message.h"
#include "service/backing.h"
#include "service/listener.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/notify.h"
#include "service/state.h"
#include "service/worker.h"

#define SERVICE_THREADS_MAX 4u

/* The memory that must be backed before anybody is served. */
struct service_commit_wait {
	struct loop *loop;
	unsigned nr_waiting;
	int error;
};

static void service_on_end(void *data)
{
	struct service *service = data;

	service->is_ending = true;
	loop_quit(service->loop);
}

static void service_on_hang_up(void *data)
{
	struct service *service = data;

	reloader_start(&service->reloader);
}

static int service_init_loop(struct service *service)
{
	int error = loop_new(&service->loop);

	signal(SIGPIPE, SIG_IGN);
	if (error == 0)
		error = loop_signal_new(service->loop, SIGTERM, service_on_end, service,
					&service->terminate);
	if (error == 0)
		error = loop_signal_new(service->loop, SIGINT, service_on_end, service,
					&service->interrupt);
	if (error == 0)
		error = loop_signal_new(service->loop, SIGHUP, service_on_hang_up, service,
					&service->hang_up);
	if (error < 0)
		log_error("can't start the event loop: %s", strerror(-error));
	return error;
}

static unsigned service_count_threads(void)
{
	long nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (nr_cpus < 1)
		return 1;
	return nr_cpus < (long)SERVICE_THREADS_MAX ? (unsigned)nr_cpus : SERVICE_THREADS_MAX;
}

/* Two descriptors a client: the usual soft limit of 1,024 is for select(), which we don't use. */
static void service_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int service_init_limits(struct service *service)
{
	int error =
		limits_init(&service->limits, &service->pools, service->config, CLIENTS_NR_SLOTS);
	if (error < 0)
		log_error("no memory for the limits: %s", strerror(-error));
	return error;
}

static int service_init_pools(struct service *service)
{
	const struct service_config *config = service->config;

	int error = topology_init(&service->topology, config->fake_nodes);
	if (error < 0) {
		log_error("can't learn the host's nodes: %s", strerror(-error));
		return error;
	}
	error = worker_pool_new(service->loop, service_count_threads(), &service->workers);
	if (error < 0) {
		log_error("can't start helper threads: %s", strerror(-error));
		return error;
	}
	error = pools_init(&service->pools, config, &service->topology, service->workers,
			   CLIENTS_NR_SLOTS);
	return error < 0 ? error : service_init_limits(service);
}

/* A zone has another size. */
static void service_on_resized(void *data)
{
	struct service *service = data;

	limits_apply(&service->limits, service->config, &service->clients);
	clients_report(&service->clients);
}

static int service_init_clients(struct service *service)
{
	int error = grants_init(&service->grants);
	if (error == 0)
		error = resizes_init(&service->resizes, service->loop, &service->pools,
				     service->workers, service_on_resized, service);
	if (error == 0)
		error = checks_init(&service->checks, service->loop, &service->pools);
	if (error == 0)
		error = object_checks_init(&service->object_checks, service->loop,
					   &service->clients);
	if (error == 0)
		error = clients_init(&service->clients, service, service->loop);
	if (error < 0)
		log_error("can't make the tables of clients: %s", strerror(-error));
	return error;
}

static int service_init(struct service *service, struct service_config *config,
			const struct service_source *source)
{
	service->config = config;
	reloader_init(&service->reloader, service, source);
	log_set_level(config->log_level);
	service_raise_limits();

	int error = service_init_loop(service);
	if (error == 0)
		error = service_init_pools(service);
	if (error == 0)
		error = service_init_clients(service);
	return error;
}

static void service_deinit(struct service *service)
{
	service->listener = listener_free(service->listener);
	service->workers = worker_pool_free(service->workers);
	object_checks_deinit(&service->object_checks);
	resizes_deinit(&service->resizes);
	reloader_deinit(&service->reloader);
	grants_deinit(&service->grants);
	checks_deinit(&service->checks);
	clients_deinit(&service->clients);
	limits_deinit(&service->limits);
	pools_deinit(&service->pools);
	loop_signal_free(service->terminate);
	loop_signal_free(service->interrupt);
	loop_signal_free(service->hang_up);
	service->loop = loop_free(service->loop);
}

static void service_on_committed(int error, void *data)
{
	struct service_commit_wait *wait = data;

	if (error < 0)
		wait->error = error;
	if (--wait->nr_waiting == 0)
		loop_quit(wait->loop);
}

/* Backs what must be backed before READY; runs the loop meanwhile. */
static int service_commit(struct service *service)
{
	struct service_commit_wait wait = { .loop = service->loop };

	for (unsigned i = 0; i < service->pools.nr_pools; i++) {
		const struct pools_pool *pool = &service->pools.pools[i];

		if (pool->config->commit != SERVICE_COMMIT_START)
			continue;
		for (unsigned j = 0; j < pool->nr_zones; j++) {
			struct backing *backing = pool->zones[j].backing;

			wait.nr_waiting++;
			backing_commit_all(backing, backing_size_bytes(backing),
					   service_on_committed, &wait);
		}
	}
	if (wait.nr_waiting == 0)
		return 0;

	int error = loop_run(service->loop);
	return error < 0 ? error : wait.error;
}

bool service_is_private(const struct service_config *config)
{
	for (size_t i = 0; i < config->nr_pools; i++) {
		const struct access_list *lists[] = { &config->pools[i].access,
						      &config->pools[i].read_access };

		for (size_t j = 0; j < 2; j++)
			for (size_t k = 0; k < lists[j]->nr_entries; k++)
				if (lists[j]->entries[k].is_group ||
				    lists[j]->entries[k].id != geteuid())
					return false;
	}
	return true;
}

static void service_on_connection(int fd, void *data)
{
	struct service *service = data;

	clients_add(&service->clients, fd);
}

static int service_listen(struct service *service)
{
	struct listener_config config = {
		.inherited_fd = notify_listen_fd(),
		.path = service->config->socket_path,
		.is_private = service_is_private(service->config),
	};

	if (config.inherited_fd == -EINVAL) {
		log_error("the inherited socket is no listening Unix stream socket");
		return -EINVAL;
	}
	if (config.inherited_fd < 0)
		config.inherited_fd = -1;
	service->is_private = config.is_private && config.inherited_fd < 0;
	return listener_new(service->loop, &config, service_on_connection, service,
			    &service->listener);
}

static int service_serve(struct service *service)
{
	const struct message event = { .type = MESSAGE_EVENT,
				       .error = "",
				       .u.event.kind = MESSAGE_EVENT_SHUTDOWN };

	int error = service_listen(service);
	if (error < 0)
		return error;
	service->started_ms = loop_now_ms(service->loop);
	log_info("listening at %s", listener_path(service->listener));
	notify_ready();
	reloader_open(&service->reloader);
	clients_report(&service->clients);

	error = loop_run(service->loop);

	log_info("ending");
	notify_stopping();
	clients_broadcast(&service->clients, &event);
	return error;
}

int service_run(struct service_config *config, const struct service_source *source)
{
	struct service *service = calloc(1, sizeof(*service));
	if (!service)
		return -ENOMEM;

	int error = service_init(service, config, source);
	if (error == 0)
		error = service_commit(service);
	if (error == 0 && !service->is_ending)
		error = service_serve(service);
	service_deinit(service);
	free(service);
	return error;
}
