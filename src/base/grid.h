/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Cells in columns as wide as what is in them, numbers to the right. One thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;
struct grid;

struct grid *grid_new(size_t column_count);
void grid_free(struct grid *grid); /* NULL is fine */

void grid_set_column(struct grid *grid, size_t column, const char *title, bool is_number);
/* Adds the next cell, row by row. A value cannot move the cursor: text_append_shown(). */
void grid_add(struct grid *grid, const char *data, size_t len);
void grid_add_number(struct grid *grid, uint64_t number, bool has_units);
size_t grid_row_count(const struct grid *grid);

/* Makes the columns fit `width`: texts are cut, the widest first, then numbers are left out, but for
 * the column `keep`. Once all cells are there. */
void grid_fit(struct grid *grid, size_t width, size_t keep);

/* Appends at most `count` rows from `first` on, after a line of titles; lines are cut at `width`
 * (0: never). */
void grid_append(const struct grid *grid, size_t first, size_t count, size_t width,
                 struct text *out);

/* Writes 1234567 as "1.23M", and a number below 1000 as it is. `room` is 8 at least. */
void units_format(uint64_t number, char *out, size_t room);
