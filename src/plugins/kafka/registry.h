/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The schemas of Avro messages at a schema registry. Each topic has a subject for its rows, and others
 * for the messages around a purge; each is registered before its first message and kept, so that the
 * registry is asked once a subject. Messages name their schema by its id in front of the datum: a zero
 * byte, and 4 bytes of the id, big-endian (Confluent's wire format,
 * https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format).
 *
 * One thread. A call lasts REGISTRY_SECONDS an address at most, and beats.
 */
#include "plugins/kafka/registry_http.h"
#include "plugins/message/avro_schema.h"

struct text;
struct registry;

/* A registry takes no rows of a subject for so long before those are refused, where there are others
 * that must not wait for them. */
#define REGISTRY_REFUSAL_SECONDS 600

/* Sends a question: registry_http_post(), or a test's. */
typedef int registry_post(struct registry_http *http, const char *path, const char *json,
                          size_t len, char *why, size_t why_size, struct registry_reply *ret_reply);

struct registry_settings {
    const struct pa_host *host;
    struct registry_http *http; /* taken */
    registry_post *post;
    const char *schemas[AVRO_SCHEMA_KINDS]; /* in JSON; borrowed */
    bool has_many_topics;
};

struct registry *registry_new(const struct registry_settings *settings);
void registry_free(struct registry *registry); /* NULL is fine */

/*
 * Makes `out` a message of a datum to a topic. -EAGAIN: the id cannot be had now; -EPERM: the registry
 * does not take the schema for this topic, and has not for REGISTRY_REFUSAL_SECONDS, and there are
 * other topics: its rows are to be refused. Both are logged, once for as long as they are the same.
 */
int registry_frame(struct registry *registry, const char *topic, enum avro_schema_kind kind,
                   const void *datum, size_t len, struct text *out);
/* Registers what a topic will need. -EAGAIN as above. */
int registry_prepare(struct registry *registry, const char *topic, bool has_markers);
/* For -T setup: whether the registry answers and would take the schema; registers nothing. -EAGAIN or
 * -EPERM: why stands in `why`. */
int registry_try(struct registry *registry, const char *topic, enum avro_schema_kind kind,
                 char *why, size_t why_size);
