/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the keys and applies checks and actions to rows. See row_filter.h. */
#include "plugins/common/row_filter.h"
#include "base/hash.h"
#include "base/memory.h"
#include "plugins/common/choice.h"
#include "plugins/common/row_sample.h"
#include "plugins/common/setting.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLAY_SEED UINT64_C(0x70617468) /* a capture is sampled alike each time */

enum directive { QNUM, USRF, ADJB, CHECK, FSS, FSRC, RECOVER };
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
    {"fss", FSS, 0, false, true},
    {"fsrc", FSRC, 0, false, true},
    {"recover", RECOVER, 0, false, true},
};

#define DIRECTIVE_COUNT (sizeof directives / sizeof directives[0])

struct check {
    enum measure measure;
    bool is_max;
    uint64_t bound;
};

struct row_filter {
    struct row_counter_columns columns;
    uint32_t row_size;
    bool needs_all, is_on; /* is_on: the filter applies to this purge */
    uint64_t least_rows;   /* qnum */
    uint64_t factor;       /* usrf; 1 */
    int64_t adjustment;    /* adjb */
    struct check checks[DIRECTIVE_COUNT];
    uint32_t check_count;
    uint64_t threshold;        /* fss; 0: none */
    uint64_t sample_max;       /* fsrc; 0: none */
    struct row_sample *sample; /* NULL without fsrc */
    uint64_t seed;
    struct row_dice dice; /* of this purge */
    uint8_t *rows;
    size_t capacity; /* rows */
};

/* ---- parse ---- */

/* The key that is read. */
struct reading {
    const struct pa_host *host;
    const char *key;
    bool is_sql;
    char *error;
    size_t error_size;
};

static int refuse_name(const struct reading *r, const char *name)
{
    if (r->host->is_tolerant) {
        r->host->log(r->host, PA_LOG_WARNING, "%s: %s is not offered, and left out", r->key, name);
        return 0;
    }
    snprintf(
        r->error, r->error_size, "%s: %s is not offered; there are %sminp, minf, minb, minbpp%s",
        r->key, name, r->is_sql ? "qnum, " : "",
        r->is_sql ? ", minppf, maxp, maxf, maxb, maxbpp, maxppf, fss, fsrc, usrf, adjb and recover"
                  : " and minppf (SQL plugins have more)");
    return -EINVAL;
}

static int least_of(enum directive directive)
{
    return directive == USRF || directive == FSS || directive == FSRC;
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
        (directives[i].directive != ADJB && number < least_of(directives[i].directive))) {
        snprintf(r->error, r->error_size, "%s: %s=%s: not a number of at least %d", r->key, name,
                 value, least_of(directives[i].directive));
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
    case FSS:
        filter->threshold = (uint64_t)number;
        break;
    case FSRC:
        filter->sample_max = (uint64_t)number;
        break;
    case RECOVER:
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
        if ((m == FLOWS || m == PACKETS_PER_FLOW) && !filter->columns.flows) {
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
    const struct reading r = {host, key, is_sql, error, error_size};

    snprintf(key, sizeof key, "%s_preprocess", prefix);
    snprintf(type_key, sizeof type_key, "%s_preprocess_type", prefix);
    const char *text = setting_text(host, key);
    *ret_filter = NULL;
    if (!text)
        return 0;
    struct row_filter *filter = mem_zalloc(sizeof *filter);
    filter->columns.packets = find_counter(schema, "packets");
    filter->columns.flows = find_counter(schema, "flows");
    filter->columns.bytes = find_counter(schema, "bytes");
    filter->row_size = schema->row_size;
    filter->needs_all = setting_choice(host, type_key, ROW_FILTER_ANY) == ROW_FILTER_ALL;
    filter->factor = 1;
    filter->is_on = true;
    int err = filter_parse(filter, &r, text);
    if (err == 0)
        err = check_columns(filter, &r);
    if (err < 0) {
        row_filter_free(filter);
        return err;
    }
    row_filter_seed(filter, host->is_replay ? REPLAY_SEED : hash_seed());
    if (filter->sample_max > 0)
        filter->sample = row_sample_new(schema, &filter->columns, filter->sample_max);
    *ret_filter = filter;
    return 0;
}

void row_filter_free(struct row_filter *filter)
{
    if (!filter)
        return;
    row_sample_free(filter->sample);
    mem_free(filter->rows);
    mem_free(filter);
}

void row_filter_seed(struct row_filter *filter, uint64_t seed)
{
    filter->seed = filter->dice.state = seed;
}

/* ---- rows ---- */

/* True if a / b >= bound, for whole numbers without the rounding of a division. If b is 0, the ratio
 * is 0. */
static bool is_ratio_at_least(uint64_t a, uint64_t b, uint64_t bound)
{
    return b == 0 ? bound == 0 : (__extension__(unsigned __int128) b * bound) <= a;
}

static bool check_holds(const struct check *check, const struct row_counters *c)
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

static bool counters_pass(const struct row_filter *filter, const struct row_counters *c)
{
    if (filter->check_count == 0)
        return true;
    for (uint32_t i = 0; i < filter->check_count; i++)
        if (check_holds(&filter->checks[i], c) != filter->needs_all)
            return !filter->needs_all;
    return filter->needs_all;
}

static void filter_act(const struct row_filter *filter, uint8_t *row, struct row_counters c)
{
    /* A negative adjustment wraps as it should. */
    uint64_t more = c.packets * (uint64_t)filter->adjustment;

    if (filter->adjustment < 0 && 0 - more > c.bytes)
        c.bytes = 0;
    else
        c.bytes += more;
    c.packets *= filter->factor;
    c.flows *= filter->factor;
    c.bytes *= filter->factor;
    row_counters_store(&filter->columns, row, &c);
}

void row_filter_begin(struct row_filter *filter, uint64_t row_count, uint64_t epoch)
{
    const uint64_t purge[] = {epoch, row_count};

    filter->is_on = row_count >= filter->least_rows;
    /* A purge that is tried again draws the same numbers, so that a row which the backend refuses
     * does not change which of the others stand for the rest. */
    filter->dice.state = hash_bytes(purge, sizeof purge, filter->seed);
    if (filter->sample)
        row_sample_begin(filter->sample);
}

static void leave_out(struct row_filter_sums *left_out, const struct row_counters *c)
{
    left_out->rows++;
    left_out->flows += c->flows;
    left_out->packets += c->packets;
    left_out->bytes += c->bytes;
}

static bool row_passes(const struct row_filter *filter, const struct row_counters *c,
                       struct row_filter_sums *left_out)
{
    if (!filter->is_on || counters_pass(filter, c))
        return true;
    leave_out(left_out, c);
    return false;
}

bool row_filter_passes(const struct row_filter *filter, const uint8_t *row,
                       struct row_filter_sums *left_out)
{
    const struct row_counters c = row_counters_load(&filter->columns, row);

    return row_passes(filter, &c, left_out);
}

/* Looks at a row and copies it to `copy` if it is to be written now. */
static bool apply_to_row(struct row_filter *filter, const struct pa_batch *batch,
                         const uint8_t *row, uint8_t *copy, struct row_filter_sums *left_out)
{
    struct row_counters c = row_counters_load(&filter->columns, row), out;

    if (!row_passes(filter, &c, left_out))
        return false;
    memcpy(copy, row, filter->row_size);
    if (filter->is_on && filter->threshold > 0) {
        out = c;
        if (!row_sample_threshold(&filter->dice, filter->threshold, &c)) {
            leave_out(left_out, &out);
            return false;
        }
        row_counters_store(&filter->columns, copy, &c);
    }
    if (filter->is_on && filter->sample) {
        if (row_sample_offer(filter->sample, &filter->dice, batch, copy, &out))
            leave_out(left_out, &out);
        return false;
    }
    filter_act(filter, copy, c);
    return true;
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
    for (uint32_t i = 0; i < batch->row_count; i++)
        out.row_count +=
            apply_to_row(filter, batch, batch->rows + (size_t)i * filter->row_size,
                         filter->rows + (size_t)out.row_count * filter->row_size, left_out);
    out.rows = filter->rows;
    return out;
}

struct pa_batch row_filter_rest(struct row_filter *filter)
{
    struct pa_batch rest = {0};

    if (!filter->is_on || !filter->sample)
        return rest;
    rest = row_sample_take(filter->sample, &filter->dice);
    for (uint32_t i = 0; i < rest.row_count; i++) {
        uint8_t *row = (uint8_t *)(uintptr_t)rest.rows + (size_t)i * filter->row_size;
        filter_act(filter, row, row_counters_load(&filter->columns, row));
    }
    return rest;
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
