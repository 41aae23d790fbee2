/* SPDX-License-Identifier: MIT */
/*
 * The memory under the two allocators, the same kind for both.
 *
 * What says who owns a page lies in a shared mapping of a memfd of small pages, as the daemon's
 * ledger does, because it has to outlive the process; that is a zone's words and all of the list's
 * table, whose links lie beside the words. The zone's index can be rebuilt and is plain anonymous
 * memory. Neither asks for huge pages.
 */

#include "bench/subject.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct zone_config zone_config(const struct subject *subject)
{
	return (struct zone_config){ .nr_pages = subject->nr_pages,
				     .max_order = subject->max_order,
				     .nr_slots = WORD_NR_SLOTS };
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

static int init_allocator(struct subject *subject)
{
	struct zone_config config = zone_config(subject);

	if (!subject->is_list)
		return zone_init(&subject->u.zone, &config, subject->table, subject->index);
	list_buddy_init(&subject->u.list, subject->nr_pages, subject->max_order, subject->table);
	return 0;
}

int subject_init(struct subject *subject, bool is_list, uint32_t nr_pages)
{
	struct zone_config config;
	int error;

	memset(subject, 0, sizeof(*subject));
	subject->is_list = is_list;
	subject->nr_pages = nr_pages;
	subject->max_order = PAGE_ORDER_MAX;
	config = zone_config(subject);
	subject->table_bytes =
		is_list ? nr_pages * sizeof(struct list_buddy_page) : zone_ledger_bytes(&config);
	error = map_table(subject->table_bytes, &subject->table);
	if (error)
		return error;
	if (!is_list) {
		subject->index_bytes = zone_index_bytes(&config);
		error = map_index(subject->index_bytes, &subject->index);
	}
	if (!error)
		error = init_allocator(subject);
	if (error)
		subject_deinit(subject);
	return error;
}

void subject_deinit(struct subject *subject)
{
	if (subject->table)
		munmap(subject->table, subject->table_bytes);
	if (subject->index)
		munmap(subject->index, subject->index_bytes);
	memset(subject, 0, sizeof(*subject));
}

void subject_reset(struct subject *subject, unsigned max_order)
{
	int error;

	subject->max_order = max_order;
	memset(subject->table, 0, subject->table_bytes);
	error = init_allocator(subject);
	assert(error == 0); /* a shape that subject_init() has found room for */
	(void)error;
}

double subject_metadata_bytes_per_page(const struct subject *subject)
{
	size_t allocator_bytes =
		subject->is_list ? sizeof(subject->u.list) : sizeof(subject->u.zone);

	return (double)(allocator_bytes + subject->table_bytes + subject->index_bytes) /
	       subject->nr_pages;
}

uint64_t subject_nr_free_pages(const struct subject *subject)
{
	return subject->is_list ? list_buddy_nr_free_pages(&subject->u.list)
				: zone_nr_free(&subject->u.zone);
}
