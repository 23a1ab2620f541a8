/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One table of the server that rows go to: made if the configuration says so, its statements, rows
 * that wait to be sent. How rows get in is its way, chosen by what the table offers.
 */
#include "plugins/pgsql/pg_encoder.h"
#include "plugins/pgsql/pg_table.h"

struct pa_host;
struct sql_settings;

enum pg_way {
    PG_WAY_COPY,   /* straight into the table */
    PG_WAY_INSERT, /* by a temporary table, since a type needs a cast */
    PG_WAY_UPSERT, /* by a temporary table; the unique index says what is added to what */
    PG_WAY_MATCH   /* by a temporary table; looked for under a lock */
};

struct pg_target_context { /* all borrowed */
    const struct pa_host *host;
    const struct sql_settings *settings;
    struct sql_columns *columns;
    struct pg_connection *connection;
    bool is_unaggregated;
    bool avoids_copy; /* rows of equal key were there already: add up, whatever is configured */
};

struct pg_target {
    char *name; /* quoted */
    struct pg_table table;
    struct pg_encoder *encoder;
    enum pg_way way;
    char *copy_sql;
    char *lock_sql;
    char *merge_sql;               /* PG_WAY_INSERT; PG_WAY_UPSERT, in the order of the key */
    char *grouped_sql;             /* PG_WAY_UPSERT: equal keys are put together first */
    char *update_sql, *insert_sql; /* PG_WAY_MATCH; PG_WAY_UPSERT if not NULL: each key once */
    char *empty_sql;               /* the temporary table; NULL: there is none */
    struct text waiting;           /* encoded rows */
    bool has_sent;      /* in the transaction under way: rows lie in the temporary table */
    bool is_locked;     /* likewise */
    uint64_t row_count; /* in the transaction under way */
    uint64_t unmerged_count;
};

/*
 * Looks the table up; makes it, or adds columns, where the configuration says so: with the text of
 * sql_table_schema in `schema_text` (NULL: not set). `number` tells temporary tables apart. What a
 * person must change stands in `fault`, which otherwise is the connection's.
 */
int pg_target_new(const struct pg_target_context *context, const char *table,
                  const char *schema_text, uint32_t number, struct pg_fault *fault,
                  struct pg_target **ret_target);
void pg_target_free(void *target); /* NULL is fine */
