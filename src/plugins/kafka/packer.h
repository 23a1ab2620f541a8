/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Rows of one hand-over into messages: by topic, message key and slice, as many rows as
 * kafka_multi_values lets into one.
 *
 * Which rows share a message follows from the rows and the settings alone, so that a hand-over that
 * is sent again gives the same messages: that is what readers rely on who look for repetitions by
 * (hand-over, first row, last row). One thread.
 */
#include "base/text.h"
#include "plugins/kafka/encoder.h"

struct packer;

/* A message. */
struct packet {
    const char *topic;
    const char *key; /* NULL: none */
    size_t key_len;
    const struct text *payload;
    /* Places in the hand-over; rows of other messages may lie between them. */
    uint64_t first_row, last_row;
    uint32_t row_count;
    uint64_t route; /* equal for the rows of it, and of no others between first_row and last_row */
    uint32_t topic_turn; /* which of kafka_topic_rr */
};
/* Who gets what comes out. All is borrowed for the calls. */
struct packer_sink {
    int (*send)(void *arg, const struct packet *packet); /* -errno ends the hand-over */
    void (*refuse)(void *arg, const uint8_t *row);       /* it has no form in this output */
    void *arg;
};

/* Settings, schema and encoder are borrowed for its life. */
struct packer *packer_new(const struct kafka_settings *settings, const struct pa_schema *schema,
                          struct encoder *encoder, const struct packer_sink *sink);
void packer_free(struct packer *packer); /* NULL is fine */

/* The time in names where rows have no bin. */
void packer_set_time(struct packer *packer, int64_t time_ns);
/* The rows of a batch. A hand-over's batches come in order. */
int packer_add(struct packer *packer, const struct pa_batch *batch);
/* The hand-over is over: what is not full goes out too. */
int packer_flush(struct packer *packer);
/* The next one; topics in turn begin by its `seq`. Forgets what was not flushed. */
void packer_begin(struct packer *packer, uint64_t seq);

/* The topic of a message that belongs to no row. */
void packer_append_topic(struct packer *packer, uint32_t turn, struct text *out);
/* The route of a row, and the topic and key that its messages have. */
uint64_t packer_route(struct packer *packer, const struct pa_batch *batch, const uint8_t *row);
void packer_append_names(struct packer *packer, const struct pa_batch *batch, const uint8_t *row,
                         uint32_t topic_turn, struct text *topic, struct text *key);
