/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's thread. It accepts connections itself, so that it knows whose they are, and gives them
 * to libmicrohttpd, whose epoll descriptor stands in the thread's poller.
 */
#include "control/control.h"
#include "base/address_port.h"
#include "base/clock.h"
#include "base/local_listener.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/poller.h"
#include "control/guard.h"
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNECTIONS_MAX = 64,
    CONNECTIONS_OF_ONE = 16, /* of one user or address, but root */
    CONNECTIONS_OF_TCP = 40, /* so that who is on this machine always finds a place */
    REQUEST_BYTES_MAX = 16 << 10,
    IDLE_S = 10,
    LIFE_S = 60,        /* of a connection in all, so that nobody holds one for ever */
    PARTS_LIFE_S = 600, /* of one that takes a long answer part by part */
    PART_BYTES = 16 << 10,
    BACKLOG = 1024,
    ACCEPTS_TOGETHER = 32,
    ANSWER_BYTES_MAX = 128 << 20, /* of answers that nobody has taken yet: then no more are made */
};
#define AGE_NS NS_PER_S /* how old may be what others publish */
/* How long a request waits for it. */
static const int64_t wait_ns[CONTROL_NEED_COUNT] = {[CONTROL_FACTS] = 2 * NS_PER_S,
                                                    [CONTROL_TABLES] = 5 * NS_PER_S,
                                                    [CONTROL_TRAFFIC] = 3 * NS_PER_S};

struct connection {
    int fd; /* -1: free */
    uint64_t owner;
    int64_t since_ns, life_ns;
    bool is_shut, is_tcp;
};

struct control {
    struct control_host host;
    struct poller *poller;
    struct poller_timer tick;
    struct thread thread;
    int event; /* wakes the thread */
    int local_fd, tcp_fd;
    struct local_listener_place place;
    struct MHD_Daemon *http, *https; /* https NULL: TCP is not encrypted */
    struct guard *guard;
    struct connection connections[CONNECTIONS_MAX];
    struct control_counters counters;
    _Atomic bool is_ending;
    _Atomic int64_t came_ns[CONTROL_NEED_COUNT]; /* when each was published last */
    int64_t asked_ns[CONTROL_NEED_COUNT];        /* 0: nobody waits for it */
    struct {
        struct MHD_Connection *connection; /* suspended until it comes */
        enum control_need need;
    } waiting[CONNECTIONS_MAX];
    unsigned waiting_count;
};

/* ---- answers ---- */

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned status,
                                   const char *type, const void *data, size_t len)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, (void *)(uintptr_t)data, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_NO;

    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        if (status == MHD_HTTP_UNAUTHORIZED)
            MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
            MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
        result = MHD_queue_response(connection, status, response);
        MHD_destroy_response(response);
    }
    return result;
}

static enum MHD_Result answer_plain(struct MHD_Connection *connection, unsigned status,
                                    const char *text)
{
    return answer_text(connection, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* Lists what there is, for who asked for something else. */
static enum MHD_Result answer_unknown(struct control *c, struct MHD_Connection *connection)
{
    struct text list = {0};
    enum MHD_Result result;

    text_append_string(&list, "there is no such page; there are:\n");
    for (const struct control_resource *r = c->host.resources; r->path; r++)
        text_append_printf(&list, "%-24s %s\n", r->path, r->help);
    result = answer_text(connection, MHD_HTTP_NOT_FOUND, "text/plain; charset=utf-8", list.data,
                         list.len);
    text_clear(&list);
    return result;
}

static const struct control_resource *resource_find(const struct control *c, const char *path)
{
    for (const struct control_resource *r = c->host.resources; r->path; r++) {
        size_t len = strlen(r->path);
        if (strcmp(r->path, path) == 0 ||
            (r->path[len - 1] == '*' && strncmp(r->path, path, len - 1) == 0))
            return r;
    }
    return NULL;
}

static bool has_come(const struct control *c, enum control_need need, int64_t now_ns)
{
    int64_t came_ns = atomic_load_explicit(&c->came_ns[need], memory_order_acquire);

    return came_ns != 0 && now_ns - came_ns < AGE_NS;
}

/* True: the connection waits for what it needs, and the request comes again. */
static bool wait_for(struct control *c, enum control_need need, struct MHD_Connection *connection,
                     void **ret_request)
{
    int64_t now_ns = clock_mono().ns;

    if (need == CONTROL_NOTHING || *ret_request == &c->waiting_count || has_come(c, need, now_ns) ||
        c->waiting_count == CONNECTIONS_MAX)
        return false;
    if (c->asked_ns[need] == 0) {
        c->asked_ns[need] = now_ns;
        c->host.ask(c->host.arg, need);
    }
    *ret_request = &c->waiting_count; /* it has waited, and does not do so again */
    c->waiting[c->waiting_count].connection = connection;
    c->waiting[c->waiting_count++].need = need;
    MHD_suspend_connection(connection);
    return true;
}

static void resume_waiting(struct control *c, enum control_need need)
{
    unsigned left = 0;

    for (unsigned i = 0; i < c->waiting_count; i++)
        if (c->waiting[i].need == need)
            MHD_resume_connection(c->waiting[i].connection);
        else
            c->waiting[left++] = c->waiting[i];
    c->waiting_count = left;
    c->asked_ns[need] = 0;
}

const char *control_parameter(const struct control_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

/* A body that its reader has not taken yet. */
struct sent_body {
    struct control *control;
    struct text text;
};

static void sent_body_free(void *arg)
{
    struct sent_body *body = arg;

    body->control->counters.answer_bytes -= body->text.len;
    text_clear(&body->text);
    mem_free(body);
}

/* Gives the body to the connection, without a copy. */
static enum MHD_Result answer_body(struct control *c, struct control_answer *answer,
                                   struct MHD_Connection *connection)
{
    struct sent_body *body = mem_alloc(sizeof *body);
    enum MHD_Result result;

    *body = (struct sent_body){c, answer->body};
    answer->body = (struct text){0};
    c->counters.answer_bytes += body->text.len;
    struct MHD_Response *response = MHD_create_response_from_buffer_with_free_callback_cls(
        body->text.len, body->text.data, sent_body_free, body);
    if (!response) {
        sent_body_free(body);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

/* An answer that is made while it is read. */
struct sent_parts {
    struct control_answer answer; /* body: the part under way */
    size_t sent;                  /* of it */
    bool is_over;
};

static void sent_parts_free(void *arg)
{
    struct sent_parts *parts = arg;

    parts->answer.more_end(parts->answer.more_arg);
    text_clear(&parts->answer.body);
    mem_free(parts);
}

static ssize_t sent_parts_read(void *arg, uint64_t position, char *out, size_t size)
{
    struct sent_parts *parts = arg;
    struct text *body = &parts->answer.body;

    (void)position;
    while (parts->sent == body->len && !parts->is_over) {
        text_reset(body);
        parts->sent = 0;
        parts->is_over = !parts->answer.more(parts->answer.more_arg, body);
    }
    size_t len = body->len - parts->sent < size ? body->len - parts->sent : size;
    if (len == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    memcpy(out, body->data + parts->sent, len);
    parts->sent += len;
    return (ssize_t)len;
}

static void give_time(struct control *c, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    for (int i = 0; info && i < CONNECTIONS_MAX; i++)
        if (c->connections[i].fd == info->connect_fd)
            c->connections[i].life_ns = PARTS_LIFE_S * NS_PER_S;
}

static enum MHD_Result answer_parts(struct control *c, struct control_answer *answer,
                                    struct MHD_Connection *connection)
{
    struct sent_parts *parts = mem_alloc(sizeof *parts);
    enum MHD_Result result;

    *parts = (struct sent_parts){.answer = *answer};
    struct MHD_Response *response = MHD_create_response_from_callback(
        MHD_SIZE_UNKNOWN, PART_BYTES, sent_parts_read, parts, sent_parts_free);
    if (!response) {
        sent_parts_free(parts);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    give_time(c, connection);
    result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_resource(struct control *c, const struct control_resource *resource,
                                       struct MHD_Connection *connection, const char *url)
{
    struct control_answer answer = {.status = MHD_HTTP_OK, .type = "text/plain; charset=utf-8"};
    const char *accept =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);
    struct control_request request = {
        .accept = accept ? accept : "", .path = url, .connection = connection};

    if (c->counters.answer_bytes > ANSWER_BYTES_MAX)
        return answer_plain(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
                            "others have not read their answers yet; ask again later\n");
    text_reserve(&answer.body, 1); /* a body may be empty, but is there */
    resource->fn(c->host.arg, &request, &answer);
    return answer.more ? answer_parts(c, &answer, connection) : answer_body(c, &answer, connection);
}

/* The Unix socket has its mode; requests on TCP bring the token. */
static bool is_admitted(const struct control *c, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return (info && info->client_addr->sa_family == AF_UNIX) ||
           guard_admits(c->guard, MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
                                                              MHD_HTTP_HEADER_AUTHORIZATION));
}

/* MHD calls this with the headers, and once more when the request has ended. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_len, void **request)
{
    struct control *c = arg;

    (void)version;
    (void)data;
    if (!*request) { /* only headers yet; what follows is the end, or a body */
        *request = c;
        return MHD_YES;
    }
    if (*data_len > 0) {
        *data_len = 0; /* nobody reads it */
        return MHD_YES;
    }
    if (!is_admitted(c, connection))
        return answer_plain(connection, MHD_HTTP_UNAUTHORIZED,
                            "this daemon wants a token: Authorization: Bearer TOKEN\n");
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_plain(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    const struct control_resource *resource = resource_find(c, url);
    if (!resource)
        return answer_unknown(c, connection);
    if (wait_for(c, resource->need, connection, request))
        return MHD_YES;
    c->counters.requests++;
    return answer_resource(c, resource, connection, url);
}

/* ---- connections ---- */

/* MHD has closed a connection, whose descriptor may be another's now. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct control *c = arg;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    (void)socket_context;
    if (code != MHD_CONNECTION_NOTIFY_CLOSED || !info)
        return;
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        if (c->connections[i].fd == info->connect_fd) {
            c->connections[i].fd = -1;
            c->counters.connections--;
        }
}

/* Returns a place for one more connection of that owner; NULL: it has its share, or all are taken. */
static struct connection *place_for(struct control *c, const struct connection *wanted,
                                    bool has_share)
{
    struct connection *place = NULL;
    int of_owner = 0, of_tcp = 0;

    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        const struct connection *connection = &c->connections[i];
        if (connection->fd < 0) {
            place = &c->connections[i];
            continue;
        }
        of_owner += connection->is_tcp == wanted->is_tcp && connection->owner == wanted->owner;
        of_tcp += connection->is_tcp;
    }
    if ((has_share && of_owner >= CONNECTIONS_OF_ONE) ||
        (wanted->is_tcp && of_tcp >= CONNECTIONS_OF_TCP))
        return NULL;
    return place;
}

static void take_connection(struct control *c, int fd, const struct sockaddr *address,
                            socklen_t address_len, uint64_t owner, bool has_share)
{
    const struct connection wanted = {.fd = fd,
                                      .owner = owner,
                                      .since_ns = clock_mono().ns,
                                      .life_ns = LIFE_S * NS_PER_S,
                                      .is_tcp = address->sa_family != AF_UNIX};
    struct connection *place = place_for(c, &wanted, has_share);
    struct MHD_Daemon *http = wanted.is_tcp && c->https ? c->https : c->http;

    if (!place) {
        c->counters.refused_connections++;
        close(fd);
        return;
    }
    *place = wanted;
    c->counters.connections++;
    /* On failure MHD closes it. */
    if (MHD_add_connection(http, fd, address, address_len) != MHD_YES && place->fd == fd) {
        place->fd = -1;
        c->counters.connections--;
    }
}

static void accept_local(struct control *c, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred credentials;
    socklen_t len = sizeof credentials;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &len) < 0)
        close(fd);
    else
        take_connection(c, fd, (const struct sockaddr *)&address, sizeof address.sun_family,
                        credentials.uid, credentials.uid != 0);
}

static void accept_tcp(struct control *c, int fd, const struct sockaddr_storage *address,
                       socklen_t len)
{
    struct ip_addr ip;
    uint16_t port;

    if (ip_addr_from_sockaddr(address, &ip, &port) < 0)
        close(fd);
    else
        take_connection(c, fd, (const struct sockaddr *)address, len, ip_addr_hash(&ip), true);
}

/* Takes some of those that wait: a flood must not keep the thread here. */
static void on_listener(void *arg, int listen_fd, unsigned events)
{
    struct control *c = arg;

    (void)events;
    for (int i = 0; i < ACCEPTS_TOGETHER; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        int fd =
            accept4(listen_fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        if (listen_fd == c->local_fd)
            accept_local(c, fd);
        else
            accept_tcp(c, fd, &address, len);
    }
}

/* ---- the thread ---- */

static void on_event(void *arg, int fd, unsigned events)
{
    (void)arg;
    (void)events;
    poller_event_drain(fd);
}

static void on_http(void *arg, int fd, unsigned events)
{
    (void)arg; /* MHD_run() follows each wait */
    (void)fd;
    (void)events;
}

static void on_tick(void *arg)
{
    struct control *c = arg;
    int64_t now_ns = clock_mono().ns;

    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        struct connection *connection = &c->connections[i];
        if (connection->fd >= 0 && !connection->is_shut &&
            now_ns - connection->since_ns > connection->life_ns) {
            connection->is_shut = true;
            shutdown(connection->fd, SHUT_RDWR);
        }
    }
    c->host.tick(c->host.arg);
    poller_timer_set_in(c->poller, &c->tick, NS_PER_S);
}

static MHD_UNSIGNED_LONG_LONG next_timeout_ms(struct MHD_Daemon *http,
                                              MHD_UNSIGNED_LONG_LONG at_most_ms)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;

    return MHD_get_timeout(http, &timeout_ms) == MHD_YES && timeout_ms < at_most_ms ? timeout_ms
                                                                                    : at_most_ms;
}

static void stop_http(struct control *c)
{
    if (c->http)
        MHD_stop_daemon(c->http);
    if (c->https)
        MHD_stop_daemon(c->https);
    c->http = c->https = NULL;
}

static void serve(struct control *c)
{
    int64_t now_ns = clock_mono().ns;
    MHD_UNSIGNED_LONG_LONG timeout_ms = 1000;

    for (enum control_need need = CONTROL_FACTS; need < CONTROL_NEED_COUNT; need++)
        if (c->asked_ns[need] != 0 &&
            (has_come(c, need, now_ns) || now_ns - c->asked_ns[need] > wait_ns[need]))
            resume_waiting(c, need);
    MHD_run(c->http);
    timeout_ms = next_timeout_ms(c->http, timeout_ms);
    if (c->https) {
        MHD_run(c->https);
        timeout_ms = next_timeout_ms(c->https, timeout_ms);
    }
    c->host.rest(c->host.arg, true);
    poller_wait(c->poller, (int)timeout_ms);
    c->host.rest(c->host.arg, false);
}

static void control_main(void *arg)
{
    struct control *c = arg;

    thread_enter_role(&control_thread);
    c->host.enter(c->host.arg);
    poller_timer_set_in(c->poller, &c->tick, NS_PER_S);
    while (!atomic_load_explicit(&c->is_ending, memory_order_acquire))
        serve(c);
    for (enum control_need need = CONTROL_FACTS; need < CONTROL_NEED_COUNT; need++)
        resume_waiting(c, need);
    stop_http(c);
    c->host.leave(c->host.arg);
    thread_leave_role(&control_thread);
}

/* ---- life ---- */

static int open_tcp(struct control *c, const char *listen_text, struct text *error)
{
    struct address_port address;
    struct sockaddr_storage sockaddr;
    socklen_t len;
    int on = 1;

    if (address_port_parse(listen_text, &address, error) < 0)
        return -EINVAL;
    len = ip_addr_to_sockaddr(&address.ip, address.port, &sockaddr);
    c->tcp_fd = socket(sockaddr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->tcp_fd < 0 || setsockopt(c->tcp_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(c->tcp_fd, (const struct sockaddr *)&sockaddr, len) < 0 ||
        listen(c->tcp_fd, BACKLOG) < 0) {
        int err = -errno;
        text_append_printf(error, "http_listen %s: %s; `ss -tlpn 'sport = :%u'` shows who has it",
                           listen_text, strerrordesc_np(-err), address.port);
        return err;
    }
    return 0;
}

static int open_local(struct control *c, const char *path, struct text *error)
{
    char reason[512];

    c->place = (struct local_listener_place){
        .key = "control_socket", .path = mem_strdup(path), .mode = 0660, .group = (gid_t)-1};
    int err = local_listener_open(&c->place, reason, sizeof reason, &c->local_fd);
    if (err < 0) {
        c->local_fd = -1;
        text_append_string(error, reason);
    }
    return err;
}

/* Starts a server of the library; its connections are encrypted if there is a certificate. */
static int start_http(struct control *c, const char *certificate, const char *key,
                      struct MHD_Daemon **ret_http)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME;
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key},
        {MHD_OPTION_END, 0, NULL},
    };

    *ret_http = MHD_start_daemon(certificate ? flags | MHD_USE_TLS : flags, 0, NULL, NULL,
                                 on_request, c, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)REQUEST_BYTES_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)IDLE_S, MHD_OPTION_NOTIFY_CONNECTION, on_connection, c,
                                 MHD_OPTION_ARRAY, certificate ? tls : &tls[2], MHD_OPTION_END);
    if (!*ret_http) /* the one that does not encrypt has started before */
        return certificate ? -EINVAL : -ENOMEM;
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(*ret_http, MHD_DAEMON_INFO_EPOLL_FD);
    return info ? poller_add(c->poller, info->epoll_fd, POLLER_READ, on_http, c) : -ENOTSUP;
}

static int start_servers(struct control *c, const struct control_settings *settings,
                         struct text *error)
{
    int err = start_http(c, NULL, NULL, &c->http);

    if (err < 0) {
        text_append_string(error, "the HTTP server does not start");
        return err;
    }
    if (!settings->http_listen || !guard_certificate(c->guard))
        return 0;
    err = start_http(c, guard_certificate(c->guard), guard_key(c->guard), &c->https);
    if (err < 0)
        text_append_printf(error,
                           "http_tls_cert %s, http_tls_key %s: GnuTLS does not take them: they "
                           "are to be a certificate and its key, in PEM",
                           settings->tls_cert, settings->tls_key);
    return err;
}

static int open_poller(struct control *c)
{
    int err = poller_new(&c->poller);

    if (err == 0)
        err = c->event = poller_event_new();
    if (err >= 0)
        err = poller_add(c->poller, c->event, POLLER_READ, on_event, c);
    if (err == 0 && c->local_fd >= 0)
        err = poller_add(c->poller, c->local_fd, POLLER_READ, on_listener, c);
    if (err == 0 && c->tcp_fd >= 0)
        err = poller_add(c->poller, c->tcp_fd, POLLER_READ, on_listener, c);
    return err;
}

int control_new(const struct control_settings *settings, const char *socket,
                const struct control_host *host, struct text *error, struct control **ret_control)
{
    struct control *c = mem_zalloc(sizeof *c);
    int err = 0;

    c->host = *host;
    c->event = c->local_fd = c->tcp_fd = -1;
    c->tick = (struct poller_timer){.fn = on_tick, .arg = c};
    for (int i = 0; i < CONNECTIONS_MAX; i++)
        c->connections[i].fd = -1;
    err = guard_new(settings, error, &c->guard);
    if (err == 0 && socket)
        err = open_local(c, socket, error);
    if (err == 0 && settings->http_listen)
        err = open_tcp(c, settings->http_listen, error);
    if (err == 0 && (err = open_poller(c)) < 0)
        text_append_string(error, strerrordesc_np(-err));
    if (err == 0)
        err = start_servers(c, settings, error);
    if (err < 0) {
        control_free(c);
        return err;
    }
    *ret_control = c;
    return 0;
}

int control_start(struct control *c)
{
    return thread_start(&c->thread, "control", control_main, c);
}

void control_has(struct control *c, enum control_need need)
{
    atomic_store_explicit(&c->came_ns[need], clock_mono().ns, memory_order_release);
    poller_event_wake(c->event);
}

void control_free(struct control *c)
{
    if (!c)
        return;
    atomic_store_explicit(&c->is_ending, true, memory_order_release);
    if (c->event >= 0)
        poller_event_wake(c->event);
    thread_join(&c->thread);
    stop_http(c);
    poller_free(c->poller);
    if (c->local_fd >= 0)
        local_listener_close(c->local_fd, c->place.path);
    if (c->tcp_fd >= 0)
        close(c->tcp_fd);
    if (c->event >= 0)
        close(c->event);
    guard_free(c->guard);
    mem_free((void *)(uintptr_t)c->place.path);
    mem_free(c);
}

struct control_counters control_counters(const struct control *c)
{
    return c->counters;
}
