/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* SQL text made out of columns: names are quoted, values never stand in it. */
#include "plugins/sql/sql_columns.h"
#include <stdint.h>

struct text;

/* Appends "name", with quotes doubled. */
void sql_append_name(struct text *out, const char *name);
/* Appends the name of a table: each part between dots quoted (schema.table), in lower case where
 * the dialect folds. */
void sql_append_table(struct text *out, const struct sql_dialect *dialect, const char *table);

/* Appends the columns' names, joined by ", "; `prefix` stands before each: "", "s.". */
void sql_append_columns(struct text *out, const struct sql_columns *columns, const char *prefix);
void sql_append_keys(struct text *out, const struct sql_columns *columns, const char *prefix);
/* Appends "name" = source."name" and so on: how a row is added to one of equal key. A stored NULL
 * counts as nothing. `target` and `source` are prefixes with their dot ("t.", "excluded.") or with
 * their parenthesis ("VALUES("). The last column is first: some databases assign one after the other,
 * and a _residual needs the time before it as it was. */
void sql_append_update(struct text *out, const struct sql_columns *columns,
                       const struct sql_dialect *dialect, const char *target, const char *source);
/* Appends what stands for a text column in the key: the dialect's expression, or the column. */
void sql_append_text_key(struct text *out, const struct sql_dialect *dialect, const char *prefix,
                         const char *name);
/* Appends a.k1 = b.k1 AND a.k2 = b.k2... */
void sql_append_key_match(struct text *out, const struct sql_columns *columns, const char *target,
                          const char *source);

/* Appends one column of a table: "name" TYPE NOT NULL DEFAULT 0. */
void sql_append_definition(struct text *out, const struct sql_dialect *dialect,
                           const struct sql_column *column);
/* Appends CREATE TABLE IF NOT EXISTS. The table's key is an index (so that it can grow with
 * `aggregate`), which the next function makes. */
void sql_append_create_table(struct text *out, const struct sql_dialect *dialect,
                             const struct sql_columns *columns, const char *table);
/* Appends CREATE UNIQUE INDEX IF NOT EXISTS "TABLE_key" over the key columns, with the dialect's
 * text_key for texts. */
void sql_append_create_key(struct text *out, const struct sql_dialect *dialect,
                           const struct sql_columns *columns, const char *table);
/* Appends the name of that index, with the schema (if the table's name has one) and quoted. */
void sql_append_key_name(struct text *out, const struct sql_dialect *dialect, const char *table);

/*
 * The table pathacct_progress says up to which hand-over the database has the rows of each worker
 * of each start of the core. A backend makes and locks its rows there first in a transaction, and
 * moves them in the transaction that writes the rows. `updated` is seconds since 1970 by the clock,
 * never a capture's; rows older than SQL_PROGRESS_KEEP_S may go.
 */
#define SQL_PROGRESS_TABLE  "pathacct_progress"
#define SQL_PROGRESS_KEEP_S (INT64_C(90) * 86400)
#define SQL_CORE_ID_LEN     32 /* characters */
extern const char sql_progress_create[];
/*
 * The table says its version in a row of its own. One without that row is of before there were
 * versions, which is as version 1, and gets the row. A later one is neither read nor written:
 * SQL_PROGRESS_LATER, with the version found and SQL_PROGRESS_VERSION, says so.
 */
#define SQL_PROGRESS_VERSION     1
#define SQL_PROGRESS_VERSION_ROW "version" /* its core_id */
#define SQL_PROGRESS_LATER                                                                         \
    "the table " SQL_PROGRESS_TABLE                                                                \
    " is of version %lld, and this program knows version %d: start the later version again, or "   \
    "let sql_db name another database; rows wait"
extern const char sql_progress_ask_version[]; /* a row with the version, or none */
/* Behind it stands what keeps a row that is there: ON CONFLICT DO NOTHING. */
extern const char sql_progress_insert_version[];
/*
 * Tells by what the table has whether the database holds a transaction: 1 if it does, 0 if not,
 * -EINVAL if it holds a part of it, which cannot be; sql_progress_parted are the words for that.
 * `find_seq` returns the seq of a worker, 0 if there is none.
 */
struct pa_transaction;
int sql_progress_judge(const struct pa_transaction *transaction,
                       uint64_t (*find_seq)(const void *arg, uint32_t worker), const void *arg);
extern const char sql_progress_parted[];
void sql_core_id_format(char out[SQL_CORE_ID_LEN + 1], const uint8_t core_id[16]);
