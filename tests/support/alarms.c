/* SPDX-License-Identifier: MIT */

/* An interval timer, and SIGALRM's disposition. See alarms.h. */

#include "support/alarms.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/time.h>

#include <cmocka.h>

static void set_timer(uint32_t every_us)
{
	const struct timeval every = { .tv_usec = (suseconds_t)every_us };
	const struct itimerval timer = { .it_interval = every, .it_value = every };

	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void set_handler(void (*handler)(int signo))
{
	struct sigaction action = { .sa_handler = handler };

	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
}

void alarms_start(void (*handler)(int signo), uint32_t every_us)
{
	set_handler(handler);
	set_timer(every_us);
}

void alarms_stop(void)
{
	set_timer(0);
	set_handler(SIG_IGN);
}
