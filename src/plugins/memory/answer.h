/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The answer to a request for rows: a snapshot and how far it has been sent. One thread. */
#include "plugins/memory/match.h"
#include "plugins/memory/query.h"
#include "plugins/memory/table.h"

struct answer;

/*
 * Takes `match` (NULL: all rows). The answer ends with `status`, whose counts of rows are made
 * here. With `resets` the matching rows are taken out of the table at once.
 */
struct answer *answer_new(struct table *table, const struct pa_schema *schema, struct match *match,
                          bool resets, const struct query_status *status);
void answer_free(struct answer *answer); /* NULL is fine */
uint64_t answer_removed_rows(const struct answer *answer);

/* Looks at some more rows and appends a message if some match. False: the answer has ended. */
bool answer_append(struct answer *answer, struct text *out);
