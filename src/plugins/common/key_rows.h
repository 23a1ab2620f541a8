/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows of key tables that several plugins have, each under its own prefix: they mean the same
 * everywhere, so they read the same.
 */
#include "plugins/common/row_filter.h"
#include "plugins/pathacct_plugin.h"

/* clang-format off */
/* NOLINTBEGIN(bugprone-macro-parentheses): what is put in stands between commas */

/* `at_first` is the default, as text; `what` is the help. */
#define KEY_ROW_REFRESH_TIME(prefix, at_first, what)                                               \
    {.name = prefix "_refresh_time", .type = PA_KEY_INT, .role = PA_ROLE_REFRESH_TIME,             \
     .default_value = at_first, .min = 1, .max = 86400, .help = what}

/* For a plugin whose epochs end in a purge: the time between purges, and the bins. `more` ends the
 * help of the bins' length; `roundoff` is another name of the round-off, or NULL. */
#define KEY_ROWS_TIME(prefix, more, roundoff)                                                      \
    KEY_ROW_REFRESH_TIME(prefix, "60", "seconds from one purge to the next"),                      \
    {.name = prefix "_startup_delay", .type = PA_KEY_INT, .role = PA_ROLE_STARTUP_DELAY,           \
     .default_value = "0", .min = 0, .max = 86400,                                                 \
     .help = "seconds by which the first purge comes later, and with it all others"},              \
    {.name = prefix "_history", .type = PA_KEY_DURATION, .role = PA_ROLE_HISTORY,                  \
     .help = "length of a time bin: seconds, or with s, m, h, d, w, M (calendar month)" more},     \
    {.name = prefix "_history_roundoff", .type = PA_KEY_STRING, .role = PA_ROLE_HISTORY_ROUNDOFF,  \
     .aliases = roundoff,                                                                          \
     .help = "round the start of bins down to any of m, h, d, w, M"},                              \
    {.name = prefix "_history_offset", .type = PA_KEY_INT, .role = PA_ROLE_HISTORY_OFFSET,         \
     .default_value = "0", .help = "seconds by which bins start later"}

/* For a plugin that runs a program of the operator's (trigger.h). */
#define KEY_ROWS_TRIGGER(prefix)                                                                   \
    {.name = prefix "_trigger_exec", .type = PA_KEY_STRING, .role = PA_ROLE_PROGRAM,               \
     .help = "program to run after each purge"},                                                   \
    {.name = prefix "_trigger_exec_async", .type = PA_KEY_BOOL, .default_value = "false",          \
     .help = "do not wait for that program"}

#define KEY_ROW_NUM_PROTOS(prefix)                                                                 \
    {.name = prefix "_num_protos", .type = PA_KEY_BOOL, .default_value = "false",                  \
     .help = "IP protocols as numbers"}

/* For a plugin that leaves out rows by their counters (row_filter.h). */
#define KEY_ROWS_PREPROCESS(prefix, directives)                                                    \
    {.name = prefix "_preprocess", .type = PA_KEY_STRING,                                          \
     .help = "which rows to write: " directives ", each with =N"},                                 \
    {.name = prefix "_preprocess_type", .type = PA_KEY_CHOICE, .default_value = "any",             \
     .choices = CHOICE_TEXT(ROW_FILTER_TYPES),                                                     \
     .help = "a row is written if any of the checks of " prefix "_preprocess holds, or if all do"}

/* A key that is accepted because pmacct has it. */
#define KEY_ROW_IGNORED(key, why) {.name = key, .type = PA_KEY_IGNORED, .help = why}

#define KEY_ROW_TUNING(key) KEY_ROW_IGNORED(key, "tunes pmacct's internals: no effect here")

/* Keys of pmacct's writers, which are processes of their own behind a cache. */
#define KEY_ROWS_WRITERS(prefix)                                                                   \
    KEY_ROW_TUNING(prefix "_cache_entries"), KEY_ROW_TUNING(prefix "_max_writers")

/* NOLINTEND(bugprone-macro-parentheses) */
/* clang-format on */
