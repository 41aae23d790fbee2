/* SPDX-License-Identifier: MIT */
/* The spare is one, whole, and never in two hands. */

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/buffer.h"

#define NR_THREADS 4
#define NR_ROUNDS 20000

static void test_buffer_comes_back(void **state)
{
	uint8_t *first = buffer_take(BUFFER_READ), *other;

	(void)state;
	assert_non_null(first);
	memset(first, 0x5a, BUFFER_BYTES);
	buffer_give(BUFFER_READ, first);
	other = buffer_take(BUFFER_WRITE);
	assert_ptr_not_equal(other, first);
	assert_ptr_equal(buffer_take(BUFFER_READ), first);
	free(first);
	free(other);
}

static void test_buffer_keeps_one_spare(void **state)
{
	uint8_t *a = buffer_take(BUFFER_WRITE), *b = buffer_take(BUFFER_WRITE);

	(void)state;
	assert_ptr_not_equal(a, b);
	buffer_give(BUFFER_WRITE, a);
	buffer_give(BUFFER_WRITE, b);
	assert_ptr_equal(buffer_take(BUFFER_WRITE), b);
	free(b);
}

/* Writes its mark over a buffer that it holds and finds it there. */
static void *hammer(void *mark)
{
	uintptr_t faults = 0;

	for (int i = 0; i < NR_ROUNDS; i++) {
		uint8_t *buf = buffer_take(BUFFER_READ);

		if (!buf)
			return (void *)UINTPTR_MAX;
		memset(buf, *(const uint8_t *)mark, 64);
		for (int j = 0; j < 64; j++)
			faults += buf[j] != *(const uint8_t *)mark;
		buffer_give(BUFFER_READ, buf);
	}
	return (void *)faults;
}

static void test_buffer_is_never_in_two_hands(void **state)
{
	pthread_t threads[NR_THREADS];
	uint8_t marks[NR_THREADS];

	(void)state;
	for (int i = 0; i < NR_THREADS; i++) {
		marks[i] = (uint8_t)i;
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &marks[i]), 0);
	}
	for (int i = 0; i < NR_THREADS; i++) {
		void *faults;

		assert_int_equal(pthread_join(threads[i], &faults), 0);
		assert_null(faults);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buffer_comes_back),
		cmocka_unit_test(test_buffer_keeps_one_spare),
		cmocka_unit_test(test_buffer_is_never_in_two_hands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
