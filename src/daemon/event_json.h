/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Event records as JSON, one object a line, for files that the daemon writes itself: the members that the record's kind
 * shows and the record has, in the kind's order. What brokers get is made by their plugins, in the same form.
 *
 * One thread owns one.
 */
#include "base/event.h"
#include "base/text.h"

struct event_json;

enum event_time_style {
    EVENT_TIME_PLAIN,   /* 2026-11-21 22:49:15 */
    EVENT_TIME_EPOCH,   /* 1795301355 */
    EVENT_TIME_RFC9557, /* 2026-11-21T22:49:15+00:00 */
};
struct event_json_settings {
    enum event_time_style style;
    bool is_utc;        /* else local time */
    bool has_fractions; /* six digits of a second */
    /* AS paths and communities are arrays of texts; else texts that blanks join, where they come with underscores. */
    bool has_as_path_array, has_communities_array;
};

/* `table` is borrowed. */
struct event_json *event_json_new(const struct event_table *table,
                                  const struct event_json_settings *settings);
void event_json_free(struct event_json *json); /* NULL is fine */

/* Appends an instant as it stands in records. */
void event_json_append_time(struct event_json *json, int64_t ns, struct text *out);
void event_json_append(struct event_json *json, const struct event *event, struct text *out);
