/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a plan. An operation is chosen once per block of records and then loops over them;
 * plan_values.c has the operations that depend on a record's values. */
#include "nfacctd/plan_values.h"

#include <string.h>

#include "base/reader.h"

/* A block is so small that its flows stay in the first-level cache while operation after operation
 * passes over them. */
#define BLOCK_RECORDS 32

struct block {
    const uint8_t *records;
    uint8_t *flows;
    uint32_t record_len, stride, count;
};

/*
 * Loops over the records of the block: `p` is the record, `f` its flow. The variables that step are
 * local. Flows are written as bytes, which might change `*block` for all that the compiler knows,
 * so it would read the block anew for each record.
 */
#define EACH(block)                                                                                \
    const size_t record_step = (block)->record_len, flow_step = (block)->stride;                   \
    const uint8_t *p = (block)->records;                                                           \
    uint8_t *f = (block)->flows;                                                                   \
    for (uint32_t left = (block)->count; left > 0; left--, p += record_step, f += flow_step)

/* The places of one or two values of an operation, in a record and in a flow. */
struct moves {
    size_t from, to, twin_from, twin_to;
};

static inline struct moves moves_of(const struct plan_op *op, const struct plan_ref *refs)
{
    const struct plan_op *twin = op->has_twin ? op + 1 : op;

    return (struct moves){refs[op->ref].offset, op->dst, refs[twin->ref].offset, twin->dst};
}

/* Both lengths are constant where this is called. */
static inline void store_uint(uint8_t *f, const uint8_t *p, size_t size, size_t len)
{
    uint64_t u64 = plan_load(p, len);
    uint32_t u32 = (uint32_t)u64;
    uint16_t u16 = (uint16_t)u64;

    switch (size) {
    case 1:
        *f = (uint8_t)u64;
        break;
    case 2:
        memcpy(f, &u16, sizeof u16);
        break;
    case 4:
        memcpy(f, &u32, sizeof u32);
        break;
    default:
        memcpy(f, &u64, sizeof u64);
        break;
    }
}

/* Twins share a loop, as stepping costs as much as moving a number. */
static inline void run_uint_as(const struct plan_op *op, const struct plan_ref *refs,
                               const struct block *b, size_t size, size_t len)
{
    struct moves m = moves_of(op, refs);

    if (op->has_twin) {
        EACH(b)
        {
            store_uint(f + m.to, p + m.from, size, len);
            store_uint(f + m.twin_to, p + m.twin_from, size, len);
        }
    } else {
        EACH(b)
        store_uint(f + m.to, p + m.from, size, len);
    }
}

/* The usual pairs of lengths have loops of their own, in which lengths are constant. */
static void run_uint(const struct plan_op *op, const struct plan_ref *refs, const struct block *b)
{
    size_t size = op->size, len = refs[op->ref].len;

    if (size == 8 && len == 8)
        run_uint_as(op, refs, b, 8, 8);
    else if (size == 8 && len == 4) /* octets and packets */
        run_uint_as(op, refs, b, 8, 4);
    else if (size == 4 && len == 4)
        run_uint_as(op, refs, b, 4, 4);
    else if (size == 4 && len == 2) /* interfaces, AS numbers */
        run_uint_as(op, refs, b, 4, 2);
    else if (size == 2 && len == 2)
        run_uint_as(op, refs, b, 2, 2);
    else if (size == 1 && len == 1)
        run_uint_as(op, refs, b, 1, 1);
    else
        run_uint_as(op, refs, b, size, len);
}

/* Data offset and reserved bits are not flags (RFC 7125). */
static void run_tcp_flags(const struct plan_op *op, const struct plan_ref *refs,
                          const struct block *b)
{
    size_t from = refs[op->ref].offset, to = op->dst, len = refs[op->ref].len;

    EACH(b)
    {
        uint16_t flags = plan_load(p + from, len) & 0x0fff;
        memcpy(f + to, &flags, sizeof flags);
    }
}

/* Does the same as ip_addr_v4(), but in place: the processor would wait for a struct that is put
 * together elsewhere and copied. */
static inline void store_ipv4(uint8_t *f, const uint8_t *p)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    memcpy(f, mapped, sizeof mapped);
    memcpy(f + 12, p, 4);
    f[16] = IP_V4;
}

static inline void store_ipv6(uint8_t *f, const uint8_t *p)
{
    memcpy(f, p, 16);
    f[16] = IP_V6;
}

static void run_addr(const struct plan_op *op, const struct plan_ref *refs, const struct block *b)
{
    bool is_v4 = refs[op->ref].type == ELEMENT_IPV4;
    struct moves m = moves_of(op, refs);

    if (is_v4 && op->has_twin) {
        EACH(b)
        {
            store_ipv4(f + m.to, p + m.from);
            store_ipv4(f + m.twin_to, p + m.twin_from);
        }
    } else if (is_v4) {
        EACH(b)
        store_ipv4(f + m.to, p + m.from);
    } else {
        EACH(b)
        {
            store_ipv6(f + m.to, p + m.from);
            if (op->has_twin)
                store_ipv6(f + m.twin_to, p + m.twin_from);
        }
    }
}

/* Writes the same value into all flows. `len` is constant where this is called, so that a store is
 * one instruction. */
static inline void run_bytes(const struct plan_op *op, const struct block *b, const void *value,
                             size_t len)
{
    uint8_t bytes[sizeof(uint64_t)];
    size_t to = op->dst;

    memcpy(bytes, value, len);
    EACH(b)
    {
        (void)p;
        memcpy(f + to, bytes, len);
    }
}

static void run_zero(const struct plan_op *op, const struct block *b)
{
    static const uint8_t zeros[sizeof(uint32_t)];
    size_t to = op->dst, len = op->arg;

    if (len == sizeof zeros) { /* the usual one: a number that the template lacks */
        run_bytes(op, b, zeros, sizeof zeros);
        return;
    }
    EACH(b)
    {
        (void)p;
        memset(f + to, 0, len);
    }
}

static inline void store_time_ms(uint8_t *f, const uint8_t *p, int64_t instead_ns)
{
    int64_t ns = plan_time_since_epoch(wire_u64(p), NS_PER_MS);

    ns = ns ? ns : instead_ns;
    memcpy(f, &ns, sizeof ns);
}

static inline void store_time_uptime(uint8_t *f, const uint8_t *p,
                                     const struct plan_context *context)
{
    int64_t ns = plan_time_since_boot(context, wire_u32(p));

    memcpy(f, &ns, sizeof ns);
}

/* Handles the two usual forms of time, if one of them is alone in the record; plan_value() tells
 * the others apart for each record. A twin has the same form. */
static bool run_simple_time(const struct plan_op *op, const struct plan_ref *refs,
                            const struct block *b, const struct plan_context *context)
{
    const struct plan_op *twin = op->has_twin ? op + 1 : op;
    const struct plan_ref *ref = &refs[op->ref];
    struct moves m = moves_of(op, refs);

    if (op->ref_count != 1)
        return false;
    if (ref->type == ELEMENT_TIME_MS && ref->len == 8) {
        int64_t instead_ns = op->arg ? context->export_ns : 0; /* of an instant of 0 */
        int64_t twin_instead_ns = twin->arg ? context->export_ns : 0;
        EACH(b)
        {
            store_time_ms(f + m.to, p + m.from, instead_ns);
            store_time_ms(f + m.twin_to, p + m.twin_from, twin_instead_ns);
        }
        return true;
    }
    if (ref->type == ELEMENT_TIME_UPTIME && ref->len == 4 && context->has_uptime &&
        !context->start_is_export) {
        const struct plan_context local = *context;
        EACH(b)
        {
            store_time_uptime(f + m.to, p + m.from, &local);
            store_time_uptime(f + m.twin_to, p + m.twin_from, &local);
        }
        return true;
    }
    return false;
}

/* Writes one sampling rate into all flows, unless the records have fields that tell it. */
static bool run_common_rate(const struct plan_op *op, const struct plan_ref *refs,
                            const struct block *b, struct plan_context *context)
{
    const struct plan_ref *slots = &refs[op->ref];

    if (!plan_rate_is_common(slots, context))
        return false;
    uint64_t assumed_before = context->rate_assumed;
    uint32_t rate = plan_sampling_rate(slots, context, b->records);
    if (context->rate_assumed > assumed_before)
        context->rate_assumed += b->count - 1;
    run_bytes(op, b, &rate, sizeof rate);
    return true;
}

/* Writes the members that every flow has, whoever needs them, from what the records of a message
 * share. */
static void run_constants(const struct plan *plan, const struct block *b,
                          struct plan_context *context)
{
    const struct ip_addr exporter_addr = context->exporter_addr;
    struct exporter *exporter = context->exporter;
    int64_t arrival_ns = context->arrival_ns;
    uint64_t order = context->order;
    uint8_t ip_version = plan->ip_version;
    uint8_t has_counters = plan->has_counters;

    context->order += b->count;
    EACH(b)
    {
        struct flow *flow = (struct flow *)(void *)f;
        (void)p;
        flow->order = order++;
        flow->flows = 1;
        flow->exporter = exporter;
        flow->arrival_ns = arrival_ns;
        flow->ip_version = ip_version;
        flow->has_counters = has_counters;
        flow->exporter_addr = exporter_addr;
    }
}

static bool is_loadable(const struct plan_ref *ref)
{
    return ref->len > 0 && ref->len <= sizeof(uint64_t);
}

/* Returns false if the operation cannot be done for the whole block; plan_value() then does it for
 * each record. */
static bool run_over_block(const struct plan *plan, const struct plan_op *op,
                           const struct plan_ref *refs, const struct block *b,
                           struct plan_context *context)
{
    switch (op->code) {
    case PLAN_ZERO:
        run_zero(op, b);
        return true;
    case PLAN_CONSTANTS:
        run_constants(plan, b, context);
        return true;
    case PLAN_SET_U8: {
        uint8_t value = (uint8_t)op->arg;
        run_bytes(op, b, &value, sizeof value);
        return true;
    }
    case PLAN_UINT:
        run_uint(op, refs, b);
        return true;
    case PLAN_TCP_FLAGS:
        if (!is_loadable(&refs[op->ref]))
            return false;
        run_tcp_flags(op, refs, b);
        return true;
    case PLAN_ADDR:
        run_addr(op, refs, b);
        return true;
    case PLAN_TIME:
        return run_simple_time(op, refs, b, context);
    case PLAN_SAMPLING_RATE:
        return run_common_rate(op, refs, b, context);
    case PLAN_EXPORT_TIME:
        run_bytes(op, b, &context->export_ns, sizeof context->export_ns);
        return true;
    case PLAN_CLOCK_OFFSET:
        run_bytes(op, b, &context->clock_offset_ns, sizeof context->clock_offset_ns);
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
    case PLAN_SET_ID:
        run_bytes(op, b, &context->template_id, sizeof context->template_id);
        return true;
    default:
        return false;
    }
}

static void run_by_record(const struct plan *plan, const struct plan_op *op,
                          const struct plan_ref *refs, const struct block *b,
                          struct plan_context *context)
{
    EACH(b)
    plan_value(plan, op, refs, context, p, (struct flow *)(void *)f);
}

static void run_block(const struct plan *plan, const struct plan_ref *refs, const struct block *b,
                      struct plan_context *context)
{
    const struct plan_op *end = plan->ops + plan->op_count;

    for (const struct plan_op *op = plan->ops; op < end; op += 1 + op->has_twin) {
        if (run_over_block(plan, op, refs, b, context))
            continue;
        for (int i = 0; i <= op->has_twin; i++)
            run_by_record(plan, &op[i], &refs[op[i].ref], b, context);
    }
}

void plan_run(const struct plan *plan, struct plan_context *context, const uint8_t *records,
              uint32_t count, uint8_t *flows, uint32_t stride)
{
    struct block block = {.records = records, .record_len = plan->record_len, .stride = stride};

    block.flows = flows;
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
    struct block block = {.records = record, .count = 1};

    block.flows = flow;
    run_block(plan, refs, &block, context);
}

/* Sets the place of a value. A length that its type cannot have counts as an absent value. */
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
        size_t field_len = is_variable ? element_variable_len(&r) : plan->fields[i].len;
        uint32_t offset = (uint32_t)(r.pos - data);
        if (!reader_bytes(&r, field_len))
            return 0;
        for (; next < plan->ref_count && plan->ref_order[next] >> 16 == i; next++)
            place_ref(&refs[plan->ref_order[next] & 0xffff], offset, field_len, is_variable);
    }
    return r.failed ? 0 : (size_t)(r.pos - data);
}
