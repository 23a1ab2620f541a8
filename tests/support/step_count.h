/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Counts the instructions that some work takes, for tests that no input of an outsider's choice
 * makes it many times as dear. A child process is stepped through the work, so no clock takes part
 * and a loaded machine gives the same number.
 */
#include <stdint.h>

/* Runs `work` twice: in a child that is stepped through, and here, so that its effects stay. -1:
 * this system does not let a process trace its child, or a sanitizer is built in. */
int64_t step_count(void (*work)(void *arg), void *arg);
