/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Lines of problems, as the modules that find them append them to a text, in the order in which a
 * person mends them. */
#include <stddef.h>

struct text;

/*
 * Sorts lines by the place that they begin with, "FILE:LINE: ...": files in the order in which they
 * come up, lines by number, and what has no place last. Lines of one place stay in their order.
 * Returns how many lines there are.
 */
size_t problem_list_sort(struct text *lines);
