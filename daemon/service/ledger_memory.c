/* SPDX-License-Identifier: MIT */
/*
 * Memory for the core's metadata.
 *
 * The ledger is a shared mapping of a memfd, because a memfd outlives the process that made it as
 * long as somebody keeps its descriptor: what the daemon knows about who owns what is then still
 * there after its death. Its mode is 0600 and its size is sealed, so that neither a stranger
 * through /proc nor a mistake of ours can change what it is. F_SEAL_FUTURE_WRITE is not used: the
 * next daemon has to write.
 *
 * A ledger has room for what its zone may grow to, and what is in use of it is backed beforehand. A
 * word a page of the segment and a block every so many pages means that a batch of large blocks
 * stores each of its words in a page of its own: faults of several microseconds each, in the loop,
 * and SIGBUS where memory is out. It is a thousandth of the segment. The words of objects, of which
 * there may be 256 a page, are backed part by part, as slabs are made. The index needs no such
 * care: bringing pages into use writes all of it.
 */

#include "service/ledger_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/page.h"

static int ledger_memfd_new(const char *name, size_t size_bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) < 0 || ftruncate(fd, (off_t)size_bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int ledger_memory_back(const struct ledger_memory *ledger, size_t offset, size_t size_bytes)
{
	size_t first = offset & ~(size_t)(PAGE_BYTES - 1);
	int failed;

	do
		failed = madvise((uint8_t *)ledger->memory + first, offset + size_bytes - first,
				 MADV_POPULATE_WRITE);
	while (failed && (errno == EINTR || errno == EAGAIN));
	if (!failed)
		return 0;
	return errno == EFAULT ? -ENOMEM : -errno;
}

int ledger_memory_init(struct ledger_memory *ledger, const char *name, size_t size_bytes,
		       size_t backed_bytes)
{
	struct ledger_memory made = { .size_bytes = size_bytes };

	made.fd = ledger_memfd_new(name, size_bytes);
	if (made.fd < 0)
		return made.fd;

	made.memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, made.fd, 0);
	int error = made.memory == MAP_FAILED ? -errno : ledger_memory_back(&made, 0, backed_bytes);
	if (error < 0) {
		if (made.memory == MAP_FAILED)
			made.memory = NULL;
		ledger_memory_deinit(&made);
		return error;
	}
	*ledger = made;
	return 0;
}

void ledger_memory_deinit(struct ledger_memory *ledger)
{
	if (ledger->memory)
		munmap(ledger->memory, ledger->size_bytes);
	if (ledger->fd >= 0)
		close(ledger->fd);
	*ledger = LEDGER_MEMORY_NULL;
}

void *index_memory_new(size_t size_bytes)
{
	void *memory =
		mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

void *index_memory_free(void *memory, size_t size_bytes)
{
	if (memory)
		munmap(memory, size_bytes);
	return NULL;
}
