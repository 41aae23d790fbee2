/* SPDX-License-Identifier: MIT */
#pragma once

/* What is behind a struct pp_cache is its file's own; the pool only ends them. */

struct pp_cache;

/* Frees a list of handles, saying nothing to the daemon. */
void ppc_caches_free(struct pp_cache *caches);
