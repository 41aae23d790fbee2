/* SPDX-License-Identifier: MIT */
/*
 * The segment: one memfd a zone.
 *
 * Room. The memfd and all mappings of it have the size that the zone may once grow to, so that
 * growing needs no new descriptor and no word to clients. Small pages cost nothing before they are
 * written. Huge pages are promised by a mapping, so ours promises none (MAP_NORESERVE), and what is
 * in use is reserved by a second mapping that is undone at once: the promise stays with the memfd.
 * Punching takes it back only with a page that is there, so untouched ones are filled for that.
 *
 * Trust. A memfd is born with mode 0777: whoever is sent a read-only descriptor could open it again
 * for writing through /proc. So its mode is 0600 before anybody sees it, and it belongs to the
 * daemon's uid. It is sealed against shrinking, growing and further seals; F_SEAL_FUTURE_WRITE is
 * not set, as a daemon that takes the memory over must map and punch it. Clients get descriptors
 * that were opened anew: a duplicate would share its file status flags with ours.
 *
 * Placement. The policy is set on our mapping with mbind(). For 4 KiB pages it sticks to the memfd
 * and holds for everybody's faults. For huge pages it holds for our mapping alone, and all is
 * populated through it.
 *
 * Never SIGBUS. The daemon does not load or store through the mapping: a client can punch a hole
 * into a segment it may write, and the fault would then kill us if memory is out. Memory is taken
 * with MADV_POPULATE_WRITE, bytes are written by process_vm_writev() on ourselves and read by
 * pread(), which give an error instead. Huge pages are reserved: too few of them is an error here
 * and now.
 *
 * Never the file's lock. write() and fallocate() take the inode's lock, and so does lseek(). A
 * client can do that too, with its own descriptor, and hold the lock for ever: it writes from a
 * page that is never read in. Faults, read() and fstat() do not take it. A fault does wait while a
 * hole is punched where it happens, and a page may have to come back from swap: both end, but not
 * soon enough for the loop. So once made, a segment's pages are touched by helper threads alone,
 * and holes are punched by one that nobody waits for.
 *
 * Page tables are dropped again where pages are small. Otherwise all clients' memory would count
 * as the daemon's own, first of all for the kernel when it looks for somebody to kill, and they
 * would take 2 MiB for each GiB. The price is that a page is faulted in each time it is zeroed,
 * about a microsecond.
 */

#include "service/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/page.h"
#include "service/hostmem.h"
#include "service/log.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define SEGMENT_ZERO_BYTES (256u * 1024u) /* in one call: fits the second-level cache */
#define SEGMENT_READ_BYTES (64u * 1024u)  /* in one call: on the stack */
#define SEGMENT_NODE_BITS 1024u           /* the kernel's largest node number, and one */

/* Never written. In .bss, so that every page of it is the kernel's zero page. */
static unsigned char zeros[SEGMENT_ZERO_BYTES];

static bool is_huge(const struct segment *segment)
{
	return segment->page_bytes > PAGE_BYTES;
}

/* "No memory" has many names; callers know one. */
static int memory_error(int error)
{
	switch (error) {
	case ENOSPC:
	case EFAULT:
	case EHWPOISON:
		return -ENOMEM;
	default:
		return -error;
	}
}

static int create_memfd(const struct segment *segment)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;

	if (segment->page_bytes == 2 * MIB)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	else if (segment->page_bytes == GIB)
		flags |= MFD_HUGETLB | MFD_HUGE_1GB;
	else if (segment->page_bytes != PAGE_BYTES)
		return -EINVAL;
	return memfd_create(segment->name, flags);
}

static int size_and_seal(const struct segment *segment)
{
	if (fchmod(segment->fd, 0600) < 0)
		return -errno;
	if (ftruncate(segment->fd, (off_t)segment->capacity_bytes) < 0)
		return -errno;
	if (fcntl(segment->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	return 0;
}

static int map(struct segment *segment)
{
	void *base = mmap(NULL, segment->capacity_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_NORESERVE, segment->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	segment->base = base;
	/* Clients' data, and too much of it. */
	madvise(base, segment->capacity_bytes, MADV_DONTDUMP);
	return 0;
}

static int bind_to_node(const struct segment *segment)
{
	const unsigned bits = 8 * sizeof(unsigned long);
	unsigned long mask[SEGMENT_NODE_BITS / (8 * sizeof(unsigned long))] = { 0 };
	unsigned node = (unsigned)segment->host_node;

	if (segment->host_node < 0)
		return 0;
	if (node >= SEGMENT_NODE_BITS)
		return -EINVAL;
	mask[node / bits] = 1ul << (node % bits);
	/* The kernel takes one bit less than it is told. */
	if (mbind(segment->base, segment->capacity_bytes, MPOL_BIND, mask, SEGMENT_NODE_BITS + 1,
		  0) == 0)
		return 0;
	if (errno != EPERM && errno != ENOSYS)
		return -errno;
	log_warning("%s: can't bind memory to node %u: %s; it comes from anywhere (a container "
		    "needs CAP_SYS_NICE or a seccomp profile that allows mbind)",
		    segment->name, node, strerror(errno));
	return 0;
}

static void tell_too_few(const struct segment *segment, const struct hostmem_huge *huge,
			 uint64_t nr_needed, uint64_t nr_free)
{
	char where[32] = "this host";

	if (segment->host_node >= 0)
		snprintf(where, sizeof(where), "node %d", segment->host_node);
	log_error("%s needs %" PRIu64 " huge pages of %" PRIu64 " MiB on %s, %" PRIu64
		  " are free: echo %" PRIu64 " > %s, or make size smaller, or set hugepages = off",
		  segment->name, nr_needed, segment->page_bytes / MIB, where, nr_free,
		  huge->nr_total + nr_needed - nr_free, huge->path);
}

static int check_huge_pages(const struct segment *segment, uint64_t size_bytes)
{
	uint64_t nr_needed = size_bytes / segment->page_bytes;
	struct hostmem_huge huge;

	if (hostmem_huge_pages(segment->host_node, segment->page_bytes, &huge) < 0) {
		log_error("%s needs huge pages of %" PRIu64 " MiB, which this host does not have: "
			  "set hugepages = off or another size",
			  segment->name, segment->page_bytes / MIB);
		return -ENOMEM;
	}
	if (huge.nr_available >= nr_needed)
		return 0;
	tell_too_few(segment, &huge, nr_needed, huge.nr_available);
	return -ENOMEM;
}

/*
 * The kernel reserves huge pages of the host, but a segment that is bound needs them on its node.
 * There what it was promised before and has not taken yet still counts as free; so its node must
 * have free all that the segment lacks up to its new size.
 */
static int check_node(const struct segment *segment, uint64_t size_bytes)
{
	uint64_t backed_bytes = segment_backed_bytes(segment), nr_needed;
	struct hostmem_huge huge;

	if (segment->host_node < 0 || backed_bytes >= size_bytes ||
	    hostmem_huge_pages(segment->host_node, segment->page_bytes, &huge) < 0)
		return 0;
	nr_needed = (size_bytes - backed_bytes) / segment->page_bytes;
	if (huge.nr_on_node >= nr_needed)
		return 0;
	tell_too_few(segment, &huge, nr_needed, huge.nr_on_node);
	return -ENOMEM;
}

static int make(struct segment *segment)
{
	int error;

	segment->fd = create_memfd(segment);
	if (segment->fd < 0)
		return -errno;
	error = size_and_seal(segment);
	if (!error)
		error = map(segment);
	if (!error)
		error = bind_to_node(segment);
	return error;
}

int segment_init(struct segment *segment, uint64_t size_bytes)
{
	int error = 0;

	segment->base = NULL;
	segment->fd = -1;
	if (is_huge(segment))
		error = check_huge_pages(segment, size_bytes);
	if (error)
		return error;
	error = make(segment);
	if (error)
		log_error("%s: can't make a segment with room for %" PRIu64 " MiB%s: %s",
			  segment->name, segment->capacity_bytes / MIB,
			  is_huge(segment) ? " of huge pages" : "", strerror(-error));
	else
		error = segment_reserve(segment, 0, size_bytes);
	if (error)
		segment_deinit(segment);
	return error;
}

void segment_deinit(struct segment *segment)
{
	if (segment->base)
		munmap(segment->base, segment->capacity_bytes);
	if (segment->fd >= 0)
		close(segment->fd);
	segment->base = NULL;
	segment->fd = -1;
}

/* On a shared mapping this forgets where pages are, not what is in them. */
static void drop_page_tables(const struct segment *segment, uint64_t offset, uint64_t size_bytes)
{
	uint64_t first = offset & ~(PAGE_BYTES - 1);

	if (!is_huge(segment))
		madvise(segment->base + first, offset + size_bytes - first, MADV_DONTNEED);
}

int segment_commit(const struct segment *segment, uint64_t offset, uint64_t size_bytes)
{
	int failed, error;

	do {
		failed = madvise(segment->base + offset, size_bytes, MADV_POPULATE_WRITE);
		error = failed ? memory_error(errno) : 0;
	} while (error == -EINTR || error == -EAGAIN);
	drop_page_tables(segment, offset, size_bytes);
	return error;
}

/* Stores up to size_bytes; returns how many, or a negative errno. */
static ssize_t store(const struct segment *segment, uint64_t offset, const void *data,
		     size_t size_bytes)
{
	struct iovec from = { (void *)data, size_bytes };
	struct iovec to = { segment->base + offset, size_bytes };
	ssize_t n;

	do
		n = process_vm_writev(getpid(), &from, 1, &to, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return memory_error(errno);
	return n ? n : -EIO;
}

static int write_zeros(const struct segment *segment, uint64_t offset, uint64_t size_bytes)
{
	while (size_bytes > 0) {
		size_t piece = size_bytes < sizeof(zeros) ? size_bytes : sizeof(zeros);
		ssize_t n = store(segment, offset, zeros, piece);

		if (n < 0)
			return (int)n;
		offset += (uint64_t)n;
		size_bytes -= (uint64_t)n;
	}
	return 0;
}

int segment_zero(const struct segment *segment, uint64_t offset, uint64_t size_bytes)
{
	int error = write_zeros(segment, offset, size_bytes);

	drop_page_tables(segment, offset, size_bytes);
	return error;
}

static bool is_all_zeros(const unsigned char *data, size_t size_bytes)
{
	return data[0] == 0 && memcmp(data, data + 1, size_bytes - 1) == 0;
}

/* Zeroes the pages of which `data`, a copy of this range, shows that they are not zero. */
static int zero_by_copy(const struct segment *segment, uint64_t offset, const unsigned char *data,
			size_t size_bytes)
{
	int error = 0;

	for (size_t at = 0, piece; at < size_bytes && !error; at += piece) {
		size_t page_left = PAGE_BYTES - (offset + at) % PAGE_BYTES;

		piece = size_bytes - at < page_left ? size_bytes - at : page_left;
		if (!is_all_zeros(data + at, piece))
			error = write_zeros(segment, offset + at, piece);
	}
	drop_page_tables(segment, offset, size_bytes);
	return error;
}

/*
 * Loads up to size_bytes; returns how many, or a negative errno. Reading a hole gives zeros and
 * leaves it a hole.
 */
static ssize_t load(const struct segment *segment, uint64_t offset, void *data, size_t size_bytes)
{
	ssize_t n;

	do
		n = pread(segment->fd, data, size_bytes, (off_t)offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return memory_error(errno);
	return n ? n : -EIO;
}

/*
 * mincore() would be quicker than reading, but says of a page in swap, which may have another's
 * data, what it says of a hole.
 */
int segment_zero_sparse(const struct segment *segment, uint64_t offset, uint64_t size_bytes)
{
	unsigned char data[SEGMENT_READ_BYTES];

	while (size_bytes > 0) {
		size_t piece = size_bytes < sizeof(data) ? size_bytes : sizeof(data);
		ssize_t n = load(segment, offset, data, piece);
		int error = n < 0 ? (int)n : zero_by_copy(segment, offset, data, (size_t)n);

		if (error)
			return error;
		offset += (uint64_t)n;
		size_bytes -= (uint64_t)n;
	}
	return 0;
}

int segment_read(const struct segment *segment, uint64_t offset, void *data, size_t size_bytes)
{
	for (size_t at = 0; at < size_bytes;) {
		ssize_t n = load(segment, offset + at, (char *)data + at, size_bytes - at);

		if (n < 0)
			return (int)n;
		at += (size_t)n;
	}
	return 0;
}

int segment_write(const struct segment *segment, uint64_t offset, const void *data,
		  size_t size_bytes)
{
	int error = 0;

	for (size_t at = 0; at < size_bytes && !error;) {
		ssize_t n = store(segment, offset + at, (const char *)data + at, size_bytes - at);

		if (n < 0)
			error = (int)n;
		else
			at += (size_t)n;
	}
	drop_page_tables(segment, offset, size_bytes);
	return error;
}

int segment_reserve(const struct segment *segment, uint64_t offset, uint64_t size_bytes)
{
	void *promise;
	int error;

	if (!is_huge(segment) || size_bytes == 0)
		return 0;
	error = check_node(segment, offset + size_bytes);
	if (error)
		return error;
	promise = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd,
		       (off_t)offset);
	if (promise != MAP_FAILED) {
		munmap(promise, size_bytes);
		return 0;
	}
	error = memory_error(errno);
	if (check_huge_pages(segment, size_bytes) == 0)
		log_error("%s: can't reserve %" PRIu64 " MiB of huge pages: %s", segment->name,
			  size_bytes / MIB, strerror(-error));
	return error;
}

int segment_punch(const struct segment *segment, uint64_t offset, uint64_t size_bytes)
{
	int failed;

	if (is_huge(segment))
		segment_commit(segment, offset, size_bytes);
	do
		failed = fallocate(segment->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)offset, (off_t)size_bytes);
	while (failed && errno == EINTR);
	return failed ? -errno : 0;
}

int segment_open_fd(const struct segment *segment, bool read_only)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", segment->fd);
	fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

uint64_t segment_backed_bytes(const struct segment *segment)
{
	struct stat st;

	if (fstat(segment->fd, &st) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}
