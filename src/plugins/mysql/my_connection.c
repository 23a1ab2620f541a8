/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs statements with deadlines, and takes the session apart when it cannot be trusted. See
 * my_connection.h. The calls of the library that end in _start and _cont are described in the
 * MariaDB manual, "Using the Non-blocking Library". */
#include "plugins/mysql/my_connection.h"

#include "base/memory.h"
#include "base/text.h"
#include "plugins/pathacct_plugin.h"
#include "plugins/sql/sql_wait.h"

#include <errmsg.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CONNECT_TIMEOUT_S 10
#define CLOSE_TIMEOUT_S   1
#define SOCKET_PREFIX     "unix:"

/* Ways to log in that never show the password to whoever answers. */
#define LOGIN_METHODS                                                                              \
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,auth_gssapi_"      \
    "client,parsec"

struct my_connection {
    struct my_connection_settings settings;
    MYSQL *conn; /* NULL: closed */
    struct sql_fault fault;
    bool is_probe;      /* asks about another session: nobody asks about this one */
    char given_up[200]; /* why the call under way is broken off; "": it is not */
};

struct my_connection *my_connection_new(const struct my_connection_settings *settings)
{
    struct my_connection *c = mem_zalloc(sizeof *c);

    c->settings = *settings;
    return c;
}

void my_connection_free(struct my_connection *c)
{
    if (!c)
        return;
    my_connection_close(c);
    mem_free(c);
}

bool my_connection_is_open(const struct my_connection *c)
{
    return c->conn != NULL;
}

void my_connection_close(struct my_connection *c)
{
    if (c->conn)
        mysql_close(c->conn);
    c->conn = NULL;
}

const struct sql_fault *my_connection_fault(const struct my_connection *c)
{
    return &c->fault;
}

/* ---- failures ---- */

static int fault_errno(const struct sql_fault *fault)
{
    /* The caller decides whether to wait for the partition: only the row tells. */
    return fault->id == MY_FAULT_PARTITION_MISSING ? -EILSEQ : sql_fault_errno(fault);
}

/* Takes over what the library says of the last call; closes a session that cannot be trusted any
 * more: nobody knows what the server still does in it. */
static int connection_failed(struct my_connection *c)
{
    unsigned number = mysql_errno(c->conn);

    if (c->given_up[0])
        my_fault_set_own(&c->fault, MY_FAULT_SERVER_AWAY, c->given_up);
    else
        my_fault_set(&c->fault, number ? number : CR_UNKNOWN_ERROR, mysql_sqlstate(c->conn),
                     mysql_error(c->conn));
    c->given_up[0] = 0;
    if (c->fault.id == MY_FAULT_SERVER_AWAY)
        my_connection_close(c);
    return fault_errno(&c->fault);
}

/* Breaks off the call under way: the server is not spoken to any more. */
static void give_up(struct my_connection *c, const char *why, const char *doing)
{
    int fd = mysql_get_socket(c->conn);

    snprintf(c->given_up, sizeof c->given_up, "the server at %.60s %s (%s)", c->settings.host, why,
             doing);
    if (fd >= 0)
        shutdown(fd, SHUT_RDWR);
}

/* ---- waiting ---- */

static bool ask_probe(void *arg, char *ret_state, size_t size);

static struct sql_wait wait_start(const struct my_connection *c, const char *doing, uint32_t work_s)
{
    const struct my_connection_settings *s = &c->settings;

    return sql_wait_start(s->owner, s->host, doing, s->timeout_s, work_s);
}

/* Waits for `events` (MYSQL_WAIT_...), however long that takes while the server works; returns what
 * the library is to be told. A call that is given up is told of a timeout, until it ends. */
static int wait_for_server(struct my_connection *c, int events, struct sql_wait *w)
{
    short wanted = (short)((events & MYSQL_WAIT_READ ? POLLIN : 0) |
                           (events & MYSQL_WAIT_WRITE ? POLLOUT : 0) |
                           (events & MYSQL_WAIT_EXCEPT ? POLLPRI : 0));

    if (c->given_up[0])
        return MYSQL_WAIT_TIMEOUT;
    int came =
        sql_wait_for(w, mysql_get_socket(c->conn), wanted, c->is_probe ? NULL : ask_probe, c);
    if (came > 0 && came & (POLLERR | POLLHUP | POLLNVAL))
        return events & (MYSQL_WAIT_READ | MYSQL_WAIT_WRITE); /* the call finds out */
    if (came > 0)
        return (came & POLLIN ? MYSQL_WAIT_READ : 0) | (came & POLLOUT ? MYSQL_WAIT_WRITE : 0) |
               (came & POLLPRI ? MYSQL_WAIT_EXCEPT : 0);
    give_up(c, came == -ECANCELED ? "is given up: the time to end is over" : "does not answer",
            w->doing);
    return MYSQL_WAIT_TIMEOUT;
}

/* ---- opening ---- */

static void set_options(const struct my_connection *c)
{
    const struct my_connection_settings *s = &c->settings;
    const unsigned timeout_s = CLOSE_TIMEOUT_S, no = 0;
    const my_bool yes = 1;

    mysql_options(c->conn, MYSQL_OPT_NONBLOCK, NULL);
    /* Only the farewell is sent by a call that blocks. */
    mysql_options(c->conn, MYSQL_OPT_WRITE_TIMEOUT, &timeout_s);
    mysql_options(c->conn, MYSQL_OPT_READ_TIMEOUT, &timeout_s);
    mysql_options(c->conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    /* A server must not ask for files of this machine, nor for the password. */
    mysql_options(c->conn, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_options(c->conn, MARIADB_OPT_RESTRICTED_AUTH, LOGIN_METHODS);
    mysql_options4(c->conn, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", s->program);
    if (!s->ca_file)
        return;
    mysql_options(c->conn, MYSQL_OPT_SSL_CA, s->ca_file);
    mysql_options(c->conn, MYSQL_OPT_SSL_ENFORCE, &yes);
    mysql_options(c->conn, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
}

static int connection_start(struct my_connection *c)
{
    const struct my_connection_settings *s = &c->settings;
    bool is_socket = strncmp(s->host, SOCKET_PREFIX, strlen(SOCKET_PREFIX)) == 0;
    uint32_t timeout_s = s->timeout_s < CONNECT_TIMEOUT_S ? s->timeout_s : CONNECT_TIMEOUT_S;
    struct sql_wait w = sql_wait_start(s->owner, s->host, "connecting", timeout_s, 0);
    bool was_probe = c->is_probe;
    MYSQL *done = NULL;

    c->is_probe = true; /* a server that is slow to let in is not waited for */
    int status =
        mysql_real_connect_start(&done, c->conn, is_socket ? NULL : s->host, s->user, s->password,
                                 s->db, s->port, is_socket ? s->host + strlen(SOCKET_PREFIX) : NULL,
                                 CLIENT_FOUND_ROWS | CLIENT_MULTI_STATEMENTS);
    while (status)
        status = mysql_real_connect_cont(&done, c->conn, wait_for_server(c, status, &w));
    c->is_probe = was_probe;
    return done && !c->given_up[0] ? 0 : connection_failed(c);
}

int my_connection_open(struct my_connection *c)
{
    my_connection_close(c);
    c->given_up[0] = 0;
    c->conn = mysql_init(NULL);
    if (!c->conn) {
        my_fault_set_own(&c->fault, MY_FAULT_BUSY, "out of memory");
        return -EAGAIN;
    }
    set_options(c);
    int err = connection_start(c);
    if (err == 0 && c->settings.setup)
        err = my_connection_ask(c, c->settings.setup, NULL);
    if (err < 0)
        my_connection_close(c);
    return err;
}

/* ---- statements ---- */

static uint64_t count_duplicates(struct my_connection *c)
{
    const char *info = mysql_info(c->conn), *at = info ? strstr(info, "Duplicates: ") : NULL;

    if (at)
        return strtoull(at + strlen("Duplicates: "), NULL, 10);
    return mysql_affected_rows(c->conn) == 2; /* says the server of one row that it updated */
}

/* Takes in the answer to one statement. */
static int collect_answer(struct my_connection *c, struct sql_wait *w, struct my_answer *answer)
{
    MYSQL_RES *rows = NULL;
    bool has_rows = mysql_field_count(c->conn) > 0;

    if (has_rows) {
        int status = mysql_store_result_start(&rows, c->conn);
        while (status)
            status = mysql_store_result_cont(&rows, c->conn, wait_for_server(c, status, w));
        if (!rows || c->given_up[0]) {
            mysql_free_result(rows);
            return connection_failed(c);
        }
        mysql_free_result(answer->rows);
        answer->rows = rows;
    } else {
        answer->duplicates += count_duplicates(c);
    }
    if (answer->affected && answer->count < answer->affected_capacity)
        answer->affected[answer->count] = has_rows ? 0 : mysql_affected_rows(c->conn);
    answer->count++;
    return 0;
}

static int run_all(struct my_connection *c, const char *sql, size_t len, struct sql_wait *w,
                   struct my_answer *answer)
{
    int failed = 0, err = 0;
    int status = mysql_real_query_start(&failed, c->conn, sql, len);

    while (status)
        status = mysql_real_query_cont(&failed, c->conn, wait_for_server(c, status, w));
    /* Any other value than 0 is a failure; of the next answer -1 is that there is none. */
    if (failed != 0 || c->given_up[0])
        return connection_failed(c);
    while (err == 0) {
        err = collect_answer(c, w, answer);
        if (err < 0 || !mysql_more_results(c->conn))
            break;
        status = mysql_next_result_start(&failed, c->conn);
        while (status)
            status = mysql_next_result_cont(&failed, c->conn, wait_for_server(c, status, w));
        if (failed != 0 || c->given_up[0])
            return connection_failed(c);
    }
    return err;
}

int my_connection_run(struct my_connection *c, const char *sql, size_t len, uint32_t work_s,
                      struct my_answer *answer)
{
    struct my_answer own = {0}, *a = answer ? answer : &own;
    struct sql_wait w = wait_start(c, "a statement", work_s);
    int err;

    a->count = 0;
    a->duplicates = 0;
    a->rows = NULL;
    if (!c->conn) {
        my_fault_set_own(&c->fault, MY_FAULT_SERVER_AWAY, "the connection is closed");
        return -EAGAIN;
    }
    err = run_all(c, sql, len, &w, a);
    if (err < 0 || !answer) {
        mysql_free_result(a->rows);
        a->rows = NULL;
    }
    return err;
}

int my_connection_ask(struct my_connection *c, const char *sql, MYSQL_RES **ret_rows)
{
    struct my_answer answer = {0};
    int err = my_connection_run(c, sql, strlen(sql), 0, &answer);

    if (err == 0 && ret_rows && !answer.rows) {
        my_fault_set_own(&c->fault, MY_FAULT_MISUSED, "the server gives no rows where it should");
        my_connection_close(c);
        return -EINVAL;
    }
    if (err == 0 && ret_rows)
        *ret_rows = answer.rows;
    else
        mysql_free_result(answer.rows);
    return err;
}

/* Asks over a session of its own whether the server works, and what it does for `c`. An answer that
 * refuses is one, too. */
static bool ask_probe(void *arg, char *ret_state, size_t size)
{
    const struct my_connection *c = arg;
    struct my_connection probe = {.settings = c->settings, .is_probe = true};
    MYSQL_RES *rows = NULL;
    MYSQL_ROW row = NULL;
    char sql[160];

    snprintf(sql, sizeof sql,
             "SELECT COALESCE(state, '') FROM information_schema.processlist WHERE id = %lu",
             mysql_thread_id(c->conn));
    int err = my_connection_open(&probe);
    if (err == 0)
        err = my_connection_ask(&probe, sql, &rows);
    if (rows)
        row = mysql_fetch_row(rows);
    if (err == 0)
        snprintf(ret_state, size, "%s", row && row[0] && *row[0] ? row[0] : "it answers others");
    else
        snprintf(ret_state, size, "it answers others: %u", probe.fault.number);
    bool is_answered = err == 0 || (probe.fault.number > 0 && (probe.fault.number < CR_MIN_ERROR ||
                                                               probe.fault.number >= 3000));
    mysql_free_result(rows);
    my_connection_close(&probe);
    return is_answered;
}

void my_append_literal(struct my_connection *c, struct text *out, const char *text, size_t len)
{
    text_append_char(out, '\'');
    text_reserve(out, 2 * len + 1);
    out->len += mysql_real_escape_string(c->conn, out->data + out->len, text, len);
    text_append_char(out, '\'');
}
