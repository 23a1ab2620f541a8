/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Asks a memory table: the client's side of the protocol, and rows as text.
 *
 * The protocol. A Unix stream socket carries messages, each of them a header of 12 bytes (u32 magic
 * "paQ1", u16 version, u16 type, u32 length of the body) and a body. Numbers are big-endian but for
 * rows, which are as the plugin has them in memory: both ends are on one machine.
 *
 *     plugin                                  client
 *     TABLE: who, columns, how values read    (as soon as it connects)
 *                                             ROWS: what matches, and whether it is to be reset,
 *                                             or ERASE, or STATUS
 *     BATCH...: dictionary and rows           (ROWS alone)
 *     END: struct query_status
 *                                             the next request...
 *     ERROR: why not                          (at any time; the plugin then hangs up)
 *
 * A client has one request at a time. An answer is the table at the instant of the request; rows
 * that are reset are removed at that instant. The plugin serves imt_clients_max clients (of one user
 * half of them), resets and erases for those who may (rights.h), takes
 * requests of at most QUERY_REQUEST_MAX bytes, and hangs up on a client that does not take its
 * answer within 30 s, sends nothing for 60 s, or holds copies of blocks (table.h) that are needed.
 * Both ends check everything they read.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

#define QUERY_PATH_DEFAULT "/tmp/collect.pipe"
#define QUERY_REQUEST_MAX  (1u << 20)

struct query_status {
    uint64_t row_count, bytes, max_bytes, copied_bytes, value_count;
    uint64_t refused_rows; /* since the plugin's process started */
    uint64_t client_count;
    uint64_t matched_rows, removed_rows; /* by the request that this answers */
    int64_t now_ns;                      /* the wall clock, when all of these were taken */
    int64_t started_ns;                  /* rows from before it are not in the table */
    int64_t erased_ns;                   /* 0: never */
    int64_t updated_ns;                  /* 0: no rows have come yet */
};

/* ---- a connection: one thread ---- */

struct query;

/* Negative errno: what is wrong and what helps is appended to `error`. */
int query_open(const char *path, struct text *error, struct query **ret_query);
/* The same, where the plugin may say nothing for so long, and not for 30 s, in each call. */
int query_open_within(const char *path, int silence_ms, struct text *error,
                      struct query **ret_query);
void query_close(struct query *query); /* NULL is fine */

const char *query_instance_name(const struct query *query);
const struct pa_schema *query_schema(const struct query *query); /* as long as the query is open */
/* Finds a column by its name in `aggregate` or in JSON; NULL: the table does not have it. */
const struct pa_column *query_column(const struct query *query, const char *name);
/* Appends the names of all columns that are part of the key, for messages. */
void query_append_columns(const struct query *query, struct text *out);

/* ---- which rows ---- */

struct query_match;

/* `columns` are names, as -c takes them. */
int query_match_new(const struct query *query, char *const *columns, size_t column_count,
                    struct text *error, struct query_match **ret_match);
void query_match_free(struct query_match *match); /* NULL is fine */
/* Adds an alternative: a value for each column, in their order, as it reads in the output; "*" or
 * NULL: any. */
int query_match_add(struct query_match *match, char *const *values, struct text *error);
/* Calls `fn` with the number of each query_match_add() that fits. */
void query_match_each(const struct query_match *match, const struct pa_batch *batch,
                      const uint8_t *row, void (*fn)(void *arg, size_t number), void *arg);

/* ---- requests ---- */

typedef void query_batch_fn(void *arg, const struct pa_batch *batch);

/* Gives the rows that match (NULL: all), in batches that are borrowed for the call. */
int query_rows(struct query *query, const struct query_match *match, bool resets,
               query_batch_fn *fn, void *arg, struct query_status *ret_status, struct text *error);
int query_erase(struct query *query, struct query_status *ret_status, struct text *error);
int query_status(struct query *query, struct query_status *ret_status, struct text *error);

/* ---- rows as text ---- */

enum query_form { QUERY_FORMATTED, QUERY_CSV, QUERY_JSON };
enum query_time { QUERY_TIME_TABLE, QUERY_TIME_EPOCH }; /* RFC 3339, or seconds since 1970 */

struct query_output_options {
    enum query_form form;
    bool is_event; /* shows no counters */
    enum query_time time;
    bool is_utc, has_numeric_protos, has_all_columns;
    char separator; /* CSV */
};

struct query_output;

/* Takes the columns in the order of pmacct's client. -EINVAL: the plugin's columns make no
 * sense. */
int query_output_new(const struct query *query, const struct query_output_options *options,
                     struct query_output **ret_output);
void query_output_free(struct query_output *output);                          /* NULL is fine */
void query_output_title(const struct query_output *output, struct text *out); /* with a line end */
void query_output_row(struct query_output *output, const struct pa_batch *batch, const uint8_t *row,
                      struct text *out); /* with a line end */

/* These give single cells, for tables that a caller lays out: the same columns in the same
 * order. They hold no control characters, so a zero byte may end one. */
size_t query_cell_count(const struct query_output *output);
const struct pa_column *query_cell_column(const struct query_output *output, size_t cell);
void query_cell_append(struct query_output *output, size_t cell, const struct pa_batch *batch,
                       const uint8_t *row, struct text *out);
/* Returns the number in a counter's column. */
uint64_t query_number(const struct pa_column *column, const uint8_t *row);
