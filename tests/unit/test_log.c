/* SPDX-License-Identifier: MIT */
/* Log lines: whole, below the level dropped, never longer than they may be. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/log.h"

#define NR_THREADS 4u
#define NR_LINES 200u

/* Standard error leads to a file between these two. */
struct capture {
	FILE *file;
	int saved;
};

static void capture_start(struct capture *capture)
{
	capture->file = tmpfile();
	assert_non_null(capture->file);
	capture->saved = dup(STDERR_FILENO);
	dup2(fileno(capture->file), STDERR_FILENO);
}

static void capture_stop(struct capture *capture)
{
	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	rewind(capture->file);
}

static void test_log_line_has_the_name_in_front(void **state)
{
	struct capture capture;
	char text[256];

	(void)state;
	log_set_level(LOG_INFO);
	capture_start(&capture);
	errno = ENOTTY;
	log_info("%d pools", 3);
	assert_int_equal(errno, ENOTTY);
	capture_stop(&capture);
	assert_non_null(fgets(text, sizeof(text), capture.file));
	assert_string_equal(text, "pagepoold: 3 pools\n");
	fclose(capture.file);
}

static void test_log_drops_what_is_less_urgent(void **state)
{
	struct capture capture;
	char text[256];

	(void)state;
	log_set_level(LOG_WARNING);
	capture_start(&capture);
	log_info("not this");
	log_debug("nor this");
	log_warning("this");
	log_error("and this");
	capture_stop(&capture);
	assert_non_null(fgets(text, sizeof(text), capture.file));
	assert_string_equal(text, "pagepoold: this\n");
	assert_non_null(fgets(text, sizeof(text), capture.file));
	assert_string_equal(text, "pagepoold: and this\n");
	assert_null(fgets(text, sizeof(text), capture.file));
	fclose(capture.file);
}

static void test_log_cuts_what_is_too_long(void **state)
{
	struct capture capture;
	char text[4096];
	size_t size;

	(void)state;
	log_set_level(LOG_INFO);
	capture_start(&capture);
	log_info("%3000d", 1);
	log_info("next");
	capture_stop(&capture);
	size = fread(text, 1, sizeof(text), capture.file);
	assert_true(size > 512 && size < 1100);
	assert_memory_equal(text + size - 17, "\npagepoold: next\n", 17);
	fclose(capture.file);
}

static void *write_lines(void *data)
{
	for (unsigned i = 0; i < NR_LINES; i++)
		log_info("%0200u", *(unsigned *)data);
	return NULL;
}

static void test_log_lines_of_several_threads_do_not_mix(void **state)
{
	unsigned numbers[NR_THREADS], nr_lines = 0;
	pthread_t threads[NR_THREADS];
	struct capture capture;
	char text[512], expected[512];

	(void)state;
	log_set_level(LOG_INFO);
	capture_start(&capture);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	capture_stop(&capture);
	while (fgets(text, sizeof(text), capture.file)) {
		unsigned number = NR_THREADS;

		assert_int_equal(sscanf(text, "pagepoold: %u", &number), 1);
		assert_true(number < NR_THREADS);
		snprintf(expected, sizeof(expected), "pagepoold: %0200u\n", number);
		assert_string_equal(text, expected);
		nr_lines++;
	}
	assert_int_equal(nr_lines, NR_THREADS * NR_LINES);
	fclose(capture.file);
}

/* Standard error leads into a pipe of one page that nobody reads. */
static int block_start(struct capture *capture)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
	capture->saved = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	return ends[0];
}

static void test_log_does_not_wait_for_its_reader(void **state)
{
	struct capture capture;
	char text[2 * 4096], last[64];

	(void)state;
	log_set_level(LOG_INFO);
	int fd = block_start(&capture);
	for (int i = 0; i < 100; i++)
		log_info("%0900d", i);
	assert_true(read(fd, text, sizeof(text)) > 0);
	log_info("next");
	ssize_t size = read(fd, text, sizeof(text) - 1);
	assert_true(size > 0);
	text[size] = '\0';
	log_info("last");
	ssize_t last_size = read(fd, last, sizeof(last) - 1);
	dup2(capture.saved, STDERR_FILENO);
	close(capture.saved);
	close(fd);

	unsigned nr_lost = 0;
	assert_int_equal(sscanf(text, "pagepoold: (%u lines were lost) next", &nr_lost), 1);
	assert_true(nr_lost >= 90 && nr_lost < 100);
	assert_true(last_size > 0);
	last[last_size] = '\0';
	assert_string_equal(last, "pagepoold: last\n");
}

static void test_log_bounds_what_clients_cause(void **state)
{
	unsigned nr_lines = 0, nr_lost = 0;
	struct capture capture;
	char text[256];

	(void)state;
	log_set_level(LOG_INFO);
	capture_start(&capture);
	for (int i = 0; i < 1000; i++)
		log_print_caused(LOG_INFO, "noise");
	log_info("own");
	capture_stop(&capture);
	while (fgets(text, sizeof(text), capture.file) && strstr(text, "noise"))
		nr_lines++;
	assert_true(nr_lines >= 10 && nr_lines < 500);
	assert_int_equal(sscanf(text, "pagepoold: (%u lines were lost) own", &nr_lost), 1);
	assert_true(nr_lost > 0 && nr_lost + nr_lines <= 1000);
	fclose(capture.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_line_has_the_name_in_front),
		cmocka_unit_test(test_log_drops_what_is_less_urgent),
		cmocka_unit_test(test_log_cuts_what_is_too_long),
		cmocka_unit_test(test_log_lines_of_several_threads_do_not_mix),
		cmocka_unit_test(test_log_does_not_wait_for_its_reader),
		cmocka_unit_test(test_log_bounds_what_clients_cause),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
