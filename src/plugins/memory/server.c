/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serves clients. The server's descriptors - the socket, the clients, a clock - are in a poller of
 * its own, whose descriptor the host watches. See server.h.
 */
#include "plugins/memory/server.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/poller.h"
#include "base/text.h"
#include "plugins/memory/answer.h"
#include "plugins/memory/query_wire.h"
#include "plugins/memory/rights.h"
#include "plugins/memory/value_store.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    READ_BYTES = 16 * 1024,
    SLICE_BYTES = 512 * 1024, /* sent to one client before the others have their turn */
    ACCEPTS_AT_ONCE = 16,
};

struct client {
    struct server *server;
    int fd;
    struct rights rights;
    int64_t since_ns; /* when the answer began, or the last request ended */
    struct text in, out;
    size_t sent; /* bytes of `out` */
    struct answer *answer;
    bool hangs_up; /* once `out` is sent */
    struct client *previous, *next;
};

struct server {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct table *table;
    struct server_settings settings;
    struct poller *poller;
    int fd, timer_fd;
    struct client *clients; /* the oldest first */
    uint32_t client_count;
    struct text greeting;
    struct query_status status; /* the parts that last from one answer to the next */
};

/* ---- clients ---- */

static void count_event(const struct server *s, const char *name)
{
    s->host->count(s->host, name, 1);
}

/* Sets the clock, which ticks once a second while there are clients. */
static void set_clock(struct server *s)
{
    struct itimerspec period = {0};

    if (s->client_count > 0)
        period.it_interval.tv_sec = period.it_value.tv_sec = 1;
    timerfd_settime(s->timer_fd, 0, &period, NULL);
}

static void client_free(struct client *c)
{
    struct server *s = c->server;

    poller_remove(s->poller, c->fd);
    close(c->fd);
    answer_free(c->answer);
    text_clear(&c->in);
    text_clear(&c->out);
    if (c->previous)
        c->previous->next = c->next;
    else
        s->clients = c->next;
    if (c->next)
        c->next->previous = c->previous;
    mem_free(c);
    s->client_count--;
    if (s->client_count == 0)
        set_clock(s);
}

static void put_error(struct client *c, const char *why)
{
    size_t start = query_begin(&c->out, QUERY_ERROR);

    query_append_string(&c->out, why);
    query_finish(&c->out, start);
    c->hangs_up = true;
}

/* ---- requests ---- */

static void fill_status(struct server *s, struct query_status *status)
{
    *status = s->status;
    status->row_count = table_row_count(s->table);
    status->bytes = table_bytes(s->table);
    status->max_bytes = table_max_bytes(s->table);
    status->copied_bytes = table_copied_bytes(s->table);
    status->value_count = value_store_count(table_values(s->table));
    status->client_count = s->client_count;
    status->now_ns = clock_wall().ns;
}

static void take_request(struct client *c, struct query_request *request)
{
    struct server *s = c->server;
    struct query_status status;

    count_event(s, "requests");
    fill_status(s, &status);
    c->since_ns = clock_mono().ns;
    switch (request->type) {
    case QUERY_ROWS:
        c->answer = answer_new(s->table, s->schema, request->match, request->resets, &status);
        s->host->count(s->host, "reset_rows", answer_removed_rows(c->answer));
        return;
    case QUERY_ERASE:
        status.removed_rows = table_remove(s->table, NULL, NULL);
        s->host->count(s->host, "erased_rows", status.removed_rows);
        s->status.erased_ns = status.erased_ns = status.now_ns;
        status.row_count = table_row_count(s->table);
        status.bytes = table_bytes(s->table);
        break;
    default:
        break;
    }
    query_status_encode(&status, &c->out);
}

/* Says why a request that takes rows out of the table is not granted; NULL: it is. */
static const char *refusal(const struct client *c, const struct query_request *request)
{
    bool clears = request->type == QUERY_ERASE || (request->type == QUERY_ROWS && request->resets);

    if (!clears || c->rights.may_clear || c->server->settings.all_may_clear)
        return NULL;
    return c->server->settings.place.group == (gid_t)-1
               ? "only root and the daemon's user may empty or reset the table; imt_group: GROUP "
                 "lets a group, imt_clear: all everybody"
               : "only root, the daemon's user and members of imt_group may empty or reset the "
                 "table; imt_clear: all lets everybody";
}

/* Takes a request out of the received bytes, if it is whole and no other is under way. */
static void look_for_request(struct client *c)
{
    struct query_header header;
    struct query_request request;
    int err;

    if (c->hangs_up || c->answer || c->sent < c->out.len || c->in.len < QUERY_HEADER_LEN)
        return;
    err = query_header_decode((const uint8_t *)c->in.data, QUERY_REQUEST_MAX, &header);
    if (err == 0) {
        if (c->in.len - QUERY_HEADER_LEN < header.body_len)
            return;
        if (c->in.len - QUERY_HEADER_LEN > header.body_len)
            err = -EBADMSG; /* only one request may be under way */
        else
            err = query_request_decode(&header, (const uint8_t *)c->in.data + QUERY_HEADER_LEN,
                                       c->server->schema, &request);
    }
    text_reset(&c->in);
    if (err == 0) {
        const char *why = refusal(c, &request);
        if (!why) {
            take_request(c, &request);
            return;
        }
        count_event(c->server, "clears_refused");
        match_free(request.match);
        put_error(c, why);
        return;
    }
    count_event(c->server, "bad_requests");
    put_error(c, err == -EPROTONOSUPPORT ? "the plugin and this program are not of one version"
                 : err == -EMSGSIZE || err == -ENOSPC
                     ? "the request asks for too much at once; ask for less in several requests"
                     : "this is not a request");
}

/* Returns false if the client has gone. */
static bool client_receive(struct client *c)
{
    while (!c->hangs_up && c->in.len < QUERY_HEADER_LEN + QUERY_REQUEST_MAX) {
        ssize_t got;
        text_reserve(&c->in, READ_BYTES);
        got = recv(c->fd, c->in.data + c->in.len, READ_BYTES, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 && errno == EAGAIN;
        c->in.len += (size_t)got;
        if (got < READ_BYTES)
            return true;
    }
    return true;
}

/* ---- answers ---- */

/* Returns false if the client has gone. */
static bool send_out(struct client *c, size_t *bytes)
{
    while (c->sent < c->out.len) {
        ssize_t sent = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        c->sent += (size_t)sent;
        *bytes += (size_t)sent;
    }
    text_reset(&c->out);
    c->sent = 0;
    return true;
}

/* Sends what there is, up to a slice. Returns false if the client has gone or may go. */
static bool client_serve(struct client *c)
{
    size_t bytes = 0;

    for (int turn = 0;; turn++) {
        if (!send_out(c, &bytes))
            return false;
        if (c->out.len > 0) /* the socket is full */
            return true;
        if (c->hangs_up)
            return false;
        /* A turn looks at a bounded number of rows; few of them may match. */
        if (!c->answer || turn == 8 || bytes >= SLICE_BYTES)
            return true;
        if (answer_append(c->answer, &c->out))
            continue;
        answer_free(c->answer);
        c->answer = NULL;
    }
}

static void client_ready(void *arg, int fd, unsigned events)
{
    struct client *c = arg;
    bool is_idle = !c->answer && c->out.len == 0;

    (void)fd;
    if ((events & POLLER_READ) && !client_receive(c)) {
        client_free(c);
        return;
    }
    if ((events & (POLLER_READ | POLLER_HANGUP)) == POLLER_HANGUP) {
        client_free(c);
        return;
    }
    look_for_request(c);
    if (!client_serve(c)) {
        client_free(c);
        return;
    }
    if (!is_idle && !c->answer && c->out.len == 0)
        c->since_ns = clock_mono().ns;
    poller_modify(c->server->poller, c->fd,
                  c->answer || c->out.len > 0 ? POLLER_WRITE : POLLER_READ);
}

/* ---- accepting ---- */

/* Says why a new client is one too many; NULL: it is not. It is among the clients already. */
static const char *excess(const struct server *s, const struct client *c)
{
    uint32_t of_user = 0;

    if (s->client_count > s->settings.clients_max)
        return "there are imt_clients_max clients already; try again";
    for (const struct client *other = s->clients; other && !c->rights.is_trusted;
         other = other->next)
        of_user += other->rights.uid == c->rights.uid;
    return of_user > rights_share(s->settings.clients_max)
               ? "half of imt_clients_max clients are this user's already; try again"
               : NULL;
}

static void client_new(struct server *s, int fd)
{
    struct client *c = mem_zalloc(sizeof *c), **end = &s->clients;
    const char *why;

    c->server = s;
    c->fd = fd;
    rights_of_client(fd, s->settings.place.group, &c->rights);
    c->since_ns = clock_mono().ns;
    for (; *end; end = &(*end)->next)
        c->previous = *end;
    *end = c;
    s->client_count++;
    if (s->client_count == 1)
        set_clock(s);
    count_event(s, "clients");
    text_append(&c->out, s->greeting.data, s->greeting.len);
    why = excess(s, c);
    if (why) {
        text_reset(&c->out);
        count_event(s, "clients_refused");
        put_error(c, why);
    }
    if (poller_add(s->poller, fd, POLLER_READ, client_ready, c) < 0) {
        client_free(c);
        return;
    }
    client_ready(c, fd, 0);
}

static void socket_ready(void *arg, int fd, unsigned events)
{
    struct server *s = arg;

    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0)
            return;
        client_new(s, client);
    }
}

/* ---- limits ---- */

static void clock_ticked(void *arg, int fd, unsigned events)
{
    struct server *s = arg;
    int64_t now = clock_mono().ns;
    uint64_t ticks;

    (void)events;
    if (read(fd, &ticks, sizeof ticks) < 0)
        return;
    for (struct client *c = s->clients, *next; c; c = next) {
        bool is_answered = c->answer || c->out.len > 0;
        next = c->next;
        if (now - c->since_ns <
            (is_answered ? s->settings.answer_time_ns : s->settings.idle_time_ns))
            continue;
        count_event(s, is_answered ? "clients_cut_slow" : "clients_cut_idle");
        client_free(c);
    }
}

/* Cuts off the client that has held blocks for the longest time: the copies are too many. */
static void cut_oldest(void *arg)
{
    struct server *s = arg;
    struct client *oldest = NULL;

    for (struct client *c = s->clients; c; c = c->next)
        if (c->answer && (!oldest || c->since_ns < oldest->since_ns))
            oldest = c;
    if (!oldest)
        return;
    count_event(s, "clients_cut_memory");
    client_free(oldest);
}

/* ---- public ---- */

static void poller_ready(void *state, int fd)
{
    struct server *s = state;

    (void)fd;
    poller_wait(s->poller, 0);
}

int server_new(const struct pa_host *host, const struct pa_schema *schema, struct table *table,
               const struct server_settings *settings, char *error, size_t error_size,
               struct server **ret_server)
{
    struct server *s = mem_zalloc(sizeof *s);
    int err;

    *s = (struct server){.host = host,
                         .schema = schema,
                         .table = table,
                         .settings = *settings,
                         .fd = -1,
                         .timer_fd = -1,
                         .status = {.started_ns = clock_wall().ns}};
    query_table_encode(host->instance_name, schema, &settings->values, &s->greeting);
    error[0] = '\0';
    err = local_listener_open(&settings->place, error, error_size, &s->fd);
    if (err == 0)
        err = poller_new(&s->poller);
    if (err == 0)
        err = poller_add(s->poller, s->fd, POLLER_READ, socket_ready, s);
    if (err == 0)
        s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (err == 0)
        err = s->timer_fd < 0 ? -errno
                              : poller_add(s->poller, s->timer_fd, POLLER_READ, clock_ticked, s);
    if (err == 0)
        err = host->watch(host, poller_fd(s->poller), poller_ready, s);
    if (err < 0) {
        server_free(s);
        return err;
    }
    table_set_pressure(table, cut_oldest, s);
    *ret_server = s;
    return 0;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    while (s->clients)
        client_free(s->clients);
    table_set_pressure(s->table, NULL, NULL);
    if (s->poller) {
        s->host->watch(s->host, poller_fd(s->poller), NULL, NULL);
        poller_free(s->poller);
    }
    if (s->timer_fd >= 0)
        close(s->timer_fd);
    if (s->fd >= 0)
        local_listener_close(s->fd, s->settings.place.path);
    text_clear(&s->greeting);
    mem_free(s);
}

void server_note_update(struct server *s, int64_t time_ns)
{
    s->status.updated_ns = time_ns;
}

void server_note_refused(struct server *s)
{
    s->status.refused_rows++;
}
