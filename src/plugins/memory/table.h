/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The live table: one row per key, counters added up, in blocks of rows with an index beside them.
 *
 * A snapshot pins the blocks as they are. A write to a pinned block goes to a copy of it, which
 * takes its place in the table, so a snapshot is the table at one instant, however long it is read.
 *
 * The table is bounded: rows, their places in the index and values of variable length together take
 * at most max_bytes; a new key beyond that is refused, known ones still add up. Copies take at most
 * twice as much: before they would exceed that, table_set_pressure()'s function is asked to release
 * a snapshot. A reader that comes within TABLE_SHARE_NS of another that still reads gets the same
 * snapshot, so that many readers cost little more than one.
 *
 * One thread.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_SHARE_NS INT64_C(1000000000) /* rows come once a second anyway */

struct table;
struct table_snapshot;
struct value_store;

/* `schema` is borrowed for the table's life. `max_bytes` 0: no bound. */
struct table *table_new(const struct pa_schema *schema, uint64_t max_bytes);
/* Must come after all its snapshots were freed; NULL is fine. */
void table_free(struct table *table);

/* Adds the rows up; `refused` gets rows for whose key there is no room. */
typedef void table_refused_fn(void *arg, const uint8_t *row);
void table_add(struct table *table, const struct pa_batch *batch, table_refused_fn *refused,
               void *arg);
/* Must come before batches that have another dictionary. */
void table_forget_dictionary(struct table *table);

uint64_t table_row_count(const struct table *table);
uint64_t table_bytes(const struct table *table); /* bytes that count towards max_bytes */
uint64_t table_max_bytes(const struct table *table);
/* Bytes of blocks that only snapshots have. */
uint64_t table_copied_bytes(const struct table *table);
/* Returns the bytes that a row takes, without its values of variable length. */
uint64_t table_row_cost(const struct pa_schema *schema);
struct value_store *table_values(struct table *table);

/* Removes the rows for which `is_wanted` holds (NULL: all). Returns how many. */
typedef bool table_row_fn(void *arg, const uint8_t *row);
uint64_t table_remove(struct table *table, table_row_fn *is_wanted, void *arg);

/* ---- snapshots ---- */

/* `now_ns` is any clock that only rises. */
struct table_snapshot *table_snapshot_new(struct table *table, int64_t now_ns);
void table_snapshot_free(struct table_snapshot *snapshot); /* NULL is fine */
/*
 * Returns the next row, borrowed until the snapshot is freed; NULL at the end. `*place` starts at
 * 0. Ids of PA_KIND_BYTES columns are those of table_values().
 */
const uint8_t *table_snapshot_next(const struct table_snapshot *snapshot, uint64_t *place);

typedef void table_pressure_fn(void *arg);
/* `fn` may free snapshots; if it does not, the copy is made all the same. */
void table_set_pressure(struct table *table, table_pressure_fn *fn, void *arg);
