/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions -N, --by and --matrix: show what rows add up to. */
#include "base/grid.h"
#include "base/memory.h"
#include "base/text.h"
#include "pmacct/groups.h"
#include "pmacct/show.h"
#include <stdlib.h>
#include <string.h>

/* ---- -N ---- */

struct sums {
    uint64_t sums[METRIC_COUNT], row_count;
};

struct counters {
    const struct query_match *match;
    const struct pa_column *metrics[METRIC_COUNT];
    uint32_t row_size;
    struct sums *queries;
    const uint8_t *row;
};

static void add_to_query(void *arg, size_t number)
{
    struct counters *c = arg;
    struct sums *s = &c->queries[number];

    for (int i = 0; i < METRIC_COUNT; i++)
        if (c->metrics[i])
            s->sums[i] += query_number(c->metrics[i], c->row);
    s->row_count++;
}

static void count_batch(void *arg, const struct pa_batch *batch)
{
    struct counters *c = arg;

    for (uint32_t i = 0; i < batch->row_count; i++) {
        c->row = batch->rows + (size_t)i * c->row_size;
        query_match_each(c->match, batch, c->row, add_to_query, c);
    }
}

static void append_sums(const struct sums *s, const struct options *options, struct text *out)
{
    if (!options->has_all_metrics) {
        text_append_uint(out, s->sums[options->metric]);
        text_append_char(out, '\n');
        return;
    }
    for (int i = 0; i < METRIC_COUNT; i++)
        text_append_printf(out, "%llu ", (unsigned long long)s->sums[i]);
    text_append_printf(out, "%llu\n", (unsigned long long)s->row_count);
}

int show_counters(struct query *query, const struct query_match *match,
                  const struct options *options, struct text *error)
{
    struct counters c = {.match = match,
                         .row_size = query_schema(query)->row_size,
                         .queries = mem_calloc(options->query_count + 1, sizeof *c.queries)};
    struct query_status status;
    struct text out = {0};
    struct sums all = {0};
    int err;

    for (int i = 0; i < METRIC_COUNT; i++)
        c.metrics[i] = query_column(query, metric_names[i]);
    err = query_rows(query, match, options->resets, count_batch, &c, &status, error);
    for (size_t n = 0; n < options->query_count && err == 0; n++) {
        const struct sums *s = &c.queries[n];
        if (!options->sums_up)
            append_sums(s, options, &out);
        for (int i = 0; i < METRIC_COUNT; i++)
            all.sums[i] += s->sums[i];
        all.row_count += s->row_count;
    }
    if (err == 0 && options->sums_up)
        append_sums(&all, options, &out);
    print_text(&out);
    text_clear(&out);
    mem_free(c.queries);
    return err;
}

/* ---- groups ---- */

struct group_reader {
    struct groups *groups;
    uint32_t row_size;
};

static void group_batch(void *arg, const struct pa_batch *batch)
{
    struct group_reader *c = arg;

    for (uint32_t i = 0; i < batch->row_count; i++)
        groups_add(c->groups, batch, batch->rows + (size_t)i * c->row_size);
}

static int collect_groups(struct query *query, const struct query_match *match,
                          const struct options *options, struct text *error,
                          struct groups **ret_groups)
{
    struct group_reader c = {.row_size = query_schema(query)->row_size};
    struct query_status status;
    int err = groups_new(query, &options->output, options->by, options->by_count, error, &c.groups);

    if (err == 0)
        err = query_rows(query, match, options->resets, group_batch, &c, &status, error);
    if (err < 0) {
        groups_free(c.groups);
        return err;
    }
    *ret_groups = c.groups;
    return 0;
}

/* ---- a table of cells, printed as the options want it ---- */

struct table_writer {
    const struct options *options;
    struct grid *grid; /* NULL: CSV */
    size_t column_count, column;
    struct text out;
};

static void put_cell(struct table_writer *w, const char *data, size_t len)
{
    if (w->grid) {
        grid_add(w->grid, data, len);
        return;
    }
    if (w->column > 0)
        text_append_char(&w->out, w->options->output.separator);
    text_append_csv_string(&w->out, data, len, w->options->output.separator);
    w->column = (w->column + 1) % w->column_count;
    if (w->column == 0)
        text_append_char(&w->out, '\n');
}

static void put_title(struct table_writer *w, size_t column, const char *title, bool is_number)
{
    if (w->grid)
        grid_set_column(w->grid, column, title, is_number);
    else
        put_cell(w, title, strlen(title));
}

static void put_number(struct table_writer *w, uint64_t number)
{
    char digits[24];

    if (w->grid)
        grid_add_number(w->grid, number, w->options->has_units);
    else
        put_cell(w, digits, text_format_uint(digits, number));
}

static void writer_init(struct table_writer *w, const struct options *options, size_t columns)
{
    *w = (struct table_writer){.options = options, .column_count = columns};
    if (options->look != LOOK_CSV)
        w->grid = grid_new(columns);
}

static void writer_finish(struct table_writer *w)
{
    if (w->grid)
        grid_append(w->grid, 0, grid_row_count(w->grid), 0, &w->out);
    print_text(&w->out);
    grid_free(w->grid);
    text_clear(&w->out);
}

/* ---- --by ---- */

static const enum metric shown_metrics[] = {METRIC_PACKETS, METRIC_FLOWS, METRIC_BYTES};
static const char *const metric_titles[METRIC_COUNT] = {"PACKETS", "BYTES", "FLOWS"};

static bool is_shown(const struct groups *groups, enum metric metric)
{
    return metric != METRIC_FLOWS || groups_has(groups, METRIC_FLOWS);
}

static void put_metrics(struct table_writer *w, const struct groups *groups,
                        const uint64_t sums[METRIC_COUNT])
{
    for (size_t m = 0; m < METRIC_COUNT; m++)
        if (is_shown(groups, shown_metrics[m]))
            put_number(w, sums[shown_metrics[m]]);
}

/* Adds the sum of all groups, of which `count` were shown, and says how many there are. */
static void put_sum(struct table_writer *w, const struct groups *groups)
{
    uint64_t sums[METRIC_COUNT] = {0};

    for (size_t n = 0; n < groups_count(groups); n++)
        for (int m = 0; m < METRIC_COUNT; m++)
            sums[m] += groups_at(groups, n)->sums[m];
    for (size_t i = 0; i < groups_column_count(groups); i++)
        put_cell(w, "SUM", i == 0 ? 3 : 0);
    put_metrics(w, groups, sums);
}

static void print_groups(const struct groups *groups, size_t count, const struct options *options)
{
    size_t keys = groups_column_count(groups), column = keys;
    struct text tail = {0};
    struct table_writer w;

    writer_init(&w, options, keys + 2 + groups_has(groups, METRIC_FLOWS));
    for (size_t i = 0; i < keys; i++)
        put_title(&w, i, groups_column(groups, i)->csv_title,
                  groups_column(groups, i)->format == PA_FORMAT_UINT);
    for (size_t m = 0; m < METRIC_COUNT; m++)
        if (is_shown(groups, shown_metrics[m]))
            put_title(&w, column++, metric_titles[shown_metrics[m]], true);
    for (size_t n = 0; n < count; n++) {
        const struct group *g = groups_at(groups, n);
        const char *at = g->key;
        for (size_t i = 0; i < keys; i++, at += strlen(at) + 1)
            put_cell(&w, at, strlen(at));
        put_metrics(&w, groups, g->sums);
    }
    if (options->look == LOOK_ALIGNED) {
        put_sum(&w, groups);
        text_append_printf(&tail, "\n%zu of %zu rows\n", count, groups_count(groups));
    }
    writer_finish(&w);
    print_text(&tail);
    text_clear(&tail);
}

/* Appends a value as JSON: numbers as numbers, as JSON of whole rows has them. */
static void append_json_value(const struct pa_column *column, const char *value, struct text *out)
{
    size_t len = strlen(value);

    if (column->format == PA_FORMAT_UINT && len > 0 && strspn(value, "0123456789") == len)
        text_append(out, value, len);
    else
        text_append_json_string(out, value, len);
}

/* Prints an object a line, under the names that JSON of whole rows has. */
static void print_json(const struct groups *groups, size_t count)
{
    struct text out = {0};

    for (size_t n = 0; n < count; n++) {
        const struct group *g = groups_at(groups, n);
        const char *at = g->key;
        for (size_t i = 0; i < groups_column_count(groups); i++, at += strlen(at) + 1) {
            const struct pa_column *column = groups_column(groups, i);
            const char *name = column->json_name[0] ? column->json_name : column->name;
            text_append_string(&out, i == 0 ? "{" : ", ");
            text_append_json_string(&out, name, strlen(name));
            text_append_string(&out, ": ");
            append_json_value(column, at, &out);
        }
        for (size_t m = 0; m < METRIC_COUNT; m++)
            if (is_shown(groups, shown_metrics[m]))
                text_append_printf(&out, ", \"%s\": %llu", metric_names[shown_metrics[m]],
                                   (unsigned long long)g->sums[shown_metrics[m]]);
        text_append_string(&out, "}\n");
    }
    print_text(&out);
    text_clear(&out);
}

int show_groups(struct query *query, const struct query_match *match, const struct options *options,
                struct text *error)
{
    struct groups *groups = NULL;
    size_t count;
    int err = collect_groups(query, match, options, error, &groups);

    if (err < 0)
        return err;
    groups_sort(groups, options->sort_metric);
    count = groups_count(groups);
    if (options->top_count > 0 && options->top_count < count)
        count = options->top_count;
    if (options->look == LOOK_JSON)
        print_json(groups, count);
    else
        print_groups(groups, count, options);
    groups_free(groups);
    return 0;
}

/* ---- --matrix ---- */

/* One side of the matrix: its values with their sums, the largest first; values beyond `-T` are
 * one. Rows may be of several primitives: their text has PART_END between the values. */
#define PART_END '\x1f' /* a control character, which no value holds */
struct side {
    size_t first, primitive_count; /* which texts of a group it has */
    struct label {
        const char *text;
        uint64_t sum;
    } * labels;
    size_t count, shown;
    bool has_others;
};

static int compare_labels(const void *a, const void *b)
{
    const struct label *x = a, *y = b;

    if (x->sum != y->sum)
        return x->sum < y->sum ? 1 : -1;
    return strcmp(x->text, y->text);
}

static int compare_texts(const void *a, const void *b)
{
    const struct label *x = a, *y = b;

    return strcmp(x->text, y->text);
}

/* Returns the text of a group on a side, to be freed. */
static char *side_text(const struct group *g, const struct side *side)
{
    const char *at = g->key;
    struct text text = {0};

    for (size_t i = 0; i < side->first; i++)
        at += strlen(at) + 1;
    for (size_t i = 0; i < side->primitive_count; i++, at += strlen(at) + 1) {
        if (i > 0)
            text_append_char(&text, PART_END);
        text_append_string(&text, at);
    }
    char *copy = mem_strdup(text_cstr(&text));
    text_clear(&text);
    return copy;
}

static void label_free(struct label *label)
{
    mem_free((void *)(uintptr_t)label->text);
}

static void side_clear(struct side *side)
{
    for (size_t i = 0; i < side->count; i++)
        label_free(&side->labels[i]);
    mem_free(side->labels);
}

/* `first` and `primitive_count` are set. */
static void side_init(struct side *side, const struct groups *groups, const struct options *options)
{
    size_t count = groups_count(groups), kept = 0;
    struct label *labels = mem_calloc(count + 1, sizeof *labels);

    for (size_t i = 0; i < count; i++) {
        const struct group *g = groups_at(groups, i);
        labels[i] = (struct label){side_text(g, side), g->sums[options->metric]};
    }
    if (count > 1)
        qsort(labels, count, sizeof *labels, compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && !strcmp(labels[kept - 1].text, labels[i].text)) {
            labels[kept - 1].sum += labels[i].sum;
            label_free(&labels[i]);
        } else {
            labels[kept++] = labels[i];
        }
    }
    if (kept > 1)
        qsort(labels, kept, sizeof *labels, compare_labels);
    side->labels = labels;
    side->count = side->shown = kept;
    side->has_others = false;
    if (options->top_count > 0 && options->top_count < kept) {
        side->shown = options->top_count;
        side->has_others = true;
    }
    /* From here on labels are sorted by text, so that cells find their place, and `sum` is the
     * place. */
    for (size_t i = 0; i < kept; i++)
        labels[i].sum = i;
    if (kept > 1)
        qsort(labels, kept, sizeof *labels, compare_texts);
}

/* Returns the place of a group on a side; the place behind the last is that of the others. */
static size_t side_find(const struct side *side, const struct group *group)
{
    struct label wanted = {side_text(group, side), 0}, *found;

    found = bsearch(&wanted, side->labels, side->count, sizeof wanted, compare_texts);
    label_free(&wanted);
    return found->sum < side->shown ? (size_t)found->sum : side->shown;
}

static const char *side_label(const struct side *side, size_t place)
{
    for (size_t i = 0; i < side->count && place < side->shown; i++)
        if (side->labels[i].sum == place)
            return *side->labels[i].text ? side->labels[i].text : "-";
    return "others";
}

/* Puts a row's label: a cell for each primitive. */
static void put_label(struct table_writer *w, const struct side *side, const char *label)
{
    for (size_t i = 0; i < side->primitive_count; i++) {
        size_t len = strcspn(label, (const char[]){PART_END, '\0'});
        if (len == 0 && i == 0)
            put_cell(w, "-", 1);
        else
            put_cell(w, label, len);
        label += len + (label[len] == PART_END);
    }
}

static void print_matrix(const struct side *rows, const struct side *columns, const uint64_t *cells,
                         const struct groups *groups, const struct options *options)
{
    size_t width = columns->shown + columns->has_others, height = rows->shown + rows->has_others;
    size_t keys = rows->primitive_count;
    uint64_t *column_sums = mem_calloc(width + 1, sizeof *column_sums), all = 0;
    struct text corner = {0};
    struct table_writer w;

    writer_init(&w, options, keys + width + 1);
    for (size_t i = 0; i + 1 < keys; i++)
        put_title(&w, i, groups_column(groups, i)->csv_title, false);
    text_append_printf(&corner, "%s \\ %s", groups_column(groups, keys - 1)->csv_title,
                       groups_column(groups, keys)->csv_title);
    put_title(&w, keys - 1, text_cstr(&corner), false);
    text_clear(&corner);
    for (size_t c = 0; c < width; c++)
        put_title(&w, keys + c, side_label(columns, c), true);
    put_title(&w, keys + width, "SUM", true);
    for (size_t r = 0; r < height; r++) {
        const char *label = side_label(rows, r);
        uint64_t sum = 0;
        put_label(&w, rows, label);
        for (size_t c = 0; c < width; c++) {
            uint64_t cell = cells[r * width + c];
            put_number(&w, cell);
            sum += cell;
            column_sums[c] += cell;
        }
        put_number(&w, sum);
        all += sum;
    }
    put_label(&w, rows, "SUM");
    for (size_t c = 0; c < width; c++)
        put_number(&w, column_sums[c]);
    put_number(&w, all);
    writer_finish(&w);
    mem_free(column_sums);
}

int show_matrix(struct query *query, const struct query_match *match, const struct options *options,
                struct text *error)
{
    struct groups *groups = NULL;
    struct side rows = {.primitive_count = options->by_count - 1},
                columns = {.first = options->by_count - 1, .primitive_count = 1};
    uint64_t *cells;
    size_t width;
    int err = collect_groups(query, match, options, error, &groups);

    if (err < 0)
        return err;
    side_init(&rows, groups, options);
    side_init(&columns, groups, options);
    width = columns.shown + columns.has_others;
    cells = mem_calloc((rows.shown + rows.has_others) * width + 1, sizeof *cells);
    for (size_t i = 0; i < groups_count(groups); i++) {
        const struct group *g = groups_at(groups, i);
        cells[side_find(&rows, g) * width + side_find(&columns, g)] += g->sums[options->metric];
    }
    print_matrix(&rows, &columns, cells, groups, options);
    mem_free(cells);
    side_clear(&rows);
    side_clear(&columns);
    groups_free(groups);
    return 0;
}
