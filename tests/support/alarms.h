/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Signals that interrupt the calling process again and again, without SA_RESTART. None of them
 * arrives after alarms_stop(), also not one that was on its way: the signal is ignored from then
 * on, as its default action would end the program.
 */

#include <stdint.h>

void alarms_start(void (*handler)(int signo), uint32_t every_us);
void alarms_stop(void);
