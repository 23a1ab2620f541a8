/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Texts that are too long for a table get in as their beginning, a tilde and a hash of the whole,
 * so that different ones stay different. */
#include <stddef.h>

/* Writes the text in at most `max` bytes, of which there must be as many in `out`; returns its
 * length. `max` is 1 or more, and less than `len`. */
size_t sql_fit_shorten(char *out, size_t max, const char *text, size_t len);
