/* SPDX-License-Identifier: MIT */
#pragma once

struct message_placement;
struct pp_pool;

/*
 * What the caller's PP_... flags ask of the daemon. 0, or -EINVAL for flags that make no sense or
 * ask for nothing but a node that the pool's mask rules out.
 */
int ppc_placement_init(struct message_placement *placement, const struct pp_pool *pool,
		       unsigned flags);
