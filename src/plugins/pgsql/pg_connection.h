/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One session with a PostgreSQL server. libpq is used without blocking, so that the process beats in
 * every wait. After `timeout_s` without an answer a second session asks whether the server works at
 * all: one that answers there is only slow, and is waited for as long as it takes; one that does not
 * has lost this session.
 *
 * Functions return 0 or a negative errno, and pg_connection_fault() tells the fault: -EAGAIN for
 * what is tried again, -EINVAL for what a person must change, -EILSEQ for a row that the server
 * will never take. The session is closed if the connection was lost or can no longer be trusted.
 */
#include "plugins/pgsql/pg_fault.h"
#include <libpq-fe.h>
#include <stdint.h>

struct pg_connection;

struct pa_host;

struct pg_connection_settings {  /* all borrowed for the life of the connection */
    const struct pa_host *owner; /* beats, and logs what a slow server does */
    const char *host, *db, *user, *password;
    const char *port;    /* NULL: the default */
    const char *ca_file; /* NULL: the server's certificate is checked as libpq does by default */
    const char *application_name;
    uint32_t timeout_s; /* for an answer that needs no work, and for connecting at most */
};

struct pg_connection *pg_connection_new(const struct pg_connection_settings *settings);
void pg_connection_free(struct pg_connection *connection); /* NULL is fine */

/* True also for a connection that was lost, until it is used. */
bool pg_connection_is_open(const struct pg_connection *connection);
int pg_connection_open(struct pg_connection *connection);
void pg_connection_close(struct pg_connection *connection);

/* Returns the server's version, as 140005 for 14.5; 0 if the connection is closed. */
int pg_connection_server_version(const struct pg_connection *connection);

/* Returns why the last call failed. */
const struct sql_fault *pg_connection_fault(const struct pg_connection *connection);

/*
 * Runs statements. Parameters are text. `ret_result` (may be NULL) belongs to the caller, for
 * PQclear. `work_s` is added to the time after which the server is asked whether it still works.
 */
int pg_connection_run(struct pg_connection *connection, const char *sql, uint32_t work_s,
                      PGresult **ret_result);
int pg_connection_run_params(struct pg_connection *connection, const char *sql, int param_count,
                             const char *const *params, PGresult **ret_result);

/* These three run COPY ... FROM STDIN. A failure in the server shows at the end. After any failure
 * the COPY is over. */
int pg_connection_copy_begin(struct pg_connection *connection, const char *sql);
int pg_connection_copy_data(struct pg_connection *connection, const void *data, size_t len);
int pg_connection_copy_end(struct pg_connection *connection, uint32_t work_s);

/* Appends a text as it stands in a statement, quoted. */
struct text;
void pg_append_literal(struct text *out, const char *value);
