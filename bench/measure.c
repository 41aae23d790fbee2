/* SPDX-License-Identifier: MIT */
/*
 * CPUs: a measurement that wanders between them measures cold caches, and a round trip between two
 * of them is another thing than one on a single CPU. So everything here is pinned, and says where.
 */

#include "bench/measure.h"

#include <err.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

unsigned measure_list_cpus(int *ret_cpus, unsigned max)
{
	static cpu_set_t allowed; /* as at the first call: before anything was pinned */
	unsigned nr = 0;

	if (CPU_COUNT(&allowed) == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		err(EXIT_FAILURE, "sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && nr < max; cpu++) {
		if (CPU_ISSET(cpu, &allowed))
			ret_cpus[nr++] = cpu;
	}
	return nr;
}

void measure_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		err(EXIT_FAILURE, "pinning to CPU %d", cpu);
}

uint64_t measure_available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	uint64_t size_kib = 0;
	char line[128];

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file) &&
	       sscanf(line, "MemAvailable: %" SCNu64, &size_kib) != 1)
		continue;
	fclose(file);
	return size_kib * 1024;
}
