/* SPDX-License-Identifier: MIT */
#pragma once

/* Running a program to its end and looking at what it printed. */

#include <stddef.h>

struct run_result {
	int exit_status; /* -1: it was ended by a signal */
	int signal;      /* which, else 0 */
	char *out, *err; /* all it printed, NUL-terminated */
};

#define RUN_CAPTURE (-1)

/*
 * Runs argv[0] with this process's environment and no input. Standard output goes to out_fd (the
 * caller keeps it) or, with RUN_CAPTURE, to ret->out. A program that runs for over a minute is
 * ended by SIGALRM.
 */
void run_program(struct run_result *ret, int out_fd, const char *const argv[]);
void run_result_deinit(struct run_result *result);
