/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The schemas that messages in Avro have: one of rows, and pmacct's of the markers around a purge; and
 * the messages in JSON that carry them to readers (kafka_avro_schema_topic,
 * amqp_avro_schema_routing_key).
 */
#include "base/clock.h"
#include <stdbool.h>

struct text;
struct encoder;

enum avro_schema_kind { AVRO_SCHEMA_DATA, AVRO_SCHEMA_INIT, AVRO_SCHEMA_CLOSE, AVRO_SCHEMA_KINDS };

/* The name of the record: acct_data, acct_init, acct_close. */
const char *avro_schema_name(enum avro_schema_kind kind);
/* The schema in JSON; NULL: the output is not Avro. Borrowed from the encoder. */
const char *avro_schema_text(enum avro_schema_kind kind, const struct encoder *encoder);

/* Appends the message that carries a schema, as pmacct writes it: the schema is a text in it. */
void avro_schema_append_message(struct text *out, enum avro_schema_kind kind,
                                const struct encoder *encoder);

/* Sends a message that carries a schema. A negative errno ends the round. */
typedef int avro_schema_send(void *arg, const struct text *message);
/* When the schemas were sent last. */
struct avro_schema_round {
    int64_t refresh_s;
    struct mono_time sent; /* 0: never */
};
/* Sends the schemas if refresh_s have gone by, so that readers who come later find them. */
int avro_schema_send_due(struct avro_schema_round *round, const struct encoder *encoder,
                         bool has_markers, avro_schema_send *send, void *arg);
