/* SPDX-License-Identifier: MIT */
/* Handles know the process they were made in, along any line of forks. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/process.h"
#include "support/child.h"

static void wait_for(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_process_is_owner_of_its_own(void **state)
{
	struct ppc_process first, second;

	(void)state;
	assert_int_equal(ppc_process_init(&first), 0);
	assert_int_equal(ppc_process_init(&second), 0);
	assert_true(ppc_process_is_owner(&first));
	assert_true(ppc_process_is_owner(&second));
}

static void run_grandchild(const struct ppc_process *parent, const struct ppc_process *child)
{
	struct ppc_process own;

	CHILD_CHECK(!ppc_process_is_owner(parent));
	CHILD_CHECK(!ppc_process_is_owner(child));
	CHILD_CHECK(ppc_process_init(&own) == 0);
	CHILD_CHECK(ppc_process_is_owner(&own));
	CHILD_CHECK(!ppc_process_is_owner(parent));
	CHILD_CHECK(!ppc_process_is_owner(child));
	_exit(0);
}

static void run_child(const struct ppc_process *parent)
{
	struct ppc_process own;
	int status;
	pid_t pid;

	CHILD_CHECK(!ppc_process_is_owner(parent));
	CHILD_CHECK(ppc_process_init(&own) == 0);
	CHILD_CHECK(ppc_process_is_owner(&own));
	CHILD_CHECK(!ppc_process_is_owner(parent));
	pid = fork();
	if (pid == 0)
		run_grandchild(parent, &own);
	CHILD_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	_exit(0);
}

static void test_process_child_owns_nothing_of_its_ancestors(void **state)
{
	struct ppc_process process;
	pid_t pid;

	(void)state;
	assert_int_equal(ppc_process_init(&process), 0);
	pid = fork();
	if (pid == 0)
		run_child(&process);
	wait_for(pid);
	assert_true(ppc_process_is_owner(&process));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process_is_owner_of_its_own),
		cmocka_unit_test(test_process_child_owns_nothing_of_its_ancestors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
