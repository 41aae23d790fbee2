/* SPDX-License-Identifier: MIT */
#include "support/debug_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/pools.h"
#include "support/backing_fixture.h"

#define ZONE_BYTES (FIXTURE_ZONE_PAGES * PAGE_BYTES)

static unsigned char *map_zone(const struct debug_fixture *debug)
{
	const struct pools_zone *zone = &debug->fixture->service.pools.pools[0].zones[0];
	int fd = backing_open_fd(zone->backing, false);
	void *base = mmap(NULL, ZONE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	assert_true(base != MAP_FAILED);
	close(fd);
	return base;
}

void debug_fixture_start(struct debug_fixture *debug, uint32_t flags)
{
	log_set_level(LOG_ERR);
	debug->fixture = fixture_new(SERVICE_COMMIT_GRANT);
	debug->alice = fixture_client_greeted(debug->fixture, FIXTURE_UID);
	debug->bob = fixture_client_greeted(debug->fixture, FIXTURE_UID);
	debug->pool = fixture_open(debug->alice, FIXTURE_POOL, false);
	assert_int_equal(fixture_open(debug->bob, FIXTURE_POOL, false), debug->pool);
	debug->cache = fixture_make_cache(debug->alice, debug->pool, "frames", DEBUG_OBJECT_BYTES,
					  MESSAGE_CACHE_DEBUG | flags);
	debug->stride_bytes = debug->alice->reply.u.cache_opened.stride_bytes;
	debug->base = map_zone(debug);
}

void debug_fixture_end(struct debug_fixture *debug)
{
	if (debug->alice)
		fixture_client_free(debug->alice);
	if (debug->bob)
		fixture_client_free(debug->bob);
	assert_int_equal(munmap(debug->base, ZONE_BYTES), 0);
	fixture_free(debug->fixture);
}

struct message_run debug_fixture_take(struct debug_fixture *debug, struct fixture_client *client,
				      uint32_t count)
{
	struct message request = fixture_alloc_objects(debug->pool, debug->cache, count);
	const struct message *reply = fixture_call(client, &request);

	assert_int_equal(fixture_count_objects(reply), count);
	assert_int_equal(reply->u.granted_objects.nr_runs, 1);
	return reply->u.granted_objects.runs[0];
}

const struct message *debug_fixture_give(struct debug_fixture *debug, struct fixture_client *client,
					 struct message_run run)
{
	struct message request = fixture_free_objects(debug->pool, debug->cache, &run, 1);

	return fixture_call(client, &request);
}

unsigned char *debug_fixture_object(const struct debug_fixture *debug, struct message_run run,
				    unsigned i)
{
	assert_int_equal(page_address_zone(run.base >> PAGE_SHIFT), 0);
	return debug->base + run.base + (uint64_t)i * debug->stride_bytes;
}

bool debug_fixture_is(const struct debug_fixture *debug, struct message_run run, unsigned i,
		      struct object_image image)
{
	const unsigned char *object = debug_fixture_object(debug, run, i);
	const unsigned char *end = object + DEBUG_OBJECT_BYTES;

	if (image.body != OBJECT_ANY && !is_filled_with(object, image.body, DEBUG_OBJECT_BYTES))
		return false;
	return image.red == OBJECT_ANY ||
	       (is_filled_with(object - CACHE_RED_BYTES, image.red, CACHE_RED_BYTES) &&
		is_filled_with(end, image.red,
			       debug->stride_bytes - DEBUG_OBJECT_BYTES - CACHE_RED_BYTES));
}
