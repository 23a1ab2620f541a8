/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What the files of the client's side share. */
#include "base/text.h"
#include "plugins/memory/query_wire.h"

struct query {
    int fd;
    char *path;
    struct query_table table;
    struct text body; /* of the message received last */
    struct query_batch batch;
};

struct query_match {
    const struct query *query;
    struct match *match;
};

/*
 * A value as it stands in rows, from its text; appended to `out`. -EINVAL: what is wrong is
 * appended to `error`.
 */
int query_value_parse(const struct query *query, const struct pa_column *column, const char *text,
                      struct text *out, struct text *error);
