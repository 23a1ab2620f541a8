/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps that all versions share: prepares the context of a message, checks its numbers, decodes
 * records into the batch. */
#include "nfacctd/netflow_decoder.h"

#include "base/clock.h"
#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

#define CLOCK_TOLERANCE_NS (5 * NS_PER_S) /* beyond it an operator is told */
#define RESTART_LEAST_MS   10000          /* an uptime that much lower is no message out of order */
#define WRAP_MOST_MS                                                                               \
    3600000 /* messages of one exporter are not further apart when its uptime wraps */

struct plan_ref *netflow_decoder_refs(struct netflow_decoder *decoder, const struct plan *plan)
{
    if (plan->ref_count > decoder->ref_capacity) {
        decoder->ref_capacity = plan->ref_count;
        decoder->refs = mem_realloc_array(decoder->refs, plan->ref_count, sizeof *decoder->refs);
    }
    return decoder->refs;
}

void netflow_message_start(struct netflow_message *msg, struct netflow_decoder *decoder,
                           struct exporter *exporter, const struct datagram *datagram,
                           uint8_t version, uint32_t domain_id, uint32_t domain_key)
{
    struct domain *domain = domain_get(&decoder->domains, exporter, version, domain_key,
                                       datagram->source_port, datagram->received_ns);

    decoder->options.now_ns = datagram->received_ns;
    /* All members are named: gcc would clear the whole struct first if some were not. */
    *msg = (struct netflow_message){
        .decoder = decoder,
        .exporter = exporter,
        .datagram = datagram,
        .domain = domain,
        .context =
            {
                .exporter = exporter,
                .exporter_addr = exporter->addr,
                .export_ns = 0,
                .clock_offset_ns = 0,
                .arrival_ns = datagram->received_ns,
                .uptime = 0,
                .has_uptime = false,
                .start_is_export = false,
                .has_whole_seconds = decoder->has_whole_seconds,
                .uptime_unit_ns = decoder->settings->uptime_in_seconds ? NS_PER_S : NS_PER_MS,
                .sequence = 0,
                .domain_id = domain_id,
                .template_id = 0,
                .version = version,
                .order = datagram->number << FLOW_ORDER_RECORD_BITS,
                .options = &decoder->options,
                .scope = {domain->id, domain->source->id},
                .header_rate = 0,
                .domain = domain,
                .lender = NULL,
                .is_split = domain->source->own_port_count > 0 &&
                            domain_source_is_split(domain->source, datagram->received_ns),
                .rate_assumed = 0,
                .arena = &decoder->arena,
            },
        .record_count = 0,
        .has_unknown_records = false,
        .rest = NULL,
        .latest = -1,
    };
    exporter_greet_once(exporter, version, domain_id, datagram->source_port);
    if (domain->exporter_addr.family != IP_NONE && !decoder->settings->ignore_exporter_address)
        msg->context.exporter_addr = domain->exporter_addr;
}

/* 7,200 s behind is said as seconds, as nobody sets a clock by less. */
static void say_clock(struct exporter *exporter, int64_t offset_ns)
{
    bool is_behind = offset_ns > 0;
    int64_t distance_ns = is_behind ? offset_ns : -offset_ns;

    counter_set(&exporter->counters.clock_behind_ms,
                is_behind ? (uint64_t)(distance_ns / NS_PER_MS) : 0);
    counter_set(&exporter->counters.clock_ahead_ms,
                is_behind ? 0 : (uint64_t)(distance_ns / NS_PER_MS));
    if (distance_ns > CLOCK_TOLERANCE_NS)
        exporter_say_once(exporter, NOTE_clock_is_off, "its clock is %" PRId64 " s %s",
                          distance_ns / NS_PER_S, is_behind ? "behind" : "ahead");
}

void netflow_message_note_clock(struct netflow_message *msg, int64_t export_ns)
{
    struct clock_offset *clock = &msg->domain->clock;

    clock_offset_add(clock, msg->context.arrival_ns, export_ns);
    say_clock(msg->exporter, clock_offset_ns(clock));
}

void netflow_message_check_sequence(struct netflow_message *msg, uint32_t units)
{
    if (msg->decoder->settings->skip_sequence_check)
        return;
    sequence_check(&msg->domain->sequence, &msg->exporter->counters, msg->context.sequence, units);
    /* The number of records is not known, so the number of the next message is not either. */
    if (msg->has_unknown_records)
        msg->domain->sequence.is_started = false;
}

bool netflow_message_check_uptime(struct netflow_message *msg, uint32_t uptime)
{
    struct domain *domain = msg->domain;
    uint32_t unit = (uint32_t)(msg->context.uptime_unit_ns / NS_PER_MS);
    bool went_back = domain->has_uptime && uptime < domain->uptime &&
                     domain->uptime - uptime > RESTART_LEAST_MS / unit;
    bool is_wrap = uptime - domain->uptime < WRAP_MOST_MS / unit; /* modulo 2^32 */

    msg->context.uptime = uptime;
    msg->context.has_uptime = true;
    domain->uptime = uptime;
    domain->has_uptime = true;
    if (!went_back || is_wrap)
        return false;
    pending_sets_forget(&msg->decoder->pending, domain, DROP_exporter_restarted);
    domain->sequence.is_started = false;
    return true;
}

/* Makes room for `records` flows, or for fewer (at least one) if batch or arena are too small for
 * all. */
static uint32_t make_room(struct netflow_decoder *decoder, size_t records, size_t arena_per_record)
{
    struct flow_batch *batch = decoder->batch;
    struct arena *arena = &decoder->arena;

    if (batch->count == 0)
        arena->used = 0;
    if (batch->count == batch->capacity || arena_left(arena) < arena_per_record) {
        batch->full(batch);
        arena->used = 0;
    }
    if (arena->size < arena_per_record) {
        mem_free(arena->data);
        arena->data = mem_alloc(arena_per_record);
        arena->size = arena_per_record;
    }
    size_t room = batch->capacity - batch->count;
    if (arena_per_record > 0 && arena_left(arena) / arena_per_record < room)
        room = arena_left(arena) / arena_per_record;
    return (uint32_t)(records < room ? records : room);
}

static uint8_t *batch_place(const struct flow_batch *batch)
{
    return (uint8_t *)flow_batch_at(batch, batch->count);
}

static void push_flows(struct netflow_message *msg, uint32_t count)
{
    msg->decoder->batch->count += count;
    counter_add(&msg->exporter->counters.flows, count);
}

/* Keeps the way back, which was just decoded, as a flow of its own if anything came back. */
static void push_reverse(struct netflow_message *msg)
{
    struct flow *flow = flow_batch_at(msg->decoder->batch, msg->decoder->batch->count);

    if (flow->bytes != 0 || flow->packets != 0)
        push_flows(msg, 1);
    else
        msg->context.order--;
}

static void decode_biflows(struct netflow_message *msg, const struct plan *plan,
                           const uint8_t *data, size_t count)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct flow_batch *batch = decoder->batch;

    for (size_t i = 0; i < count; i++, data += plan->record_len) {
        make_room(decoder, 1, plan_arena_need(plan, plan->record_len));
        plan_run(plan, &msg->context, data, 1, batch_place(batch), batch->stride);
        push_flows(msg, 1);
        make_room(decoder, 1, plan_arena_need(plan->reverse, plan->record_len));
        plan_run(plan->reverse, &msg->context, data, 1, batch_place(batch), batch->stride);
        push_reverse(msg);
    }
}

static void decode_fixed(struct netflow_message *msg, const struct plan *plan, const uint8_t *data,
                         size_t count)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct flow_batch *batch = decoder->batch;
    size_t arena_need = plan_arena_need(plan, plan->record_len);

    for (size_t done = 0; done < count;) {
        uint32_t now = make_room(decoder, count - done, arena_need);
        plan_run(plan, &msg->context, data + done * plan->record_len, now, batch_place(batch),
                 batch->stride);
        push_flows(msg, now);
        done += now;
    }
}

static size_t decode_variable_record(struct netflow_message *msg, const struct plan *plan,
                                     const uint8_t *data, size_t len)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct plan_ref *refs = netflow_decoder_refs(decoder, plan);
    size_t record_len = plan_measure(plan, data, len, refs);

    if (record_len == 0)
        return 0;
    make_room(decoder, 1, plan_arena_need(plan, record_len));
    plan_run_refs(plan, refs, &msg->context, data, batch_place(decoder->batch));
    push_flows(msg, 1);
    if (plan->reverse) {
        refs = netflow_decoder_refs(decoder, plan->reverse);
        plan_measure(plan->reverse, data, len, refs);
        make_room(decoder, 1, plan_arena_need(plan->reverse, record_len));
        plan_run_refs(plan->reverse, refs, &msg->context, data, batch_place(decoder->batch));
        push_reverse(msg);
    }
    return record_len;
}

bool netflow_message_is_padding(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != 0)
            return false;
    }
    return len <= NETFLOW_PADDING_MOST;
}

static bool decode_variable(struct netflow_message *msg, const struct plan *plan,
                            const uint8_t *data, size_t len)
{
    while (len >= plan->min_len && !netflow_message_is_padding(data, len)) {
        size_t record_len = decode_variable_record(msg, plan, data, len);
        if (record_len == 0)
            return false;
        msg->record_count++;
        data += record_len;
        len -= record_len;
    }
    return len <= NETFLOW_PADDING_MOST;
}

void netflow_message_add_option(struct netflow_message *msg, const struct plan *plan,
                                const uint8_t *data, size_t len)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct flow_batch *batch = decoder->batch;
    struct plan_ref *refs = plan->record_len == 0 ? netflow_decoder_refs(decoder, plan) : NULL;

    if (refs && plan_measure(plan, data, len, refs) == 0)
        return; /* it was measured before: this cannot be */
    flow_batch_turn(batch, true);
    make_room(decoder, 1, plan_arena_need(plan, len));
    struct flow *flow = flow_batch_at(batch, batch->count);
    memset(flow, 0, batch->stride);
    if (refs)
        plan_run_refs(plan, refs, &msg->context, data, (uint8_t *)flow);
    else
        plan_run(plan, &msg->context, data, 1, (uint8_t *)flow, batch->stride);
    flow->flows = flow->packets = flow->bytes = 0;
    flow->has_counters = 0;
    flow->is_option = 1;
    flow_batch_push(batch);
}

bool netflow_message_decode_flows(struct netflow_message *msg, const struct plan *plan,
                                  const uint8_t *data, size_t len)
{
    flow_batch_turn(msg->decoder->batch, false);
    if (plan->record_len == 0)
        return decode_variable(msg, plan, data, len);
    size_t count = len / plan->record_len;
    msg->record_count += (uint32_t)count;
    if (plan->reverse)
        decode_biflows(msg, plan, data, count);
    else
        decode_fixed(msg, plan, data, count);
    return len % plan->record_len <= NETFLOW_PADDING_MOST;
}
