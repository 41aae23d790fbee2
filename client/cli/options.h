/* SPDX-License-Identifier: MIT */
#pragma once

/* The command line, read and checked. Strings are argv's. */

#include <stdbool.h>
#include <stdint.h>

/* Options that only some commands understand. */
#define OPTION_CLIENT 0x1u
#define OPTION_POOL 0x2u
#define OPTION_COUNT 0x4u
#define OPTION_IN_THE_WAY 0x8u
#define OPTION_NODE 0x10u
#define OPTION_OBJECTS 0x20u

#define OPTIONS_WORDS_MAX 2
#define OPTIONS_COUNT_MAX 1000000u
#define OPTIONS_COUNT_DEFAULT 10u
#define OPTIONS_IN_THE_WAY_ORDER_MIN 9u /* 2 MiB: smaller blocks need no such area */

struct options {
	const char *socket; /* NULL: the library's default */
	bool json;
	bool help;
	bool version;
	unsigned given;   /* OPTION_... */
	uint32_t client;  /* 0: all */
	const char *pool; /* NULL: all */
	uint32_t count;
	uint32_t order, node;                 /* with OPTION_IN_THE_WAY */
	const char *words[OPTIONS_WORDS_MAX]; /* the command and its arguments */
	unsigned nr_words;
};

/* False after a complaint about what is wrong. */
bool options_parse(struct options *options, int argc, char **argv);
