/* SPDX-License-Identifier: MIT */
/*
 * Noticing a fork without asking the kernel each time.
 *
 * One page of the process is marked MADV_WIPEONFORK: it holds the process's number, and a child
 * finds zero there. The child's number, taken when it first connects, comes from a counter in
 * ordinary memory that it inherited, so along a line of forks no number is used twice and a
 * handle of any ancestor stays foreign.
 *
 * Avoided: getpid(), a system call in every function; pthread_atfork(), which raw clone() and
 * some sandboxes pass by. No locks: one held by another thread at the fork would stay held in the
 * child for ever.
 */

#include "lib/process.h"

#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static uint64_t *wiped_page;
static uint64_t last_number;

/* The page, made on first use. Two threads may both try; the second gives its page back. */
static int wiped_page_get(uint64_t **ret)
{
	uint64_t *page = __atomic_load_n(&wiped_page, __ATOMIC_ACQUIRE);
	size_t size_bytes = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t *first = NULL;

	if (page) {
		*ret = page;
		return 0;
	}
	page = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	if (madvise(page, size_bytes, MADV_WIPEONFORK) < 0) {
		int error = -errno;

		munmap(page, size_bytes);
		return error;
	}
	if (!__atomic_compare_exchange_n(&wiped_page, &first, page, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		munmap(page, size_bytes);
		page = first;
	}
	*ret = page;
	return 0;
}

int ppc_process_init(struct ppc_process *process)
{
	uint64_t *page = NULL, number, unset = 0;
	int error = wiped_page_get(&page);

	if (error)
		return error;
	number = __atomic_load_n(page, __ATOMIC_RELAXED);
	if (number == 0) {
		number = __atomic_add_fetch(&last_number, 1, __ATOMIC_RELAXED);
		if (!__atomic_compare_exchange_n(page, &unset, number, false, __ATOMIC_RELAXED,
						 __ATOMIC_RELAXED))
			number = unset;
	}
	process->number = page;
	process->owner = number;
	return 0;
}
