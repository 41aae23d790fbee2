/* SPDX-License-Identifier: MIT */
/*
 * pp_free() is told an address and nothing else; how much lies there must be known. The daemon
 * knows, but whether it was pp_malloc() that got it, only this process does.
 *
 * A word is set whenever something in its page is granted, and never when it is freed. So it says
 * how the page was come by last, which is the truth for all that is still held, and may be wrong
 * for what is not: such an address the daemon refuses to free, as it does not believe us in any
 * case. The alternative, to clear words in a free, would race with the next grant of the same page
 * to another thread.
 *
 * The words of all pages that a zone can grow to are mapped at once, and cost memory only where
 * they are set: 4 KiB for each 4 MiB of the pool that objects came from.
 */

#include "lib/origins.h"

#include <errno.h>
#include <sys/mman.h>

int ppc_origins_init(struct ppc_origins *origins, const struct ppc_mapping *mapping)
{
	size_t nr_words = 0;
	void *words;

	for (unsigned i = 0; i < mapping->nr_zones; i++) {
		origins->first[i] = nr_words;
		nr_words += mapping->zones[i].size_bytes >> PPC_PAGE_SHIFT;
	}
	origins->size_bytes = nr_words * sizeof(*origins->words);
	words = mmap(NULL, origins->size_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (words == MAP_FAILED)
		return -errno;
	/* The kernel would make 2 MiB of the first word that is set. */
	madvise(words, origins->size_bytes, MADV_NOHUGEPAGE);
	origins->words = words;
	return 0;
}

void ppc_origins_deinit(struct ppc_origins *origins)
{
	if (origins->words)
		munmap(origins->words, origins->size_bytes);
}
