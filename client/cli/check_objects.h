/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/command.h"

/* check --objects: of all pools, or of the one that the options name. */
enum command_exit check_objects_run(struct connection *connection, const struct options *options);
