/* SPDX-License-Identifier: MIT */
/* The memory of ledgers: zeroed, sealed, for nobody else. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/ledger_memory.h"

#define LEDGER_BYTES 8192u

static void test_ledger_memory_is_zeroed_and_outlives_its_mapping(void **state)
{
	struct ledger_memory ledger = LEDGER_MEMORY_NULL;
	uint32_t word;

	(void)state;
	assert_int_equal(ledger_memory_init(&ledger, "test-ledger", LEDGER_BYTES, LEDGER_BYTES), 0);
	for (size_t i = 0; i < LEDGER_BYTES / sizeof(word); i++)
		assert_int_equal(((uint32_t *)ledger.memory)[i], 0);
	((uint32_t *)ledger.memory)[3] = 77;

	int fd = dup(ledger.fd);
	ledger_memory_deinit(&ledger);
	assert_int_equal(pread(fd, &word, sizeof(word), 3 * sizeof(word)), sizeof(word));
	assert_int_equal(word, 77);
	close(fd);
}

static void test_ledger_memory_is_sealed_and_private(void **state)
{
	struct ledger_memory ledger = LEDGER_MEMORY_NULL;
	struct stat status;

	(void)state;
	assert_int_equal(ledger_memory_init(&ledger, "test-ledger", LEDGER_BYTES, LEDGER_BYTES), 0);
	assert_int_equal(fstat(ledger.fd, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(status.st_size, LEDGER_BYTES);
	assert_int_equal(fcntl(ledger.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(ledger.fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(ftruncate(ledger.fd, 0), -1);
	assert_int_equal(ftruncate(ledger.fd, 2 * LEDGER_BYTES), -1);
	ledger_memory_deinit(&ledger);
	ledger_memory_deinit(&ledger);
	assert_int_equal(ledger.fd, -1);
}

/* Storing a word never has to ask for memory. */
static void test_ledger_memory_is_backed_as_a_whole(void **state)
{
	struct ledger_memory ledger = LEDGER_MEMORY_NULL;
	struct stat status;

	(void)state;
	assert_int_equal(ledger_memory_init(&ledger, "test-ledger", LEDGER_BYTES, LEDGER_BYTES), 0);
	assert_int_equal(fstat(ledger.fd, &status), 0);
	assert_true(status.st_blocks * 512 >= (off_t)LEDGER_BYTES);
	ledger_memory_deinit(&ledger);
}

static void test_ledger_memory_refuses_what_can_not_be_had(void **state)
{
	struct ledger_memory ledger = LEDGER_MEMORY_NULL;

	(void)state;
	assert_true(ledger_memory_init(&ledger, "test-ledger", (size_t)1 << 62, 4096) < 0);
	assert_null(ledger.memory);
	assert_int_equal(ledger.fd, -1);
	assert_null(index_memory_new((size_t)1 << 62));
}

static void test_index_memory_is_zeroed(void **state)
{
	uint64_t *memory = index_memory_new(LEDGER_BYTES);

	(void)state;
	assert_non_null(memory);
	for (size_t i = 0; i < LEDGER_BYTES / sizeof(*memory); i++)
		assert_int_equal(memory[i], 0);
	assert_null(index_memory_free(memory, LEDGER_BYTES));
	assert_null(index_memory_free(NULL, LEDGER_BYTES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ledger_memory_is_zeroed_and_outlives_its_mapping),
		cmocka_unit_test(test_ledger_memory_is_sealed_and_private),
		cmocka_unit_test(test_ledger_memory_is_backed_as_a_whole),
		cmocka_unit_test(test_ledger_memory_refuses_what_can_not_be_had),
		cmocka_unit_test(test_index_memory_is_zeroed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
