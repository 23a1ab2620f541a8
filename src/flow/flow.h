/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * struct flow is one decoded record. Its members stand in members.def. A tail of run-time size
 * behind the struct holds the custom primitives (aggregate_primitives), so flows are addressed by
 * stride and never as an array.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event;
struct exporter;

/*
 * Bytes of variable length, borrowed until the batch is handed on. A `handle` other than 0 names
 * the contents for good (an object that is never reused for others); with 0 the bytes are compared.
 */
struct flow_bytes {
    const uint8_t *data;
    uint32_t len;
    uint64_t handle;
};

/* Texts of bounded length, padded with zeros: ISO 3166-1 code of a country, and a postal code. */
struct country_code {
    char text[3];
};
struct postal_code {
    char text[11];
};

/* A letter of pmacct's: u unknown, i invalid, v valid; o: invalid, and a route that covers it is valid; O: the
 * same, and that one is unknown. */
struct roa_state {
    char text[1];
};

struct flow {
#define MEMBER(type, name, ...) type name;
#include "flow/members.def"
#undef MEMBER
};

enum flow_member {
#define MEMBER(type, name, ...) FLOW_##name,
#include "flow/members.def"
#undef MEMBER
    FLOW_MEMBER_COUNT
};

/* Offset and size of each member, by enum flow_member. */
struct flow_member_place {
    uint16_t offset, size;
    const char *name, *help;
};
extern const struct flow_member_place flow_member_places[FLOW_MEMBER_COUNT];

/* A set of members: which ones somebody needs. */
struct flow_needs {
    uint64_t bits[(FLOW_MEMBER_COUNT + 63) / 64];
};
static inline void flow_needs_add(struct flow_needs *n, enum flow_member m)
{
    n->bits[m / 64] |= UINT64_C(1) << (m % 64);
}
static inline int flow_needs_has(const struct flow_needs *n, enum flow_member m)
{
    return (int)(n->bits[m / 64] >> (m % 64) & 1);
}

/* A flow's `order` is its datagram's number above, and below, in so many bits, its record's in it. */
#define FLOW_ORDER_RECORD_BITS 20
static inline uint32_t flow_record_index(const struct flow *flow)
{
    return (uint32_t)flow->order & ((UINT32_C(1) << FLOW_ORDER_RECORD_BITS) - 1);
}

enum flow_direction { DIRECTION_INGRESS = 0, DIRECTION_EGRESS = 1, DIRECTION_UNKNOWN = 255 };
enum rd_origin {
    RD_ORIGIN_UNKNOWN,
    RD_ORIGIN_MAP,
    RD_ORIGIN_BGP,
    RD_ORIGIN_FLOW /* the record, or what options say of its VRF */
};

/* A batch that a decoder fills and the worker empties. One worker owns it. */
struct flow_batch {
    uint8_t *flows;  /* capacity * stride bytes, zeroed once when made */
    uint32_t stride; /* sizeof(struct flow) plus the custom tail, a multiple of 8 */
    uint32_t count, capacity;
    bool is_options; /* all its records are options data, not flows: flow_batch_turn() */
    void (*full)(struct flow_batch *batch); /* empties it: afterwards count is 0 */
    /* Takes an event record that stood beside the flows; NULL: nobody wants any. */
    void (*put_event)(struct flow_batch *batch, const struct event *event, int64_t time_ns);
    void *owner; /* the worker's */
};

static inline struct flow *flow_batch_at(const struct flow_batch *b, uint32_t index)
{
    return (struct flow *)(void *)(b->flows + (size_t)index * b->stride);
}
/* The place for the next flow, which joins the batch by flow_batch_push(). */
static inline struct flow *flow_batch_next(struct flow_batch *b)
{
    if (b->count == b->capacity)
        b->full(b);
    return flow_batch_at(b, b->count);
}
/* Empties the batch and makes it one of the other kind; for flow_batch_turn(). */
void flow_batch_change(struct flow_batch *batch, bool is_options);
/* Makes the batch one of options data, or of flows again: none ever holds both. */
static inline void flow_batch_turn(struct flow_batch *b, bool is_options)
{
    if (b->is_options != is_options)
        flow_batch_change(b, is_options);
}
static inline void flow_batch_push(struct flow_batch *b)
{
    b->count++;
}
