/* SPDX-License-Identifier: MIT */
#pragma once

#include "cli/command.h"

/* blocks --in-the-way: the options name a pool and an order, and maybe a node. */
enum command_exit in_the_way_run(struct connection *connection, const struct options *options);
