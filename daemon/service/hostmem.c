/* SPDX-License-Identifier: MIT */
/*
 * What can still be committed.
 *
 * The kernel does not refuse shared memory when there is none: it first swaps, then kills. Three
 * bounds can be seen beforehand, and the tightest counts:
 *
 *   the host    MemAvailable, the kernel's own estimate of what can be had without swapping
 *   the node    of a bound segment: free pages and page cache of that node
 *   the cgroup  its limit less its usage, at every level up to the root, page cache and reclaimable
 *               slab counted as free; of cgroup v2, and of v1 where memory is still accounted there
 *
 * All are estimates at one moment: others allocate too. Callers keep a margin, ask again before
 * every piece, and still handle the error of the call itself.
 */

#include "service/hostmem.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <numa.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES_MAX 4096u

/* Where the two versions of cgroups say what we need. */
struct cgroup_version {
	const char *controllers; /* the middle of its line in /proc/self/cgroup */
	const char *root;
	const char *limit, *usage;
	const char *cache_keys[4]; /* in memory.stat */
};

static const struct cgroup_version cgroup_versions[] = {
	{ "",
	  "/sys/fs/cgroup",
	  "memory.max",
	  "memory.current",
	  { "inactive_file ", "active_file ", "slab_reclaimable " } },
	{ "memory",
	  "/sys/fs/cgroup/memory",
	  "memory.limit_in_bytes",
	  "memory.usage_in_bytes",
	  { "total_inactive_file ", "total_active_file " } },
};

static uint64_t subtract(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/*
 * Adds up the numbers behind the words that are one of `keys`, of all lines, in whatever unit
 * the file has. False when the file can't be read.
 */
static bool sum_keys(const char *path, const char *const *keys, uint64_t *ret)
{
	FILE *file = fopen(path, "re");
	char line[256];
	uint64_t sum = 0;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		for (const char *const *key = keys; *key; key++) {
			const char *found = strstr(line, *key);
			uint64_t value;

			if (found && found > line && found[-1] != ' ')
				continue; /* "active_file" is also the end of "inactive_file" */
			if (found && sscanf(found + strlen(*key), "%" SCNu64, &value) == 1)
				sum += value;
		}
	}
	fclose(file);
	*ret = sum;
	return true;
}

/* One number; "max" and what can't be read are no bound. */
static uint64_t read_number(const char *path, uint64_t otherwise)
{
	FILE *file = fopen(path, "re");
	uint64_t value;

	if (!file)
		return otherwise;
	if (fscanf(file, "%" SCNu64, &value) != 1)
		value = otherwise;
	fclose(file);
	return value;
}

static uint64_t host_available_bytes(void)
{
	static const char *const keys[] = { "MemAvailable:", NULL };
	uint64_t kib;

	return sum_keys("/proc/meminfo", keys, &kib) ? kib * 1024 : UINT64_MAX;
}

static uint64_t node_available_bytes(int host_node)
{
	static const char *const keys[] = { "MemFree:", "Active(file):", "Inactive(file):",
					    "SReclaimable:", NULL };
	char path[128];
	uint64_t kib;

	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", host_node);
	return sum_keys(path, keys, &kib) ? kib * 1024 : UINT64_MAX;
}

/* Our cgroup's folder, or false where this version is not in use. */
static bool find_cgroup(const struct cgroup_version *version, char path[PATH_BYTES_MAX])
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	bool found = false;
	char line[PATH_BYTES_MAX / 2];

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) { /* number:controllers:/path */
		char *rest = line, *controllers;

		line[strcspn(line, "\n")] = '\0';
		strsep(&rest, ":");
		controllers = strsep(&rest, ":");
		found = rest && strcmp(controllers, version->controllers) == 0;
		if (found)
			snprintf(path, PATH_BYTES_MAX, "%s%s", version->root, rest);
	}
	fclose(file);
	return found;
}

static uint64_t cgroup_level_bytes(const struct cgroup_version *version, const char *cgroup)
{
	char path[PATH_BYTES_MAX + 32];
	uint64_t limit, cache = 0;

	snprintf(path, sizeof(path), "%s/%s", cgroup, version->limit);
	limit = read_number(path, UINT64_MAX);
	if (limit == UINT64_MAX)
		return UINT64_MAX;
	snprintf(path, sizeof(path), "%s/memory.stat", cgroup);
	sum_keys(path, version->cache_keys, &cache);
	snprintf(path, sizeof(path), "%s/%s", cgroup, version->usage);
	return subtract(limit + cache, read_number(path, 0));
}

/*
 * In a container the path may be that of the host, which is not there; on the way up comes the
 * root, which then is the container's own.
 */
static uint64_t cgroup_available_bytes(const struct cgroup_version *version)
{
	char path[PATH_BYTES_MAX];
	uint64_t least = UINT64_MAX;

	if (!find_cgroup(version, path))
		return UINT64_MAX;
	while (strlen(path) >= strlen(version->root)) {
		uint64_t bytes = cgroup_level_bytes(version, path);

		if (bytes < least)
			least = bytes;
		*strrchr(path, '/') = '\0';
	}
	return least;
}

static bool has_several_nodes(void)
{
	return numa_available() >= 0 && numa_num_configured_nodes() > 1;
}

uint64_t hostmem_available_bytes(int host_node)
{
	uint64_t least = host_available_bytes();

	for (size_t i = 0; i < sizeof(cgroup_versions) / sizeof(cgroup_versions[0]); i++) {
		uint64_t cgroup = cgroup_available_bytes(&cgroup_versions[i]);

		if (cgroup < least)
			least = cgroup;
	}
	if (host_node >= 0 && has_several_nodes()) {
		uint64_t node = node_available_bytes(host_node);

		if (node < least)
			least = node;
	}
	return least;
}

static uint64_t read_huge(const char *folder, const char *name, uint64_t otherwise)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return read_number(path, otherwise);
}

int hostmem_huge_pages(int host_node, uint64_t page_bytes, struct hostmem_huge *ret)
{
	char host[96], node[96];
	const char *folder = host;
	uint64_t total, extra, available;

	snprintf(host, sizeof(host), "/sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB",
		 page_bytes / 1024);
	total = read_huge(host, "nr_hugepages", UINT64_MAX);
	if (total == UINT64_MAX)
		return -ENODEV;
	extra = subtract(read_huge(host, "nr_overcommit_hugepages", 0),
			 read_huge(host, "surplus_hugepages", 0));
	available = subtract(read_huge(host, "free_hugepages", 0),
			     read_huge(host, "resv_hugepages", 0)) +
		    extra;
	ret->nr_on_node = UINT64_MAX;
	if (host_node >= 0) {
		uint64_t here;

		snprintf(node, sizeof(node),
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%" PRIu64 "kB",
			 host_node, page_bytes / 1024);
		here = read_huge(node, "free_hugepages", UINT64_MAX);
		if (here != UINT64_MAX) { /* the kernel may be built without NUMA */
			folder = node;
			total = read_huge(node, "nr_hugepages", 0);
			ret->nr_on_node = here + extra;
			available = here + extra < available ? here + extra : available;
		}
	}
	ret->nr_total = total;
	ret->nr_available = available;
	snprintf(ret->path, sizeof(ret->path), "%s/nr_hugepages", folder);
	return 0;
}
