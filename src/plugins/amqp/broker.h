/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One long-lived connection to a broker by librabbitmq, with one channel whose messages the broker
 * confirms (https://www.rabbitmq.com/docs/confirms). At most BROKER_WINDOW messages are without a
 * confirm; broker_wait() returns when there is none. After a failure the connection is closed, and
 * the next broker_begin() makes a new one.
 *
 * Messages are mandatory: the broker sends back what its exchange can give to no queue. That comes
 * before the confirm, and names no delivery tag; it is found by its message-id, which the caller
 * makes different for all messages of a transaction.
 *
 * All calls and all callbacks come from the instance's thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BROKER_WINDOW 1024

struct pa_host;
struct amqp_settings;
struct identity;
struct broker;

/* Tells that the broker has a message. `is_unroutable`: it was given to no queue. */
typedef void broker_answered(void *arg, void *message, bool is_unroutable);

struct broker *broker_new(const struct pa_host *host, const struct amqp_settings *settings,
                          broker_answered *answered, void *arg); /* settings are borrowed */
void broker_free(struct broker *broker);                         /* NULL is fine */

/* Must come before the messages of a transaction: connects if there is no connection. -EAGAIN: it
 * cannot; logged. */
int broker_begin(struct broker *broker);

struct broker_message {
    const char *routing_key;
    const char *content_type;
    const char *value;
    size_t value_len;
    const struct identity *identity; /* with rows; NULL: the message belongs to no row */
    void *message;                   /* given back in answered(); NULL: it is not told */
};
/* Copies nothing but sends. Waits while the window is full. -EAGAIN: the connection failed; logged
 * once for as long as it is the same. */
int broker_publish(struct broker *broker, const struct broker_message *message);
/* Waits until all messages are confirmed. -EAGAIN as above. */
int broker_wait(struct broker *broker);
/* Gives up the transaction: drops the connection if messages have no confirm. */
void broker_abort(struct broker *broker);

/* Connects, looks for the exchange, and closes, for -T setup. `ret_has_exchange`: the exchange is
 * there. -EHOSTUNREACH: why stands in `error`. */
int broker_try(const struct pa_host *host, const struct amqp_settings *settings, char *error,
               size_t error_size, bool *ret_has_exchange);
