/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The statements by which rows get into a table. Names are quoted, values never stand in them. */
#include "plugins/pgsql/pg_encoder.h"
#include "plugins/pgsql/pg_table.h"

struct sql_dialect;
struct text;

struct pg_statement { /* all borrowed */
    const struct sql_columns *columns;
    const struct sql_dialect *dialect;
    const struct pg_table *table;
    const struct pg_encoder *encoder;
    const char *name;      /* of the table, quoted */
    const char *temporary; /* where rows lie first */
    bool adds_up;          /* by the table's unique index */
};

/* The temporary table: types of the columns as they are sent; empty again after each
 * transaction. */
void pg_statement_append_temporary(const struct pg_statement *statement, struct text *out);

/* These belong to the caller, for mem_free. */
char *pg_statement_copy(const struct pg_statement *statement, const char *into);
/* INSERT, in the order of the key so that two writers never wait for each other; `is_grouped`: rows
 * of equal key are put together before. */
char *pg_statement_merge(const struct pg_statement *statement, bool is_grouped);
/* Without a unique index: adds to the first row of equal key... */
char *pg_statement_update(const struct pg_statement *statement);
/* ...or, with one, adds to the row of equal key: right only where each key came once. */
char *pg_statement_update_unique(const struct pg_statement *statement);
/* Inserts what had none; `is_grouped`: after rows of equal key were put together. */
char *pg_statement_insert(const struct pg_statement *statement, bool is_grouped);
