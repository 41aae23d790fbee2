/* SPDX-License-Identifier: MIT */
/*
 * The sizes of the general caches are the daemon's to choose; it tells them once a pool, when they
 * are first wanted. From them a table is made that leads from a size to its class with one load:
 * a byte for each multiple of 16 up to 32 KiB. A class that is no such multiple would be passed
 * over for sizes between, never taken for one that it can't hold.
 *
 * There is no lock around the asking. Two threads that are both first ask twice; the second to be
 * done throws its answer away.
 */

#include "lib/general.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "lib/client.h"
#include "lib/connection.h"
#include "pagepool.h"

/* Each size leads to the smallest class that holds it. */
static void fill_table(struct ppc_general *general)
{
	unsigned class = 0;

	for (size_t step = 0; step <= general->bytes_max >> PPC_GENERAL_STEP_SHIFT; step++) {
		while (general->classes[class].object_bytes < step << PPC_GENERAL_STEP_SHIFT)
			class ++;
		general->class_of[step] = (uint8_t) class;
	}
}

static int accept_table(const struct ppc_reply *reply, void *data)
{
	const struct message_cache_info *caches = reply->message->u.cache_table.caches;
	size_t nr_caches = reply->message->u.cache_table.nr_caches;
	struct ppc_general *general = data;
	uint32_t bytes_before = 0;

	if (nr_caches == 0 || nr_caches > PPC_ORIGIN_CLASSES_MAX)
		return -EPROTO;
	for (size_t i = 0; i < nr_caches; i++) {
		if (!ppc_cache_info_init(&general->classes[i], &caches[i]) ||
		    caches[i].object_bytes <= bytes_before)
			return -EPROTO;
		bytes_before = caches[i].object_bytes;
	}
	general->nr_classes = (unsigned)nr_caches;
	general->bytes_max =
		bytes_before < PPC_GENERAL_BYTES_MAX ? bytes_before : PPC_GENERAL_BYTES_MAX;
	general->bytes_max -= general->bytes_max % (1u << PPC_GENERAL_STEP_SHIFT);
	fill_table(general);
	return 0;
}

static int call_caches(struct pp_pool *pool, struct ppc_general *general)
{
	struct ppc_call call = { .request.type = MESSAGE_GENERAL_CACHES,
				 .reply_type = MESSAGE_CACHE_TABLE,
				 .accept = accept_table,
				 .data = general };

	call.request.u.general_caches.pool = pool->number;
	return ppc_connection_call(pool->client->connection, &call);
}

struct ppc_general *ppc_general_free(struct ppc_general *general)
{
	if (general)
		ppc_origins_deinit(&general->origins);
	free(general);
	return NULL;
}

static int general_new(struct pp_pool *pool, struct ppc_general **ret)
{
	struct ppc_general *general = calloc(1, sizeof(*general));
	int error;

	if (!general)
		return -ENOMEM;
	error = ppc_origins_init(&general->origins, &pool->mapping);
	if (!error)
		error = call_caches(pool, general);
	if (error) {
		ppc_general_free(general);
		return error;
	}
	*ret = general;
	return 0;
}

int ppc_general_get(struct pp_pool *pool, struct ppc_general **ret)
{
	struct ppc_general *general = ppc_general_peek(pool), *first = NULL;
	int error;

	if (general) {
		*ret = general;
		return 0;
	}
	error = general_new(pool, &general);
	if (error)
		return error;
	if (!__atomic_compare_exchange_n(&pool->general, &first, general, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		ppc_general_free(general);
		general = first;
	}
	*ret = general;
	return 0;
}

void ppc_general_disown(const struct pp_pool *pool, void *const *addrs, size_t count)
{
	struct ppc_general *general = ppc_general_peek(pool);

	if (!general)
		return;
	for (size_t i = 0; i < count; i++)
		ppc_origins_set(&general->origins, ppc_mapping_to_offset(&pool->mapping, addrs[i]),
				PPC_ORIGIN_NONE);
}
