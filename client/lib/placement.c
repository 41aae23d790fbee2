/* SPDX-License-Identifier: MIT */
/*
 * From flags to a node. The nearest memory is that of the CPU the caller runs on now, which the
 * kernel tells without a system call on x86; a pool with one zone need not ask. Interleaving is the
 * library's: a counter a pool is spread well enough over many callers.
 */

#include "lib/placement.h"

#include <errno.h>
#include <sched.h>

#include "lib/pool.h"
#include "pagepool.h"
#include "proto/message.h"

#define NODE_SHIFT 16u
#define FLAGS_KNOWN                                                                                \
	(PP_ZERO | PP_NOWAIT | PP_HIGH | PP_MOVABLE | PP_RECLAIMABLE | PP_THISNODE | PP_INTERLEAVE)

static bool flags_are_sound(unsigned flags)
{
	unsigned node = flags >> NODE_SHIFT; /* plus one; 0: none named */

	if (((flags & ((1u << NODE_SHIFT) - 1)) & ~FLAGS_KNOWN) || node > PP_NODES_MAX)
		return false;
	if ((flags & PP_MOVABLE) && (flags & PP_RECLAIMABLE))
		return false;
	return !((flags & PP_INTERLEAVE) && (node || (flags & PP_THISNODE)));
}

static unsigned preferred_node(struct pp_pool *pool, unsigned flags)
{
	const struct ppc_mapping *mapping = &pool->mapping;
	unsigned cpu, node = flags >> NODE_SHIFT;

	if (node)
		return node - 1;
	if (flags & PP_INTERLEAVE) {
		unsigned turn = __atomic_fetch_add(&pool->next_turn, 1, __ATOMIC_RELAXED);

		return mapping->zones[turn % mapping->nr_zones].node;
	}
	if (mapping->nr_zones == 1 && !(flags & PP_THISNODE))
		return mapping->zones[0].node;
	return getcpu(&cpu, &node) == 0 ? node : mapping->zones[0].node;
}

int ppc_placement_init(struct message_placement *placement, struct pp_pool *pool, unsigned flags)
{
	if (!flags_are_sound(flags))
		return -EINVAL;
	*placement = (struct message_placement){
		.node = preferred_node(pool, flags),
		.bind = flags & PP_THISNODE,
		.high = flags & PP_HIGH,
		.no_wait = flags & PP_NOWAIT,
		.mobility = flags & PP_MOVABLE       ? MESSAGE_MOVABLE
			    : flags & PP_RECLAIMABLE ? MESSAGE_RECLAIMABLE
						     : MESSAGE_UNMOVABLE,
	};
	return 0;
}
