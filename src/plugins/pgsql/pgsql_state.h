/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The plugin's state and functions that its files share: how rows get from a batch into tables. */
#include "plugins/pgsql/pg_progress.h"
#include "plugins/pgsql/pg_target.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_purge.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_tables.h"

#define CAREFUL_TRANSACTIONS 10
#define RIVAL_TRANSACTIONS   100

struct pgsql {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct sql_settings settings;
    struct sql_columns columns;
    struct sql_purge purge;
    struct sql_tables *tables; /* their `own` is a struct pg_target */
    char *application_name;
    uint32_t answer_timeout_s;
    struct pg_connection *connection;
    struct pg_progress progress;
    struct pg_target_context context;
    struct pg_narrow_told narrow_told;
    uint32_t target_number;
    bool has_repeated_keys; /* seen once: from then on rows are grouped before they are merged */
    /* Transactions left in which rows are locked in the order of their keys. */
    unsigned rival_count;

    /* Belongs to the transaction under way. */
    bool has_begun;
    int64_t time_ns;
    struct pg_target *active; /* the one whose COPY is under way */
    size_t waiting_len;       /* encoded and not sent, of all tables */
    uint64_t rejected_count;
    uint64_t shortened_count; /* rows with texts that were shortened */

    bool is_careful;          /* each piece is merged while its batch is there */
    const uint8_t **left_out; /* rows that unique indexes refused in the piece under way */
    uint64_t left_out_count, left_out_capacity;
    bool is_tight;          /* the row at hand was refused: its texts are made short */
    unsigned careful_count; /* transactions left that are written in pieces */
    bool has_late_rows;     /* sql_use_copy met rows of equal key: from then on rows are added up */
    bool is_way_open;       /* tables must be looked at anew */
    bool failed_copy;       /* a COPY straight into a table with a unique index was refused */
    struct sql_fault fault;
    struct sql_fault_log logged;
};

/* Takes over the connection's fault; returns `err`. */
int pgsql_failed(struct pgsql *p, int err);

/* These return 0 or a negative errno, with the reason in p->fault. */

/* Opens a session with its settings; tables are forgotten. */
int pgsql_connect(struct pgsql *p);

/* Encodes rows for their tables and sends pieces that are large enough. With `counts` rows that
 * cannot be written are counted as rejected; otherwise they were counted before. */
int pgsql_write_rows(struct pgsql *p, const struct pa_batch *batch, bool counts);
/* Makes whatever tables the rows need. */
int pgsql_touch_tables(struct pgsql *p, const struct pa_batch *batch);
/* Sends the rest of the rows and merges them into the table. */
int pgsql_merge(struct pgsql *p, struct pg_target *target);
/* Writes and merges in pieces that can be taken back one by one, down to single rows: rows that the
 * server refuses are rejected, the others get in. */
int pgsql_write_carefully(struct pgsql *p, const struct pa_batch *batch);
