/* SPDX-License-Identifier: MIT */
/*
 * The memory under the allocators, the same kind for all of them.
 *
 * What says who owns a page lies in a shared mapping of a memfd of small pages, as the daemon's
 * ledger does, because it has to outlive the process; that is a zone's words and all of the list's
 * table, whose links lie beside the words. The zone's index can be rebuilt and is plain anonymous
 * memory. Neither asks for huge pages.
 *
 * Of objects the words are in the ledger and so in the memfd; what is derived from them is in the
 * index. The table of caches has two memories of the same kinds.
 *
 * The pool has everything on that the daemon would have: watermarks, and a client under two limits,
 * as a user's and its own. Its requests are high ones, or they could not fill the zone, and neither
 * limit is reached: what is measured is the looking.
 */

#include "bench/subject.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench/measure.h"
#include "core/quota.h"

#define WATERMARK_PART 1000u /* of the zone: min */
#define NR_LIMITS 2u

/* 16 full of words for a page of the smallest objects, and one for slabs that don't fill theirs. */
#define SLAB_UNITS_PER_PAGE 17u

static uint32_t slab_units(uint32_t nr_pages)
{
	uint64_t nr_units = (uint64_t)nr_pages * SLAB_UNITS_PER_PAGE;

	nr_units = (nr_units + SLAB_ROOM_UNITS - 1) / SLAB_ROOM_UNITS * SLAB_ROOM_UNITS;
	return nr_units < SLAB_UNITS_MAX ? (uint32_t)nr_units : SLAB_UNITS_MAX;
}

static struct zone_config zone_config(const struct subject *subject)
{
	struct zone_config config = { .nr_pages = subject->nr_pages,
				      .max_order = subject->max_order,
				      .nr_slots = WORD_NR_SLOTS };

	if (subject->caches) {
		config.nr_slab_units = slab_units(subject->nr_pages);
		config.caches = &subject->caches->table;
	}
	return config;
}

static int map_table(size_t size_bytes, void **ret)
{
	int fd = memfd_create("bench", MFD_CLOEXEC), error = 0;
	void *memory;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size_bytes) != 0) {
		error = -errno;
		goto out;
	}
	memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		error = -errno;
	else
		*ret = memory;
out:
	close(fd);
	return error;
}

static int map_index(size_t size_bytes, void **ret)
{
	void *memory =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	*ret = memory;
	return 0;
}

/* Whether the memory is of a new zone or of one that is to be recovered. */
static int open_zone(struct subject *subject)
{
	struct zone_config config = zone_config(subject);
	struct zone_fault fault;

	return zone_open(&subject->u.zone, &config, subject->table, subject->index, &fault);
}

static int make_pool(struct subject *subject)
{
	struct subject_pool *pool = subject->pool;
	struct zone *zone = &subject->u.zone;
	struct zone_watermarks watermarks = { .min = subject->nr_pages / WATERMARK_PART };
	const uint64_t whole_bytes = (uint64_t)subject->nr_pages << PAGE_SHIFT;
	const uint8_t distance = 10;
	int error = pool_init(&pool->pool, &zone, 1, &distance);

	if (error)
		return error;
	watermarks.low = watermarks.min + watermarks.min / 4;
	watermarks.high = watermarks.min + watermarks.min / 2;
	zone_set_watermarks(zone, &watermarks);
	quota_init(pool->quota, WORD_NR_SLOTS, pool->quota + 1);
	for (unsigned i = 0; i < NR_LIMITS; i++)
		quota_set(pool->quota, i, 0, 0, whole_bytes, whole_bytes);
	quota_join(pool->quota, subject->owner.slot, (1u << NR_LIMITS) - 1, 0);
	pool->pool.quota = pool->quota;
	if (subject->caches)
		pool->pool.caches = &subject->caches->table;
	pool->request = (struct pool_request){ .allowed = UINT64_MAX,
					       .is_high = true,
					       .owner = subject->owner };
	return 0;
}

static int init_allocator(struct subject *subject)
{
	int error;

	if (subject->kind == SUBJECT_LIST) {
		list_buddy_init(&subject->u.list, subject->nr_pages, subject->max_order,
				subject->table);
		return 0;
	}
	error = open_zone(subject);
	if (!error && subject->kind == SUBJECT_POOL)
		error = make_pool(subject);
	return error;
}

static int allocate_pool(struct subject *subject)
{
	struct subject_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	subject->pool = pool;
	pool->quota = malloc(sizeof(*pool->quota) + quota_bytes(WORD_NR_SLOTS));
	return pool->quota ? 0 : -ENOMEM;
}

static int allocate_caches(struct subject *subject)
{
	struct subject_caches *caches = calloc(1, sizeof(*caches));
	uint32_t number;
	int error;

	if (!caches)
		return -ENOMEM;
	subject->caches = caches;
	caches->records_bytes = cache_ledger_bytes(CACHES_MAX);
	caches->layouts_bytes = cache_index_bytes(CACHES_MAX);
	error = map_table(caches->records_bytes, &caches->records);
	if (!error)
		error = map_index(caches->layouts_bytes, &caches->layouts);
	if (!error)
		error = cache_table_open(&caches->table, CACHES_MAX, 0, caches->records,
					 caches->layouts, &number);
	return error;
}

static int allocate_memory(struct subject *subject)
{
	const enum subject_kind kind = subject->kind;
	const uint32_t nr_pages = subject->nr_pages;
	const struct zone_config config = zone_config(subject);
	int error;

	subject->table_bytes = kind == SUBJECT_LIST ? nr_pages * sizeof(struct list_buddy_page)
						    : zone_ledger_bytes(&config);
	error = map_table(subject->table_bytes, &subject->table);
	if (error)
		return error;
	if (kind != SUBJECT_LIST) {
		subject->index_bytes = zone_index_bytes(&config);
		error = map_index(subject->index_bytes, &subject->index);
	}
	if (!error && kind == SUBJECT_POOL)
		error = allocate_pool(subject);
	return error;
}

static int init(struct subject *subject, enum subject_kind kind, uint32_t nr_pages,
		bool has_objects)
{
	int error = 0;

	*subject = (struct subject){ .kind = kind,
				     .owner = { .slot = SUBJECT_SLOT, .tag = 1 },
				     .nr_pages = nr_pages,
				     .max_order = PAGE_ORDER_MAX };
	if (has_objects)
		error = allocate_caches(subject);
	if (!error)
		error = allocate_memory(subject);
	if (!error)
		error = init_allocator(subject);
	if (error)
		subject_deinit(subject);
	return error;
}

int subject_init(struct subject *subject, enum subject_kind kind, uint32_t nr_pages)
{
	return init(subject, kind, nr_pages, false);
}

int subject_init_objects(struct subject *subject, enum subject_kind kind, uint32_t nr_pages)
{
	assert(kind != SUBJECT_LIST);
	return init(subject, kind, nr_pages, true);
}

static void free_caches(struct subject_caches *caches)
{
	if (caches->records)
		munmap(caches->records, caches->records_bytes);
	if (caches->layouts)
		munmap(caches->layouts, caches->layouts_bytes);
	free(caches);
}

void subject_deinit(struct subject *subject)
{
	if (subject->table)
		munmap(subject->table, subject->table_bytes);
	if (subject->index)
		munmap(subject->index, subject->index_bytes);
	if (subject->pool)
		free(subject->pool->quota);
	free(subject->pool);
	if (subject->caches)
		free_caches(subject->caches);
	memset(subject, 0, sizeof(*subject));
}

void subject_reset(struct subject *subject, unsigned max_order)
{
	int error;

	subject->max_order = max_order;
	memset(subject->table, 0, subject->table_bytes);
	if (subject->index)
		memset(subject->index, 0, subject->index_bytes);
	error = init_allocator(subject);
	assert(error == 0); /* a shape that subject_init() has found room for */
	(void)error;
}

uint64_t subject_recover(struct subject *subject)
{
	uint64_t started;
	int error;

	assert(subject->kind == SUBJECT_ZONE);
	memset(subject->index, 0, subject->index_bytes);
	started = measure_cpu_ns();
	error = open_zone(subject);
	started = measure_cpu_ns() - started;
	assert(error == 0); /* a ledger that this zone has written */
	(void)error;
	return started;
}

double subject_metadata_bytes_per_page(const struct subject *subject)
{
	size_t allocator_bytes =
		subject->kind == SUBJECT_LIST ? sizeof(subject->u.list) : sizeof(subject->u.zone);

	return (double)(allocator_bytes + subject->table_bytes + subject->index_bytes) /
	       subject->nr_pages;
}

uint64_t subject_nr_free_pages(const struct subject *subject)
{
	return subject->kind == SUBJECT_LIST ? list_buddy_nr_free_pages(&subject->u.list)
					     : zone_nr_free(&subject->u.zone);
}

static uint64_t resident_bytes(void *memory, size_t size_bytes)
{
	const size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t nr_pages = (size_bytes + page_bytes - 1) / page_bytes;
	unsigned char *pages = malloc(nr_pages);
	uint64_t nr_resident = 0;

	if (pages && mincore(memory, size_bytes, pages) == 0)
		for (size_t i = 0; i < nr_pages; i++)
			nr_resident += pages[i] & 1;
	free(pages);
	return nr_resident * page_bytes;
}

uint64_t subject_resident_bytes(const struct subject *subject)
{
	const struct subject_caches *caches = subject->caches;
	uint64_t bytes = resident_bytes(subject->table, subject->table_bytes);

	if (subject->index)
		bytes += resident_bytes(subject->index, subject->index_bytes);
	if (caches)
		bytes += resident_bytes(caches->records, caches->records_bytes) +
			 resident_bytes(caches->layouts, caches->layouts_bytes);
	return bytes;
}

uint32_t subject_add_cache(struct subject *subject, uint32_t object_bytes)
{
	char name[CACHE_NAME_BYTES_MAX + 1];
	const struct cache_config config = { .name = name, .object_bytes = object_bytes };
	uint32_t number;

	snprintf(name, sizeof(name), "bench-%u", object_bytes);
	return cache_table_add(&subject->caches->table, &config, &number) ? CACHES_MAX : number;
}

static int free_in_zone(struct zone *zone, uint32_t cache, const struct zone_leaver *leaver,
			const struct object_run *runs, size_t nr_runs)
{
	uint64_t bytes;
	unsigned at;

	for (size_t i = 0; i < nr_runs; i++) {
		int r = zone_leave_objects(zone, cache, leaver->slot, &runs[i], &bytes, &at);

		if (r) {
			while (i-- > 0)
				zone_cancel_objects(zone, &runs[i]);
			return r;
		}
	}
	for (size_t i = 0; i < nr_runs; i++)
		zone_finish_objects(zone, leaver, &runs[i]);
	return 0;
}

int subject_free_objects(struct subject *subject, uint32_t cache, const struct object_run *runs,
			 size_t nr_runs)
{
	const struct zone_leaver leaver = { .slot = subject->owner.slot, .generation = 1 };
	uint64_t offset;

	if (subject->kind == SUBJECT_ZONE)
		return free_in_zone(&subject->u.zone, cache, &leaver, runs, nr_runs);
	return pool_free_objects(&subject->pool->pool, cache, &leaver, runs, nr_runs, &offset);
}
