/* SPDX-License-Identifier: MIT */
/*
 * Memory of any size. Up to 32 KiB it is an object of the general cache whose size is next above
 * (lib/general.h), beyond that adjacent pages, exactly as many as are needed.
 *
 * An address alone must do to give it back. What lies in its page is noted when it is granted
 * (lib/origins.h), as a class or as a number of pages; blocks of pages that were come by otherwise
 * are noted as none of ours, and objects of named caches lie in slabs of their own. The note says
 * what to ask of the daemon, and the daemon judges: whether an object starts there, of that cache,
 * held by this client. So an address that was freed before, or lies within something, or whose note
 * is out of date, gives -EINVAL and nothing else.
 */

#include <errno.h>

#include "lib/exact.h"
#include "lib/general.h"
#include "lib/objects.h"
#include "lib/pool.h"
#include "pagepool.h"
#include "proto/message.h"

static int alloc_object(struct pp_pool *pool, struct ppc_general *general, size_t size_bytes,
			unsigned flags, void **ret)
{
	unsigned class = ppc_general_class(general, size_bytes);
	ssize_t nr_granted = ppc_objects_alloc(pool, &general->classes[class], flags, ret, 1, NULL);

	if (nr_granted < 0)
		return (int)nr_granted;
	ppc_origins_set(&general->origins, ppc_mapping_to_offset(&pool->mapping, *ret),
			ppc_origin_from_class(class));
	return 0;
}

static int alloc_pages(struct pp_pool *pool, struct ppc_general *general, size_t size_bytes,
		       unsigned flags, void **ret)
{
	uint32_t nr_pages = ppc_exact_pages(size_bytes);
	int error = nr_pages > 0 ? ppc_exact_alloc(pool, nr_pages, flags, ret) : -EINVAL;

	if (!error)
		ppc_origins_set(&general->origins, ppc_mapping_to_offset(&pool->mapping, *ret),
				ppc_origin_from_pages(nr_pages));
	return error;
}

static int alloc(struct pp_pool *pool, size_t size_bytes, unsigned flags, void **ret)
{
	struct ppc_general *general;
	int error = ppc_general_get(pool, &general);

	if (error)
		return error;
	if (size_bytes == 0)
		size_bytes = 1;
	if (size_bytes > general->bytes_max)
		return alloc_pages(pool, general, size_bytes, flags, ret);
	return alloc_object(pool, general, size_bytes, flags, ret);
}

void *pp_malloc(struct pp_pool *pool, size_t size_bytes, unsigned flags)
{
	void *addr = NULL;
	int error = ppc_pool_check_writable(pool);

	if (!error)
		error = alloc(pool, size_bytes, flags, &addr);
	if (error) {
		errno = -error;
		return NULL;
	}
	return addr;
}

/* What is noted of an address, which may be any; its page's first byte is what a block is freed by.
 */
static uint32_t origin_of(const struct pp_pool *pool, const struct ppc_general *general,
			  const void *addr)
{
	uint64_t offset = ppc_mapping_to_offset(&pool->mapping, addr);
	uint32_t origin;

	if (!general || offset == PP_OFFSET_INVALID)
		return PPC_ORIGIN_NONE;
	origin = ppc_origins_get(&general->origins, offset);
	if (ppc_origin_pages(origin) && offset % PP_PAGE_SIZE != 0)
		return PPC_ORIGIN_NONE;
	return origin;
}

int pp_free(struct pp_pool *pool, void *addr)
{
	const struct ppc_general *general;
	struct message_run run;
	uint32_t origin;
	int error;

	if (!addr)
		return 0;
	error = ppc_pool_check_writable(pool);
	if (error)
		return error;
	general = ppc_general_peek(pool);
	origin = origin_of(pool, general, addr);
	if (origin == PPC_ORIGIN_NONE)
		return -EINVAL;
	if (ppc_origin_pages(origin))
		return ppc_exact_free(pool, addr, ppc_origin_pages(origin));
	return ppc_objects_free(pool, &general->classes[ppc_origin_class(origin)], &addr, 1, &run);
}

size_t pp_usable_size(struct pp_pool *pool, const void *addr)
{
	const struct ppc_general *general;
	uint32_t origin;

	if (ppc_pool_check_writable(pool))
		return 0;
	general = ppc_general_peek(pool);
	origin = origin_of(pool, general, addr);
	if (origin == PPC_ORIGIN_NONE)
		return 0;
	if (ppc_origin_pages(origin))
		return (size_t)ppc_origin_pages(origin) * PP_PAGE_SIZE;
	return general->classes[ppc_origin_class(origin)].object_bytes;
}
