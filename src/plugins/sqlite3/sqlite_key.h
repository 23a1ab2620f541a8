/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Finds the unique key of a table that tells when two rows are one. A key fits when it has all key
 * columns of the rows, and its other columns are never written and so the same for all: not null,
 * with a default. Keys over expressions, of a part of the rows, or that compare text loosely do not
 * count.
 */
#include "plugins/sql/sql_columns.h"
#include "plugins/sqlite3/sqlite_database.h"

struct sqlite_key {
    char *fitting;  /* the columns of a key that fits, for ON CONFLICT: "a", "b"; NULL: none fits */
    char *narrower; /* the columns of a key that lacks some of ours; NULL: there is none */
    char *lacking;  /* the columns that it lacks */
};

/* -EAGAIN: the fault was logged. */
int sqlite_key_find(struct sqlite_database *db, const struct sql_columns *columns,
                    const char *table, struct sqlite_key *ret_key);
void sqlite_key_clear(struct sqlite_key *key);

/* Prepares SQL whose ?1 is the bare name of a table and ?2 its schema. */
int sqlite_key_prepare(struct sqlite_database *db, const char *sql, const char *table,
                       sqlite3_stmt **ret_stmt);
