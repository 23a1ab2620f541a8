/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A table that rows are written to: it is made or extended if it must be, and has the statements by
 * which rows get in. */
#include "plugins/mysql/my_value.h"

struct pa_host;
struct sql_settings;

enum my_way {
    MY_WAY_INSERT, /* rows are inserted */
    MY_WAY_UPSERT, /* a unique key of the table adds up rows of equal key */
    MY_WAY_MATCH   /* each row is looked for, and inserted if it is not there */
};

struct my_target_context { /* all borrowed */
    const struct pa_host *host;
    const struct sql_settings *settings;
    struct sql_columns *columns;
    /* Looks at tables and makes them. Not the session that writes: to make a table would end its
     * transaction. */
    struct my_connection *side;
    struct my_connection *connection; /* the one that writes */
    struct text *told;                /* the names of tables that warnings were given for */
};

/* The pieces of an UPDATE between values: text, then the value of a column. */
struct my_update_part {
    char *text;
    uint32_t index; /* of the column; UINT32_MAX at the end */
};

struct my_target {
    struct my_table table;
    const struct my_column **theirs;
    struct my_values values;
    enum my_way way;
    char *name;       /* quoted */
    char *shown;      /* quoted as people do it */
    char *lock_name;  /* of the lock that writers to it take; in quotes */
    char *insert_sql; /* INSERT INTO ... VALUES */
    char *insert_end; /* what follows the rows: ON DUPLICATE KEY UPDATE ..., or nothing */
    struct my_update_part *parts;
    uint32_t part_count;

    /* Belongs to the transaction under way. */
    bool is_locked;
    struct text waiting;    /* rows of an INSERT, or UPDATEs, that are not sent */
    struct text unmatched;  /* MY_WAY_MATCH: for each waiting UPDATE the row to INSERT */
    uint32_t *unmatched_at; /* where they end; as many as there is room for in one piece */
    uint32_t waiting_count;
};

#define MY_PIECE_UPDATES 256 /* UPDATEs that are sent together */

/*
 * Makes a target for the table, which is made if it does not exist and settings say so;
 * `schema_text` is sql_table_schema as it reads for this table, NULL if it is not set. Failures
 * stand in `fault`.
 */
int my_target_new(const struct my_target_context *context, const char *table,
                  const char *schema_text, struct sql_fault *fault, struct my_target **ret_target);
void my_target_free(void *target); /* NULL is fine */

/* Looks whether rows could be written to the table, and makes nothing. */
int my_target_look(const struct my_target_context *context, const char *table,
                   struct sql_fault *fault);
