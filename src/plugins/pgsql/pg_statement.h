/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The statements that bring rows into a table. Names are quoted, values never stand in them. */
#include "plugins/pgsql/pg_encoder.h"
#include "plugins/pgsql/pg_table.h"

struct sql_dialect;
struct text;

struct pg_statement { /* all borrowed */
    const struct sql_columns *columns;
    const struct sql_dialect *dialect;
    const struct pg_table *table;
    const struct pg_encoder *encoder;
    const char *name;      /* name of the table, quoted */
    const char *temporary; /* the temporary table where rows lie first */
    bool adds_up;          /* rows are added up by the table's unique index */
};

/* Makes the temporary table. Its columns have the types that are sent; it is empty again after each
 * transaction. */
void pg_statement_append_temporary(const struct pg_statement *statement, struct text *out);

/* The following functions return text that the caller frees with mem_free. */
char *pg_statement_copy(const struct pg_statement *statement, const char *into);
/* INSERTs in the order of the key, so that two writers never wait for each other. With `is_grouped`
 * rows of equal key are put together before. */
char *pg_statement_merge(const struct pg_statement *statement, bool is_grouped);
/* For tables without a unique index: adds to the first row of equal key... */
char *pg_statement_update(const struct pg_statement *statement);
/* ...or, with a unique index, adds to the row of equal key. Right only if each key came once. */
char *pg_statement_update_unique(const struct pg_statement *statement);
/* Inserts rows that had none to add to. With `is_grouped` rows of equal key are put together
 * before. */
char *pg_statement_insert(const struct pg_statement *statement, bool is_grouped);
/* The same with `is_grouped`, but rows that a unique index refuses are left out... */
char *pg_statement_insert_rest(const struct pg_statement *statement);
/* ...and this selects their numbers: 1 is the row that came first. */
char *pg_statement_left_out(const struct pg_statement *statement);
