/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How many instructions some work takes, for tests that an outsider's choice does not make it many
 * times as dear. Counted by stepping through the work in a child process: no clock, and the same on
 * a loaded machine.
 */
#include <stdint.h>

/* Runs `work` twice: in a child that is stepped through, and here, so that its effects stay. -1:
 * this system does not let a process trace its child. */
int64_t step_count(void (*work)(void *arg), void *arg);
