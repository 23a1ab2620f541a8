/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Writes metrics as Prometheus reads them: its text format 0.0.4, or OpenMetrics 1.0 where the
 * reader asks for it. A family is a name, a type and a help; its samples follow it at once.
 */
#include "base/histogram.h"
#include "base/text.h"
#include <stdbool.h>
#include <stdint.h>

enum exposition_type { EXPOSITION_COUNTER, EXPOSITION_GAUGE, EXPOSITION_HISTOGRAM };

enum { EXPOSITION_LABELS_MAX = 4 };

struct exposition {
    struct text *out; /* borrowed */
    bool is_openmetrics;
    const char *family; /* under way */
    enum exposition_type type;
    const char *suffix; /* of the samples of a histogram */
};

/* A label of a sample; name NULL ends a list of them. Values are any text. */
struct exposition_label {
    const char *name, *value;
};

/* True if the header Accept prefers OpenMetrics (its quality is the highest that stands there). */
bool exposition_wants_openmetrics(const char *accept);
const char *exposition_mime(bool is_openmetrics);

/* Begins a family. `name` is without _total, which counters get: both are the caller's and stay
 * until the next one. */
void exposition_family(struct exposition *e, enum exposition_type type, const char *name,
                       const char *help);
void exposition_uint(struct exposition *e, const struct exposition_label *labels, uint64_t value);
void exposition_int(struct exposition *e, const struct exposition_label *labels, int64_t value);
/* Nanoseconds, as seconds with as many digits as are not 0. */
void exposition_seconds(struct exposition *e, const struct exposition_label *labels, int64_t ns);
/* Writes what a family of EXPOSITION_HISTOGRAM has, in seconds; there are at most
 * EXPOSITION_LABELS_MAX labels. */
void exposition_histogram(struct exposition *e, const struct exposition_label *labels,
                          const struct histogram_sum *histogram);
void exposition_end(struct exposition *e);
