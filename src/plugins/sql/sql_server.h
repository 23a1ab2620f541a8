/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * An instance that writes to a database server: the life of its session and of its transactions,
 * which is the same whatever the server is. A transaction is BEGIN, the rows of pathacct_progress,
 * the rows, pathacct_progress, COMMIT. Whatever fails, the session is closed with all that hangs on
 * it, and the host gives the transaction again. If the connection was lost during COMMIT nobody
 * knows whether it came to pass: pathacct_progress tells it in the next session.
 *
 * A row that the server refuses spoils the statement it is part of. The transaction is then taken
 * again, and some more after it, in pieces that can be taken back one by one, down to single rows:
 * rows that the server refuses are rejected, the others get in.
 *
 * One thread uses it, the one that calls the plugin.
 */
#include "plugins/pathacct_plugin.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_fault.h"
#include "plugins/sql/sql_purge.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_tables.h"

struct sql_server;

/* Gets a row of an answer, as texts; NULL where there is no value. */
typedef void sql_row_fn(void *arg, const char *const *values);

/* The rows of the plugin's faults.def, and the places there of those that all servers have. */
struct sql_server_faults {
    const struct sql_fault_row *rows;
    int busy, misused, right_missing, partition_missing, progress_missing, progress_later;
};

/* How the server is told of pathacct_progress. */
struct sql_server_progress {
    const char *options;               /* of the table, behind CREATE TABLE (...) */
    const char *keep;                  /* ends an INSERT: a row that is there stays */
    const char *owner;                 /* who can make the table */
    const char *user_begin, *user_end; /* stand around a user's name in GRANT */
};

/*
 * The table says what a kind of server does in its own way. Functions return 0 or a negative errno, as
 * sql_fault_errno() does, with the reason in the server's `fault`.
 */
struct sql_server_ops {
    size_t state_size; /* of the plugin's struct, which begins with its struct sql_server */
    struct sql_server_faults faults;
    struct sql_server_progress progress;
    const char *begin_sql;
    const char *connections, *rows_shortened; /* counters */

    const struct sql_dialect *(*dialect)(const struct pa_host *host);
    /* These make what the plugin has of its own, when all else is there, and release it. */
    void (*prepare)(struct sql_server *server);
    void (*clear)(struct sql_server *server);

    int (*connect)(struct sql_server *server); /* opens the session, with its settings */
    bool (*is_connected)(const struct sql_server *server); /* or was, until the session is used */
    void (*disconnect)(struct sql_server *server);
    int (*execute)(struct sql_server *server, const char *sql); /* gives no rows */
    int (*ask)(struct sql_server *server, const char *sql, sql_row_fn *take, void *arg);
    int (*commit)(struct sql_server *server, const char *sql, uint32_t work_s);
    void (*append_literal)(struct sql_server *server, struct text *out, const char *value);
    int (*find_progress)(struct sql_server *server, bool *ret_is_there);

    /* Makes what belongs to a table of rows, and the table if it must be. */
    int (*make_table)(struct sql_server *server, const char *table, const char *schema_text,
                      void **ret_own);
    void (*free_table)(void *own);
    /* Called for each row before it is written; `is_first` in the transaction. */
    int (*use_table)(struct sql_server *server, void *own, bool is_first);
    /* Takes rows for their tables, and sends what is enough to be sent. With `counts` rows that
     * cannot be written are counted as rejected; otherwise they were counted before. */
    int (*write_rows)(struct sql_server *server, const struct pa_batch *batch, bool counts);
    int (*send_rows)(struct sql_server *server); /* brings into the tables all that waits */
    void (*drop_rows)(struct sql_server *server);
    /* True if a row may get in when its texts are short; NULL: never. */
    bool (*may_be_too_long)(const struct sql_fault *fault);

    /* These tell of the transaction; NULL: the plugin need not know. */
    void (*begun)(struct sql_server *server);
    void (*committed)(struct sql_server *server);
    /* True: the plugin knows better, and no row is at fault. */
    bool (*failed)(struct sql_server *server, int err);

    /* These try in a session what writing will need, and leave all as it was. */
    int (*try_progress)(struct sql_server *server);
    int (*try_table)(struct sql_server *server, const char *table);
};

struct sql_server {
    const struct sql_server_ops *ops;
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct sql_settings settings;
    struct sql_columns columns;
    struct sql_purge purge;
    struct sql_tables *tables; /* their `own` is the plugin's */
    char *program;             /* shown by the server beside the session */
    uint32_t answer_timeout_s;
    unsigned careful_count; /* transactions left that are written in pieces */
    struct sql_fault fault;
    struct sql_fault_log logged;

    /* Belongs to the transaction under way. */
    bool has_begun;
    bool is_careful; /* it is written in pieces */
    bool is_tight;   /* the row at hand was refused: its texts are made short */
    int64_t time_ns;
    size_t waiting_len; /* bytes taken and not sent, of all tables; the plugin counts */
    uint64_t rejected_count;
    uint64_t shortened_count; /* rows with texts that were changed to fit; the plugin counts */
};

/* struct pa_plugin says what these do; a state is a struct sql_server. */
int sql_server_check(const struct sql_server_ops *ops, const struct pa_host *host,
                     const struct pa_schema *schema, char *error, size_t error_size);
int sql_server_try_out(const struct sql_server_ops *ops, const struct pa_host *host,
                       const struct pa_schema *schema);
int sql_server_open(const struct sql_server_ops *ops, const struct pa_host *host,
                    const struct pa_schema *schema, void **ret_state);
int sql_server_begin(void *state, const struct pa_transaction *transaction);
int sql_server_write(void *state, const struct pa_batch *batch);
int sql_server_commit(void *state, const struct pa_transaction *transaction);
void sql_server_abort(void *state);
void sql_server_close(void *state);

/* The rest is for plugins. */

/* Finds what belongs to the row's table. 1: the server takes no table of that name; the row is
 * rejected then if `counts`. */
int sql_server_find_table(struct sql_server *server, const struct pa_batch *batch,
                          const uint8_t *row, bool counts, void **ret_own);
void sql_server_reject(struct sql_server *server, const uint8_t *row, const char *why);
/* Sets a fault that was found here, not by the server. */
void sql_server_set_fault(struct sql_server *server, int id, const char *words);
/* Writes a batch in pieces; see above. */
int sql_server_write_carefully(struct sql_server *server, const struct pa_batch *batch);

/* Called once for each session, outside of transactions: makes pathacct_progress if it is not there,
 * checks its version, and forgets what is long over. */
int sql_server_prepare_progress(struct sql_server *server);
/* Checks the version alone; with `notes` it is written where there is none. */
int sql_server_check_progress(struct sql_server *server, bool notes);
/* Takes a failure of a statement about pathacct_progress, of which no row is at fault. */
int sql_server_progress_failed(struct sql_server *server, int err);
/*
 * Called in a transaction, before any row: makes and locks its rows, which also waits for the end of
 * a session that the server still works for although its client is dead. 1: all of the transaction
 * is in the database. -EINVAL: only a part of it is, which cannot be.
 */
int sql_server_lock_progress(struct sql_server *server, const struct pa_transaction *transaction);
/* Appends the statements that say that the transaction is in the database. */
void sql_server_append_progress(struct sql_server *server, const struct pa_transaction *transaction,
                                struct text *out);
