/* SPDX-License-Identifier: MIT */
/*
 * Caches and their objects from a daemon that follows a script: what goes over the wire, what is
 * refused without a word on it, whose constructor runs on what, and what a lying daemon can't do.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "pagepool.h"
#include "support/child.h"
#include "support/scripted.h"

#define ZONE_BYTES SCRIPTED_ZONE_BYTES
#define ZONE1 (UINT64_C(1) << 56)
#define POOL 4u /* as the script counts it */
#define CACHE 77u
#define STRIDE 64u
#define SLAB_BYTES 8192u

static const struct message_cache_info opened = {
	.cache = CACHE, .object_bytes = 40, .stride_bytes = STRIDE, .slab_order = 1
};

static struct pp_cache_config config_make(void)
{
	return (struct pp_cache_config){ .struct_size = sizeof(struct pp_cache_config),
					 .name = "rows",
					 .object_size = 40 };
}

static struct pp_cache *create_with(struct pp_pool *pool, void (*ctor)(void *object))
{
	struct pp_cache_config config = config_make();
	struct pp_cache *cache = NULL;

	config.ctor = ctor;
	assert_int_equal(pp_cache_create(pool, &config, &cache), 0);
	return cache;
}

/* A constructor that can be followed. */
static unsigned nr_constructed;

static void construct(void *object)
{
	nr_constructed++;
	memset(object, 0xc0, 40);
}

static void script_open(struct scripted *daemon, uint32_t batch_blocks)
{
	daemon->limits.batch_blocks = batch_blocks;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 2, ZONE_BYTES);
	scripted_open_cache(daemon, &opened);
}

/* Arguments. */

static void test_cache_config_that_makes_no_sense_costs_no_round_trip(void **state)
{
	char long_name[] = "0123456789012345678901234567890123456789012345678901234567890123";
	const char *names[] = { NULL, "", "a\nb", "malloc-64", "malloc-", long_name };
	size_t sizes[] = { 0, ((size_t)2 << 20) + 1, SIZE_MAX };
	size_t aligns[] = { 3, 24, 8192, SIZE_MAX };
	unsigned flags[] = { PP_ZERO, PP_HIGH, PP_MOVABLE | PP_RECLAIMABLE, 0x400, PP_NODE(0) };
	struct scripted_fixture fixture;
	struct pp_cache_config config;
	struct pp_cache *cache = NULL;

	(void)state;
	scripted_fixture_open(&fixture, scripted_pool_only, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		config = config_make();
		config.name = names[i];
		assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		config = config_make();
		config.object_size = sizes[i];
		assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		config = config_make();
		config.align = aligns[i];
		assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EINVAL);
	}
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		config = config_make();
		config.flags = flags[i];
		assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EINVAL);
	}
	config = config_make();
	assert_int_equal(pp_cache_create(NULL, &config, &cache), -EINVAL);
	assert_int_equal(pp_cache_create(fixture.pool, NULL, &cache), -EINVAL);
	assert_int_equal(pp_cache_create(fixture.pool, &config, NULL), -EINVAL);
	config.struct_size = sizeof(size_t) - 1;
	assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EINVAL);
	config.struct_size = sizeof(size_t); /* older than any: no name */
	assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EINVAL);
	assert_null(cache);
	scripted_fixture_close(&fixture);
}

static void script_created(struct scripted *daemon, void *data)
{
	(void)data;
	script_open(daemon, 16);
	scripted_goodbye(daemon);
}

static void test_cache_config_of_a_newer_library(void **state)
{
	struct {
		struct pp_cache_config config;
		uint64_t added;
	} newer = { .config = config_make() };
	struct scripted_fixture fixture;
	struct pp_cache *cache = NULL;

	(void)state;
	scripted_fixture_open(&fixture, script_created, NULL);
	newer.config.struct_size = sizeof(newer);
	newer.added = 1;
	assert_int_equal(pp_cache_create(fixture.pool, &newer.config, &cache), -E2BIG);
	assert_null(cache);
	newer.added = 0;
	assert_int_equal(pp_cache_create(fixture.pool, &newer.config, &cache), 0);
	assert_non_null(cache);
	scripted_fixture_close(&fixture);
}

static void test_cache_calls_that_make_no_sense_cost_no_round_trip(void **state)
{
	struct scripted_fixture fixture;
	void *objects[2] = { NULL, &fixture };
	struct pp_cache *cache;

	(void)state;
	scripted_fixture_open(&fixture, script_created, NULL);
	cache = create_with(fixture.pool, construct);
	assert_null(pp_cache_alloc(NULL, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_cache_alloc(cache, PP_MOVABLE));
	assert_int_equal(errno, EINVAL);
	assert_null(pp_cache_alloc(cache, PP_RECLAIMABLE));
	assert_null(pp_cache_alloc(cache, PP_CACHE_DEBUG));
	assert_null(pp_cache_alloc(cache, PP_INTERLEAVE | PP_THISNODE));
	assert_null(pp_cache_alloc(cache, PP_ZERO)); /* or constructed */
	assert_int_equal(errno, EINVAL);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, NULL, 1), -EINVAL);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 0), -EINVAL);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, SIZE_MAX), -EINVAL);
	assert_int_equal(pp_cache_alloc_bulk(NULL, 0, objects, 1), -EINVAL);

	assert_int_equal(pp_cache_free(cache, NULL), -EINVAL);
	assert_int_equal(pp_cache_free(cache, &fixture), -EINVAL);
	assert_int_equal(pp_cache_free(NULL, objects[0]), -EINVAL);
	assert_int_equal(pp_cache_free_bulk(cache, objects, 2), -EINVAL);
	assert_int_equal(pp_cache_free_bulk(cache, NULL, 1), -EINVAL);
	assert_int_equal(pp_cache_free_bulk(cache, objects, 0), 0);
	assert_int_equal(pp_cache_shrink(NULL), -EINVAL);
	assert_int_equal(pp_cache_destroy(NULL), -EINVAL);
	assert_null(pp_cache_close(NULL));
	scripted_fixture_close(&fixture);
}

static void script_read_only(struct scripted *daemon, void *data)
{
	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_goodbye(daemon);
}

static void test_cache_of_a_pool_for_reading_is_refused(void **state)
{
	struct pp_cache_config config = config_make();
	struct scripted_fixture fixture;
	struct pp_cache *cache = NULL;

	(void)state;
	scripted_fixture_connect(&fixture, script_read_only, NULL);
	assert_int_equal(pp_pool_open(fixture.client, NULL, PP_POOL_READONLY, &fixture.pool), 0);
	assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EACCES);
	assert_null(cache);
	scripted_fixture_close(&fixture);
}

/* Making. */

static void script_create(struct scripted *daemon, void *data)
{
	struct message *asked = data;
	struct message reply = { .type = MESSAGE_CACHE_OPENED, .error = "" };

	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	for (unsigned i = 0; i < 2; i++) {
		scripted_expect(daemon, MESSAGE_CREATE_CACHE, &asked[i]);
		SCRIPT_CHECK(strcmp(asked[i].u.create_cache.name, "rows") == 0);
		reply.id = asked[i].id;
		reply.u.cache_opened = opened;
		scripted_reply(daemon, &reply, NULL, 0);
	}
	scripted_goodbye(daemon);
}

static void test_cache_config_goes_over_the_wire(void **state)
{
	struct pp_cache_config config = config_make();
	struct pp_cache *one = NULL, *two = NULL;
	struct scripted_fixture fixture;
	struct message asked[2];

	(void)state;
	scripted_fixture_open(&fixture, script_create, asked);
	assert_int_equal(pp_cache_create(fixture.pool, &config, &one), 0);
	config.align = 32;
	config.flags = PP_CACHE_DEBUG | PP_CACHE_MERGE | PP_RECLAIMABLE;
	config.ctor = construct;
	assert_int_equal(pp_cache_create(fixture.pool, &config, &two), 0);
	assert_ptr_not_equal(one, two); /* each has its constructor, or none */
	assert_null(pp_cache_close(one));
	scripted_fixture_close(&fixture);

	assert_int_equal(asked[0].u.create_cache.pool, POOL);
	assert_int_equal(asked[0].u.create_cache.object_bytes, 40);
	assert_int_equal(asked[0].u.create_cache.align, 8);
	assert_int_equal(asked[0].u.create_cache.flags, 0);
	assert_int_equal(asked[0].u.create_cache.mobility, MESSAGE_UNMOVABLE);
	assert_int_equal(asked[1].u.create_cache.align, 32);
	assert_int_equal(asked[1].u.create_cache.flags,
			 MESSAGE_CACHE_CTOR | MESSAGE_CACHE_DEBUG | MESSAGE_CACHE_MERGE);
	assert_int_equal(asked[1].u.create_cache.mobility, MESSAGE_RECLAIMABLE);
}

static const struct {
	enum message_status status;
	int error;
} refusals[] = {
	{ MESSAGE_STATUS_EXISTS, -EEXIST },          { MESSAGE_STATUS_LIMIT, -EDQUOT },
	{ MESSAGE_STATUS_INVALID, -EINVAL },         { MESSAGE_STATUS_NO_MEMORY, -ENOMEM },
	{ MESSAGE_STATUS_NOT_FOUND, -ENOENT },       { MESSAGE_STATUS_BUSY, -EBUSY },
	{ MESSAGE_STATUS_CORRUPT, -EUCLEAN },        { MESSAGE_STATUS_ACCESS, -EACCES },
	{ MESSAGE_STATUS_UNSUPPORTED, -EOPNOTSUPP },
};
#define NR_REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static void script_refusals(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	for (size_t i = 0; i < NR_REFUSALS; i++) {
		scripted_expect(daemon, MESSAGE_CREATE_CACHE, &request);
		scripted_reply_status(daemon, request.id, refusals[i].status);
	}
	scripted_goodbye(daemon);
}

static void test_cache_refusals_are_told_apart(void **state)
{
	struct pp_cache_config config = config_make();
	struct scripted_fixture fixture;
	struct pp_cache *cache = NULL;

	(void)state;
	scripted_fixture_open(&fixture, script_refusals, NULL);
	for (size_t i = 0; i < NR_REFUSALS; i++) {
		assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), refusals[i].error);
		assert_null(cache);
	}
	scripted_fixture_close(&fixture);
}

static void script_create_lie(struct scripted *daemon, void *data)
{
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	scripted_open_cache(daemon, data);
	scripted_expect_end(daemon);
}

static void test_cache_layouts_that_lie_end_the_connection(void **state)
{
	struct message_cache_info lies[] = {
		{ .object_bytes = 39, .stride_bytes = 64, .slab_order = 1 }, /* too small */
		{ .object_bytes = 40, .stride_bytes = 32, .slab_order = 1 },
		{ .object_bytes = 40, .stride_bytes = 64, .slab_order = 40 },
	};
	struct pp_cache_config config = config_make();

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct scripted_fixture fixture;
		struct pp_cache *cache = NULL;

		scripted_fixture_open(&fixture, script_create_lie, &lies[i]);
		assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EPROTO);
		assert_null(cache);
		assert_int_equal(pp_cache_create(fixture.pool, &config, &cache), -EPROTO);
		scripted_fixture_close(&fixture);
	}
}

/* Unmaking. */

static void script_destroy(struct scripted *daemon, void *data)
{
	static const enum message_status answers[] = { MESSAGE_STATUS_BUSY,
						       MESSAGE_STATUS_NOT_FOUND,
						       MESSAGE_STATUS_OK };
	struct message request, reply = { .type = MESSAGE_CACHE_SHRUNK, .error = "" };

	(void)data;
	script_open(daemon, 16);
	scripted_expect(daemon, MESSAGE_SHRINK_CACHE, &request);
	SCRIPT_CHECK(request.u.shrink_cache.pool == POOL);
	SCRIPT_CHECK(request.u.shrink_cache.cache == CACHE);
	reply.id = request.id;
	reply.u.cache_shrunk.pages = 5;
	scripted_reply(daemon, &reply, NULL, 0);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		scripted_expect(daemon, MESSAGE_DESTROY_CACHE, &request);
		SCRIPT_CHECK(request.u.destroy_cache.pool == POOL);
		SCRIPT_CHECK(request.u.destroy_cache.cache == CACHE);
		scripted_reply_status(daemon, request.id, answers[i]);
	}
	scripted_goodbye(daemon);
}

/* Which handle is freed when is for the leak sanitizer and valgrind to see. */
static void test_cache_destroy_frees_the_handle_on_success_alone(void **state)
{
	struct scripted_fixture fixture;
	struct pp_cache *cache;

	(void)state;
	scripted_fixture_open(&fixture, script_destroy, NULL);
	cache = create_with(fixture.pool, NULL);
	assert_int_equal(pp_cache_shrink(cache), 0);
	assert_int_equal(pp_cache_destroy(cache), -EBUSY);
	assert_int_equal(pp_cache_destroy(cache), -ENOENT);
	assert_int_equal(pp_cache_destroy(cache), 0);
	scripted_fixture_close(&fixture);
}

static void script_many_handles(struct scripted *daemon, void *data)
{
	(void)data;
	scripted_welcome(daemon);
	scripted_open_pool(daemon, 1, ZONE_BYTES);
	for (unsigned i = 0; i < 5; i++)
		scripted_open_cache(daemon, &opened);
	scripted_goodbye(daemon);
}

static void test_cache_handles_end_with_their_pool(void **state)
{
	struct scripted_fixture fixture;
	struct pp_cache *caches[5];

	(void)state;
	scripted_fixture_open(&fixture, script_many_handles, NULL);
	for (unsigned i = 0; i < 5; i++)
		caches[i] = create_with(fixture.pool, NULL);
	assert_null(pp_cache_close(caches[2]));
	assert_null(pp_cache_close(caches[0]));
	assert_null(pp_cache_close(caches[4]));
	assert_null(pp_pool_close(fixture.pool));
	scripted_fixture_close(&fixture);
}

/* Grants. */

struct grant {
	struct message_run runs[2];
	size_t nr_runs;
	uint64_t raw[2];
	size_t nr_raw;
};

static void script_grant_lie(struct scripted *daemon, void *data)
{
	const struct grant *grant = data;
	struct message request;

	script_open(daemon, 16);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	scripted_grant_objects(daemon, request.id, grant->runs, grant->nr_runs, grant->raw,
			       grant->nr_raw);
	scripted_expect_end(daemon);
}

static void test_cache_grants_that_lie_end_the_connection(void **state)
{
	struct grant lies[] = {
		{ .nr_runs = 0 },                                            /* nothing */
		{ .runs = { { 0, 0x7 } }, .nr_runs = 1 },                    /* too much */
		{ .runs = { { 0, 1 }, { STRIDE, 3 } }, .nr_runs = 2 },       /* in all */
		{ .runs = { { ZONE_BYTES, 1 } }, .nr_runs = 1 },             /* outside */
		{ .runs = { { 2 * ZONE1, 1 } }, .nr_runs = 1 },              /* no such zone */
		{ .runs = { { ZONE1 + SLAB_BYTES - 8, 1 } }, .nr_runs = 1 }, /* across slabs */
		{ .runs = { { UINT64_MAX - 7, 1 } }, .nr_runs = 1 },         /* nowhere */
		{ .runs = { { 0, 1 }, { STRIDE, 1 } }, .nr_runs = 2, .nr_raw = 1 }, /* of which? */
		{ .runs = { { 0, 1 } }, .nr_runs = 1, .nr_raw = 2 },
	};

	(void)state;
	nr_constructed = 0;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct scripted_fixture fixture;
		struct pp_cache *cache;
		void *objects[2];

		scripted_fixture_open(&fixture, script_grant_lie, &lies[i]);
		cache = create_with(fixture.pool, construct);
		assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 2), -EPROTO);
		assert_null(pp_cache_alloc(cache, 0));
		assert_int_equal(errno, EPROTO);
		scripted_fixture_close(&fixture);
	}
	assert_int_equal(nr_constructed, 0);
}

static void script_zero(struct scripted *daemon, void *data)
{
	const struct message_run run = { ZONE1 | 128, 0x5 };
	struct message request;

	(void)data;
	script_open(daemon, 16);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	SCRIPT_CHECK(request.u.alloc_objects.pool == POOL);
	SCRIPT_CHECK(request.u.alloc_objects.cache == CACHE);
	SCRIPT_CHECK(request.u.alloc_objects.count == 2);
	SCRIPT_CHECK(request.u.alloc_objects.placement.policy == MESSAGE_POLICY_BIND);
	SCRIPT_CHECK(request.u.alloc_objects.placement.node == 1);
	SCRIPT_CHECK(request.u.alloc_objects.placement.high);
	scripted_grant_objects(daemon, request.id, &run, 1, NULL, 0);
	scripted_goodbye(daemon);
}

static void test_cache_zero_means_zeros_in_the_objects_alone(void **state)
{
	const unsigned flags = PP_ZERO | PP_HIGH | PP_THISNODE | PP_NODE(1);
	struct scripted_fixture fixture;
	struct pp_cache *cache;
	void *objects[2];
	uint8_t *bytes;

	(void)state;
	scripted_fixture_open(&fixture, script_zero, NULL);
	bytes = pp_from_offset(fixture.pool, ZONE1);
	memset(bytes, 0xaa, 4096);
	cache = create_with(fixture.pool, NULL);
	assert_int_equal(pp_cache_alloc_bulk(cache, flags, objects, 2), 2);
	assert_ptr_equal(objects[0], bytes + 128);
	assert_ptr_equal(objects[1], bytes + 128 + 2 * STRIDE);
	for (size_t i = 0; i < 4096; i++) {
		bool is_within = (i >= 128 && i < 168) || (i >= 256 && i < 296);

		assert_int_equal(bytes[i], is_within ? 0 : 0xaa);
	}
	scripted_fixture_close(&fixture);
}

/* Batches. */

static void script_batches(struct scripted *daemon, void *data)
{
	static const unsigned counts[] = { 4, 4, 2 };
	static const enum message_status answers[] = { MESSAGE_STATUS_CORRUPT,
						       MESSAGE_STATUS_INVALID, MESSAGE_STATUS_OK };
	struct message_run run = { 0, 0xf };
	struct message request;

	(void)data;
	script_open(daemon, 4);
	for (unsigned i = 0; i < 3; i++) {
		scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
		SCRIPT_CHECK(request.u.alloc_objects.count == counts[i]);
		run = (struct message_run){ 4 * i * STRIDE, (1u << counts[i]) - 1 };
		scripted_grant_objects(daemon, request.id, &run, 1, NULL, 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		scripted_expect(daemon, MESSAGE_FREE_OBJECTS, &request);
		SCRIPT_CHECK(request.u.free_objects.pool == POOL);
		SCRIPT_CHECK(request.u.free_objects.cache == CACHE);
		SCRIPT_CHECK(request.u.free_objects.nr_raw == 0);
		SCRIPT_CHECK(request.u.free_objects.nr_runs == 1);
		SCRIPT_CHECK(request.u.free_objects.runs[0].base == 4 * i * STRIDE);
		SCRIPT_CHECK(request.u.free_objects.runs[0].mask == (1u << counts[i]) - 1);
		scripted_reply_status(daemon, request.id, answers[i]);
	}
	/* The second batch comes short, then finds nothing, then not even the cache. */
	run = (struct message_run){ 0, 0xf };
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	scripted_grant_objects(daemon, request.id, &run, 1, NULL, 0);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	run.mask = 0x1;
	scripted_grant_objects(daemon, request.id, &run, 1, NULL, 0);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	run.mask = 0xf;
	scripted_grant_objects(daemon, request.id, &run, 1, NULL, 0);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_LIMIT);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NOT_FOUND);
	/* What is the same for all batches is asked once. */
	scripted_expect(daemon, MESSAGE_FREE_OBJECTS, &request);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_NOT_FOUND);
	scripted_goodbye(daemon);
}

static void test_cache_bulk_goes_in_batches(void **state)
{
	struct scripted_fixture fixture;
	struct pp_cache *cache;
	void *objects[10];

	(void)state;
	scripted_fixture_open(&fixture, script_batches, NULL);
	cache = create_with(fixture.pool, NULL);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 10), 10);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(pp_to_offset(fixture.pool, objects[i]), i * STRIDE);
	/* Two batches are refused, the third is freed all the same; the first error is told. */
	assert_int_equal(pp_cache_free_bulk(cache, objects, 10), -EUCLEAN);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 10), 5);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 10), 4);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 10), -ENOENT);
	assert_int_equal(pp_cache_free_bulk(cache, objects, 10), -ENOENT);
	scripted_fixture_close(&fixture);
}

static void script_free_one(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	script_open(daemon, 16);
	for (unsigned i = 0; i < 2; i++) {
		scripted_expect(daemon, MESSAGE_FREE_OBJECTS, &request);
		SCRIPT_CHECK(request.u.free_objects.nr_runs == 1);
		SCRIPT_CHECK(request.u.free_objects.runs[0].base == (ZONE1 | 192));
		SCRIPT_CHECK(request.u.free_objects.runs[0].mask == 1);
		scripted_reply_status(daemon, request.id,
				      i == 0 ? MESSAGE_STATUS_OK : MESSAGE_STATUS_INVALID);
	}
	/* An object that is named twice is asked for twice. */
	scripted_expect(daemon, MESSAGE_FREE_OBJECTS, &request);
	SCRIPT_CHECK(request.u.free_objects.nr_runs == 2);
	SCRIPT_CHECK(request.u.free_objects.runs[0].base == (ZONE1 | 192));
	SCRIPT_CHECK(request.u.free_objects.runs[0].mask == 3);
	SCRIPT_CHECK(request.u.free_objects.runs[1].base == (ZONE1 | 192));
	SCRIPT_CHECK(request.u.free_objects.runs[1].mask == 1);
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_INVALID);
	scripted_goodbye(daemon);
}

static void test_cache_frees_say_what_they_are_told(void **state)
{
	struct scripted_fixture fixture;
	struct pp_cache *cache;
	uint8_t *object;

	(void)state;
	scripted_fixture_open(&fixture, script_free_one, NULL);
	cache = create_with(fixture.pool, NULL);
	object = pp_from_offset(fixture.pool, ZONE1 | 192);
	assert_int_equal(pp_cache_free(cache, object), 0);
	assert_int_equal(pp_cache_free(cache, object), -EINVAL);
	void *objects[] = { object, object + STRIDE, object };
	assert_int_equal(pp_cache_free_bulk(cache, objects, 3), -EINVAL);
	scripted_fixture_close(&fixture);
}

/* Constructors. */

#define NR_GRANTED 120u

static bool is_raw(unsigned i)
{
	return i % 7 == 3 || i == 64 || i == 63;
}

/* In three runs that do not begin where the masks of the library do. */
static void script_raw(struct scripted *daemon, void *data)
{
	static const unsigned lengths[] = { 50, 60, 10 };
	struct message_run runs[3];
	struct message request;
	uint64_t raw[3] = { 0 };
	unsigned i = 0;

	(void)data;
	script_open(daemon, NR_GRANTED);
	for (unsigned run = 0; run < 3; run++) {
		runs[run].base = i * STRIDE;
		runs[run].mask = UINT64_MAX >> (64 - lengths[run]);
		for (unsigned bit = 0; bit < lengths[run]; bit++, i++)
			raw[run] |= (uint64_t)is_raw(i) << bit;
	}
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	scripted_grant_objects(daemon, request.id, runs, 3, raw, 3);
	/* All are constructed; then one that is not. */
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	scripted_grant_objects(daemon, request.id, runs, 3, NULL, 0);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	runs[0].mask = raw[0] = 1;
	scripted_grant_objects(daemon, request.id, runs, 1, raw, 1);
	scripted_goodbye(daemon);
}

static void test_cache_constructs_what_is_raw_and_nothing_else(void **state)
{
	struct scripted_fixture fixture;
	void *objects[NR_GRANTED];
	unsigned nr_raw = 0;
	struct pp_cache *cache;

	(void)state;
	scripted_fixture_open(&fixture, script_raw, NULL);
	cache = create_with(fixture.pool, construct);
	nr_constructed = 0;
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, NR_GRANTED), NR_GRANTED);
	for (unsigned i = 0; i < NR_GRANTED; i++) {
		nr_raw += is_raw(i);
		assert_int_equal(*(uint8_t *)objects[i], is_raw(i) ? 0xc0 : 0);
		assert_int_equal(((uint8_t *)objects[i])[40], 0);
	}
	assert_int_equal(nr_constructed, nr_raw);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, NR_GRANTED), NR_GRANTED);
	assert_int_equal(nr_constructed, nr_raw);
	assert_non_null(pp_cache_alloc(cache, 0));
	assert_int_equal(nr_constructed, nr_raw + 1);
	scripted_fixture_close(&fixture);
}

static struct pp_pool *pool_of_ctor;

/* Each object owns a page. */
static void construct_with_page(void *object)
{
	void *page = pp_alloc_pages(pool_of_ctor, 0, 0);

	assert_non_null(page);
	memcpy(object, &page, sizeof(page));
}

static void script_ctor_calls(struct scripted *daemon, void *data)
{
	const struct message_run run = { 0, 0x3 };
	const uint64_t raw = 0x3;
	struct message request;

	(void)data;
	script_open(daemon, 16);
	scripted_expect(daemon, MESSAGE_ALLOC_OBJECTS, &request);
	scripted_grant_objects(daemon, request.id, &run, 1, &raw, 1);
	for (unsigned i = 0; i < 2; i++) {
		scripted_expect(daemon, MESSAGE_ALLOC, &request);
		scripted_grant(daemon, request.id, 10 + i, 1);
	}
	scripted_goodbye(daemon);
}

static void test_cache_constructors_may_call_the_library(void **state)
{
	struct scripted_fixture fixture;
	struct pp_cache *cache;
	void *objects[2], *page;

	(void)state;
	scripted_fixture_open(&fixture, script_ctor_calls, NULL);
	pool_of_ctor = fixture.pool;
	cache = create_with(fixture.pool, construct_with_page);
	assert_int_equal(pp_cache_alloc_bulk(cache, 0, objects, 2), 2);
	for (unsigned i = 0; i < 2; i++) {
		memcpy(&page, objects[i], sizeof(page));
		assert_int_equal(pp_to_offset(fixture.pool, page), (10 + i) * PP_PAGE_SIZE);
	}
	scripted_fixture_close(&fixture);
}

/* Forks. */

static void run_fork_child(struct scripted_fixture *fixture, struct pp_cache *cache,
			   struct pp_cache *other)
{
	struct pp_cache_config config = config_make();
	void *object = pp_from_offset(fixture->pool, 0);
	struct pp_cache *made = NULL;

	CHILD_CHECK(pp_cache_create(fixture->pool, &config, &made) == -EOWNERDEAD && !made);
	CHILD_CHECK(!pp_cache_alloc(cache, 0) && errno == EOWNERDEAD);
	CHILD_CHECK(pp_cache_alloc_bulk(cache, 0, &object, 1) == -EOWNERDEAD);
	CHILD_CHECK(pp_cache_free(cache, object) == -EOWNERDEAD);
	CHILD_CHECK(pp_cache_free_bulk(cache, &object, 1) == -EOWNERDEAD);
	CHILD_CHECK(pp_cache_shrink(cache) == -EOWNERDEAD);
	CHILD_CHECK(pp_cache_destroy(cache) == -EOWNERDEAD);
	CHILD_CHECK(!pp_malloc(fixture->pool, 1, 0) && errno == EOWNERDEAD);
	CHILD_CHECK(pp_free(fixture->pool, fixture) == -EOWNERDEAD);
	CHILD_CHECK(pp_usable_size(fixture->pool, object) == 0);
	CHILD_CHECK(!pp_cache_close(other));
	CHILD_CHECK(!pp_pool_close(fixture->pool)); /* with the other handle */
	CHILD_CHECK(!pp_client_free(fixture->client));
	_exit(0);
}

static void script_fork(struct scripted *daemon, void *data)
{
	struct message request;

	(void)data;
	script_open(daemon, 16);
	scripted_open_cache(daemon, &opened);
	scripted_expect(daemon, MESSAGE_DESTROY_CACHE, &request); /* nothing by the child before */
	scripted_reply_status(daemon, request.id, MESSAGE_STATUS_OK);
	scripted_goodbye(daemon);
}

static void test_cache_child_of_a_fork_only_cleans_up(void **state)
{
	struct scripted_fixture fixture;
	struct pp_cache *cache, *other;
	int status;
	pid_t pid;

	(void)state;
	scripted_fixture_open(&fixture, script_fork, NULL);
	cache = create_with(fixture.pool, NULL);
	other = create_with(fixture.pool, NULL);
	pid = fork();
	if (pid == 0)
		run_fork_child(&fixture, cache, other);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(pp_cache_destroy(cache), 0);
	scripted_fixture_close(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache_config_that_makes_no_sense_costs_no_round_trip),
		cmocka_unit_test(test_cache_config_of_a_newer_library),
		cmocka_unit_test(test_cache_calls_that_make_no_sense_cost_no_round_trip),
		cmocka_unit_test(test_cache_of_a_pool_for_reading_is_refused),
		cmocka_unit_test(test_cache_config_goes_over_the_wire),
		cmocka_unit_test(test_cache_refusals_are_told_apart),
		cmocka_unit_test(test_cache_layouts_that_lie_end_the_connection),
		cmocka_unit_test(test_cache_destroy_frees_the_handle_on_success_alone),
		cmocka_unit_test(test_cache_handles_end_with_their_pool),
		cmocka_unit_test(test_cache_grants_that_lie_end_the_connection),
		cmocka_unit_test(test_cache_zero_means_zeros_in_the_objects_alone),
		cmocka_unit_test(test_cache_bulk_goes_in_batches),
		cmocka_unit_test(test_cache_frees_say_what_they_are_told),
		cmocka_unit_test(test_cache_constructs_what_is_raw_and_nothing_else),
		cmocka_unit_test(test_cache_constructors_may_call_the_library),
		cmocka_unit_test(test_cache_child_of_a_fork_only_cleans_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
