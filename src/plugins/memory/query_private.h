/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Shared by the files of the client's side: the open query, and values read from text. */
#include "base/text.h"
#include "plugins/memory/query_wire.h"

struct query {
    int fd;
    int silence_ms; /* so long the plugin may say nothing */
    char *path;
    struct query_table table;
    struct text body; /* of the last message received */
    struct query_batch batch;
};

struct query_match {
    const struct query *query;
    struct match *match;
};

/* Makes of a text the value as it stands in rows, and appends it to `out`. -EINVAL: what is wrong
 * is appended to `error`. */
int query_value_parse(const struct query *query, const struct pa_column *column, const char *text,
                      struct text *out, struct text *error);
