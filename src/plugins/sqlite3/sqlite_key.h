/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Which unique key of a table says that two rows are one. It fits when it has all key columns of
 * the rows, and what it has beyond them is never written and so the same for all: not null, with a
 * default. Keys over expressions, of a part of the rows, or that compare text loosely do not count.
 */
#include "plugins/sql/sql_columns.h"
#include "plugins/sqlite3/sqlite_database.h"

struct sqlite_key {
    char *fitting;  /* its columns for ON CONFLICT: "a", "b"; NULL: none */
    char *narrower; /* of one that does not have all: its columns; NULL: none */
    char *lacking;  /* and what it lacks */
};

/* -EAGAIN: the fault was logged. */
int sqlite_key_find(struct sqlite_database *db, const struct sql_columns *columns,
                    const char *table, struct sqlite_key *ret_key);
void sqlite_key_clear(struct sqlite_key *key);

/* Prepares SQL whose ?1 is the bare name of a table and ?2 its schema. */
int sqlite_key_prepare(struct sqlite_database *db, const char *sql, const char *table,
                       sqlite3_stmt **ret_stmt);
