/* SPDX-License-Identifier: MIT */
/*
 * From flags and the pool's node mask to what the daemon is asked for. The nearest memory is that
 * of the CPU the caller runs on now, which the kernel tells without a system call on x86. The
 * daemon does the rest: it knows distances, free memory, and whose turn it is among nodes.
 *
 * The mask is a border, flags choose within it. A node named as a mere preference may lie outside:
 * then the nearest inside is taken.
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

static uint32_t calling_node(const struct pp_pool *pool)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) == 0 ? node : pool->mapping.zones[0].node;
}

static enum message_policy policy_of(unsigned flags, uint64_t nodes)
{
	if (flags & PP_THISNODE)
		return MESSAGE_POLICY_BIND;
	if (flags & PP_INTERLEAVE)
		return MESSAGE_POLICY_INTERLEAVE;
	return nodes ? MESSAGE_POLICY_MASK : MESSAGE_POLICY_PREFERRED;
}

int ppc_placement_init(struct message_placement *placement, const struct pp_pool *pool,
		       unsigned flags)
{
	uint64_t nodes = __atomic_load_n(&pool->nodes, __ATOMIC_RELAXED);
	uint32_t node, cpu_node;

	if (!flags_are_sound(flags))
		return -EINVAL;
	cpu_node = calling_node(pool);
	node = flags >> NODE_SHIFT ? (flags >> NODE_SHIFT) - 1 : cpu_node;
	if ((flags & PP_THISNODE) && nodes && !(node < PP_NODES_MAX && nodes >> node & 1))
		return -EINVAL;
	*placement = (struct message_placement){
		.policy = policy_of(flags, nodes),
		.node = node,
		.cpu_node = cpu_node,
		.nodes = nodes,
		.bind = flags & PP_THISNODE, /* for a daemon that knows no policies */
		.high = flags & PP_HIGH,
		.no_wait = flags & PP_NOWAIT,
		.mobility = flags & PP_MOVABLE       ? MESSAGE_MOVABLE
			    : flags & PP_RECLAIMABLE ? MESSAGE_RECLAIMABLE
						     : MESSAGE_UNMOVABLE,
	};
	return 0;
}
