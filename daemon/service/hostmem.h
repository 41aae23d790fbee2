/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * How much memory the host could still give us: asked before memory is committed, so that running
 * out is an error of ours and not the kernel's choice of a victim. Thread-safe; reads /proc and
 * /sys each time, tens of microseconds, so not for the loop.
 */

#include <stdint.h>

/*
 * Bytes of ordinary memory that can be taken without swapping: of the host, of our cgroup and its
 * parents, and, with host_node >= 0 on a host with several nodes, of that node. The least of them.
 * UINT64_MAX when nothing of it can be read.
 */
uint64_t hostmem_available_bytes(int host_node);

/* Huge pages of one size. */
struct hostmem_huge {
	uint64_t nr_total;
	uint64_t nr_available; /* free, promised to nobody, or what the host may still add */
	uint64_t nr_on_node;   /* free there, promised or not; UINT64_MAX without a node */
	char path[128];        /* of the file that sets nr_total */
};

/* host_node < 0: of the whole host. 0, or -ENODEV when the host has no huge pages of this size. */
int hostmem_huge_pages(int host_node, uint64_t page_bytes, struct hostmem_huge *ret);
