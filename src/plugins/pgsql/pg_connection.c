/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs statements with deadlines, and takes the session apart when it cannot be trusted. See
 * pg_connection.h. */
#include "plugins/pgsql/pg_connection.h"

#include "base/memory.h"
#include "base/text.h"
#include "plugins/pathacct_plugin.h"
#include "plugins/sql/sql_wait.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_TIMEOUT_S 10

/* Keepalives, in seconds and milliseconds, notice a server that is gone without a word. */
#define KEEPALIVE_IDLE_S  "10"
#define KEEPALIVE_COUNT   "3"
#define UNACKNOWLEDGED_MS "20000"

struct pg_connection {
    struct pg_connection_settings settings;
    PGconn *conn; /* NULL: closed */
    struct sql_fault fault;
    bool is_probe; /* asks about another session: nobody asks about this one */
};

struct pg_connection *pg_connection_new(const struct pg_connection_settings *settings)
{
    struct pg_connection *c = mem_zalloc(sizeof *c);

    c->settings = *settings;
    return c;
}

void pg_connection_free(struct pg_connection *c)
{
    if (!c)
        return;
    pg_connection_close(c);
    mem_free(c);
}

bool pg_connection_is_open(const struct pg_connection *c)
{
    return c->conn != NULL;
}

void pg_connection_close(struct pg_connection *c)
{
    if (c->conn)
        PQfinish(c->conn);
    c->conn = NULL;
}

int pg_connection_server_version(const struct pg_connection *c)
{
    return c->conn ? PQserverVersion(c->conn) : 0;
}

const struct sql_fault *pg_connection_fault(const struct pg_connection *c)
{
    return &c->fault;
}

/* ---- failures ---- */

static int fault_errno(const struct sql_fault *fault)
{
    /* The caller decides whether to wait for the partition: only the row tells. */
    if (fault->id == PG_FAULT_PARTITION_MISSING)
        return -EILSEQ;
    return sql_fault_errno(fault);
}

/* Closes a session that cannot be trusted any more: nobody knows what the server still does in
 * it. */
static int connection_lose(struct pg_connection *c, const char *why)
{
    pg_fault_set(&c->fault, NULL, why, NULL, NULL);
    pg_connection_close(c);
    return fault_errno(&c->fault);
}

static int lose_timeout(struct pg_connection *c, const char *doing)
{
    char why[200];

    snprintf(why, sizeof why, "the server at %s does not answer (%s)", c->settings.host, doing);
    return connection_lose(c, why);
}

static int lose_libpq(struct pg_connection *c)
{
    char why[512];

    snprintf(why, sizeof why, "%s", PQerrorMessage(c->conn));
    return connection_lose(c, *why ? why : "the connection was lost");
}

static int fail_with(struct pg_connection *c, const PGresult *result)
{
    pg_fault_set(&c->fault, PQresultErrorField(result, PG_DIAG_SQLSTATE),
                 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
                     ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)
                     : PQresultErrorMessage(result),
                 PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL),
                 PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME));
    if (PQstatus(c->conn) == CONNECTION_BAD)
        pg_connection_close(c);
    return fault_errno(&c->fault);
}

/* ---- waiting ---- */

static bool ask_probe(void *arg, char *ret_state, size_t size);

static struct sql_wait wait_start(const struct pg_connection *c, const char *doing, uint32_t work_s)
{
    const struct pg_connection_settings *s = &c->settings;

    return sql_wait_start(s->owner, s->host, doing, s->timeout_s, work_s);
}

/* Returns 0 when the socket is ready, however long that takes while the server works. */
static int wait_for_server(struct pg_connection *c, short events, struct sql_wait *w)
{
    int came = sql_wait_for(w, PQsocket(c->conn), events, c->is_probe ? NULL : ask_probe, c);

    if (came > 0)
        return 0;
    return came == -ECANCELED ? connection_lose(c, "given up: the time to end is over")
                              : lose_timeout(c, w->doing);
}

/* Sends what libpq holds, and takes in what comes meanwhile: otherwise both sides could wait for
 * each other. */
static int connection_flush(struct pg_connection *c, struct sql_wait *w)
{
    for (;;) {
        int left = PQflush(c->conn);
        if (left == 0)
            return 0;
        if (left < 0)
            return lose_libpq(c);
        int err = wait_for_server(c, POLLIN | POLLOUT, w);
        if (err < 0)
            return err;
        if (!PQconsumeInput(c->conn))
            return lose_libpq(c);
    }
}

static int next_result(struct pg_connection *c, struct sql_wait *w, PGresult **ret_result)
{
    while (PQisBusy(c->conn)) {
        int err = wait_for_server(c, POLLIN, w);
        if (err < 0)
            return err;
        if (!PQconsumeInput(c->conn))
            return lose_libpq(c);
    }
    *ret_result = PQgetResult(c->conn);
    return 0;
}

/* Reads all results of what was sent; gives the last one, or the first failure. */
static int collect_results(struct pg_connection *c, struct sql_wait *w, PGresult **ret_result)
{
    PGresult *last = NULL, *result = NULL;
    int err = connection_flush(c, w);
    bool has_failed = false;

    while (err == 0) {
        err = next_result(c, w, &result);
        if (err < 0 || !result)
            break;
        ExecStatusType status = PQresultStatus(result);
        if (has_failed) {
            PQclear(result);
            continue;
        }
        PQclear(last);
        last = result;
        has_failed = status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
        if (status == PGRES_COPY_IN) /* nothing more comes before the data is sent */
            break;
    }
    if (err == 0 && has_failed)
        err = fail_with(c, last);
    if (err < 0 || !ret_result) {
        PQclear(last);
        return err;
    }
    *ret_result = last;
    return 0;
}

/* ---- opening ---- */

/*
 * Takes the SQLSTATE out of a message. A refused connection has no result to ask for it, but a
 * verbose message holds it: "FATAL:  28P01: password authentication failed", in the server's
 * language. Further lines name places in the server's code and are cut off.
 */
static void find_state(char *message, char ret_state[SQL_STATE_LEN + 1])
{
    for (char *at = strstr(message, ":  "); at; at = strstr(at + 1, ":  ")) {
        size_t len = strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        char *end = at + 3 + len;
        if (len != SQL_STATE_LEN || strncmp(end, ": ", 2) != 0)
            continue;
        memcpy(ret_state, at + 3, SQL_STATE_LEN);
        ret_state[SQL_STATE_LEN] = 0;
        memmove(at + 2, end + 1, strlen(end + 1) + 1);
        end = strchr(at, '\n');
        if (end)
            *end = 0;
        return;
    }
}

static int connection_refused(struct pg_connection *c)
{
    char text[1024], state[SQL_STATE_LEN + 1] = "";

    snprintf(text, sizeof text, "%s", PQerrorMessage(c->conn));
    find_state(text, state);
    pg_fault_set(&c->fault, *state ? state : NULL, text, NULL, NULL);
    if (!*state && (strstr(text, "certificate") || strstr(text, "password")))
        pg_fault_set_own(&c->fault, PG_FAULT_LOGIN_REFUSED, text);
    pg_connection_close(c);
    return fault_errno(&c->fault);
}

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static int connection_start(struct pg_connection *c)
{
    const struct pg_connection_settings *s = &c->settings;
    const char *const names[] = {"host",
                                 "port",
                                 "dbname",
                                 "user",
                                 "password",
                                 "application_name",
                                 "client_encoding",
                                 "sslmode",
                                 "sslrootcert",
                                 "keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 NULL};
    const char *const values[] = {s->host,
                                  s->port,
                                  s->db,
                                  s->user,
                                  s->password,
                                  s->application_name,
                                  "UTF8",
                                  s->ca_file ? "verify-full" : NULL,
                                  s->ca_file,
                                  KEEPALIVE_IDLE_S,
                                  KEEPALIVE_IDLE_S,
                                  KEEPALIVE_COUNT,
                                  UNACKNOWLEDGED_MS,
                                  NULL};

    c->conn = PQconnectStartParams(names, values, 0);
    if (!c->conn)
        return connection_lose(c, "out of memory");
    PQsetErrorVerbosity(c->conn, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(c->conn, ignore_notice, NULL);
    return PQstatus(c->conn) == CONNECTION_BAD ? connection_refused(c) : 0;
}

int pg_connection_open(struct pg_connection *c)
{
    const struct pg_connection_settings *s = &c->settings;
    struct sql_wait w =
        sql_wait_start(s->owner, s->host, "connecting",
                       s->timeout_s < CONNECT_TIMEOUT_S ? s->timeout_s : CONNECT_TIMEOUT_S, 0);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    int err;

    pg_connection_close(c);
    err = connection_start(c);
    if (err < 0)
        return err;
    while (status != PGRES_POLLING_OK) {
        short events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (sql_wait_for(&w, PQsocket(c->conn), events, NULL, NULL) <= 0)
            return lose_timeout(c, w.doing);
        status = PQconnectPoll(c->conn);
        if (status == PGRES_POLLING_FAILED)
            return connection_refused(c);
    }
    if (PQsetnonblocking(c->conn, 1) < 0)
        return lose_libpq(c);
    return 0;
}

/* ---- statements ---- */

static int need_open(struct pg_connection *c)
{
    return c->conn ? 0 : connection_lose(c, "the connection is closed");
}

int pg_connection_run(struct pg_connection *c, const char *sql, uint32_t work_s,
                      PGresult **ret_result)
{
    int err = need_open(c);

    if (err < 0)
        return err;
    if (!PQsendQuery(c->conn, sql))
        return lose_libpq(c);
    struct sql_wait w = wait_start(c, "a statement", work_s);
    return collect_results(c, &w, ret_result);
}

int pg_connection_run_params(struct pg_connection *c, const char *sql, int param_count,
                             const char *const *params, PGresult **ret_result)
{
    int err = need_open(c);

    if (err < 0)
        return err;
    if (!PQsendQueryParams(c->conn, sql, param_count, NULL, params, NULL, NULL, 0))
        return lose_libpq(c);
    struct sql_wait w = wait_start(c, "a statement", 0);
    return collect_results(c, &w, ret_result);
}

/* Asks over a session of its own whether the server works, and what it does for `c`. An answer that
 * refuses is one, too. */
static bool ask_probe(void *arg, char *ret_state, size_t size)
{
    const struct pg_connection *c = arg;
    struct pg_connection probe = {.settings = c->settings, .is_probe = true};
    char pid[16];
    const char *const params[] = {pid};
    PGresult *result = NULL;
    int err = pg_connection_open(&probe);

    snprintf(pid, sizeof pid, "%d", PQbackendPID(c->conn));
    if (err == 0)
        err = pg_connection_run_params(
            &probe,
            "SELECT state || coalesce(', waits for ' || wait_event_type || ' ' || wait_event, '')"
            " FROM pg_stat_activity WHERE pid = $1",
            1, params, &result);
    if (err == 0)
        snprintf(ret_state, size, "%s",
                 PQntuples(result) > 0 && !PQgetisnull(result, 0, 0) ? PQgetvalue(result, 0, 0)
                                                                     : "it answers others");
    else
        snprintf(ret_state, size, "it answers others: %s", probe.fault.sqlstate);
    bool is_answered = err == 0 || probe.fault.sqlstate[0] != '\0';
    PQclear(result);
    pg_connection_close(&probe);
    return is_answered;
}

/* ---- COPY ---- */

int pg_connection_copy_begin(struct pg_connection *c, const char *sql)
{
    PGresult *result;
    int err = pg_connection_run(c, sql, 0, &result);

    if (err < 0)
        return err;
    bool is_copy = PQresultStatus(result) == PGRES_COPY_IN;
    PQclear(result);
    return is_copy ? 0 : connection_lose(c, "COPY was not understood");
}

int pg_connection_copy_data(struct pg_connection *c, const void *data, size_t len)
{
    int err = need_open(c);

    if (err < 0)
        return err;
    if (PQputCopyData(c->conn, data, (int)len) < 0)
        return lose_libpq(c);
    struct sql_wait w = wait_start(c, "taking rows", 0);
    return connection_flush(c, &w);
}

int pg_connection_copy_end(struct pg_connection *c, uint32_t work_s)
{
    struct sql_wait w = wait_start(c, "the end of a COPY", work_s);
    int err = need_open(c), sent;

    if (err < 0)
        return err;
    while ((sent = PQputCopyEnd(c->conn, NULL)) == 0) {
        err = wait_for_server(c, POLLOUT, &w);
        if (err < 0)
            return err;
    }
    if (sent < 0)
        return lose_libpq(c);
    return collect_results(c, &w, NULL);
}

/* ---- quoting ---- */

/* A backslash needs the E'' form, whatever standard_conforming_strings says. */
void pg_append_literal(struct text *out, const char *value)
{
    bool has_backslash = strchr(value, '\\') != NULL;

    text_append_string(out, has_backslash ? " E'" : "'");
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            text_append_char(out, *value);
        text_append_char(out, *value);
    }
    text_append_char(out, '\'');
}
