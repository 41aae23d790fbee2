/* SPDX-License-Identifier: MIT */

/*
 * A process stepped by its parent.
 *
 * The child waits at a breakpoint of its own (int3); from there the parent lets it go instruction
 * by instruction, until a flag in shared memory says that the function has returned, and then
 * freely, back to the breakpoint. So only the function itself is stepped, and the parent asks the
 * kernel for nothing but the step and the address.
 *
 * A step is two switches between the processes. On one processor they cost a tenth of what they
 * cost between two, so both are held on one.
 */

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fault/sanitizer.h"
#include "fault/stepper.h"

#if defined(__x86_64__)

#define IS_WRITTEN_FOR_THIS true

static void breakpoint(void)
{
	__asm__ volatile("int3" ::: "memory");
}

static uintptr_t stopped_at(pid_t pid)
{
	return (uintptr_t)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), 0);
}

#else

#define IS_WRITTEN_FOR_THIS false

static void breakpoint(void)
{
}

static uintptr_t stopped_at(pid_t pid)
{
	(void)pid;
	return 0;
}

#endif

static bool is_under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

const char *stepper_obstacle(void)
{
	struct stepper stepper;
	int r;

	if (!IS_WRITTEN_FOR_THIS)
		return "stepping is written for x86-64";
	if (IS_THREAD_SANITIZED)
		return "the thread sanitizer's own instructions would be stepped";
	if (is_under_valgrind())
		return "valgrind's own instructions would be stepped";
	r = stepper_init(&stepper);
	if (!r)
		r = stepper_start(&stepper, NULL, NULL);
	stepper_deinit(&stepper);
	return r ? "this process may not trace its child" : NULL;
}

int stepper_init(struct stepper *stepper)
{
	cpu_set_t cpus;
	void *shared;

	*stepper = (struct stepper){ 0 };
	CPU_ZERO(&cpus);
	CPU_SET((size_t)sched_getcpu(), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
		return -errno;
	shared = mmap(NULL, sizeof(*stepper->is_at_it), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	stepper->is_at_it = shared;
	return 0;
}

static void end_child(struct stepper *stepper)
{
	if (!stepper->pid)
		return;
	kill(stepper->pid, SIGKILL);
	waitpid(stepper->pid, NULL, 0);
	stepper->pid = 0;
}

void stepper_deinit(struct stepper *stepper)
{
	end_child(stepper);
	if (stepper->is_at_it)
		munmap((void *)stepper->is_at_it, sizeof(*stepper->is_at_it));
	stepper->is_at_it = NULL;
}

static _Noreturn void serve(const struct stepper *stepper, void (*fn)(void *data), void *data)
{
	if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
		_exit(1);
	for (;;) {
		breakpoint();
		*stepper->is_at_it = true;
		fn(data);
		*stepper->is_at_it = false;
	}
}

/* Waits until it stops. 0 at a breakpoint or behind a step, else the signal. */
static int wait_for_stop(struct stepper *stepper)
{
	int status;

	if (waitpid(stepper->pid, &status, 0) < 0 || !WIFSTOPPED(status)) {
		stepper->pid = 0;
		return SIGKILL;
	}
	return WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
}

int stepper_start(struct stepper *stepper, void (*fn)(void *data), void *data)
{
	end_child(stepper);
	*stepper->is_at_it = false;
	stepper->pid = fork();
	if (stepper->pid < 0) {
		stepper->pid = 0;
		return -errno;
	}
	if (stepper->pid == 0)
		serve(stepper, fn, data);
	if (wait_for_stop(stepper))
		return -EPERM;
	return ptrace(PTRACE_SETOPTIONS, stepper->pid, 0, PTRACE_O_EXITKILL) < 0 ? -errno : 0;
}

int stepper_run(struct stepper *stepper, void (*stop)(void *data, uintptr_t address), void *data)
{
	bool was_at_it = false;
	int signal;

	do {
		if (ptrace(PTRACE_SINGLESTEP, stepper->pid, 0, 0) < 0)
			return SIGKILL;
		signal = wait_for_stop(stepper);
		if (signal)
			return signal;
		if (*stepper->is_at_it) {
			was_at_it = true;
			stop(data, stopped_at(stepper->pid));
		}
	} while (*stepper->is_at_it || !was_at_it);
	if (ptrace(PTRACE_CONT, stepper->pid, 0, 0) < 0)
		return SIGKILL;
	return wait_for_stop(stepper);
}
