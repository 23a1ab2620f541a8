/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Packs the rows of one hand-over into messages: by destination, message key and slice, as many rows as
 * the settings let into one.
 *
 * Which rows share a message follows from the rows and the settings alone, so that a hand-over that
 * is sent again gives the same messages: readers who look for repetitions by (hand-over, first row,
 * last row) rely on it. One thread.
 */
#include "base/text.h"
#include "plugins/message/encoder.h"

struct packer;

/* Bound of sliced keys. */
#define PACKER_SLICES 256

/* A message that is ready to be sent. */
struct packet {
    const char *destination;
    const char *key; /* NULL: none */
    size_t key_len;
    const struct text *payload;
    /* Places in the hand-over; rows of other messages may lie between them. */
    uint64_t first_row, last_row;
    uint32_t row_count;
    /* Equal for the rows of this message, and for no others between first_row and last_row. */
    uint64_t route;
    uint32_t turn; /* the number of the destination where they take turns */
};
/* The receiver of what comes out. All is borrowed for the calls. */
struct packer_sink {
    int (*send)(void *arg, const struct packet *packet); /* a negative errno ends the hand-over */
    /* False: the row is left out, now and whenever it is sent again. NULL: all are kept. */
    bool (*keeps)(void *arg, const uint8_t *row);
    void *arg;
};

/* Settings, schema and encoder are borrowed for the packer's life. */
struct packer *packer_new(const struct message_settings *settings, const struct pa_schema *schema,
                          struct encoder *encoder, const struct packer_sink *sink);
void packer_free(struct packer *packer); /* NULL is fine */

/* Sets the time for names where rows have no bin. */
void packer_set_time(struct packer *packer, int64_t time_ns);
/* Packs the rows of a batch. A hand-over's batches come in order. */
int packer_add(struct packer *packer, const struct pa_batch *batch);
/* Ends a hand-over: messages that are not full go out too. */
int packer_flush(struct packer *packer);
/* Begins the next hand-over; destinations in turn begin by its `seq`. Forgets rows that were not
 * flushed. */
void packer_begin(struct packer *packer, uint64_t seq);

/* Appends the destination of a message that belongs to no row. */
void packer_append_destination(struct packer *packer, uint32_t turn, struct text *out);
/* Return the route of a row, and the destination and key that its messages have. */
uint64_t packer_route(struct packer *packer, const struct pa_batch *batch, const uint8_t *row);
void packer_append_names(struct packer *packer, const struct pa_batch *batch, const uint8_t *row,
                         uint32_t turn, struct text *destination, struct text *key);
