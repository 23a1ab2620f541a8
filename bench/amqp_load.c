/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the least that bringing rows to an AMQP broker takes: the lines of a file, which was read
 * before, are packed into messages of SIZE bytes and published by librabbitmq on a channel whose
 * messages the broker confirms, until all are confirmed.
 *
 *     amqp_load PORT EXCHANGE FILE SIZE        {"rows": N, "seconds": S}
 */
#include "message_load.h"
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

#define WINDOW    1024 /* messages without a confirm */
#define FRAME_MAX 131072

struct load {
    amqp_connection_state_t connection;
    uint64_t next_tag,
        first_tag; /* of the message that comes next, of the first without a confirm */
    bool is_confirmed[WINDOW];
};

static bool connect_broker(struct load *l, int port)
{
    l->connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(l->connection);

    if (!socket || amqp_socket_open(socket, "127.0.0.1", port) != AMQP_STATUS_OK)
        return false;
    if (amqp_login(l->connection, "/", 1, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN, "guest", "guest")
            .reply_type != AMQP_RESPONSE_NORMAL)
        return false;
    amqp_channel_open(l->connection, 1);
    if (amqp_get_rpc_reply(l->connection).reply_type != AMQP_RESPONSE_NORMAL)
        return false;
    amqp_confirm_select(l->connection, 1);
    return amqp_get_rpc_reply(l->connection).reply_type == AMQP_RESPONSE_NORMAL;
}

/* Takes a confirm if one has come, or waits for it. Returns false if something else came, true also
 * where nothing did. */
static bool take_confirm(struct load *l, bool waits)
{
    const struct timeval at_once = {0};
    amqp_frame_t frame;

    amqp_maybe_release_buffers(l->connection);
    int status = amqp_simple_wait_frame_noblock(l->connection, &frame, waits ? NULL : &at_once);
    if (status == AMQP_STATUS_TIMEOUT && !waits)
        return true;
    if (status != AMQP_STATUS_OK || frame.frame_type != AMQP_FRAME_METHOD ||
        frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
        return false;
    const amqp_basic_ack_t *ack = frame.payload.method.decoded;
    for (uint64_t tag = ack->multiple ? l->first_tag : ack->delivery_tag; tag <= ack->delivery_tag;
         tag++)
        l->is_confirmed[tag % WINDOW] = true;
    for (; l->first_tag < l->next_tag && l->is_confirmed[l->first_tag % WINDOW]; l->first_tag++)
        l->is_confirmed[l->first_tag % WINDOW] = false;
    return true;
}

static bool publish(struct load *l, const char *exchange, const char *data, size_t len)
{
    const amqp_basic_properties_t properties = {._flags = AMQP_BASIC_CONTENT_TYPE_FLAG,
                                                .content_type =
                                                    amqp_cstring_bytes("application/json")};
    const amqp_bytes_t body = {.len = len, .bytes = (void *)(uintptr_t)data};

    while (l->next_tag - l->first_tag >= WINDOW)
        if (!take_confirm(l, true))
            return false;
    if (amqp_basic_publish(l->connection, 1, amqp_cstring_bytes(exchange),
                           amqp_cstring_bytes("acct"), 0, 0, &properties, body) != AMQP_STATUS_OK)
        return false;
    l->next_tag++;
    return take_confirm(l, false);
}

int main(int argc, char **argv)
{
    struct load load = {.first_tag = 1, .next_tag = 1};
    struct message_load messages;
    bool is_well = true;

    if (!message_load_open(&messages, argc, argv, "amqp_load PORT EXCHANGE FILE SIZE"))
        return 2;
    if (!connect_broker(&load, (int)strtol(argv[1], NULL, 10))) {
        fprintf(stderr, "amqp_load: no connection\n");
        return 1;
    }
    message_load_begin(&messages);
    for (size_t at = 0, len; at < messages.len && is_well; at += len) {
        len = message_load_next(&messages, at);
        is_well = publish(&load, argv[2], messages.data + at, len);
    }
    while (is_well && load.first_tag < load.next_tag)
        is_well = take_confirm(&load, true);
    message_load_end(&messages);
    amqp_connection_close(load.connection, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(load.connection);
    return !is_well;
}
