/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The actions of pmacct. Each asks the table and prints to standard output; a negative errno comes
 * with a text that is appended to `error`. */
#include "pmacct/options.h"

int show_rows(struct query *query, const struct query_match *match, const struct options *options,
              struct text *error);
int show_counters(struct query *query, const struct query_match *match,
                  const struct options *options, struct text *error);
int show_groups(struct query *query, const struct query_match *match, const struct options *options,
                struct text *error);
int show_matrix(struct query *query, const struct query_match *match, const struct options *options,
                struct text *error);
int show_status(struct query *query, struct text *error);
int show_erased(struct query *query, struct text *error); /* prints the seconds since then */
int show_classes(struct query *query, const struct options *options, struct text *error);
int show_custom(struct query *query);
int erase_table(struct query *query, struct text *error);
int watch_rows(const struct options *options, struct text *error);

/* Writes the text to standard output and empties it. False: nobody reads any more. */
bool print_text(struct text *text);
/* Makes the match of -M or -N; NULL without them. */
int make_match(const struct query *query, const struct options *options, struct text *error,
               struct query_match **ret_match);
