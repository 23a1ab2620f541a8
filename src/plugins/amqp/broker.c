/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connects, publishes, and waits for confirms. See broker.h. */
#include "plugins/amqp/broker.h"
#include "base/memory.h"
#include "plugins/amqp/broker_private.h"
#include "plugins/message/identity.h"
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define CONNECT_S 10 /* for each of TCP, handshake and calls */
#define STALL_S   20 /* without a word from the broker, or without taking one from us */
#define BEAT_MS   200

/* ---- the connection ---- */

static void unwatch(struct broker *b)
{
    if (b->watched_fd >= 0)
        b->host->watch(b->host, b->watched_fd, NULL, NULL);
    b->watched_fd = -1;
}

static void drop(struct broker *b)
{
    unwatch(b);
    b->failure[0] = '\0';
    if (b->connection)
        amqp_destroy_connection(b->connection);
    b->connection = NULL;
    b->first_tag = b->next_tag = 1;
    b->awaits_returned = false;
}

/* Logs a failure that is not the one before, and closes. -EAGAIN. */
static int give_up(struct broker *b)
{
    if (strcmp(b->failure, b->logged) != 0)
        b->host->log(b->host, PA_LOG_WARNING, "%s", b->failure);
    memcpy(b->logged, b->failure, sizeof b->logged);
    drop(b);
    return -EAGAIN;
}

/* Heartbeats come, and the broker may close, while nothing is sent. */
static void idle_ready(void *state, int fd)
{
    struct broker *b = state;

    (void)fd;
    if (!b->connection || broker_take_answers(b, 0) == 0)
        return;
    if (b->first_tag < b->next_tag) {
        unwatch(b); /* the transaction under way fails by it */
        return;
    }
    b->host->log(b->host, PA_LOG_INFO, "%s; connecting again at the next purge", b->failure);
    drop(b);
}

static int open_socket(struct broker *b)
{
    const struct amqp_settings *s = b->settings;
    const struct timeval limit = {.tv_sec = CONNECT_S};
    amqp_socket_t *socket =
        s->ca_file ? amqp_ssl_socket_new(b->connection) : amqp_tcp_socket_new(b->connection);
    char what[320];
    int status;

    if (!socket)
        return broker_fail(b, "amqp", "out of memory");
    if (s->ca_file) {
        amqp_ssl_socket_set_verify_peer(socket, 1);
        amqp_ssl_socket_set_verify_hostname(socket, 1);
        status = amqp_ssl_socket_set_cacert(socket, s->ca_file);
        if (status != AMQP_STATUS_OK) {
            snprintf(what, sizeof what, "amqp_conn_ca_file %s cannot be used", s->ca_file);
            return broker_fail(b, what, amqp_error_string2(status));
        }
    }
    status = amqp_socket_open_noblock(socket, s->broker_host, s->port, &limit);
    if (status == AMQP_STATUS_OK)
        return 0;
    snprintf(what, sizeof what, "amqp_host: no connection to %s port %d%s", s->broker_host, s->port,
             s->ca_file ? " by TLS" : "");
    return broker_fail(b, what, amqp_error_string2(status));
}

static int login(struct broker *b)
{
    const struct amqp_settings *s = b->settings;
    const struct timeval limit = {.tv_sec = CONNECT_S};
    char what[320];
    int err;

    b->connection = amqp_new_connection();
    if (!b->connection)
        return broker_fail(b, "amqp", "out of memory");
    err = open_socket(b);
    if (err < 0)
        return err;
    b->host->beat(b->host);
    amqp_set_handshake_timeout(b->connection, &limit);
    amqp_set_rpc_timeout(b->connection, &limit);
    snprintf(what, sizeof what, "amqp_user, amqp_passwd, amqp_vhost: no login to %s as %s at %s",
             s->broker_host, s->user, s->vhost);
    err = broker_check(b, what,
                       amqp_login(b->connection, s->vhost, AMQP_DEFAULT_MAX_CHANNELS, s->frame_max,
                                  s->heartbeat_s, AMQP_SASL_METHOD_PLAIN, s->user, s->password));
    b->host->beat(b->host);
    if (err < 0)
        return err;
    amqp_channel_open(b->connection, BROKER_CHANNEL);
    return broker_check(b, "amqp: no channel", amqp_get_rpc_reply(b->connection));
}

/* True for exchanges that the broker has of itself: nobody may make them (AMQP 0-9-1 section
 * 3.1.3). */
static bool is_predefined(const char *exchange)
{
    return strncmp(exchange, "amq.", 4) == 0;
}

static int declare(struct broker *b, bool is_passive)
{
    const struct amqp_settings *s = b->settings;
    char what[640];

    if (!*s->exchange)
        return 0; /* the default exchange: routing keys are names of queues */
    amqp_exchange_declare(b->connection, BROKER_CHANNEL, amqp_cstring_bytes(s->exchange),
                          amqp_cstring_bytes(s->exchange_type), is_passive, s->is_persistent, 0, 0,
                          amqp_empty_table);
    snprintf(what, sizeof what,
             "amqp_exchange: no exchange %s of type %s that is %s (amqp_exchange_type, "
             "amqp_persistent_msg)",
             s->exchange, s->exchange_type, s->is_persistent ? "durable" : "not durable");
    return broker_check(b, what, amqp_get_rpc_reply(b->connection));
}

static int begin_channel(struct broker *b)
{
    int err = declare(b, is_predefined(b->settings->exchange));

    if (err < 0)
        return err;
    amqp_confirm_select(b->connection, BROKER_CHANNEL);
    return broker_check(b, "amqp: the broker cannot confirm messages",
                        amqp_get_rpc_reply(b->connection));
}

struct broker *broker_new(const struct pa_host *host, const struct amqp_settings *settings,
                          broker_answered *answered, void *arg)
{
    struct broker *b = mem_zalloc(sizeof *b);

    b->host = host;
    b->settings = settings;
    b->answered = answered;
    b->arg = arg;
    b->watched_fd = -1;
    b->first_tag = b->next_tag = 1;
    return b;
}

void broker_free(struct broker *b)
{
    if (!b)
        return;
    if (b->connection && b->first_tag == b->next_tag)
        amqp_connection_close(b->connection, AMQP_REPLY_SUCCESS);
    drop(b);
    mem_free(b);
}

int broker_begin(struct broker *b)
{
    if (b->connection)
        return 0;
    int err = login(b);
    if (err == 0)
        err = begin_channel(b);
    if (err < 0)
        return give_up(b);
    b->host->log(b->host, PA_LOG_INFO, "amqp: connected to %s port %d", b->settings->broker_host,
                 b->settings->port);
    b->logged[0] = '\0';
    b->moved = clock_mono();
    if (b->host->watch(b->host, amqp_get_sockfd(b->connection), idle_ready, b) == 0)
        b->watched_fd = amqp_get_sockfd(b->connection);
    return 0;
}

int broker_try(const struct pa_host *host, const struct amqp_settings *settings, char *error,
               size_t error_size, bool *ret_has_exchange)
{
    struct broker *b = broker_new(host, settings, NULL, NULL);
    int err = login(b);

    *ret_has_exchange = err == 0 && declare(b, true) == 0;
    if (err < 0)
        snprintf(error, error_size, "%s", b->failure);
    broker_free(b);
    return err < 0 ? -EHOSTUNREACH : 0;
}

/* ---- messages ---- */

/* Whether the broker has neither told nor taken anything for too long. -EAGAIN or 0. */
static int check_stall(struct broker *b, const char *why)
{
    if (b->host->beat(b->host) < 0)
        return broker_fail(b, "amqp", "the time to end is over");
    if (clock_mono().ns - b->moved.ns < STALL_S * NS_PER_S)
        return 0;
    return broker_fail(b, "amqp", why);
}

/* Whether the transaction under way can go on. */
static int check_usable(struct broker *b)
{
    if (b->failure[0])
        return -EAGAIN;
    return b->connection ? 0 : broker_fail(b, "amqp", "the connection was lost");
}

/* Waits until there is a place in the window and room in the socket. */
static int wait_for_room(struct broker *b)
{
    struct pollfd p = {.fd = amqp_get_sockfd(b->connection), .events = POLLOUT};
    int err = 0;

    while (err == 0 && b->next_tag - b->first_tag >= BROKER_WINDOW) {
        err = broker_take_answers(b, BEAT_MS);
        if (err == 0)
            err = check_stall(b, "the broker has confirmed nothing for 20 s");
    }
    while (err == 0 && poll(&p, 1, BEAT_MS) == 0) {
        err = broker_take_answers(b, 0);
        if (err == 0)
            err = check_stall(b, "the broker has read nothing for 20 s: it may be short of memory "
                                 "or disk (rabbitmqctl status)");
    }
    return err;
}

static amqp_table_entry_t text_entry(const char *name, const char *value)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(name),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(value)}};
}

static int publish(struct broker *b, const struct broker_message *m)
{
    const struct identity *id = m->identity;
    struct unconfirmed *place = &b->window[b->next_tag % BROKER_WINDOW];
    amqp_table_entry_t entries[5];
    char message_id[128];
    amqp_basic_properties_t properties = {
        ._flags =
            AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_APP_ID_FLAG,
        .content_type = amqp_cstring_bytes(m->content_type),
        .delivery_mode =
            b->settings->is_persistent ? AMQP_DELIVERY_PERSISTENT : AMQP_DELIVERY_NONPERSISTENT,
        .app_id = amqp_cstring_bytes("pathacct")};

    *place = (struct unconfirmed){.message = m->message};
    if (id) {
        int len = snprintf(message_id, sizeof message_id, "%s/%s/%s/%s", id->core_id, id->worker,
                           id->seq, id->rows);
        place->id_hash = broker_id_hash(message_id, (size_t)len);
        entries[0] = text_entry("core_id", id->core_id);
        entries[1] = text_entry("instance", b->host->instance_name);
        entries[2] = text_entry("worker", id->worker);
        entries[3] = text_entry("seq", id->seq);
        entries[4] = text_entry("rows", id->rows);
        properties.headers = (amqp_table_t){.num_entries = 5, .entries = entries};
        properties.message_id = amqp_cstring_bytes(message_id);
        properties._flags |= AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG;
    }
    int status = amqp_basic_publish(
        b->connection, BROKER_CHANNEL, amqp_cstring_bytes(b->settings->exchange),
        amqp_cstring_bytes(m->routing_key), 1, 0, &properties,
        (amqp_bytes_t){.len = m->value_len, .bytes = (void *)(uintptr_t)m->value});
    if (status != AMQP_STATUS_OK)
        return broker_fail(b, "amqp", amqp_error_string2(status));
    b->next_tag++;
    b->moved = clock_mono();
    b->host->count(b->host, "amqp_messages", 1);
    b->host->count(b->host, "amqp_message_bytes", m->value_len);
    return 0;
}

int broker_publish(struct broker *b, const struct broker_message *message)
{
    int err = check_usable(b);

    if (err == 0)
        err = wait_for_room(b);
    if (err == 0)
        err = publish(b, message);
    return err < 0 ? give_up(b) : 0;
}

int broker_wait(struct broker *b)
{
    int err = b->first_tag < b->next_tag ? check_usable(b) : 0;

    while (err == 0 && b->first_tag < b->next_tag) {
        err = broker_take_answers(b, BEAT_MS);
        if (err == 0)
            err = check_stall(b, "the broker has confirmed nothing for 20 s");
    }
    return err < 0 ? give_up(b) : 0;
}

void broker_abort(struct broker *b)
{
    if (b->first_tag < b->next_tag)
        drop(b);
}
