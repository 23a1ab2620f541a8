/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The state of a connection to a broker, for the files broker*.c alone. */
#include "base/clock.h"
#include "plugins/amqp/amqp_settings.h"
#include "plugins/amqp/broker.h"
#include "plugins/pathacct_plugin.h"
#include <amqp.h>

#define BROKER_CHANNEL 1

/* A message without a confirm, at its delivery tag modulo BROKER_WINDOW. */
struct unconfirmed {
    void *message;
    uint64_t id_hash; /* of its message-id; 0: it has none */
    bool is_confirmed, is_returned;
};

struct broker {
    const struct pa_host *host;
    const struct amqp_settings *settings;
    broker_answered *answered;
    void *arg;
    amqp_connection_state_t connection; /* NULL: the next broker_begin() makes one */
    int watched_fd;                     /* -1: none */
    struct unconfirmed window[BROKER_WINDOW];
    uint64_t next_tag, first_tag; /* tags first..next-1 are without a confirm; they count from 1 */
    bool awaits_returned;         /* a return came, and its message follows */
    struct mono_time moved;       /* when the broker last told something */
    struct mono_time told_unroutable;
    uint64_t unroutable; /* since they were last told */
    char failure[512], logged[512];
};

/* Notes why the connection is of no use any more. -EAGAIN. */
int broker_fail(struct broker *b, const char *what, const char *why);
/* Notes what an answer to a call of librabbitmq says, as above. 0: the call went well. */
int broker_check(struct broker *b, const char *what, amqp_rpc_reply_t reply);
/* Takes what the broker has sent, and waits for it at most so long. -EAGAIN as above. */
int broker_take_answers(struct broker *b, int wait_ms);
/* The hash by which a returned message is found; never 0. */
uint64_t broker_id_hash(const char *id, size_t len);
