/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The action --watch: shows the rows that grow most, again and again. Each look at the table is a
 * connection of its own, so that a restart of the plugin does not end the view.
 */
#include "base/clock.h"
#include "base/grid.h"
#include "base/memory.h"
#include "base/text.h"
#include "pmacct/groups.h"
#include "pmacct/show.h"
#include "pmacct/terminal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The lines above the rows: what is shown, the keys, an empty one, titles. */
#define HEAD_LINES 4

struct sight {
    struct groups *groups;
    int64_t time_ns;
    struct query_status status;
};

struct watch_entry {
    const struct group *group;
    uint64_t rates[METRIC_COUNT]; /* per second since the look before */
};

struct watch {
    const struct options *options;
    struct terminal *terminal;
    struct sight now, before;
    char *instance;
    char **titles; /* of the columns by which rows are grouped */
    bool *is_number;
    size_t column_count;
    enum metric metric;
    bool by_total, has_units;
    struct text trouble; /* why the last look failed */
};

/* ---- looking ---- */

struct look_reader {
    struct groups *groups;
    uint32_t row_size;
};

static void collect_batch(void *arg, const struct pa_batch *batch)
{
    struct look_reader *c = arg;

    for (uint32_t i = 0; i < batch->row_count; i++)
        groups_add(c->groups, batch, batch->rows + (size_t)i * c->row_size);
}

/* Names the columns by which rows are grouped: those of --by, or else all columns of the key. */
static char **all_columns(const struct query *query, size_t *ret_count)
{
    const struct pa_schema *schema = query_schema(query);
    char **names = mem_calloc((size_t)schema->column_count + 1, sizeof *names);
    size_t count = 0;

    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *c = &schema->columns[i];
        if (c->combine == PA_COMBINE_KEY && c->csv_title[0])
            names[count++] = mem_strdup(c->name);
    }
    *ret_count = count;
    return names;
}

static void forget_titles(struct watch *w)
{
    for (size_t i = 0; i < w->column_count; i++)
        mem_free(w->titles[i]);
    mem_free(w->titles);
    mem_free(w->is_number);
    mem_free(w->instance);
    w->titles = NULL;
    w->is_number = NULL;
    w->instance = NULL;
    w->column_count = 0;
}

static void note_titles(struct watch *w, const struct query *query, const struct groups *groups)
{
    forget_titles(w);
    w->instance = mem_strdup(query_instance_name(query));
    w->column_count = groups_column_count(groups);
    w->titles = mem_calloc(w->column_count + 1, sizeof *w->titles);
    w->is_number = mem_calloc(w->column_count + 1, sizeof *w->is_number);
    for (size_t i = 0; i < w->column_count; i++) {
        const struct pa_column *c = groups_column(groups, i);
        w->titles[i] = mem_strdup(c->csv_title);
        w->is_number[i] = c->format == PA_FORMAT_UINT;
    }
}

static int look_at(struct watch *w, struct query *query, struct sight *look, struct text *error)
{
    const struct options *o = w->options;
    struct look_reader c = {.row_size = query_schema(query)->row_size};
    struct query_match *match = NULL;
    size_t count = o->by_count;
    char **all = o->by_count ? NULL : all_columns(query, &count);
    int err = groups_new(query, &o->output, all ? all : o->by, count, error, &c.groups);

    if (err == 0)
        err = make_match(query, o, error, &match);
    if (err == 0)
        err = query_rows(query, match, false, collect_batch, &c, &look->status, error);
    if (err == 0) {
        note_titles(w, query, c.groups);
        look->groups = c.groups;
        look->time_ns = look->status.now_ns;
    } else {
        groups_free(c.groups);
    }
    query_match_free(match);
    if (all)
        split_free(all, count);
    return err;
}

/* Takes a new look at the table. If that fails, both looks stay as they were. */
static int look_again(struct watch *w)
{
    struct query *query;
    struct sight look = {0};
    int err;

    text_reset(&w->trouble);
    err = query_open(w->options->path, &w->trouble, &query);
    if (err < 0)
        return err;
    err = look_at(w, query, &look, &w->trouble);
    query_close(query);
    if (err < 0)
        return err;
    groups_free(w->before.groups);
    w->before = w->now;
    w->now = look;
    return 0;
}

/* ---- showing ---- */

static uint64_t growth_rate(uint64_t now, uint64_t before, int64_t ns)
{
    /* If a row was reset or the table cleared, counting began at 0 again. */
    uint64_t grown = now >= before ? now - before : now;

    double rate = ns > 0 ? (double)grown * (double)NS_PER_S / (double)ns : 0;

    return rate < (double)UINT64_MAX ? (uint64_t)rate : UINT64_MAX;
}

static uint64_t entry_weight(const struct watch *w, const struct watch_entry *e)
{
    return w->by_total || !w->before.groups ? e->group->sums[w->metric] : e->rates[w->metric];
}

static int compare_entries(const void *a, const void *b, void *arg)
{
    uint64_t m = entry_weight(arg, a), n = entry_weight(arg, b);
    const struct group *x = ((const struct watch_entry *)a)->group;
    const struct group *y = ((const struct watch_entry *)b)->group;

    if (m != n)
        return m < n ? 1 : -1;
    return strcmp(x->key, y->key);
}

static struct watch_entry *make_entries(struct watch *w, size_t count)
{
    struct watch_entry *entries = mem_calloc(count + 1, sizeof *entries);
    int64_t ns;

    if (__builtin_sub_overflow(w->now.time_ns, w->before.time_ns, &ns))
        ns = 0; /* a server may send any instants */
    for (size_t i = 0; i < count; i++) {
        const struct group *g = groups_at(w->now.groups, i), *old = NULL;
        if (w->before.groups)
            old = groups_find(w->before.groups, g->key, g->key_len);
        entries[i].group = g;
        for (int m = 0; m < METRIC_COUNT && w->before.groups; m++)
            entries[i].rates[m] = growth_rate(g->sums[m], old ? old->sums[m] : 0, ns);
    }
    if (count > 1)
        qsort_r(entries, count, sizeof *entries, compare_entries, w);
    return entries;
}

static void append_head(const struct watch *w, size_t width, size_t shown, size_t count,
                        struct text *screen)
{
    const struct query_status *s = &w->now.status;
    int64_t since_ns = s->erased_ns > s->started_ns ? s->erased_ns : s->started_ns;
    time_t since = (time_t)(since_ns / NS_PER_S);
    char bytes[16], since_text[32];
    struct text line = {0};
    struct tm tm;

    localtime_r(&since, &tm);
    strftime(since_text, sizeof since_text, "%Y-%m-%d %H:%M:%S", &tm);
    units_format(s->bytes, bytes, sizeof bytes);
    if (w->trouble.len > 0)
        text_append(&line, w->trouble.data, w->trouble.len);
    else
        text_append_printf(&line, "%s  since %s  %llu rows, %sB  %llu refused",
                           w->instance ? w->instance : "", since_text,
                           (unsigned long long)s->row_count, bytes,
                           (unsigned long long)s->refused_rows);
    text_append(screen, line.data, line.len < width ? line.len : width);
    text_clear(&line);
    text_append_printf(&line,
                       "by %s%s every %u s, %zu of %zu rows - q quit, b bytes, p packets, f flows, "
                       "t totals/rates, u units",
                       metric_names[w->metric], w->by_total ? "" : " a second", w->options->watch_s,
                       shown, count);
    text_append_char(screen, '\n');
    text_append(screen, line.data, line.len < width ? line.len : width);
    text_append_string(screen, "\n\n");
    text_clear(&line);
}

/* The counters of a row as they are shown: rates, then totals. */
struct numbers {
    uint64_t rates[METRIC_COUNT], totals[METRIC_COUNT];
};

static uint64_t add_up(uint64_t a, uint64_t b)
{
    return a <= UINT64_MAX - b ? a + b : UINT64_MAX;
}

static uint64_t in_bits(uint64_t bytes)
{
    return bytes <= UINT64_MAX / 8 ? bytes * 8 : UINT64_MAX;
}

static const enum metric shown_metrics[] = {METRIC_FLOWS, METRIC_PACKETS, METRIC_BYTES};
static const char *const rate_titles[METRIC_COUNT] = {"PACKETS/S", "BITS/S", "FLOWS/S"};
static const char *const total_titles[METRIC_COUNT] = {"PACKETS", "BYTES", "FLOWS"};

static void add_numbers(const struct watch *w, struct grid *grid, const struct numbers *n)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        enum metric m = shown_metrics[i];
        if (groups_has(w->now.groups, m))
            grid_add_number(grid, m == METRIC_BYTES ? in_bits(n->rates[m]) : n->rates[m],
                            w->has_units);
    }
    for (int i = 0; i < METRIC_COUNT; i++)
        if (groups_has(w->now.groups, shown_metrics[i]))
            grid_add_number(grid, n->totals[shown_metrics[i]], w->has_units);
}

static struct numbers numbers_of(const struct watch_entry *e)
{
    struct numbers n;

    memcpy(n.rates, e->rates, sizeof n.rates);
    memcpy(n.totals, e->group->sums, sizeof n.totals);
    return n;
}

/* Sets the titles; returns the column by which rows are sorted. */
static size_t set_titles(const struct watch *w, struct grid *grid)
{
    bool by_rate = !w->by_total && w->before.groups;
    size_t at = w->column_count, sorted = at;

    for (size_t i = 0; i < w->column_count; i++)
        grid_set_column(grid, i, w->titles[i], w->is_number[i]);
    for (int kind = 0; kind < 2; kind++)
        for (int i = 0; i < METRIC_COUNT; i++) {
            enum metric m = shown_metrics[i];
            if (!groups_has(w->now.groups, m))
                continue;
            if (m == w->metric && (kind == 0) == by_rate)
                sorted = at;
            grid_set_column(grid, at++, kind == 0 ? rate_titles[m] : total_titles[m], true);
        }
    return sorted;
}

/* Shows so many of the rows, and the sum of all. */
static struct grid *make_grid(const struct watch *w, const struct watch_entry *entries,
                              size_t count, size_t shown, size_t width)
{
    size_t columns = w->column_count, metrics = 0;
    struct numbers all = {{0}, {0}};
    struct grid *grid;

    for (int m = 0; m < METRIC_COUNT; m++)
        metrics += groups_has(w->now.groups, m);
    grid = grid_new(columns + 2 * metrics);
    size_t sorted = set_titles(w, grid);
    for (size_t n = 0; n < count; n++) {
        const struct numbers numbers = numbers_of(&entries[n]);
        const char *text = entries[n].group->key;
        for (int m = 0; m < METRIC_COUNT; m++) {
            all.rates[m] = add_up(all.rates[m], numbers.rates[m]);
            all.totals[m] = add_up(all.totals[m], numbers.totals[m]);
        }
        for (size_t i = 0; i < columns && n < shown; i++, text += strlen(text) + 1)
            grid_add(grid, text, strlen(text));
        if (n < shown)
            add_numbers(w, grid, &numbers);
    }
    for (size_t i = 0; i < columns; i++)
        grid_add(grid, "SUM", i == 0 ? 3 : 0);
    add_numbers(w, grid, &all);
    grid_fit(grid, width, sorted);
    return grid;
}

static void watch_draw(struct watch *w)
{
    size_t height, width, count = w->now.groups ? groups_count(w->now.groups) : 0, room, shown;
    struct text screen = {0};

    terminal_size(w->terminal, &height, &width);
    room = height > HEAD_LINES ? height - HEAD_LINES : 0;
    shown = room == 0 ? 0 : count < room - 1 ? count : room - 1; /* the sum takes a line */
    append_head(w, width, shown, count, &screen);
    if (w->now.groups && room > 0) {
        struct watch_entry *entries = make_entries(w, count);
        struct grid *grid = make_grid(w, entries, count, shown, width);
        grid_append(grid, 0, shown + 1, width, &screen);
        grid_free(grid);
        mem_free(entries);
    }
    terminal_draw(w->terminal, &screen);
    text_clear(&screen);
}

/* Returns false if the key ends the view. */
static bool take_key(struct watch *w, char key)
{
    switch (key) {
    case 'q':
    case 'Q':
        return false;
    case 'b':
        w->metric = METRIC_BYTES;
        break;
    case 'p':
        w->metric = METRIC_PACKETS;
        break;
    case 'f':
        w->metric = METRIC_FLOWS;
        break;
    case 't':
        w->by_total = !w->by_total;
        break;
    case 'u':
        w->has_units = !w->has_units;
        break;
    default:
        break;
    }
    return true;
}

static void watch_run(struct watch *w)
{
    int64_t period_ns = (int64_t)w->options->watch_s * NS_PER_S, next = clock_mono().ns + period_ns;

    for (;;) {
        int64_t left = next - clock_mono().ns;
        char key = 0;
        watch_draw(w);
        switch (terminal_wait(w->terminal, left > 0 ? (int)(left / NS_PER_MS) + 1 : 0, &key)) {
        case TERMINAL_GONE:
            return;
        case TERMINAL_KEY:
            if (!take_key(w, key))
                return;
            break;
        case TERMINAL_RESIZED:
            break;
        case TERMINAL_TIMEOUT:
            look_again(w);
            next = clock_mono().ns + period_ns;
            break;
        }
    }
}

int watch_rows(const struct options *options, struct text *error)
{
    struct watch w = {
        .options = options, .metric = options->sort_metric, .has_units = options->has_units};
    int err = look_again(&w); /* an error in the first look ends the program */

    if (err < 0) {
        text_append(error, w.trouble.data, w.trouble.len);
    } else {
        err = terminal_open(&w.terminal);
        if (err == -ENOTTY)
            text_append_string(error, "--watch needs a terminal; a script asks with -s or -M");
        else if (err < 0)
            text_append_printf(error, "the terminal: %s", strerrordesc_np(-err));
        else
            watch_run(&w);
    }
    terminal_close(w.terminal);
    groups_free(w.now.groups);
    groups_free(w.before.groups);
    forget_titles(&w);
    text_clear(&w.trouble);
    return err;
}
