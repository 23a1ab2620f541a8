/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One table of the server that rows go to: made if the configuration says so, with its statements
 * and the rows that wait to be sent. How rows get in is the table's way, chosen by what it offers.
 */
#include "plugins/pgsql/pg_encoder.h"
#include "plugins/pgsql/pg_table.h"

struct pa_host;
struct sql_settings;

enum pg_way {
    PG_WAY_COPY,   /* rows go straight into the table */
    PG_WAY_INSERT, /* through a temporary table, since a type needs a cast */
    /* Through a temporary table; the unique index says which rows are added to which. */
    PG_WAY_UPSERT,
    PG_WAY_MATCH /* through a temporary table; rows are looked for under a lock */
};

/* The table whose narrow index was told last: tables are looked at again after each failure. */
struct pg_narrow_told {
    char *table; /* quoted; NULL: none yet */
};

struct pg_target_context { /* all borrowed */
    const struct pa_host *host;
    const struct sql_settings *settings;
    struct sql_columns *columns;
    struct pg_connection *connection;
    struct pg_narrow_told *told;
    bool is_unaggregated;
    /* Rows of equal key were in the table already: adds up, whatever is configured. */
    bool avoids_copy;
};

struct pg_target {
    char *name; /* quoted */
    struct pg_table table;
    struct pg_encoder *encoder;
    enum pg_way way;
    char *copy_sql;
    char *lock_sql;
    char *merge_sql;   /* PG_WAY_INSERT, and PG_WAY_UPSERT in the order of the key */
    char *grouped_sql; /* PG_WAY_UPSERT: equal keys are put together first */
    /* PG_WAY_MATCH, and PG_WAY_UPSERT if not NULL, for keys that came once. */
    char *update_sql, *insert_sql;
    /* PG_WAY_MATCH with a unique index over less than the key; NULL: there is none. */
    char *insert_rest_sql, *left_out_sql;
    char *empty_sql;     /* empties the temporary table; NULL: there is none */
    struct text waiting; /* encoded rows */
    /* Rows of the transaction under way lie in the temporary table. */
    bool has_sent;
    bool has_told_long; /* that texts were shortened is in the log */
    bool is_locked;     /* the transaction under way has locked the table */
    uint64_t row_count; /* rows of the transaction under way */
    uint64_t unmerged_count;
    const uint8_t **unmerged; /* these rows, where they are needed: borrowed from the batch */
    uint64_t unmerged_capacity;
};

/*
 * Looks the table up; makes it, or adds columns, if the configuration says so, with the text of
 * sql_table_schema in `schema_text` (NULL: not set). `number` tells temporary tables apart. What a
 * person must change stands in `fault`, which otherwise is the connection's.
 */
int pg_target_new(const struct pg_target_context *context, const char *table,
                  const char *schema_text, uint32_t number, struct sql_fault *fault,
                  struct pg_target **ret_target);
/* Tells within a transaction, which the caller rolls back, whether pg_target_new() and writing would
 * work. A missing table is made if the configuration makes it by itself; sql_table_schema is not
 * run, and tables that are there are left alone. Errors as above. */
int pg_target_look(const struct pg_target_context *context, const char *table,
                   struct sql_fault *fault);
void pg_target_free(void *target); /* takes a struct pg_target; NULL is fine */
