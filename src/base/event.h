/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Event records: what the daemon hears that is no flow, such as counters of sFlow. A table tells
 * what records of one sort may hold, the union of all their members, and which of these a record of
 * each kind shows, in order. It is made from a .def file and lives as long as the process.
 *
 * A record is filled by whoever hears of it and is read at once; bytes in it are borrowed until then.
 * One thread.
 */
#include "base/address.h"
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stdint.h>

#define EVENT_MEMBERS_MAX 128

struct event_member {
    const char *name;      /* as a variable in names of topics: $peer_src_ip */
    const char *json_name; /* empty: the member brings its own names (PA_FORMAT_MEMBERS) */
    uint8_t kind, format;  /* enum pa_kind, but for PA_KIND_MAC and PA_KIND_FIXED; enum pa_format */
    const char *value_names; /* as in struct pa_column; NULL: none */
};

struct event_kind {
    const char *name;
    const uint8_t *members; /* places in event_table.members, in the order of output */
    uint16_t member_count;
};

struct event_table {
    const struct event_member *members;
    const struct event_kind *kinds;
    uint16_t member_count, kind_count; /* no more than EVENT_MEMBERS_MAX and 255 */
};

/* A `handle` other than 0 names the contents for good, as in struct flow_bytes. */
struct event_bytes {
    const uint8_t *data;
    uint32_t len;
    uint64_t handle;
};

struct event {
    uint8_t kind;
    uint64_t present[EVENT_MEMBERS_MAX / 64]; /* which values there are, a bit each */
    union {
        uint64_t number; /* also an int64_t of nanoseconds */
        struct ip_addr addr;
        struct event_bytes bytes;
    } values[EVENT_MEMBERS_MAX]; /* by member; what is not present is not set */
};

static inline void event_begin(struct event *event, uint8_t kind)
{
    event->kind = kind;
    for (int i = 0; i < EVENT_MEMBERS_MAX / 64; i++)
        event->present[i] = 0;
}

static inline bool event_has(const struct event *event, unsigned member)
{
    return event->present[member / 64] >> (member % 64) & 1;
}

static inline void event_mark(struct event *event, unsigned member)
{
    event->present[member / 64] |= UINT64_C(1) << (member % 64);
}

static inline void event_unmark(struct event *event, unsigned member)
{
    event->present[member / 64] &= ~(UINT64_C(1) << (member % 64));
}

static inline void event_set_number(struct event *event, unsigned member, uint64_t number)
{
    event->values[member].number = number;
    event_mark(event, member);
}

static inline void event_set_addr(struct event *event, unsigned member, const struct ip_addr *addr)
{
    event->values[member].addr = *addr;
    event_mark(event, member);
}

static inline void event_set_bytes(struct event *event, unsigned member, const void *data,
                                   size_t len)
{
    event->values[member].bytes = (struct event_bytes){data, (uint32_t)len, 0};
    event_mark(event, member);
}
