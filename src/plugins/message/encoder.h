/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows as they stand in messages, with `writer_id` as their last field, unless writer_id_string is
 * empty: a line of JSON, an Avro datum, or a line of Avro in its JSON encoding. Rows that are event
 * records are always JSON.
 *
 * A row counts for the same number of bytes each time it is sent, whatever the number of the
 * process in writer_id: a hand-over that is sent again must fall into the same messages.
 */
#include "plugins/message/message_settings.h"

struct text;
struct encoder;

/* -EINVAL: the reason stands in `error`; other negative errnos: the Avro schema cannot be written,
 * and `error` says so. */
int encoder_new(const struct pa_host *host, const struct pa_schema *schema,
                const struct message_settings *settings, char *error, size_t error_size,
                struct encoder **ret_encoder);
void encoder_free(struct encoder *encoder); /* NULL is fine */

/* Sets the time that stamp_updated shows until the next call. */
void encoder_set_written(struct encoder *encoder, int64_t time_ns);
/* Appends a row and returns the bytes that it counts for. */
size_t encoder_append(struct encoder *encoder, const struct pa_batch *batch, const uint8_t *row,
                      struct text *out);
const char *encoder_writer_id(const struct encoder *encoder);
/* The schema of the Avro data, in JSON; NULL: the output is another. Borrowed. */
const char *encoder_avro_schema(const struct encoder *encoder);
