/* SPDX-License-Identifier: MIT */
#pragma once

/* What is left of a recovered core is free. */

#include <stdbool.h>

#include "fault/core.h"
#include "fault/model.h"

/*
 * Grants all that can be granted: each page and each object that `found` does not say is held, and
 * nothing else. Spends the core and the model. With `shrinks`, empty slabs are given back before,
 * and their pages must be free too. False with *ret.
 */
bool rest_is_free(struct core *core, struct model *found, bool shrinks, struct zone_fault *ret);
