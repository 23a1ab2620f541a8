/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Options: what the command line asks for. */
#include "plugins/memory/query.h"

struct text;

enum action {
    ACTION_NONE,
    ACTION_HELP,
    ACTION_VERSION,
    ACTION_ROWS,     /* -s */
    ACTION_MATCH,    /* -M */
    ACTION_COUNTERS, /* -N */
    ACTION_ERASE,    /* -e */
    ACTION_ERASED,   /* -i */
    ACTION_STATUS,   /* -t */
    ACTION_CLASSES,  /* -C */
    ACTION_CUSTOM,   /* -U */
    ACTION_MATRIX,
    ACTION_WATCH,
};

/* Counters, in the order in which -n all prints them. */
enum metric { METRIC_PACKETS, METRIC_BYTES, METRIC_FLOWS, METRIC_COUNT };
extern const char *const metric_names[METRIC_COUNT];

enum look { LOOK_DEFAULT, LOOK_FORMATTED, LOOK_CSV, LOOK_JSON, LOOK_ALIGNED };

struct options {
    enum action action;
    enum action view; /* ACTION_MATRIX or ACTION_WATCH, of -s or -M; else ACTION_NONE */
    const char *path;
    char **columns; /* -c */
    size_t column_count;
    char **queries; /* the queries of -N or -M, each still with commas */
    size_t query_count;
    enum metric metric; /* -n */
    bool has_all_metrics, sums_up, resets;
    bool is_sorted; /* -T */
    enum metric sort_metric;
    uint64_t top_count; /* 0: all */
    enum look look;
    struct query_output_options output;
    bool has_units;
    char **by; /* --by, --matrix */
    size_t by_count;
    unsigned watch_s;
};

/* -EINVAL: what is wrong is appended to `error`. `argv`'s strings are borrowed. */
int options_parse(int argc, char **argv, struct options *ret_options, struct text *error);
void options_clear(struct options *options);
void options_append_usage(const char *program, struct text *out);

/* Returns the parts of `text` between separators. Parts and array are from mem_alloc; split_free()
 * frees them. */
char **split(const char *text, char separator, size_t *ret_count);
void split_free(char **parts, size_t count);
