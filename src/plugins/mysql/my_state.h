/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The plugin's state and functions that its files share: how rows get from a batch into tables. */
#include "plugins/mysql/my_progress.h"
#include "plugins/mysql/my_target.h"
#include "plugins/sql/sql_purge.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_tables.h"

#define MY_LOCK_TIMEOUT_S "10" /* for all locks of the server */

struct my_plugin {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct sql_settings settings;
    struct sql_columns columns;
    struct sql_purge purge;
    struct sql_tables *tables; /* their `own` is a struct my_target */
    char *program, *setup;     /* for the connections' settings */
    uint32_t answer_timeout_s;
    struct my_connection *connection; /* has the transaction */
    struct my_connection *side;       /* looks at tables and makes them; closed most of the time */
    struct my_progress progress;
    struct my_target_context context;
    struct text told;
    size_t statement_max, row_max; /* bytes, by what the server takes */

    /* Belongs to the transaction under way. */
    bool has_begun;
    int64_t time_ns;
    size_t waiting_len; /* rendered and not sent, of all tables */
    struct text row;    /* the row at hand as it stands in an INSERT */
    uint64_t rejected_count;
    uint64_t shortened_count; /* rows with texts that were changed to fit */

    unsigned careful_count; /* transactions left that are written in pieces */
    struct sql_fault fault;
    struct sql_fault_log logged;
};

/* Takes over the connection's fault; returns `err`. */
int my_failed(struct my_plugin *p, int err);

/* These return 0 or a negative errno, with the reason in p->fault. */

/* Opens a session and asks for its bounds; tables are forgotten. */
int my_connect(struct my_plugin *p);

/* Renders rows for their tables and sends pieces that are large enough. With `counts` rows that
 * cannot be written are counted as rejected; otherwise they were counted before. */
int my_write_rows(struct my_plugin *p, const struct pa_batch *batch, bool counts);
/* Makes whatever tables the rows need. */
int my_touch_tables(struct my_plugin *p, const struct pa_batch *batch);
/* Sends all rows that wait. */
int my_send_all(struct my_plugin *p);
/* Forgets the rows that wait. */
void my_drop_waiting(struct my_plugin *p);
/* Writes in pieces that can be taken back one by one, down to single rows: rows that the server
 * refuses are rejected, the others get in. */
int my_write_carefully(struct my_plugin *p, const struct pa_batch *batch);
/* Lets other writers to the tables in; after the end of the transaction. */
void my_unlock_tables(struct my_plugin *p);
