/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lays out cells in columns and shortens large numbers. See grid.h. */
#include "base/grid.h"
#include "base/memory.h"
#include "base/text.h"
#include <stdio.h>
#include <string.h>

enum { TEXT_WIDTH = 12, TEXT_WIDTH_MIN = 3 };

struct grid {
    size_t column_count, cell_count, cell_capacity;
    char **titles;
    bool *is_number, *is_left_out;
    size_t *widths;
    size_t *ends; /* where each cell ends in `cells` */
    struct text cells;
};

struct grid *grid_new(size_t column_count)
{
    struct grid *g = mem_zalloc(sizeof *g);

    g->column_count = column_count;
    g->titles = mem_calloc(column_count + 1, sizeof *g->titles);
    g->is_number = mem_calloc(column_count + 1, sizeof *g->is_number);
    g->is_left_out = mem_calloc(column_count + 1, sizeof *g->is_left_out);
    g->widths = mem_calloc(column_count + 1, sizeof *g->widths);
    return g;
}

void grid_free(struct grid *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->column_count; i++)
        mem_free(g->titles[i]);
    mem_free(g->titles);
    mem_free(g->is_number);
    mem_free(g->is_left_out);
    mem_free(g->widths);
    mem_free(g->ends);
    text_clear(&g->cells);
    mem_free(g);
}

/* Counts characters, not bytes: continuation bytes of UTF-8 (RFC 3629) take no place on the
 * screen. */
static size_t shown_len(const char *data, size_t len)
{
    size_t shown = 0;

    for (size_t i = 0; i < len; i++)
        shown += ((unsigned char)data[i] & 0xc0) != 0x80;
    return shown;
}

void grid_set_column(struct grid *g, size_t column, const char *title, bool is_number)
{
    struct text safe = {0};
    size_t width;

    text_append_shown(&safe, title, strlen(title));
    mem_free(g->titles[column]);
    g->titles[column] = mem_strdup(text_cstr(&safe));
    text_clear(&safe);
    width = shown_len(g->titles[column], strlen(g->titles[column]));
    g->is_number[column] = is_number;
    if (width > g->widths[column])
        g->widths[column] = width;
}

void grid_add(struct grid *g, const char *data, size_t len)
{
    size_t column = g->cell_count % g->column_count, start = g->cells.len, width;

    if (g->cell_count == g->cell_capacity) {
        g->cell_capacity = g->cell_capacity ? g->cell_capacity * 2 : 256;
        g->ends = mem_realloc_array(g->ends, g->cell_capacity, sizeof *g->ends);
    }
    text_append_shown(&g->cells, data, len);
    g->ends[g->cell_count++] = g->cells.len;
    width = shown_len(text_cstr(&g->cells) + start, g->cells.len - start);
    if (width > g->widths[column])
        g->widths[column] = width;
}

void grid_add_number(struct grid *g, uint64_t number, bool has_units)
{
    char digits[24];
    size_t len;

    if (has_units) {
        units_format(number, digits, sizeof digits);
        len = strlen(digits);
    } else {
        len = text_format_uint(digits, number);
    }
    grid_add(g, digits, len);
}

size_t grid_row_count(const struct grid *g)
{
    return g->column_count ? g->cell_count / g->column_count : 0;
}

static void append_spaces(struct text *out, size_t count)
{
    while (count-- > 0)
        text_append_char(out, ' ');
}

/* Returns how many bytes the first `shown` characters take. */
static size_t bytes_of(const char *data, size_t len, size_t shown)
{
    size_t at = 0;

    for (size_t count = 0; at < len; at++) {
        count += ((unsigned char)data[at] & 0xc0) != 0x80;
        if (count > shown)
            break;
    }
    return at;
}

static void append_cell(const struct grid *g, size_t column, const char *data, size_t len,
                        struct text *out)
{
    size_t width = g->widths[column], shown = shown_len(data, len), padding;

    if (g->is_left_out[column])
        return;
    if (column > 0)
        append_spaces(out, 2);
    if (shown > width) { /* the mark takes one place */
        len = bytes_of(data, len, width - 1);
        shown = width;
    }
    padding = width - shown;
    if (g->is_number[column])
        append_spaces(out, padding);
    text_append(out, data, len);
    if (shown_len(data, len) < shown)
        text_append_char(out, '~');
    if (!g->is_number[column] && column + 1 < g->column_count)
        append_spaces(out, padding);
}

/* Cuts the line that begins at `start` to `width` and ends it. */
static void end_line(struct text *out, size_t start, size_t width)
{
    size_t shown = 0, at = start;

    while (width > 0 && at < out->len) {
        shown += ((unsigned char)out->data[at] & 0xc0) != 0x80;
        if (shown > width)
            out->len = at;
        else
            at++;
    }
    text_append_char(out, '\n');
}

static size_t total_width(const struct grid *g)
{
    size_t width = 0;

    for (size_t i = 0; i < g->column_count; i++)
        if (!g->is_left_out[i])
            width += g->widths[i] + (i > 0 ? 2 : 0);
    return width;
}

/* Cuts texts down to `least` characters, the widest first, until all columns fit. */
static void cut_texts(struct grid *g, size_t width, size_t least)
{
    while (total_width(g) > width) {
        size_t widest = g->column_count;
        for (size_t i = 0; i < g->column_count; i++)
            if (!g->is_number[i] && g->widths[i] > least &&
                (widest == g->column_count || g->widths[i] > g->widths[widest]))
                widest = i;
        if (widest == g->column_count)
            return;
        g->widths[widest]--;
    }
}

void grid_fit(struct grid *g, size_t width, size_t keep)
{
    cut_texts(g, width, TEXT_WIDTH);
    for (size_t i = g->column_count; i-- > 0 && total_width(g) > width;)
        if (g->is_number[i] && i != keep)
            g->is_left_out[i] = true;
    cut_texts(g, width, TEXT_WIDTH_MIN);
}

void grid_append(const struct grid *g, size_t first, size_t count, size_t width, struct text *out)
{
    size_t start = out->len, rows = grid_row_count(g);

    for (size_t i = 0; i < g->column_count; i++)
        append_cell(g, i, g->titles[i], strlen(g->titles[i]), out);
    end_line(out, start, width);
    for (size_t row = first; row < rows && row - first < count; row++) {
        start = out->len;
        for (size_t i = 0; i < g->column_count; i++) {
            size_t cell = row * g->column_count + i, begin = cell ? g->ends[cell - 1] : 0;
            append_cell(g, i, g->cells.data + begin, g->ends[cell] - begin, out);
        }
        end_line(out, start, width);
    }
}

void units_format(uint64_t number, char *out, size_t room)
{
    static const char prefixes[] = "kMGTPE";
    double value = (double)number;
    int i = -1;

    if (number < 1000) {
        snprintf(out, room, "%u", (unsigned)number);
        return;
    }
    /* Keeps three digits and rounds: without the bound 999.6 would read as 1000. */
    do {
        value /= 1000;
        i++;
    } while (value >= 999.5);
    snprintf(out, room, "%.*f%c", value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, prefixes[i]);
}
