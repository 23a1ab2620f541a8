/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys of amqp, and the settings that they make together. */
#include "plugins/message/message_settings.h"

extern const struct pa_key amqp_keys[];

/* Types of exchanges (AMQP 0-9-1 section 3.1.3). */
#define EXCHANGE_TYPES(EACH)                                                                       \
    EACH(EXCHANGE_DIRECT, "direct")                                                                \
    EACH(EXCHANGE_FANOUT, "fanout")                                                                \
    EACH(EXCHANGE_TOPIC, "topic")                                                                  \
    EACH(EXCHANGE_HEADERS, "headers")

enum exchange_type { EXCHANGE_TYPES(CHOICE_ENUMERATOR) };

/* Texts are borrowed from the host. */
struct amqp_settings {
    struct message_settings messages;
    const char *broker_host, *user, *password, *vhost, *exchange, *exchange_type;
    const char *ca_file;      /* NULL: no TLS */
    const char *schema_key;   /* the routing key of the Avro schema; NULL: it is not sent */
    const char *trigger_exec; /* NULL: none */
    int port, frame_max, heartbeat_s;
    int64_t schema_refresh_s;
    bool is_persistent, has_markers, is_trigger_async;
};

/* -EINVAL: what is wrong and what would be right stands in `error`. Opens nothing. */
int amqp_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                       size_t error_size, struct amqp_settings *ret_settings);
void amqp_settings_clear(struct amqp_settings *settings);
