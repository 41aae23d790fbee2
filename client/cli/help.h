/* SPDX-License-Identifier: MIT */
#pragma once

/* What can be said to pagepoolctl. */

#include <stdio.h>

struct command;

void help_print_all(FILE *file);
void help_print_command(const struct command *command);
