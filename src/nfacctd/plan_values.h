/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The part of running a plan that goes record by record. plan_compile() has checked all offsets. */
#include "base/clock.h"
#include "base/reader.h"
#include "nfacctd/plan.h"

/* Does the same as wire_uint(), but tells the usual lengths apart, so that each is one instruction
 * where `len` is constant. */
static inline uint64_t plan_load(const uint8_t *p, size_t len)
{
    switch (len) {
    case 1:
        return *p;
    case 2:
        return wire_u16(p);
    case 4:
        return wire_u32(p);
    case 8:
        return wire_u64(p);
    default:
        return wire_uint(p, len);
    }
}

/* Returns `units` since the Unix epoch in nanoseconds; 0 (unknown) for what 64 bits cannot hold,
 * which is beyond the year 2262. */
static inline int64_t plan_time_since_epoch(uint64_t units, int64_t unit_ns)
{
    return units <= (uint64_t)(INT64_MAX / unit_ns) ? (int64_t)units * unit_ns : 0;
}

/*
 * Returns the instant of an uptime. Uptimes wrap after 49.7 days, so their difference to the
 * message's is signed modulo 2^32.
 * The message's time is in whole seconds. If the result is to be so too, the difference is cut and
 * not the result, as pmacct does: half a second before 12:00:07 is 12:00:07.
 */
static inline int64_t plan_time_since_boot(const struct plan_context *context, uint32_t uptime)
{
    int32_t ago = (int32_t)(context->uptime - uptime);
    int64_t ago_ns = ago * context->uptime_unit_ns;
    return context->export_ns - (context->has_whole_seconds ? ago_ns - ago_ns % NS_PER_S : ago_ns);
}

/* Returns whether the sampling rate is the same for all records of the message. */
bool plan_rate_is_common(const struct plan_ref *refs, const struct plan_context *context);
uint32_t plan_sampling_rate(const struct plan_ref *refs, struct plan_context *context,
                            const uint8_t *record);
/* Reads a number at a ref; 0 if it is not there, or beyond 64 bits. */
static inline uint64_t plan_ref_uint(const struct plan_ref *ref, const uint8_t *record)
{
    if (ref->len > sizeof(uint64_t))
        return element_uint(record + ref->offset, ref->len);
    return ref->len > 0 ? plan_load(record + ref->offset, ref->len) : 0;
}

/* Carries out PLAN_COUNTERS for one record. */
void plan_counters(const struct plan_op *op, const struct plan_ref *refs,
                   struct plan_context *context, const uint8_t *record, struct flow *flow);
/* Carries out one operation for one record; `refs` points at the operation's first. */
void plan_value(const struct plan *plan, const struct plan_op *op, const struct plan_ref *refs,
                struct plan_context *context, const uint8_t *record, struct flow *flow);
