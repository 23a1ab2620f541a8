/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a plan. An operation is chosen once per block of records and then loops over them; what
 * depends on a record's values is in plan_values.c.
 */
#include "nfacctd/plan_values.h"

#include <string.h>

#include "base/reader.h"

/* A block's flows stay in the first-level cache while operation after operation passes over them.
 */
#define BLOCK_RECORDS 32

struct block {
    const uint8_t *records;
    uint8_t *flows;
    uint32_t record_len, stride, count;
};

/* For each record of the block: `p` its value, `f` the member of its flow. */
#define EACH(block, from, to)                                                                      \
    const uint8_t *p = (block)->records + (from);                                                  \
    uint8_t *f = (block)->flows + (to);                                                            \
    for (uint32_t i = 0; i < (block)->count; i++, p += (block)->record_len, f += (block)->stride)

#define UINT_LOOP(type, len)                                                                       \
    {                                                                                              \
        EACH(b, ref->offset, op->dst)                                                              \
        {                                                                                          \
            type value = (type)plan_load(p, len);                                                  \
            memcpy(f, &value, sizeof value);                                                       \
        }                                                                                          \
        break;                                                                                     \
    }
#define UINT_LOOPS(type)                                                                           \
    switch (ref->len) {                                                                            \
    case 1:                                                                                        \
        UINT_LOOP(type, 1)                                                                         \
    case 2:                                                                                        \
        UINT_LOOP(type, 2)                                                                         \
    case 4:                                                                                        \
        UINT_LOOP(type, 4)                                                                         \
    case 8:                                                                                        \
        UINT_LOOP(type, 8)                                                                         \
    default:                                                                                       \
        UINT_LOOP(type, ref->len)                                                                  \
    }

static void run_uint(const struct plan_op *op, const struct plan_ref *ref, const struct block *b)
{
    switch (op->size) {
    case 1:
        UINT_LOOPS(uint8_t)
        break;
    case 2:
        UINT_LOOPS(uint16_t)
        break;
    case 4:
        UINT_LOOPS(uint32_t)
        break;
    default:
        UINT_LOOPS(uint64_t)
        break;
    }
}

/* Data offset and reserved bits are not flags (RFC 7125). */
static void run_tcp_flags(const struct plan_op *op, const struct plan_ref *ref,
                          const struct block *b)
{
    EACH(b, ref->offset, op->dst)
    {
        uint16_t flags = plan_load(p, ref->len) & 0x0fff;
        memcpy(f, &flags, sizeof flags);
    }
}

/* As ip_addr_v4(), but in place: a struct put together elsewhere and copied makes the processor
 * wait for itself. */
static inline void store_ipv4(uint8_t *f, const uint8_t *p)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memcpy(f, mapped, sizeof mapped);
    memcpy(f + 12, p, 4);
    f[16] = IP_V4;
}

static void run_addr(const struct plan_op *op, const struct plan_ref *ref, const struct block *b)
{
    if (ref->type == ELEMENT_IPV4) {
        EACH(b, ref->offset, op->dst)
        store_ipv4(f, p);
    } else {
        EACH(b, ref->offset, op->dst)
        {
            memcpy(f, p, 16);
            f[16] = IP_V6;
        }
    }
}

static void run_bytes(const struct plan_op *op, const struct block *b, const void *value,
                      size_t len)
{
    EACH(b, 0, op->dst)
    {
        (void)p;
        memcpy(f, value, len);
    }
}

static void run_zero(const struct plan_op *op, const struct block *b)
{
    EACH(b, 0, op->dst)
    {
        (void)p;
        memset(f, 0, op->arg);
    }
}

/* Two frequent forms of time alone in the record; the others are told apart for each record. */
static bool run_simple_time(const struct plan_op *op, const struct plan_ref *ref,
                            const struct block *b, const struct plan_context *context)
{
    int64_t instead_ns = op->arg ? context->export_ns : 0; /* of an instant of 0 */

    if (op->ref_count != 1)
        return false;
    if (ref->type == ELEMENT_TIME_MS && ref->len == 8) {
        EACH(b, ref->offset, op->dst)
        {
            int64_t ns = plan_time_since_epoch(wire_u64(p), NS_PER_MS);
            ns = ns ? ns : instead_ns;
            memcpy(f, &ns, sizeof ns);
        }
        return true;
    }
    if (ref->type == ELEMENT_TIME_UPTIME && ref->len == 4 && context->has_uptime) {
        EACH(b, ref->offset, op->dst)
        {
            int64_t ns = plan_time_since_boot(context, wire_u32(p));
            memcpy(f, &ns, sizeof ns);
        }
        return true;
    }
    return false;
}

/* The same rate for all records, unless they have fields that tell of it. */
static bool run_common_rate(const struct plan_op *op, const struct plan_ref *refs,
                            const struct block *b, struct plan_context *context)
{
    if (!plan_rate_is_common(refs, context))
        return false;
    uint64_t unknown_before = context->rate_unknown;
    uint32_t rate = plan_sampling_rate(refs, context, b->records);
    if (context->rate_unknown > unknown_before)
        context->rate_unknown += b->count - 1;
    run_bytes(op, b, &rate, sizeof rate);
    return true;
}

static bool run_for_message(const struct plan_op *op, const struct block *b,
                            const struct plan_context *context)
{
    switch (op->code) {
    case PLAN_ZERO:
        run_zero(op, b);
        return true;
    case PLAN_SET_U8: {
        uint8_t value = (uint8_t)op->arg;
        run_bytes(op, b, &value, sizeof value);
        return true;
    }
    case PLAN_EXPORT_TIME:
        run_bytes(op, b, &context->export_ns, sizeof context->export_ns);
        return true;
    case PLAN_EXPORT_SEQUENCE:
        run_bytes(op, b, &context->sequence, sizeof context->sequence);
        return true;
    case PLAN_EXPORT_DOMAIN:
        run_bytes(op, b, &context->domain_id, sizeof context->domain_id);
        return true;
    case PLAN_EXPORT_VERSION:
        run_bytes(op, b, &context->version, sizeof context->version);
        return true;
    case PLAN_EXPORTER_ADDR:
        if (op->ref_count > 0)
            return false;
        run_bytes(op, b, &context->exporter_addr, sizeof context->exporter_addr);
        return true;
    default:
        return false;
    }
}

static void run_op(const struct plan *plan, const struct plan_op *op, const struct plan_ref *refs,
                   const struct block *b, struct plan_context *context)
{
    const struct plan_ref *ref = &refs[op->ref];

    if (run_for_message(op, b, context))
        return;
    switch (op->code) {
    case PLAN_UINT:
        if (ref->len == 0)
            break;
        run_uint(op, ref, b);
        return;
    case PLAN_TCP_FLAGS:
        run_tcp_flags(op, ref, b);
        return;
    case PLAN_ADDR:
        if (ref->len == 0)
            break;
        run_addr(op, ref, b);
        return;
    case PLAN_TIME:
        if (!run_simple_time(op, ref, b, context))
            break;
        return;
    case PLAN_SAMPLING_RATE:
        if (!run_common_rate(op, ref, b, context))
            break;
        return;
    default:
        break;
    }
    for (uint32_t i = 0; i < b->count; i++) {
        const uint8_t *record = b->records + (size_t)i * b->record_len;
        uint8_t *flow = b->flows + (size_t)i * b->stride;
        plan_value(plan, op, ref, context, record, (struct flow *)(void *)flow);
    }
}

/* What every flow has, whoever needs it. */
static void set_constants(const struct plan *plan, struct plan_context *context,
                          const struct block *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct flow *flow = (struct flow *)(void *)(b->flows + (size_t)i * b->stride);
        flow->exporter = context->exporter;
        flow->has_counters = plan->has_counters;
        flow->flows = 1;
        flow->arrival_ns = context->arrival_ns;
        flow->order = context->order++;
    }
}

static void run_block(const struct plan *plan, const struct plan_ref *refs, const struct block *b,
                      struct plan_context *context)
{
    for (uint32_t i = 0; i < plan->op_count; i++)
        run_op(plan, &plan->ops[i], refs, b, context);
    set_constants(plan, context, b); /* last: zeroed runs may cover these */
}

void plan_run(const struct plan *plan, struct plan_context *context, const uint8_t *records,
              uint32_t count, uint8_t *flows, uint32_t stride)
{
    struct block block = {records, flows, plan->record_len, stride, 0};

    for (uint32_t done = 0; done < count; done += block.count) {
        block.count = count - done < BLOCK_RECORDS ? count - done : BLOCK_RECORDS;
        run_block(plan, plan->refs, &block, context);
        block.records += (size_t)block.count * plan->record_len;
        block.flows += (size_t)block.count * stride;
    }
}

void plan_run_refs(const struct plan *plan, const struct plan_ref *refs,
                   struct plan_context *context, const uint8_t *record, uint8_t *flow)
{
    struct block block = {record, flow, 0, 0, 1};

    run_block(plan, refs, &block, context);
}

/* RFC 7011 section 7: one byte of length, or 255 and two more. */
static size_t variable_len(struct reader *r)
{
    uint8_t len = reader_u8(r);
    return len < 255 ? len : reader_u16(r);
}

/* An impossible length on the wire counts as an absent value. */
static void place_ref(struct plan_ref *ref, uint32_t offset, size_t len, bool is_variable)
{
    bool fits = !is_variable || element_type_fits(ref->type, len);

    ref->offset = offset;
    ref->len = fits ? (uint16_t)len : 0;
}

size_t plan_measure(const struct plan *plan, const uint8_t *data, size_t len, struct plan_ref *refs)
{
    struct reader r = reader_make(data, len);
    uint32_t next = 0; /* in plan->ref_order */

    memcpy(refs, plan->refs, plan->ref_count * sizeof *refs);
    for (uint32_t i = 0; i < plan->field_count; i++) {
        bool is_variable = plan->fields[i].len == FIELD_LEN_VARIABLE;
        size_t field_len = is_variable ? variable_len(&r) : plan->fields[i].len;
        uint32_t offset = (uint32_t)(r.pos - data);
        if (!reader_bytes(&r, field_len))
            return 0;
        for (; next < plan->ref_count && plan->ref_order[next] >> 16 == i; next++)
            place_ref(&refs[plan->ref_order[next] & 0xffff], offset, field_len, is_variable);
    }
    return r.failed ? 0 : (size_t)(r.pos - data);
}
