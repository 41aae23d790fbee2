/* SPDX-License-Identifier: MIT */
#pragma once

/* Running the pagepoolctl that was built beside the test, or the one that $PAGEPOOLCTL names. */

#include "support/fake_daemon.h"
#include "support/run_program.h"

/* Just what is needed of <jansson.h>. */
struct json_t;

/* For cmocka, before a group of tests: answers are the same in whatever locale it runs. */
int pagepoolctl_setup(void **state);

/* `words` is the command line, split at spaces. The daemon is looked for at `socket`. */
void pagepoolctl_run(struct run_result *ret, const char *socket, const char *words);
/* The same with standard output to out_fd. */
void pagepoolctl_run_to(struct run_result *ret, int out_fd, const char *socket, const char *words);

/*
 * The same, and fails the test unless it ends with exit_status, prints one JSON document and
 * complains about nothing. The caller releases what is returned.
 */
struct json_t *pagepoolctl_run_json(int exit_status, const char *socket, const char *words);

/* Fails the test, showing the text, unless it contains the part. */
void assert_contains(const char *text, const char *part);

/* Each runs one command against a scripted daemon of its own. */
void pagepoolctl_ask(struct run_result *ret, fake_answer_fn answer, const char *words);
struct json_t *pagepoolctl_ask_json(int exit_status, fake_answer_fn answer, const char *words);
/* Fails the test unless it ends with 0 and prints exactly this. */
void pagepoolctl_assert_says(fake_answer_fn answer, const char *words, const char *out);

/* Fails the test unless the object has exactly these keys, given separated by spaces. */
void assert_keys(const struct json_t *object, const char *keys);
void assert_number(const struct json_t *object, const char *key, long long expected);
void assert_word(const struct json_t *object, const char *key, const char *expected);
