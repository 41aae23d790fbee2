/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The configured limits at work: which of them a client falls under, and the quota of each pool
 * that counts against them.
 *
 * A client falls under a user's limit by the uid and under a group's by the primary or a
 * supplementary group that its process had when it connected: the kernel says so. It falls under a
 * client name's limit by the name told at hello, which is only a label: anybody may claim it, or
 * leave it out. So names sort the clients of one user; they protect nobody from another.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/quota.h"
#include "service/service.h"

struct access_peer;
struct clients;
struct message_limit_info;
struct pools;
struct pools_pool;

#define LIMITS_TEXT_BYTES 256u

/* A pool's limits, by their position in its quota. */
struct limits_pool {
	struct quota quota;
	void *memory; /* the quota's slots; owned */
	struct service_limit_config configs[QUOTA_LIMITS_MAX];
};

struct limits {
	struct pools *pools;      /* borrowed; their quotas lie in here */
	struct limits_pool *pool; /* by index of the pool; owned */
	unsigned nr_pools;
};

/*
 * Gives each pool a quota with the limits that the configuration sets for it. `pools` is borrowed,
 * and so are its quotas by its pools, until limits_deinit(). 0 or -ENOMEM.
 */
int limits_init(struct limits *limits, struct pools *pools, const struct service_config *config,
		unsigned nr_slots);
/* Accepts a zeroed or half-built one. */
void limits_deinit(struct limits *limits);

/* A client has got a slot, and holds nothing yet: puts it under its limits. */
void limits_join(struct limits *limits, unsigned slot, const struct access_peer *peer,
		 const char *name);
/* The slot holds nothing any more. */
void limits_leave(struct limits *limits, unsigned slot);

/*
 * Replaces all limits by those of `config`, while clients run. In pools where some came or went,
 * who falls under which is decided anew and what is held is charged exactly. Also to be called when
 * a pool's size has changed, as limits may be parts of it. A limit that stays keeps its count of
 * refusals. What is set for pools that do not exist is passed over. Can't fail, and keeps nothing
 * of `config`.
 */
void limits_apply(struct limits *limits, const struct service_config *config,
		  const struct clients *clients);

/*
 * The first limit at or behind *cursor, which starts at 0 and is moved behind it. False when there
 * is none. Strings are borrowed.
 */
bool limits_next(const struct limits *limits, uint64_t *cursor, struct message_limit_info *ret);

/*
 * Says, for people, why a slot was refused something of a pool: the first of the limits that stood
 * in its way, `mask`, as quota_refuse() returned it, not 0. Returns `text`.
 */
const char *limits_say(const struct limits *limits, const struct pools_pool *pool, unsigned slot,
		       uint64_t mask, char text[LIMITS_TEXT_BYTES]);
