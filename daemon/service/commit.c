/* SPDX-License-Identifier: MIT */
/*
 * Commit: real memory before the grant, so that its lack is an error code and not SIGBUS.
 *
 * The segment is cut into chunks of 2 MiB, or of one huge page where those are larger. A chunk is
 * committed, in flight in one job, or neither. Committing 2 MiB of small pages takes some
 * milliseconds, so it is always a job on a helper thread; a job is a run of few chunks, so that
 * nobody waits long behind one that he does not need. Who needs a chunk that is in flight waits
 * for that job: no chunk is ever committed twice.
 *
 * Zones hand out what was freed last, else the lowest address first, so a steady consumer walks
 * upwards, and a plan runs ahead of him as read-ahead does in the kernel: a window behind the last
 * grant is committed, one job at a time so that needed chunks go between; a grant in the window's
 * second half plans the next one, twice as large, up to WINDOW_BYTES_MAX. A grant elsewhere starts
 * again with one chunk. commit_all() is the same plan over everything, with more jobs at once.
 *
 * Memory is asked for before it is taken: a job first looks whether the host, the node and the
 * cgroup have as much to give, and leaves a margin for the jobs beside it. The kernel would not
 * refuse; it would kill somebody.
 *
 * The records are made for all that the segment has room for, so that a zone can grow; a size that
 * ends amid a chunk commits that chunk whole. Chunks that leave the zone are forgotten one by one,
 * and committed anew when they come back.
 *
 * Invariants: in_flight[c] is set exactly while a job that covers c has not been reaped; a chunk
 * with its bit in `committed` is never in flight; nr_committed counts the bits; nr_whole is the
 * first without.
 */

#include "service/commit.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/page.h"
#include "service/hostmem.h"
#include "service/log.h"
#include "service/notify.h"
#include "service/segment.h"

#define MIB (UINT64_C(1) << 20)
#define CHUNK_BYTES_MIN (2 * MIB)
#define JOB_BYTES_MAX (8 * MIB) /* at least one chunk; 10 ms of small pages */
#define WINDOW_BYTES_MAX (64 * MIB)
#define ALL_JOBS_MAX 4u                             /* more only waits in the queue */
#define MARGIN_BYTES (ALL_JOBS_MAX * JOB_BYTES_MAX) /* what other jobs may take meanwhile */
#define PROGRESS_MS 2000u
#define PROGRESS_PERCENT 10u
#define PROGRESS_PATIENCE_MS 60000u /* asked of the service manager at each step */

struct commit_waiter {
	struct commit_wait *wait;
	uint32_t first, end; /* the chunks of the job that it needs */
	struct commit_waiter *next;
};

struct commit_job {
	struct worker_job job;
	struct commit *commit;
	uint32_t first, end;
	uint32_t nr_done; /* by the helper thread, as error is */
	int error;
	bool is_planned;
	struct commit_waiter *waiters;
};

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_huge(const struct commit *commit)
{
	return commit->segment->page_bytes > PAGE_BYTES;
}

static uint32_t job_chunks_max(const struct commit *commit)
{
	return max_u32(1, (uint32_t)(JOB_BYTES_MAX / commit->chunk_bytes));
}

static bool is_committed(const struct commit *commit, uint32_t chunk)
{
	return commit->committed[chunk / 64] >> (chunk % 64) & 1;
}

static bool is_missing(const struct commit *commit, uint32_t chunk)
{
	return !is_committed(commit, chunk) && !commit->in_flight[chunk];
}

static uint32_t chunk_of(const struct commit *commit, uint64_t pfn)
{
	return (uint32_t)(pfn * PAGE_BYTES / commit->chunk_bytes);
}

/* The last chunk may be short. */
static uint64_t bytes_of(const struct commit *commit, uint32_t first, uint32_t end)
{
	uint64_t end_byte = end * commit->chunk_bytes;

	if (end_byte > commit->segment->capacity_bytes)
		end_byte = commit->segment->capacity_bytes;
	return end_byte - first * commit->chunk_bytes;
}

static uint32_t chunks_of_size(const struct commit *commit, uint64_t size_bytes)
{
	return (uint32_t)((size_bytes + commit->chunk_bytes - 1) / commit->chunk_bytes);
}

int commit_init(struct commit *commit, const struct segment *segment, uint64_t size_bytes,
		struct worker_pool *workers)
{
	uint64_t chunk_bytes =
		segment->page_bytes > CHUNK_BYTES_MIN ? segment->page_bytes : CHUNK_BYTES_MIN;
	uint32_t nr_chunks = (uint32_t)((segment->capacity_bytes + chunk_bytes - 1) / chunk_bytes);

	*commit = (struct commit){
		.segment = segment,
		.workers = workers,
		.chunk_bytes = chunk_bytes,
		.nr_chunks = nr_chunks,
		.plan.nr_jobs_max = 1,
		.mark = UINT32_MAX,
		.committed = calloc((nr_chunks + 63) / 64, sizeof(*commit->committed)),
		.given_back = calloc((nr_chunks + 63) / 64, sizeof(*commit->given_back)),
		.in_flight = calloc(nr_chunks, sizeof(*commit->in_flight)),
	};
	if (!commit->committed || !commit->given_back || !commit->in_flight) {
		commit_deinit(commit);
		return -ENOMEM;
	}
	commit_set_size(commit, size_bytes);
	return 0;
}

void commit_expect(struct commit *commit, uint64_t size_bytes)
{
	uint32_t end = chunks_of_size(commit, size_bytes);

	for (uint32_t chunk = commit->nr_used; chunk < end; chunk++)
		commit->given_back[chunk / 64] &= ~(UINT64_C(1) << (chunk % 64));
}

void commit_set_size(struct commit *commit, uint64_t size_bytes)
{
	commit->nr_used = chunks_of_size(commit, size_bytes);
	if (!commit->all.done)
		commit->plan.end = min_u32(commit->plan.end, commit->nr_used);
}

static void job_free(struct commit_job *job)
{
	while (job->waiters) {
		struct commit_waiter *waiter = job->waiters;

		job->waiters = waiter->next;
		free(waiter);
	}
	free(job);
}

void commit_deinit(struct commit *commit)
{
	for (uint32_t chunk = 0; commit->in_flight && chunk < commit->nr_chunks;) {
		struct commit_job *job = commit->in_flight[chunk];

		chunk = job ? job->end : chunk + 1;
		if (job)
			job_free(job);
	}
	free(commit->in_flight);
	free(commit->given_back);
	free(commit->committed);
	commit->in_flight = NULL;
	commit->given_back = NULL;
	commit->committed = NULL;
	commit->nr_chunks = 0;
}

/* Jobs. */

static void run_job(struct worker_job *worker_job)
{
	struct commit_job *job = (struct commit_job *)worker_job;
	const struct commit *commit = job->commit; /* what is read of it never changes */
	const struct segment *segment = commit->segment;
	uint64_t need_bytes = bytes_of(commit, job->first, job->end) + MARGIN_BYTES;

	/* Huge pages were reserved when the segment was made. */
	if (!is_huge(commit) && hostmem_available_bytes(segment->host_node) < need_bytes) {
		job->error = -ENOMEM;
		return;
	}
	for (uint32_t chunk = job->first; chunk < job->end && !job->error; chunk++) {
		job->error = segment_commit(segment, chunk * commit->chunk_bytes,
					    bytes_of(commit, chunk, chunk + 1));
		if (!job->error)
			job->nr_done++;
	}
}

static void report_failure(struct commit *commit, int error)
{
	if (error && !commit->short_of_memory)
		log_warning("%s: can't commit memory: %s; %" PRIu64 " of %" PRIu64
			    " MiB are committed, and grants from the rest fail",
			    commit->segment->name, strerror(-error),
			    commit_committed_bytes(commit) / MIB,
			    bytes_of(commit, 0, commit->nr_used) / MIB);
	commit->short_of_memory = error != 0;
}

static void tell_waiter(const struct commit *commit, const struct commit_waiter *waiter, int error)
{
	struct commit_wait *wait = waiter->wait;

	for (uint32_t chunk = waiter->first; chunk < waiter->end; chunk++)
		if (!is_committed(commit, chunk))
			wait->error = error;
	if (--wait->nr_pending == 0)
		wait->done(wait);
}

static void advance_whole(struct commit *commit)
{
	while (commit->nr_whole < commit->nr_chunks && is_committed(commit, commit->nr_whole))
		commit->nr_whole++;
}

static void continue_plan(struct commit *commit);
static void continue_all(struct commit *commit);

static void finish_job(struct worker_job *worker_job)
{
	struct commit_job *job = (struct commit_job *)worker_job;
	struct commit *commit = job->commit;

	for (uint32_t chunk = job->first; chunk < job->end; chunk++)
		commit->in_flight[chunk] = NULL;
	for (uint32_t chunk = job->first; chunk < job->first + job->nr_done; chunk++)
		commit->committed[chunk / 64] |= UINT64_C(1) << (chunk % 64);
	commit->nr_committed += job->nr_done;
	advance_whole(commit);
	commit->nr_jobs--;
	report_failure(commit, job->error);
	if (job->is_planned)
		commit->plan.nr_jobs--;
	if (job->error) {
		commit->plan.end = commit->plan.next; /* no memory to run ahead with */
		commit->all.error = job->error;
	}
	/* What a done may do to `commit` is to need more of it, so this comes before. */
	continue_plan(commit);
	while (job->waiters) {
		struct commit_waiter *waiter = job->waiters;

		job->waiters = waiter->next;
		tell_waiter(commit, waiter, job->error);
		free(waiter);
	}
	job_free(job);
	continue_all(commit);
}

/* Commits the missing chunks from `first` on, fewer than asked for when a job is full. */
static struct commit_job *submit_job(struct commit *commit, uint32_t first, uint32_t end)
{
	struct commit_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->job.run = run_job;
	job->job.done = finish_job;
	job->commit = commit;
	job->first = first;
	job->end = first;
	end = min_u32(end, first + job_chunks_max(commit));
	while (job->end < end && is_missing(commit, job->end))
		commit->in_flight[job->end++] = job;
	commit->nr_jobs++;
	worker_pool_submit(commit->workers, &job->job);
	return job;
}

/* Running ahead. */

static void continue_plan(struct commit *commit)
{
	struct commit_plan *plan = &commit->plan;

	while (plan->nr_jobs < plan->nr_jobs_max && plan->next < plan->end) {
		struct commit_job *job;

		if (!is_missing(commit, plan->next)) {
			plan->next++;
			continue;
		}
		job = submit_job(commit, plan->next, plan->end);
		if (!job) {
			plan->end = plan->next;
			return;
		}
		job->is_planned = true;
		plan->nr_jobs++;
		plan->next = job->end;
	}
}

/* Plans a window behind chunk `from`, and what is left between `next` and it. */
static void plan_ahead(struct commit *commit, uint32_t next, uint32_t from)
{
	uint32_t window_max = (uint32_t)(WINDOW_BYTES_MAX / commit->chunk_bytes);

	if (commit->all.done || window_max == 0)
		return;
	commit->window = min_u32(max_u32(1, 2 * commit->window), window_max);
	commit->plan.next = next;
	commit->plan.end = min_u32(from + commit->window, commit->nr_used);
	commit->mark = from + commit->window / 2;
	continue_plan(commit);
}

bool commit_is_ready(struct commit *commit, uint32_t pfn, uint32_t nr_pages)
{
	uint32_t last = chunk_of(commit, (uint64_t)pfn + nr_pages - 1);
	uint32_t chunk = max_u32(chunk_of(commit, pfn), commit->nr_whole);

	while (chunk <= last && is_committed(commit, chunk))
		chunk++;
	if (chunk <= last)
		return false;
	if (last >= commit->mark && last < commit->plan.end)
		plan_ahead(commit, commit->plan.next, commit->plan.end);
	return true;
}

/* Needing. */

static void wait_for_job(struct commit_job *job, uint32_t first, uint32_t end,
			 struct commit_wait *wait)
{
	struct commit_waiter *waiter = job->waiters;

	if (waiter && waiter->wait == wait) { /* several runs of one request in one job */
		waiter->first = min_u32(waiter->first, first);
		waiter->end = max_u32(waiter->end, end);
		return;
	}
	waiter = calloc(1, sizeof(*waiter));
	if (!waiter) {
		wait->error = -ENOMEM;
		return;
	}
	waiter->wait = wait;
	waiter->first = first;
	waiter->end = end;
	waiter->next = job->waiters;
	job->waiters = waiter;
	wait->nr_pending++;
}

void commit_need(struct commit *commit, uint32_t pfn, uint32_t nr_pages, struct commit_wait *wait)
{
	uint32_t first = chunk_of(commit, pfn);
	uint32_t end = chunk_of(commit, (uint64_t)pfn + nr_pages - 1) + 1;
	bool is_new = false;

	assert(nr_pages > 0 && end <= commit->nr_chunks);
	for (uint32_t chunk = first; chunk < end;) {
		struct commit_job *job = commit->in_flight[chunk];

		if (is_committed(commit, chunk)) {
			chunk++;
			continue;
		}
		if (!job) {
			is_new = true;
			job = submit_job(commit, chunk, end);
		}
		if (!job) {
			wait->error = -ENOMEM;
			return;
		}
		wait_for_job(job, chunk, min_u32(job->end, end), wait);
		chunk = job->end;
	}
	if (!is_new)
		return;
	if (first < commit->plan.next || first > commit->plan.end)
		commit->window = 0; /* not where we ran ahead */
	plan_ahead(commit, end, end);
}

/* Everything. */

static void finish_all(struct commit *commit)
{
	struct commit_all *all = &commit->all;
	void (*done)(int, void *) = all->done;
	int error = all->error;

	if (!error && commit->nr_whole < all->nr_chunks)
		error = -ENOMEM;
	if (error)
		log_error("%s: only %" PRIu64 " of %" PRIu64 " MiB could be committed: %s: make "
			  "size smaller, free memory, or set commit = grant",
			  commit->segment->name, commit_committed_bytes(commit) / MIB,
			  bytes_of(commit, 0, all->nr_chunks) / MIB, strerror(-error));
	commit->plan.nr_jobs_max = 1;
	all->done = NULL;
	done(error, all->data);
}

static void log_progress(struct commit *commit)
{
	struct commit_all *all = &commit->all;
	unsigned percent = (unsigned)(UINT64_C(100) * commit->nr_whole / all->nr_chunks);
	uint64_t now = now_ms();

	if (percent < all->logged_percent + PROGRESS_PERCENT && now < all->logged_ms + PROGRESS_MS)
		return;
	all->logged_percent = percent;
	all->logged_ms = now;
	log_info("%s: %u %% of %" PRIu64 " MiB committed", commit->segment->name, percent,
		 bytes_of(commit, 0, all->nr_chunks) / MIB);
	notify_status("Committing memory: %s %u %%", commit->segment->name, percent);
	notify_extend_timeout(PROGRESS_PATIENCE_MS);
}

static void continue_all(struct commit *commit)
{
	if (!commit->all.done)
		return;
	log_progress(commit);
	if (commit->nr_jobs == 0 && commit->plan.next >= commit->plan.end)
		finish_all(commit);
}

static struct commit *commit_of_check(struct worker_job *job)
{
	return (struct commit *)((char *)job - offsetof(struct commit, all.check));
}

/* Whether there is enough at all, before most of the host's memory is taken for nothing. */
static void run_check(struct worker_job *job)
{
	struct commit *commit = commit_of_check(job);
	const struct segment *segment = commit->segment;
	uint64_t wanted = bytes_of(commit, 0, commit->all.nr_chunks);
	uint64_t backed = segment_backed_bytes(segment);
	uint64_t need, available;

	if (is_huge(commit) || backed >= wanted)
		return;
	need = wanted - backed + MARGIN_BYTES;
	available = hostmem_available_bytes(segment->host_node);
	if (available >= need)
		return;
	log_error("%s needs %" PRIu64 " MiB of memory to be committed, %" PRIu64
		  " MiB are available: %" PRIu64 " MiB are missing",
		  segment->name, need / MIB, available / MIB, (need - available + MIB - 1) / MIB);
	commit->all.check_error = -ENOMEM;
}

static void finish_check(struct worker_job *job)
{
	struct commit *commit = commit_of_check(job);

	commit->all.error = commit->all.check_error;
	commit->plan.next = 0;
	commit->plan.end = commit->all.error ? 0 : commit->all.nr_chunks;
	commit->plan.nr_jobs_max = ALL_JOBS_MAX;
	continue_plan(commit);
	continue_all(commit);
}

void commit_all(struct commit *commit, uint64_t size_bytes, void (*done)(int error, void *data),
		void *data)
{
	assert(!commit->all.done);
	commit->all = (struct commit_all){
		.nr_chunks = chunks_of_size(commit, size_bytes),
		.check = { .run = run_check, .done = finish_check },
		.done = done,
		.data = data,
		.logged_ms = now_ms(),
	};
	worker_pool_submit(commit->workers, &commit->all.check);
}

/* Giving back. */

static bool is_given_back(const struct commit *commit, uint32_t chunk)
{
	return commit->given_back[chunk / 64] >> (chunk % 64) & 1;
}

static void give_back(struct commit *commit, uint32_t chunk)
{
	commit->nr_committed -= is_committed(commit, chunk);
	commit->committed[chunk / 64] &= ~(UINT64_C(1) << (chunk % 64));
	commit->given_back[chunk / 64] |= UINT64_C(1) << (chunk % 64);
	commit->nr_whole = min_u32(commit->nr_whole, chunk);
}

int commit_forget(struct commit *commit, uint32_t pfn, uint32_t nr_pages, uint32_t *ret_pfn,
		  uint32_t *ret_nr_pages)
{
	uint32_t chunk_pages = (uint32_t)(commit->chunk_bytes / PAGE_BYTES);
	uint64_t end_pfn = (uint64_t)pfn + nr_pages;
	uint32_t first = (uint32_t)(((uint64_t)pfn + chunk_pages - 1) / chunk_pages);
	uint32_t end = (uint32_t)(end_pfn / chunk_pages), chunk;

	if (end_pfn * PAGE_BYTES == commit->segment->capacity_bytes)
		end = commit->nr_chunks; /* also when it is short */
	while (first < end && is_given_back(commit, first))
		first++;
	if (first < end && commit->in_flight[first])
		return -EAGAIN;
	for (chunk = first; chunk < end && !is_given_back(commit, chunk); chunk++) {
		if (commit->in_flight[chunk])
			break;
		give_back(commit, chunk);
	}
	*ret_pfn = first * chunk_pages;
	*ret_nr_pages = first < chunk ? (uint32_t)(bytes_of(commit, first, chunk) / PAGE_BYTES) : 0;
	return 0;
}

uint64_t commit_committed_bytes(const struct commit *commit)
{
	uint64_t bytes = commit->nr_committed * commit->chunk_bytes;
	uint32_t last = commit->nr_chunks - 1;

	if (is_committed(commit, last))
		bytes -= commit->chunk_bytes - bytes_of(commit, last, last + 1);
	return bytes;
}
