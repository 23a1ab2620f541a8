/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* "Did you mean": the nearest of several names by edits (insert, delete, replace, swap
 * neighbours). */
#include <stddef.h>

struct nearest {
    const char *wanted;
    const char *name; /* the best so far, borrowed; NULL: nothing near enough */
    size_t distance;
};

struct nearest nearest_start(const char *wanted);
void nearest_try(struct nearest *nearest, const char *name);
