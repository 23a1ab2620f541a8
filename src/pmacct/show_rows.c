/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions -s and -M: show rows as lines, or in columns as wide as what they hold. */
#include "base/grid.h"
#include "base/memory.h"
#include "base/text.h"
#include "pmacct/show.h"
#include <stdlib.h>
#include <string.h>

#define OUT_BYTES 65536

/* One line of output that waits to be sorted or aligned. */
struct line {
    uint64_t weight, order;
    size_t start, len;
};

struct rows {
    const struct options *options;
    const struct query_match *match; /* NULL: all rows are shown */
    uint32_t row_size;
    struct query_output *output;
    const struct pa_column *sort_column; /* NULL: the table does not have it */
    bool is_aligned, waits; /* `waits`: nothing is printed before all lines are there */
    struct text out;
    struct line *lines;
    size_t line_count, line_capacity;
    uint64_t row_count;
    uint64_t *sums; /* of all rows, by cell; counters alone have one */
    bool is_closed; /* nobody reads any more */
};

/* ---- sorting ---- */

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->weight != y->weight)
        return x->weight < y->weight ? 1 : -1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Sorts the lines and forgets those beyond the first top_count. */
static void sort_lines(struct rows *r)
{
    struct text kept = {0};

    if (r->line_count > 1)
        qsort(r->lines, r->line_count, sizeof *r->lines, compare_lines);
    if (r->options->top_count == 0 || r->line_count <= r->options->top_count)
        return;
    r->line_count = r->options->top_count;
    for (size_t i = 0; i < r->line_count; i++) {
        struct line *l = &r->lines[i];
        size_t start = kept.len;
        text_append(&kept, text_cstr(&r->out) + l->start, l->len);
        l->start = start;
    }
    text_clear(&r->out);
    r->out = kept;
}

static void keep_line(struct rows *r, size_t start, const uint8_t *row)
{
    if (r->line_count == r->line_capacity) {
        r->line_capacity = r->line_capacity ? r->line_capacity * 2 : 256;
        r->lines = mem_realloc_array(r->lines, r->line_capacity, sizeof *r->lines);
    }
    r->lines[r->line_count++] =
        (struct line){r->sort_column ? query_number(r->sort_column, row) : 0, r->row_count, start,
                      r->out.len - start};
    if (r->options->top_count > 0 && r->line_count >= 4096 + 4 * r->options->top_count)
        sort_lines(r);
}

/* ---- rows ---- */

struct place {
    struct rows *rows;
    const struct pa_batch *batch;
    const uint8_t *row;
};

/* Puts a row once for each query that it fits, as pmacct does. */
static void put_row(void *arg, size_t number)
{
    const struct place *place = arg;
    struct rows *r = place->rows;
    size_t start = r->out.len;

    (void)number;
    if (r->is_aligned) { /* cells, each ended by a zero byte */
        for (size_t i = 0; i < query_cell_count(r->output); i++) {
            const struct pa_column *c = query_cell_column(r->output, i);
            if (c->combine == PA_COMBINE_SUM)
                r->sums[i] += query_number(c, place->row);
            query_cell_append(r->output, i, place->batch, place->row, &r->out);
            text_append_char(&r->out, '\0');
        }
    } else {
        query_output_row(r->output, place->batch, place->row, &r->out);
    }
    r->row_count++;
    if (r->waits)
        keep_line(r, start, place->row);
}

static void take_batch(void *arg, const struct pa_batch *batch)
{
    struct rows *r = arg;

    for (uint32_t i = 0; i < batch->row_count && !r->is_closed; i++) {
        struct place place = {r, batch, batch->rows + (size_t)i * r->row_size};
        if (r->match)
            query_match_each(r->match, batch, place.row, put_row, &place);
        else
            put_row(&place, 0);
        if (!r->waits && r->out.len >= OUT_BYTES)
            r->is_closed = !print_text(&r->out);
    }
}

/* ---- lines that waited ---- */

static void add_cells(const struct rows *r, const struct line *line, struct grid *grid)
{
    const char *at = r->out.data + line->start;

    for (size_t i = 0; i < query_cell_count(r->output); i++) {
        const struct pa_column *c = query_cell_column(r->output, i);
        size_t len = strlen(at);
        if (r->options->has_units && c->combine == PA_COMBINE_SUM)
            grid_add_number(grid, strtoull(at, NULL, 10), true);
        else
            grid_add(grid, at, len);
        at += len + 1;
    }
}

/* The sums stand below the rows, unless the first column is a counter itself. */
static void add_sums(const struct rows *r, struct grid *grid)
{
    if (query_cell_column(r->output, 0)->combine == PA_COMBINE_SUM || r->options->output.is_event)
        return;
    grid_add(grid, "SUM", 3);
    for (size_t i = 1; i < query_cell_count(r->output); i++)
        if (query_cell_column(r->output, i)->combine == PA_COMBINE_SUM)
            grid_add_number(grid, r->sums[i], r->options->has_units);
        else
            grid_add(grid, "", 0);
}

static void print_aligned(struct rows *r)
{
    if (query_cell_count(r->output) == 0)
        return; /* a server that has no columns has nothing to show */
    struct grid *grid = grid_new(query_cell_count(r->output));
    struct text out = {0};

    for (size_t i = 0; i < query_cell_count(r->output); i++) {
        const struct pa_column *c = query_cell_column(r->output, i);
        grid_set_column(grid, i, c->csv_title, c->format == PA_FORMAT_UINT);
    }
    for (size_t i = 0; i < r->line_count; i++)
        add_cells(r, &r->lines[i], grid);
    add_sums(r, grid);
    grid_append(grid, 0, grid_row_count(grid), 0, &out);
    print_text(&out);
    text_clear(&out);
    grid_free(grid);
}

static void print_lines(struct rows *r)
{
    struct text out = {0};

    query_output_title(r->output, &out);
    for (size_t i = 0; i < r->line_count; i++) {
        text_append(&out, text_cstr(&r->out) + r->lines[i].start, r->lines[i].len);
        if (out.len >= OUT_BYTES && !print_text(&out))
            break;
    }
    print_text(&out);
    text_clear(&out);
}

int show_rows(struct query *query, const struct query_match *match, const struct options *options,
              struct text *error)
{
    struct rows r = {.options = options,
                     .match = match,
                     .row_size = query_schema(query)->row_size,
                     .is_aligned = options->look == LOOK_ALIGNED,
                     .waits = options->is_sorted || options->look == LOOK_ALIGNED};
    struct query_status status;
    int err = query_output_new(query, &options->output, &r.output);

    if (err < 0) {
        text_append_string(error, "the table's columns make no sense to this program");
        return err;
    }
    r.sums = mem_calloc(query_cell_count(r.output) + 1, sizeof *r.sums);
    if (options->is_sorted)
        r.sort_column = query_column(query, metric_names[options->sort_metric]);
    if (!r.waits)
        query_output_title(r.output, &r.out);
    err = query_rows(query, match, options->resets, take_batch, &r, &status, error);
    uint64_t all = r.row_count;
    if (err == 0 && r.waits) {
        sort_lines(&r);
        r.row_count = r.line_count;
        if (r.is_aligned)
            print_aligned(&r);
        else
            print_lines(&r);
        text_reset(&r.out);
    }
    if (err == 0 && options->look == LOOK_ALIGNED)
        text_append_printf(&r.out, "\n%llu of %llu rows\n", (unsigned long long)r.row_count,
                           (unsigned long long)all);
    if (err == 0 && options->look == LOOK_FORMATTED)
        text_append_printf(&r.out, "\nFor a total of: %llu entries\n",
                           (unsigned long long)r.row_count);
    if (err == 0)
        print_text(&r.out);
    query_output_free(r.output);
    text_clear(&r.out);
    mem_free(r.lines);
    mem_free(r.sums);
    return err;
}
