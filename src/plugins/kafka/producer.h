/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One long-lived idempotent producer of librdkafka. Messages are sent in the background;
 * producer_wait() returns when the cluster has answered for each. After a failure the producer is
 * thrown away with all that it still holds, and the next producer_begin() makes a new one: no
 * message of a transaction that was given up is sent later, in the middle of the one that repeats
 * it.
 *
 * All calls and all callbacks come from the instance's thread.
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pa_host;
struct producer;

struct producer_settings {
    const struct pa_host *host; /* borrowed */
    rd_kafka_conf_t *conf;      /* taken */
    int32_t partition;          /* RD_KAFKA_PARTITION_UA: by key, or any */
    bool is_sliced; /* by keys that are numbers (PACKER_SLICES), modulo the partitions */
    /* Called when the cluster has answered for a message: it has it (`refusal` is NULL), or will
     * never take it, and why. */
    void (*answered)(void *arg, void *message, const char *refusal);
    void *arg;
};

struct producer *producer_new(const struct producer_settings *settings);
void producer_free(struct producer *producer); /* drops messages without an answer; NULL is fine */

/* Must come before the messages of a transaction. Negative errno: no producer can be made;
 * logged. */
int producer_begin(struct producer *producer);

struct producer_message {
    const char *topic;
    const void *key; /* NULL: none */
    size_t key_len;
    const void *value;
    size_t value_len;
    rd_kafka_headers_t *headers; /* taken, also on failure; may be NULL */
    void *message;               /* given back in answered() */
};
/* Copies key and value. -EAGAIN: something failed meanwhile, and was logged; -EMSGSIZE: the message
 * is too large for any broker by message.max.bytes. Waits while the queue is full. */
int producer_send(struct producer *producer, const struct producer_message *message);
/* Waits until all messages are answered. -EAGAIN: something failed; logged once for as long as it
 * is the same. */
int producer_wait(struct producer *producer);
/* Gives up the transaction. */
void producer_abort(struct producer *producer);
