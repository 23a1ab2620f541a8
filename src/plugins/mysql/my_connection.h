/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One session with a MariaDB or MySQL server. The library is used without blocking, so that the
 * process beats in every wait. After `timeout_s` without an answer a second session asks whether the
 * server works at all: one that answers there is only slow, and is waited for as long as it takes;
 * one that does not has lost this session.
 *
 * Functions return 0 or a negative errno, and my_connection_fault() tells the fault: -EAGAIN for
 * what is tried again, -EINVAL for what a person must change, -EILSEQ for a row that the server will
 * never take. The session is closed if the connection was lost or can no longer be trusted.
 */
#include "plugins/mysql/my_fault.h"
#include <mysql.h>
#include <stddef.h>
#include <stdint.h>

struct my_connection;

struct pa_host;

struct my_connection_settings {  /* all borrowed for the life of the connection */
    const struct pa_host *owner; /* beats, and logs what a slow server does */
    const char *host;            /* unix:/path is the server's socket */
    const char *db, *user, *password;
    uint32_t port;       /* 0: the default */
    const char *ca_file; /* NULL: no TLS */
    const char *program; /* shown by the server beside the session */
    const char *setup;   /* statements that begin the session */
    uint32_t timeout_s;  /* for an answer that needs no work, and for connecting at most */
};

struct my_connection *my_connection_new(const struct my_connection_settings *settings);
void my_connection_free(struct my_connection *connection); /* NULL is fine */

/* True also for a connection that was lost, until it is used. */
bool my_connection_is_open(const struct my_connection *connection);
int my_connection_open(struct my_connection *connection);
void my_connection_close(struct my_connection *connection);

/* Returns why the last call failed. */
const struct sql_fault *my_connection_fault(const struct my_connection *connection);

/* Holds what the server answered to statements that were sent together. */
struct my_answer {
    /* For each statement the rows that it changed, up to affected_capacity of them; a row that was
     * found counts, if only 1, even where it stays as it was. NULL: nobody asks. */
    uint64_t *affected;
    uint32_t affected_capacity;
    uint32_t count;      /* how many statements were run */
    uint64_t duplicates; /* rows of INSERTs that met one of equal key */
    MYSQL_RES *rows;     /* of the last statement that has any, for mysql_free_result; NULL: none */
};

/*
 * Runs statements, separated by semicolons; the first that fails is the last one. `answer` may be
 * NULL. `work_s` is added to the time after which the server is asked whether it still works.
 */
int my_connection_run(struct my_connection *connection, const char *sql, size_t len,
                      uint32_t work_s, struct my_answer *answer);
/* The same with a terminated string; gives the rows of the last statement that has any, which is
 * none if `ret_rows` is NULL. */
int my_connection_ask(struct my_connection *connection, const char *sql, MYSQL_RES **ret_rows);

/* Appends a text as it stands in a statement, quoted. The connection must be open. */
struct text;
void my_append_literal(struct my_connection *connection, struct text *out, const char *text,
                       size_t len);
