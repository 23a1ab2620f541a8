/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what the broker sends: confirms, returned messages, and why it closes. See broker.h. */
#include "base/text.h"
#include "plugins/amqp/broker_private.h"
#include <amqp_framing.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <xxhash.h>

#define UNROUTABLE_AGAIN_NS (60 * NS_PER_S)

uint64_t broker_id_hash(const char *id, size_t len)
{
    return XXH3_64bits(id, len) | 1;
}

int broker_fail(struct broker *b, const char *what, const char *why)
{
    if (!b->failure[0])
        snprintf(b->failure, sizeof b->failure, "%s: %s", what, why);
    return -EAGAIN;
}

/* Fails with what the broker says. */
static int fail_by_text(struct broker *b, const char *what, int code, amqp_bytes_t text)
{
    char why[384];

    snprintf(why, sizeof why, "the broker says: %d %.*s", code, (int)text.len,
             (const char *)text.bytes);
    return broker_fail(b, what, why);
}

static int fail_by_method(struct broker *b, const char *what, const amqp_method_t *method)
{
    const amqp_channel_close_t *channel = method->decoded;
    const amqp_connection_close_t *connection = method->decoded;

    if (method->id == AMQP_CHANNEL_CLOSE_METHOD)
        return fail_by_text(b, what, channel->reply_code, channel->reply_text);
    if (method->id == AMQP_CONNECTION_CLOSE_METHOD)
        return fail_by_text(b, what, connection->reply_code, connection->reply_text);
    return broker_fail(b, what, "the broker answers something else than was asked");
}

int broker_check(struct broker *b, const char *what, amqp_rpc_reply_t reply)
{
    switch (reply.reply_type) {
    case AMQP_RESPONSE_NORMAL:
        return 0;
    case AMQP_RESPONSE_SERVER_EXCEPTION:
        return fail_by_method(b, what, &reply.reply);
    case AMQP_RESPONSE_LIBRARY_EXCEPTION:
        return broker_fail(b, what, amqp_error_string2(reply.library_error));
    default:
        return broker_fail(b, what, "the broker closed the connection");
    }
}

/* ---- confirms ---- */

/* Tells of the oldest messages, as far as they are confirmed. */
static void settle(struct broker *b)
{
    while (b->first_tag < b->next_tag) {
        struct unconfirmed *u = &b->window[b->first_tag % BROKER_WINDOW];
        if (!u->is_confirmed)
            return;
        b->first_tag++;
        if (u->message)
            b->answered(b->arg, u->message, u->is_returned);
    }
}

static int take_ack(struct broker *b, const amqp_basic_ack_t *ack)
{
    uint64_t tag = ack->delivery_tag;
    uint64_t first = ack->multiple ? b->first_tag : tag;

    if (tag == 0 && ack->multiple)
        tag = b->next_tag - 1; /* all */
    if (tag >= b->next_tag)
        return broker_fail(b, "amqp", "the broker confirms a message that was not sent");
    for (uint64_t t = first; t <= tag; t++)
        if (t >= b->first_tag)
            b->window[t % BROKER_WINDOW].is_confirmed = true;
    settle(b);
    return 0;
}

/* ---- returned messages ---- */

static void tell_unroutable(struct broker *b, const amqp_basic_return_t *r)
{
    struct mono_time now = clock_mono();

    b->host->count(b->host, "unroutable", 1);
    b->unroutable++;
    if (b->told_unroutable.ns > 0 && now.ns - b->told_unroutable.ns < UNROUTABLE_AGAIN_NS)
        return;
    b->host->log(b->host, PA_LOG_WARNING,
                 "amqp: exchange %.*s can give messages with the routing key %.*s to no queue "
                 "(%d %.*s): bind a queue; messages since this was last said: %" PRIu64,
                 (int)r->exchange.len, (const char *)r->exchange.bytes, (int)r->routing_key.len,
                 (const char *)r->routing_key.bytes, r->reply_code, (int)r->reply_text.len,
                 (const char *)r->reply_text.bytes, b->unroutable);
    b->told_unroutable = now;
    b->unroutable = 0;
}

/* Takes the head of a message that came back. */
static void take_returned(struct broker *b, const amqp_basic_properties_t *properties)
{
    if (!(properties->_flags & AMQP_BASIC_MESSAGE_ID_FLAG))
        return; /* of no row */
    uint64_t hash = broker_id_hash(properties->message_id.bytes, properties->message_id.len);
    for (uint64_t t = b->first_tag; t < b->next_tag; t++)
        if (b->window[t % BROKER_WINDOW].id_hash == hash)
            b->window[t % BROKER_WINDOW].is_returned = true;
}

/* ---- frames ---- */

static int take_method(struct broker *b, const amqp_method_t *method)
{
    switch (method->id) {
    case AMQP_BASIC_ACK_METHOD:
        return take_ack(b, method->decoded);
    case AMQP_BASIC_NACK_METHOD:
        return broker_fail(b, "amqp", "the broker could not take a message; its log says why");
    case AMQP_BASIC_RETURN_METHOD:
        tell_unroutable(b, method->decoded);
        b->awaits_returned = true;
        return 0;
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
        return fail_by_method(b, "amqp", method);
    default:
        return 0;
    }
}

static int take_frame(struct broker *b, const amqp_frame_t *frame)
{
    if (frame->frame_type == AMQP_FRAME_METHOD)
        return take_method(b, &frame->payload.method);
    if (frame->frame_type == AMQP_FRAME_HEADER && b->awaits_returned) {
        if (frame->payload.properties.class_id == AMQP_BASIC_CLASS)
            take_returned(b, frame->payload.properties.decoded);
        b->awaits_returned = false;
    }
    return 0;
}

int broker_take_answers(struct broker *b, int wait_ms)
{
    for (;;) {
        struct timeval wait = {wait_ms / 1000, wait_ms % 1000 * 1000L};
        amqp_frame_t frame;
        int status = amqp_simple_wait_frame_noblock(b->connection, &frame, &wait);
        if (status == AMQP_STATUS_TIMEOUT)
            return 0;
        if (status != AMQP_STATUS_OK)
            return broker_fail(b, "amqp", amqp_error_string2(status));
        b->moved = clock_mono();
        int err = take_frame(b, &frame);
        amqp_maybe_release_buffers(b->connection);
        if (err < 0)
            return err;
        wait_ms = 0;
    }
}
