/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The plugin's state and functions that its files share: how rows get from a batch into tables. */
#include "plugins/pgsql/pg_target.h"
#include "plugins/sql/sql_server.h"

#define RIVAL_TRANSACTIONS 100

struct pgsql {
    struct sql_server server; /* first; its tables' `own` is a struct pg_target */
    struct pg_connection *connection;
    struct pg_target_context context;
    struct pg_narrow_told narrow_told;
    uint32_t target_number;
    bool has_repeated_keys; /* seen once: from then on rows are grouped before they are merged */
    /* Transactions left in which rows are locked in the order of their keys. */
    unsigned rival_count;
    bool has_late_rows; /* sql_use_copy met rows of equal key: from then on rows are added up */
    bool is_way_open;   /* tables must be looked at anew */

    /* Belongs to the transaction under way. */
    struct pg_target *active; /* the one whose COPY is under way */
    bool failed_copy;         /* a COPY straight into a table with a unique index was refused */
    const uint8_t **left_out; /* rows that unique indexes refused in the piece under way */
    uint64_t left_out_count, left_out_capacity;
};

static inline struct pgsql *pgsql_of(struct sql_server *server)
{
    return (struct pgsql *)server;
}

/* Takes over the connection's fault; returns `err`. */
int pgsql_failed(struct pgsql *p, int err);

/* struct sql_server_ops says what these do. */
int pgsql_make_table(struct sql_server *server, const char *table, const char *schema_text,
                     void **ret_own);
int pgsql_use_table(struct sql_server *server, void *own, bool is_first);
int pgsql_write_rows(struct sql_server *server, const struct pa_batch *batch, bool counts);
int pgsql_send_rows(struct sql_server *server);
void pgsql_drop_rows(struct sql_server *server);
