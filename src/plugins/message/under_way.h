/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The messages of a transaction that have no answer yet, with all that is needed to find their rows
 * again: those stay where they are until the transaction ends (PA_PLUGIN_KEEPS_HANDOVERS). One
 * thread.
 */
#include "plugins/message/packer.h"

/* A message. */
struct sent_message {
    uint64_t route, first_row, last_row;
    uint32_t handover, turn;
    uint32_t next_free; /* belongs to under_way.c */
};
/* One of its rows. */
struct sent_row {
    const struct pa_batch *batch;
    const uint8_t *row;
    uint64_t place; /* in the hand-over */
};

struct kept_batch;

struct under_way {
    /* Borrowed; set once. */
    struct packer *packer;
    const struct message_settings *settings;
    const struct pa_schema *schema;
    /* Read only: the hand-overs that have had rows. */
    struct pa_source *handovers;
    uint32_t handover_count;
    /* Belong to under_way.c. */
    uint32_t handover_capacity;
    struct kept_batch *batches;
    uint32_t batch_count, batch_capacity;
    struct sent_message *messages;                        /* under way, and free places */
    uint32_t message_count, message_capacity, first_free; /* number + 1; 0: none */
};

void under_way_forget(struct under_way *u); /* at the end of a transaction */
void under_way_clear(struct under_way *u);  /* frees what it owns */

/* True if the batch is of another hand-over than the one before. */
bool under_way_is_next(const struct under_way *u, const struct pa_batch *batch);
void under_way_add_handover(struct under_way *u, const struct pa_source *source);
void under_way_add_batch(struct under_way *u, const struct pa_batch *batch);

/* Adds a message of the hand-over added last, and returns its number. */
uint32_t under_way_add(struct under_way *u, const struct packet *packet);
void under_way_remove(struct under_way *u, uint32_t number);
struct sent_message under_way_get(const struct under_way *u, uint32_t number);
/* Returns the rows of a message, in order; free them with mem_free(). */
struct sent_row *under_way_find_rows(struct under_way *u, const struct sent_message *m,
                                     uint32_t *ret_count);
