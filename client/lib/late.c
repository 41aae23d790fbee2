/* SPDX-License-Identifier: MIT */
/*
 * A call that times out returns to its caller with nothing, yet the daemon may still serve it. What
 * it serves then belongs to nobody in this process: without help it would stay charged to the
 * client until its end. So each late grant is turned into the free that undoes it. A pool that was
 * opened late stays open: that holds nothing, and the pool may have been opened again meanwhile
 * under the same number.
 *
 * The runs go back as they came, unlooked at: they lead nowhere in this process, and the daemon
 * checks what it is asked to free in any case. Objects that were raw go back raw, as nobody has
 * constructed them, and to whichever cache they are of: the name that they were asked of may be
 * gone, when it was one of several that were merged.
 */

#include "lib/late.h"

void ppc_late_init(struct ppc_late *late, const struct message *request)
{
	*late = (struct ppc_late){ .type = request->type };
	if (request->type == MESSAGE_ALLOC) {
		late->pool = request->u.alloc.pool;
		late->order = request->u.alloc.order;
	} else if (request->type == MESSAGE_ALLOC_EXACT) {
		late->pool = request->u.alloc_exact.pool;
		late->nr_pages = request->u.alloc_exact.nr_pages;
	} else if (request->type == MESSAGE_ALLOC_OBJECTS) {
		late->pool = request->u.alloc_objects.pool;
	}
}

bool ppc_late_may_grant(const struct ppc_late *late, uint32_t pool)
{
	return (late->type == MESSAGE_ALLOC || late->type == MESSAGE_ALLOC_EXACT ||
		late->type == MESSAGE_ALLOC_OBJECTS) &&
	       late->pool == pool;
}

bool ppc_late_undo(const struct ppc_late *late, const struct message *reply,
		   struct message *ret_undo)
{
	struct message undo = { 0 };

	if (reply->status != MESSAGE_STATUS_OK)
		return false;
	if (late->type == MESSAGE_ALLOC && reply->type == MESSAGE_GRANTED) {
		undo.type = MESSAGE_FREE;
		undo.u.free.pool = late->pool;
		undo.u.free.order = late->order;
		undo.u.free.runs = reply->u.granted.runs;
		undo.u.free.nr_runs = reply->u.granted.nr_runs;
	} else if (late->type == MESSAGE_ALLOC_EXACT && reply->type == MESSAGE_GRANTED_EXACT) {
		undo.type = MESSAGE_FREE_EXACT;
		undo.u.free_exact.pool = late->pool;
		undo.u.free_exact.nr_pages = late->nr_pages;
		undo.u.free_exact.page = reply->u.granted_exact.page;
	} else if (late->type == MESSAGE_ALLOC_OBJECTS && reply->type == MESSAGE_GRANTED_OBJECTS) {
		undo.type = MESSAGE_FREE_OBJECTS;
		undo.u.free_objects.pool = late->pool;
		undo.u.free_objects.cache = MESSAGE_CACHE_ANY;
		undo.u.free_objects.runs = reply->u.granted_objects.runs;
		undo.u.free_objects.nr_runs = reply->u.granted_objects.nr_runs;
		undo.u.free_objects.raw = reply->u.granted_objects.raw;
		undo.u.free_objects.nr_raw = reply->u.granted_objects.nr_raw;
	} else {
		return false;
	}
	*ret_undo = undo;
	return true;
}
