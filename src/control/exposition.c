/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prometheus text format 0.0.4 and OpenMetrics 1.0. They differ in how counters are named, in what
 * help escapes, and in the mark of the end. */
#include "control/exposition.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENMETRICS "application/openmetrics-text"
#define NS_PER_S    INT64_C(1000000000)

enum { SECONDS_LEN = 40 };

/* The quality of one range of Accept (RFC 9110 section 12.4.2), which ends at `end`. */
static double quality_of(const char *range, const char *end)
{
    for (const char *c = range; c < end; c++)
        if (*c == ';') {
            c += strspn(c + 1, " \t") + 1;
            if (end - c > 2 && (c[0] == 'q' || c[0] == 'Q') && c[1] == '=')
                return strtod(c + 2, NULL);
            c--;
        }
    return 1;
}

bool exposition_wants_openmetrics(const char *accept)
{
    double openmetrics = 0, others = 0;

    for (const char *c = accept; *c;) {
        const char *end;
        c += strspn(c, " \t,");
        end = c + strcspn(c, ",");
        size_t len = strcspn(c, ";, \t");
        double quality = quality_of(c, end);
        if (len == strlen(OPENMETRICS) && strncmp(c, OPENMETRICS, len) == 0)
            openmetrics = quality > openmetrics ? quality : openmetrics;
        else if (end > c)
            others = quality > others ? quality : others;
        c = end;
    }
    return openmetrics > 0 && openmetrics >= others;
}

const char *exposition_mime(bool is_openmetrics)
{
    return is_openmetrics ? OPENMETRICS "; version=1.0.0; charset=utf-8"
                          : "text/plain; version=0.0.4; charset=utf-8";
}

/* Escapes as both formats want it: backslash and line feed, and the quote of values. */
static void append_escaped(struct text *out, const char *value, bool has_quotes)
{
    for (const char *c = value; *c; c++) {
        if (*c == '\\')
            text_append(out, "\\\\", 2);
        else if (*c == '\n')
            text_append(out, "\\n", 2);
        else if (*c == '"' && has_quotes)
            text_append(out, "\\\"", 2);
        else
            text_append_char(out, *c);
    }
}

/* Values have to be UTF-8; what is not becomes U+FFFD. */
static void append_value(struct text *out, const char *value)
{
    size_t len = strlen(value);

    for (size_t i = 0; i < len;) {
        size_t sequence =
            (uint8_t)value[i] < 0x80 ? 1 : text_utf8_len((const uint8_t *)value + i, len - i);
        if (sequence == 0) {
            text_append_string(out, "\xef\xbf\xbd");
            i++;
        } else if (sequence == 1) {
            append_escaped(out, (const char[]){value[i], '\0'}, true);
            i++;
        } else {
            text_append(out, value + i, sequence);
            i += sequence;
        }
    }
}

static void append_name(struct exposition *e)
{
    text_append_string(e->out, e->family);
    text_append_string(e->out, e->type == EXPOSITION_COUNTER ? "_total" : e->suffix);
}

void exposition_family(struct exposition *e, enum exposition_type type, const char *name,
                       const char *help)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    const char *suffix = type == EXPOSITION_COUNTER && !e->is_openmetrics ? "_total" : "";

    e->family = name;
    e->type = type;
    e->suffix = "";
    text_append_printf(e->out, "# HELP %s%s ", name, suffix);
    append_escaped(e->out, help, e->is_openmetrics);
    text_append_printf(e->out, "\n# TYPE %s%s %s\n", name, suffix, types[type]);
}

static void append_labels(struct exposition *e, const struct exposition_label *labels)
{
    append_name(e);
    for (const struct exposition_label *l = labels; l && l->name; l++) {
        text_append_string(e->out, l == labels ? "{" : ",");
        text_append_string(e->out, l->name);
        text_append_string(e->out, "=\"");
        append_value(e->out, l->value);
        text_append_char(e->out, '"');
    }
    text_append_string(e->out, labels && labels->name ? "} " : " ");
}

void exposition_uint(struct exposition *e, const struct exposition_label *labels, uint64_t value)
{
    append_labels(e, labels);
    text_append_uint(e->out, value);
    text_append_char(e->out, '\n');
}

void exposition_int(struct exposition *e, const struct exposition_label *labels, int64_t value)
{
    append_labels(e, labels);
    text_append_int(e->out, value);
    text_append_char(e->out, '\n');
}

/* At least `digits` of the fraction are written. */
static void format_seconds(int64_t ns, size_t digits, char out[SECONDS_LEN])
{
    uint64_t size = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
    size_t len = (size_t)snprintf(out, SECONDS_LEN, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "",
                                  size / NS_PER_S, size % NS_PER_S);
    size_t least = len - 9 + digits;

    while (len > least && out[len - 1] == '0')
        len--;
    if (out[len - 1] == '.')
        len--;
    out[len] = '\0';
}

void exposition_seconds(struct exposition *e, const struct exposition_label *labels, int64_t ns)
{
    char seconds[SECONDS_LEN];

    append_labels(e, labels);
    format_seconds(ns, 0, seconds);
    text_append_printf(e->out, "%s\n", seconds);
}

void exposition_histogram(struct exposition *e, const struct exposition_label *labels,
                          const struct histogram_sum *h)
{
    struct exposition_label all[EXPOSITION_LABELS_MAX + 2] = {{0}};
    char bound[SECONDS_LEN] = "+Inf";
    uint64_t count = 0;
    int i = 0;

    while (labels && labels[i].name && i < EXPOSITION_LABELS_MAX) {
        all[i] = labels[i];
        i++;
    }
    all[i] = (struct exposition_label){"le", bound};
    e->suffix = "_bucket";
    for (int bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        count += h->buckets[bucket];
        if (bucket < HISTOGRAM_BUCKETS - 1)
            format_seconds(histogram_bounds_ns[bucket], 1, bound);
        else
            memcpy(bound, "+Inf", sizeof "+Inf");
        exposition_uint(e, all, count);
    }
    e->suffix = "_count";
    exposition_uint(e, labels, count);
    e->suffix = "_sum";
    exposition_seconds(e, labels, (int64_t)h->sum_ns);
    e->suffix = "";
}

void exposition_end(struct exposition *e)
{
    if (e->is_openmetrics)
        text_append_string(e->out, "# EOF\n");
}
