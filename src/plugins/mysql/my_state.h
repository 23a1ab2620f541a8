/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The plugin's state and functions that its files share: how rows get from a batch into tables. */
#include "plugins/mysql/my_target.h"
#include "plugins/sql/sql_server.h"

#define MY_LOCK_TIMEOUT_S "10" /* for all locks of the server */

struct my_plugin {
    struct sql_server server;         /* first; its tables' `own` is a struct my_target */
    char *setup;                      /* for the connections' settings */
    struct my_connection *connection; /* has the transaction */
    struct my_connection *side;       /* looks at tables and makes them; closed most of the time */
    struct my_target_context context;
    struct text told;
    size_t statement_max, row_max; /* bytes, by what the server takes */
    struct text row;               /* the row at hand as it stands in an INSERT */
};

static inline struct my_plugin *my_plugin_of(struct sql_server *server)
{
    return (struct my_plugin *)server;
}

/* Takes over the connection's fault; returns `err`. */
int my_failed(struct my_plugin *p, int err);

/* struct sql_server_ops says what these do. */
int my_make_table(struct sql_server *server, const char *table, const char *schema_text,
                  void **ret_own);
int my_use_table(struct sql_server *server, void *own, bool is_first);
int my_write_rows(struct sql_server *server, const struct pa_batch *batch, bool counts);
int my_send_rows(struct sql_server *server);
void my_drop_rows(struct sql_server *server);
/* Opens the session for tables, unless it is open. */
int my_open_side(struct my_plugin *p);
/* Lets other writers to the tables in; after the end of the transaction. */
void my_unlock_tables(struct my_plugin *p);
