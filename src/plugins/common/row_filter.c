/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the keys and applies checks and actions to rows. See row_filter.h. */
#include "plugins/common/row_filter.h"
#include "base/memory.h"
#include "plugins/common/choice.h"
#include "plugins/common/setting.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum directive { QNUM, USRF, ADJB, CHECK };
enum measure { PACKETS, FLOWS, BYTES, BYTES_PER_PACKET, PACKETS_PER_FLOW };

static const struct {
    const char *name;
    enum directive directive;
    enum measure measure;
    bool is_max; /* the value must be less than the bound, not at least the bound */
    bool is_sql; /* for SQL plugins only */
} directives[] = {
    {"qnum", QNUM, 0, false, true},
    {"minp", CHECK, PACKETS, false, false},
    {"minf", CHECK, FLOWS, false, false},
    {"minb", CHECK, BYTES, false, false},
    {"minbpp", CHECK, BYTES_PER_PACKET, false, false},
    {"minppf", CHECK, PACKETS_PER_FLOW, false, false},
    {"maxp", CHECK, PACKETS, true, true},
    {"maxf", CHECK, FLOWS, true, true},
    {"maxb", CHECK, BYTES, true, true},
    {"maxbpp", CHECK, BYTES_PER_PACKET, true, true},
    {"maxppf", CHECK, PACKETS_PER_FLOW, true, true},
    {"usrf", USRF, 0, false, true},
    {"adjb", ADJB, 0, false, true},
};

#define DIRECTIVE_COUNT (sizeof directives / sizeof directives[0])

struct check {
    enum measure measure;
    bool is_max;
    uint64_t bound;
};

struct counters {
    uint64_t packets, flows, bytes;
};

struct row_filter {
    const struct pa_column *packets, *flows, *bytes; /* NULL: there is none */
    uint32_t row_size;
    bool needs_all, is_on; /* is_on: the filter applies to this purge */
    uint64_t least_rows;   /* qnum */
    uint64_t factor;       /* usrf; 1 */
    int64_t adjustment;    /* adjb */
    struct check checks[DIRECTIVE_COUNT];
    uint32_t check_count;
    uint8_t *rows;
    size_t capacity; /* rows */
};

/* ---- parse ---- */

/* The key that is read. */
struct reading {
    const char *key;
    bool is_sql;
    char *error;
    size_t error_size;
};

static int refuse_name(const struct reading *r, const char *name)
{
    snprintf(r->error, r->error_size,
             "%s: %s is not offered; there are %sminp, minf, minb, minbpp%s", r->key, name,
             r->is_sql ? "qnum, " : "",
             r->is_sql ? ", minppf, maxp, maxf, maxb, maxbpp, maxppf, usrf and adjb"
                       : " and minppf (SQL plugins have more)");
    return -EINVAL;
}

static int parse_one(struct row_filter *filter, const struct reading *r, const char *name,
                     const char *value)
{
    size_t i = 0;
    long long number;
    char *end;

    while (i < DIRECTIVE_COUNT && strcmp(name, directives[i].name) != 0)
        i++;
    if (i == DIRECTIVE_COUNT || (directives[i].is_sql && !r->is_sql))
        return refuse_name(r, name);
    errno = 0;
    number = strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != 0 ||
        (number < 0 && directives[i].directive != ADJB) ||
        (number == 0 && directives[i].directive == USRF)) {
        snprintf(r->error, r->error_size, "%s: %s=%s: not a number of at least %d", r->key, name,
                 value, directives[i].directive == USRF);
        return -EINVAL;
    }
    switch (directives[i].directive) {
    case QNUM:
        filter->least_rows = (uint64_t)number;
        break;
    case USRF:
        filter->factor = (uint64_t)number;
        break;
    case ADJB:
        filter->adjustment = number;
        break;
    case CHECK:
        if (filter->check_count == DIRECTIVE_COUNT) {
            snprintf(r->error, r->error_size, "%s: %s stands twice", r->key, name);
            return -EINVAL;
        }
        filter->checks[filter->check_count++] =
            (struct check){directives[i].measure, directives[i].is_max, (uint64_t)number};
    }
    return 0;
}

static int filter_parse(struct row_filter *filter, const struct reading *r, const char *text)
{
    char *copy = mem_strdup(text), *rest = copy, *part;
    int err = 0;

    while (err == 0 && (part = strsep(&rest, ","))) {
        char *value;
        part += strspn(part, " \t");
        value = strchr(part, '=');
        if (!value) {
            snprintf(r->error, r->error_size, "%s: '%s' is not of the form minb=10000", r->key,
                     part);
            err = -EINVAL;
            break;
        }
        *value++ = 0;
        part[strcspn(part, " \t")] = 0;
        value += strspn(value, " \t");
        value[strcspn(value, " \t")] = 0;
        err = parse_one(filter, r, part, value);
    }
    mem_free(copy);
    return err;
}

static const struct pa_column *find_counter(const struct pa_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].name, name) == 0 && schema->columns[i].kind == PA_KIND_U64)
            return &schema->columns[i];
    return NULL;
}

/* Refuses checks of counters that the rows do not have: they would judge all rows alike. */
static int check_columns(const struct row_filter *filter, const struct reading *r)
{
    for (uint32_t i = 0; i < filter->check_count; i++) {
        enum measure m = filter->checks[i].measure;
        if ((m == FLOWS || m == PACKETS_PER_FLOW) && !filter->flows) {
            snprintf(r->error, r->error_size,
                     "%s: a check of flows needs the primitive flows in `aggregate`", r->key);
            return -EINVAL;
        }
    }
    return 0;
}

int row_filter_read(const struct pa_host *host, const char *prefix, bool is_sql,
                    const struct pa_schema *schema, char *error, size_t error_size,
                    struct row_filter **ret_filter)
{
    char key[64], type_key[64];
    const struct reading r = {key, is_sql, error, error_size};

    snprintf(key, sizeof key, "%s_preprocess", prefix);
    snprintf(type_key, sizeof type_key, "%s_preprocess_type", prefix);
    const char *text = setting_text(host, key);
    *ret_filter = NULL;
    if (!text)
        return 0;
    struct row_filter *filter = mem_zalloc(sizeof *filter);
    filter->packets = find_counter(schema, "packets");
    filter->flows = find_counter(schema, "flows");
    filter->bytes = find_counter(schema, "bytes");
    filter->row_size = schema->row_size;
    filter->needs_all = setting_choice(host, type_key, ROW_FILTER_ANY) == ROW_FILTER_ALL;
    filter->factor = 1;
    filter->is_on = true;
    int err = filter_parse(filter, &r, text);
    if (err == 0)
        err = check_columns(filter, &r);
    if (err < 0)
        row_filter_free(filter);
    else
        *ret_filter = filter;
    return err;
}

void row_filter_free(struct row_filter *filter)
{
    if (!filter)
        return;
    mem_free(filter->rows);
    mem_free(filter);
}

/* ---- rows ---- */

static uint64_t counter_load(const struct pa_column *column, const uint8_t *row)
{
    uint64_t v = 0;

    if (column)
        memcpy(&v, row + column->offset, sizeof v);
    return v;
}

static void counter_store(const struct pa_column *column, uint8_t *row, uint64_t v)
{
    if (column)
        memcpy(row + column->offset, &v, sizeof v);
}

/* True if a / b >= bound, for whole numbers without the rounding of a division. If b is 0, the ratio
 * is 0. */
static bool is_ratio_at_least(uint64_t a, uint64_t b, uint64_t bound)
{
    return b == 0 ? bound == 0 : (__extension__(unsigned __int128) b * bound) <= a;
}

static bool check_holds(const struct check *check, const struct counters *c)
{
    bool is_at_least;

    switch (check->measure) {
    case PACKETS:
        is_at_least = c->packets >= check->bound;
        break;
    case FLOWS:
        is_at_least = c->flows >= check->bound;
        break;
    case BYTES:
        is_at_least = c->bytes >= check->bound;
        break;
    case BYTES_PER_PACKET:
        is_at_least = is_ratio_at_least(c->bytes, c->packets, check->bound);
        break;
    default:
        is_at_least = is_ratio_at_least(c->packets, c->flows, check->bound);
    }
    return is_at_least != check->is_max;
}

static bool counters_pass(const struct row_filter *filter, const struct counters *c)
{
    if (filter->check_count == 0)
        return true;
    for (uint32_t i = 0; i < filter->check_count; i++)
        if (check_holds(&filter->checks[i], c) != filter->needs_all)
            return !filter->needs_all;
    return filter->needs_all;
}

static void filter_act(const struct row_filter *filter, uint8_t *row, struct counters c)
{
    /* A negative adjustment wraps as it should. */
    uint64_t more = c.packets * (uint64_t)filter->adjustment;

    if (filter->adjustment < 0 && 0 - more > c.bytes)
        c.bytes = 0;
    else
        c.bytes += more;
    counter_store(filter->packets, row, c.packets * filter->factor);
    counter_store(filter->flows, row, c.flows * filter->factor);
    counter_store(filter->bytes, row, c.bytes * filter->factor);
}

void row_filter_begin(struct row_filter *filter, uint64_t row_count)
{
    filter->is_on = row_count >= filter->least_rows;
}

static struct counters counters_of(const struct row_filter *filter, const uint8_t *row)
{
    return (struct counters){counter_load(filter->packets, row), counter_load(filter->flows, row),
                             counter_load(filter->bytes, row)};
}

static bool row_passes(const struct row_filter *filter, const struct counters *c,
                       struct row_filter_sums *left_out)
{
    if (!filter->is_on || counters_pass(filter, c))
        return true;
    left_out->rows++;
    left_out->flows += c->flows;
    left_out->packets += c->packets;
    left_out->bytes += c->bytes;
    return false;
}

bool row_filter_passes(const struct row_filter *filter, const uint8_t *row,
                       struct row_filter_sums *left_out)
{
    const struct counters c = counters_of(filter, row);

    return row_passes(filter, &c, left_out);
}

struct pa_batch row_filter_apply(struct row_filter *filter, const struct pa_batch *batch,
                                 struct row_filter_sums *left_out)
{
    struct pa_batch out = *batch;
    bool acts = filter->factor != 1 || filter->adjustment != 0;

    if (!filter->is_on && !acts)
        return out;
    if (batch->row_count > filter->capacity) {
        filter->capacity = batch->row_count;
        filter->rows = mem_realloc_array(filter->rows, filter->capacity, filter->row_size);
    }
    out.row_count = 0;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = batch->rows + (size_t)i * filter->row_size;
        uint8_t *copy = filter->rows + (size_t)out.row_count * filter->row_size;
        const struct counters c = counters_of(filter, row);
        if (!row_passes(filter, &c, left_out))
            continue;
        memcpy(copy, row, filter->row_size);
        if (acts)
            filter_act(filter, copy, c);
        out.row_count++;
    }
    out.rows = filter->rows;
    return out;
}

void row_filter_count(const struct pa_host *host, struct row_filter_sums *left_out)
{
    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {{"preprocess_left_out_rows", left_out->rows},
                    {"preprocess_left_out_flows", left_out->flows},
                    {"preprocess_left_out_packets", left_out->packets},
                    {"preprocess_left_out_bytes", left_out->bytes}};

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++)
        host->count(host, counters[i].name, counters[i].value);
    *left_out = (struct row_filter_sums){0};
}
