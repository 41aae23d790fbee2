/* SPDX-License-Identifier: MIT */
#pragma once

/* What the daemon consists of while it serves; made and taken down by service.c. */

#include <stdbool.h>
#include <stdint.h>

#include "service/check.h"
#include "service/clients.h"
#include "service/grant.h"
#include "service/limits.h"
#include "service/object_check.h"
#include "service/pools.h"
#include "service/reloader.h"
#include "service/resize.h"
#include "service/topology.h"

struct listener;
struct loop;
struct loop_signal;
struct service_config;
struct worker_pool;

struct service {
	struct service_config *config; /* borrowed; reloads change it */
	struct loop *loop;
	struct loop_signal *terminate, *interrupt, *hang_up;
	bool is_ending; /* was told so */
	struct worker_pool *workers;
	struct topology topology;
	struct pools pools;
	struct limits limits;
	struct clients clients;
	struct grants grants;
	struct checks checks;
	struct object_checks object_checks;
	struct resizes resizes;
	struct reloader reloader;
	struct listener *listener;
	bool is_private; /* the socket: other users can't reach it */
	uint64_t started_ms;
};

/* Nobody but this daemon's own user is on any list. */
bool service_is_private(const struct service_config *config);
