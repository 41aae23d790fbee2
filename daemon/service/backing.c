/* SPDX-License-Identifier: MIT */
/*
 * The memory behind a zone, and the way of a grant through it: commit first, then zero.
 *
 * Three ideas meet here and know nothing of each other: the segment (a memfd), the commit (which
 * chunks of it are real) and the scrub (whose data lies in it). Most grants touch memory that is
 * committed and was the same uid's before; for those backing_prepare() is a few compares.
 *
 * The others become a struct prepare, which goes one way through at most three stages:
 *
 *   wait for chunks  ->  zero on a helper thread  ->  request->done
 *
 * However little there is to zero, the loop does not: see segment.c for how long a client can make
 * that take. A job zeroes a few MiB and then goes to the end of the queue, so that a grant of one
 * page does not wait behind the zeroing of a GiB.
 *
 * A run of objects lies in one slab, so it is looked at as one range first: where all of that is
 * committed and was the same uid's, 64 objects cost a few compares. Else its pages are made sure of
 * together, and zeroing goes object by object, as what is between them may be others'.
 *
 * Zeroing before the chunk is committed would let the zeroing itself run out of memory; telling the
 * client before the zeroing would show it another uid's data. A failure at any stage ends in done
 * with -ENOMEM, and the scrub still knows that the pages are not clean.
 */

#include "service/backing.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/page.h"
#include "service/commit.h"
#include "service/extent_walk.h"
#include "service/log.h"
#include "service/scrub.h"
#include "service/segment.h"
#include "service/worker.h"

/* For one job, a few milliseconds: bytes, or small extents at two system calls each. */
#define ZERO_JOB_BYTES_MAX (UINT64_C(8) << 20)
#define ZERO_JOB_EXTENTS_MAX 1024u

struct backing {
	struct segment segment;
	struct commit commit;
	struct scrub scrub;
	uint64_t size_bytes; /* in use */
	enum service_commit commit_policy;
	unsigned node;
	struct worker_pool *workers;
	struct prepare *prepares; /* in progress */
};

/* A request in progress. */
struct prepare {
	struct worker_job zero_job; /* first, so that the job leads back here */
	struct commit_wait wait;
	struct backing *backing;
	struct backing_request *request;
	uid_t uid;
	struct scrub_list to_zero;
	size_t next_extent;    /* of to_zero; this and the following are the helper thread's */
	uint64_t bytes_zeroed; /* of that extent */
	int zero_error;
	struct prepare *next, **link;
};

int backing_new(const struct backing_config *config, struct worker_pool *workers,
		struct backing **ret)
{
	struct backing *backing;
	int error;

	assert(config->size_bytes > 0 && config->size_bytes % config->page_bytes == 0);
	assert(config->capacity_bytes >= config->size_bytes);
	assert(config->capacity_bytes % config->page_bytes == 0);
	assert(strlen(config->name) <= SEGMENT_NAME_BYTES_MAX);
	backing = calloc(1, sizeof(*backing));
	if (!backing)
		return -ENOMEM;
	backing->node = config->node;
	backing->commit_policy = config->commit;
	backing->workers = workers;
	backing->size_bytes = config->size_bytes;
	backing->segment.capacity_bytes = config->capacity_bytes;
	backing->segment.page_bytes = config->page_bytes;
	backing->segment.host_node = config->host_node;
	strcpy(backing->segment.name, config->name);
	error = segment_init(&backing->segment, config->size_bytes);
	if (error) {
		free(backing);
		return error;
	}
	error = commit_init(&backing->commit, &backing->segment, config->size_bytes, workers);
	if (!error)
		error = scrub_init(&backing->scrub, config->scrub, config->capacity_bytes);
	if (error) {
		log_error("%s: no memory for its records", config->name);
		backing_free(backing);
		return error;
	}
	if (config->page_bytes > PAGE_BYTES && config->commit == SERVICE_COMMIT_TOUCH)
		log_warning("%s: with commit = touch a huge page comes from the node of whoever "
			    "touches it first, and a hugetlb limit of its cgroup means SIGBUS",
			    config->name);
	*ret = backing;
	return 0;
}

static void prepare_free(struct prepare *prepare)
{
	*prepare->link = prepare->next;
	if (prepare->next)
		prepare->next->link = prepare->link;
	scrub_list_deinit(&prepare->to_zero);
	free(prepare);
}

struct backing *backing_free(struct backing *backing)
{
	if (!backing)
		return NULL;
	while (backing->prepares)
		prepare_free(backing->prepares);
	scrub_deinit(&backing->scrub);
	commit_deinit(&backing->commit);
	segment_deinit(&backing->segment);
	free(backing);
	return NULL;
}

void backing_commit_all(struct backing *backing, uint64_t size_bytes,
			void (*done)(int error, void *data), void *data)
{
	commit_all(&backing->commit, size_bytes, done, data);
}

/* The stages of a request that can't be done at once. */

static void finish_prepare(struct prepare *prepare, int error)
{
	struct backing_request *request = prepare->request;

	prepare_free(prepare);
	request->done(request, error ? -ENOMEM : 0);
}

static int zero_bytes(const struct backing *backing, uint64_t offset, uint64_t size_bytes)
{
	/* With touch, what nobody touched is not to be paid for. */
	if (backing->commit_policy == SERVICE_COMMIT_TOUCH)
		return segment_zero_sparse(&backing->segment, offset, size_bytes);
	return segment_zero(&backing->segment, offset, size_bytes);
}

static bool is_zeroed(const struct prepare *prepare)
{
	return prepare->next_extent == prepare->to_zero.nr_extents;
}

/* Zeroes up to so many bytes of the next extent; returns how many. */
static uint64_t zero_next(struct prepare *prepare, uint64_t bytes_max)
{
	const struct scrub_extent *extent = &prepare->to_zero.extents[prepare->next_extent];
	uint64_t nr_bytes = extent->size_bytes - prepare->bytes_zeroed;

	if (nr_bytes > bytes_max)
		nr_bytes = bytes_max;
	prepare->zero_error =
		zero_bytes(prepare->backing, extent->offset + prepare->bytes_zeroed, nr_bytes);
	prepare->bytes_zeroed += nr_bytes;
	if (prepare->bytes_zeroed == extent->size_bytes) {
		prepare->next_extent++;
		prepare->bytes_zeroed = 0;
	}
	return nr_bytes;
}

static void run_zero_job(struct worker_job *job)
{
	struct prepare *prepare = (struct prepare *)job;
	uint64_t bytes_left = ZERO_JOB_BYTES_MAX;

	for (unsigned i = 0; i < ZERO_JOB_EXTENTS_MAX; i++) {
		if (bytes_left == 0 || is_zeroed(prepare) || prepare->zero_error)
			break;
		bytes_left -= zero_next(prepare, bytes_left);
	}
}

static void finish_zero_job(struct worker_job *job)
{
	struct prepare *prepare = (struct prepare *)job;
	struct backing *backing = prepare->backing;

	if (!prepare->zero_error && !is_zeroed(prepare)) {
		worker_pool_submit(backing->workers, job);
		return;
	}
	if (!prepare->zero_error)
		scrub_finish(&backing->scrub, &prepare->to_zero, prepare->uid);
	finish_prepare(prepare, prepare->zero_error);
}

static void finish_commit_wait(struct commit_wait *wait)
{
	struct prepare *prepare = (struct prepare *)((char *)wait - offsetof(struct prepare, wait));

	if (wait->error || is_zeroed(prepare))
		finish_prepare(prepare, wait->error);
	else
		worker_pool_submit(prepare->backing->workers, &prepare->zero_job);
}

static struct prepare *prepare_new(struct backing *backing, struct backing_request *request,
				   uid_t uid, struct scrub_list *to_zero)
{
	struct prepare *prepare = calloc(1, sizeof(*prepare));

	if (!prepare)
		return NULL;
	prepare->zero_job.run = run_zero_job;
	prepare->zero_job.done = finish_zero_job;
	prepare->wait.done = finish_commit_wait;
	prepare->backing = backing;
	prepare->request = request;
	prepare->uid = uid;
	prepare->to_zero = *to_zero;
	*to_zero = (struct scrub_list){ 0 };
	prepare->next = backing->prepares;
	prepare->link = &backing->prepares;
	if (prepare->next)
		prepare->next->link = &prepare->next;
	backing->prepares = prepare;
	return prepare;
}

/* What of a run of objects is to be zeroed. */
static int claim_objects(struct scrub *scrub, const struct backing_objects *objects, size_t i,
			 uid_t uid, struct scrub_list *to_zero)
{
	const struct object_run *run = &objects->runs[i];
	uint64_t zeroed = 0;

	for (uint64_t mask = run->mask; mask; mask &= mask - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(mask);
		struct scrub_extent object = extent_of_object(objects, run, bit);
		uint64_t before_bytes = to_zero->size_bytes;
		int error = scrub_grant(scrub, &object, uid, to_zero);

		if (error)
			return error;
		if (to_zero->size_bytes > before_bytes)
			zeroed |= mask & -mask;
	}
	if (zeroed && objects->will_zero)
		objects->will_zero(objects, i, zeroed);
	return 0;
}

/* The same for what the walk gave last. */
static int claim_extent(struct scrub *scrub, const struct extent_walk *walk,
			const struct scrub_extent *extent, uid_t uid, struct scrub_list *to_zero)
{
	if (!walk->objects)
		return scrub_grant(scrub, extent, uid, to_zero);
	if (scrub_is_own(scrub, extent, uid))
		return 0;
	return claim_objects(scrub, walk->objects, walk->next_objects - 1, uid, to_zero);
}

/* Whether all of it is committed, and what of it is to be zeroed. */
static int survey(struct backing *backing, struct extent_walk walk, uid_t uid, bool *ret_ready,
		  struct scrub_list *to_zero)
{
	bool ready = true;
	struct scrub_extent extent;

	while (extent_walk_next(&walk, &extent)) {
		int error = claim_extent(&backing->scrub, &walk, &extent, uid, to_zero);

		if (error)
			return error;
		if (backing->commit_policy != SERVICE_COMMIT_TOUCH)
			ready &= commit_is_ready(&backing->commit, extent_first_page(&extent),
						 extent_nr_pages(&extent));
	}
	*ret_ready = ready;
	return 0;
}

static int start_prepare(struct prepare *prepare, struct extent_walk walk, bool is_committed)
{
	struct backing *backing = prepare->backing;
	struct commit_wait *wait = &prepare->wait;
	struct scrub_extent extent;

	while (!is_committed && !wait->error && extent_walk_next(&walk, &extent))
		commit_need(&backing->commit, extent_first_page(&extent), extent_nr_pages(&extent),
			    wait);
	if (wait->nr_pending > 0)
		return -EINPROGRESS; /* an error waits for those jobs too */
	if (wait->error) {
		prepare_free(prepare);
		return -ENOMEM;
	}
	worker_pool_submit(backing->workers, &prepare->zero_job);
	return -EINPROGRESS;
}

static int prepare_walk(struct backing *backing, struct extent_walk walk, uid_t uid,
			struct backing_request *request)
{
	struct scrub_list to_zero = { 0 };
	struct prepare *prepare;
	bool is_committed = false;
	int error;

	error = survey(backing, walk, uid, &is_committed, &to_zero);
	if (walk.objects && walk.objects->is_overwritten)
		scrub_list_deinit(&to_zero);
	if (!error && is_committed && to_zero.nr_extents == 0)
		return 0;
	prepare = error ? NULL : prepare_new(backing, request, uid, &to_zero);
	if (!prepare) {
		scrub_list_deinit(&to_zero);
		return -ENOMEM;
	}
	return start_prepare(prepare, walk, is_committed);
}

int backing_prepare(struct backing *backing, unsigned order, const struct page_run *runs,
		    size_t nr_runs, uid_t uid, struct backing_request *request)
{
	return prepare_walk(backing, extent_walk_blocks(order, runs, nr_runs), uid, request);
}

int backing_prepare_range(struct backing *backing, uint32_t pfn, uint32_t nr_pages, uid_t uid,
			  struct backing_request *request)
{
	return prepare_walk(backing, extent_walk_range(pfn, nr_pages), uid, request);
}

int backing_prepare_objects(struct backing *backing, const struct backing_objects *objects,
			    uid_t uid, struct backing_request *request)
{
	return prepare_walk(backing, extent_walk_objects(objects), uid, request);
}

int backing_read(const struct backing *backing, uint64_t offset, void *data, size_t size_bytes)
{
	return segment_read(&backing->segment, offset, data, size_bytes);
}

int backing_write(const struct backing *backing, uint64_t offset, const void *data,
		  size_t size_bytes)
{
	return segment_write(&backing->segment, offset, data, size_bytes);
}

/* Resizing. */

void backing_expect(struct backing *backing, uint64_t size_bytes)
{
	commit_expect(&backing->commit, size_bytes);
}

int backing_reserve(const struct backing *backing, uint64_t size_bytes)
{
	if (size_bytes <= backing->size_bytes)
		return 0;
	return segment_reserve(&backing->segment, backing->size_bytes,
			       size_bytes - backing->size_bytes);
}

void backing_set_size(struct backing *backing, uint64_t size_bytes)
{
	assert(size_bytes <= backing->segment.capacity_bytes);
	backing->size_bytes = size_bytes;
	commit_set_size(&backing->commit, size_bytes);
}

static void run_release(struct worker_job *job)
{
	struct backing_release *release = (struct backing_release *)job;

	release->error =
		segment_punch(&release->backing->segment, release->offset, release->size_bytes);
}

static void finish_release(struct worker_job *job)
{
	struct backing_release *release = (struct backing_release *)job;

	/* Else what is in the pages is still somebody's. */
	if (!release->error)
		scrub_forget(&release->backing->scrub,
			     &(struct scrub_extent){ release->offset, release->size_bytes });
	release->done(release);
}

int backing_release(struct backing *backing, struct worker_pool *workers, uint32_t pfn,
		    uint32_t nr_pages, struct backing_release *release)
{
	uint32_t first, nr_released;
	int error = commit_forget(&backing->commit, pfn, nr_pages, &first, &nr_released);

	if (error || nr_released == 0)
		return error;
	*release = (struct backing_release){
		.job = { .run = run_release, .done = finish_release },
		.backing = backing,
		.offset = (uint64_t)first * PAGE_BYTES,
		.size_bytes = (uint64_t)nr_released * PAGE_BYTES,
		.done = release->done,
	};
	worker_pool_submit(workers, &release->job);
	return -EINPROGRESS;
}

uint64_t backing_stray_bytes(const struct backing *backing)
{
	uint64_t used_bytes = backing->commit.nr_used * backing->commit.chunk_bytes;
	uint64_t backed_bytes = segment_backed_bytes(&backing->segment);

	return backed_bytes > used_bytes ? backed_bytes - used_bytes : 0;
}

int backing_open_fd(const struct backing *backing, bool read_only)
{
	return segment_open_fd(&backing->segment, read_only);
}

uint64_t backing_committed_bytes(const struct backing *backing)
{
	if (backing->commit_policy == SERVICE_COMMIT_TOUCH)
		return segment_backed_bytes(&backing->segment);
	return commit_committed_bytes(&backing->commit);
}

uint64_t backing_size_bytes(const struct backing *backing)
{
	return backing->size_bytes;
}

uint64_t backing_capacity_bytes(const struct backing *backing)
{
	return backing->segment.capacity_bytes;
}

uint64_t backing_page_bytes(const struct backing *backing)
{
	return backing->segment.page_bytes;
}

unsigned backing_node(const struct backing *backing)
{
	return backing->node;
}
