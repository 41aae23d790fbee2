/* SPDX-License-Identifier: MIT */
/*
 * Adjacent pages of any number: the daemon keeps just those of the block that it splits for them.
 */

#include "lib/exact.h"

#include <errno.h>
#include <string.h>

#include "lib/client.h"
#include "lib/connection.h"
#include "lib/general.h"
#include "lib/placement.h"
#include "lib/pool.h"
#include "pagepool.h"

uint32_t ppc_exact_pages(size_t size_bytes)
{
	if (size_bytes > (size_t)PP_PAGE_SIZE << PP_ORDER_MAX)
		return 0;
	return (uint32_t)((size_bytes + PP_PAGE_SIZE - 1) / PP_PAGE_SIZE);
}

struct range {
	const struct pp_pool *pool;
	uint32_t nr_pages;
	void *addr;
};

static int accept_granted(const struct ppc_reply *reply, void *data)
{
	uint64_t page = reply->message->u.granted_exact.page;
	struct range *range = data;

	if (!ppc_mapping_has_pages(&range->pool->mapping, page, range->nr_pages))
		return -EPROTO;
	range->addr = ppc_mapping_from_offset(&range->pool->mapping, page << PPC_PAGE_SHIFT);
	return 0;
}

int ppc_exact_alloc(struct pp_pool *pool, uint32_t nr_pages, unsigned flags, void **ret)
{
	struct range range = { .pool = pool, .nr_pages = nr_pages };
	struct ppc_call call = { .request.type = MESSAGE_ALLOC_EXACT,
				 .reply_type = MESSAGE_GRANTED_EXACT,
				 .accept = accept_granted,
				 .data = &range };
	int error;

	call.request.u.alloc_exact.pool = pool->number;
	call.request.u.alloc_exact.nr_pages = nr_pages;
	error = ppc_placement_init(&call.request.u.alloc_exact.placement, pool, flags);
	if (!error)
		error = ppc_connection_call(pool->client->connection, &call);
	if (error)
		return error;
	if (flags & PP_ZERO)
		memset(range.addr, 0, (size_t)nr_pages * PP_PAGE_SIZE);
	*ret = range.addr;
	return 0;
}

void *pp_alloc_exact(struct pp_pool *pool, size_t size_bytes, unsigned flags)
{
	uint32_t nr_pages = ppc_exact_pages(size_bytes);
	void *addr = NULL;
	int error = ppc_pool_check_writable(pool);

	if (!error)
		error = nr_pages > 0 ? ppc_exact_alloc(pool, nr_pages, flags, &addr) : -EINVAL;
	if (error) {
		errno = -error;
		return NULL;
	}
	ppc_general_disown(pool, &addr, 1);
	return addr;
}

int ppc_exact_free(struct pp_pool *pool, const void *addr, uint32_t nr_pages)
{
	struct ppc_call call = { .request.type = MESSAGE_FREE_EXACT, .reply_type = MESSAGE_NONE };
	uint64_t offset = ppc_mapping_to_offset(&pool->mapping, addr);

	if (offset == PP_OFFSET_INVALID || offset % PP_PAGE_SIZE != 0 ||
	    !ppc_mapping_has_pages(&pool->mapping, offset >> PPC_PAGE_SHIFT, nr_pages))
		return -EINVAL;
	call.request.u.free_exact.pool = pool->number;
	call.request.u.free_exact.nr_pages = nr_pages;
	call.request.u.free_exact.page = offset >> PPC_PAGE_SHIFT;
	return ppc_connection_call(pool->client->connection, &call);
}

int pp_free_exact(struct pp_pool *pool, void *addr, size_t size_bytes)
{
	uint32_t nr_pages = ppc_exact_pages(size_bytes);
	int error = ppc_pool_check_writable(pool);

	if (error)
		return error;
	return nr_pages > 0 ? ppc_exact_free(pool, addr, nr_pages) : -EINVAL;
}
