/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder that a worker sees: which version a datagram is, whose it is, and the parts'
 * lives. */
#include "sfacctd/collector.h"
#include "sfacctd/counter_log.h"

#include "base/memory.h"

#define ARENA_LEN         (256 * 1024)
#define ORDER_RECORD_BITS 20 /* flow/members.def */
#define CLEAR_GAP         24 /* unneeded bytes that are cheaper zeroed than stepped over */

static void set_needs(void *decoder, const struct flow_needs *needs)
{
    struct collector *c = decoder;
    uint32_t end = 0;

    c->needs = *needs;
    c->wants_tunnel = packet_wants_tunnel(needs, c->tunnel_view);
    c->needs_header = c->wants_tunnel;
    for (enum header_part part = 0; part < HEADER_PART_COUNT; part++) {
        c->needs_part[part] = header_part_is_needed(needs, part);
        if (part != HEADER_PART_COUNTERS) /* they stand beside the header */
            c->needs_header |= c->needs_part[part];
    }
    c->needs_vlans = c->needs_part[HEADER_PART_VLANS] || flow_needs_has(needs, FLOW_out_vlan) ||
                     flow_needs_has(needs, FLOW_in_cvlan);
    c->clear_count = 0;
    for (int m = 0; m < FLOW_MEMBER_COUNT; m++) {
        const struct flow_member_place *place = &flow_member_places[m];
        uint32_t start = place->offset & ~7u;
        if (!flow_needs_has(needs, m) || (size_t)place->offset + place->size <= FLOW_HEAD_LEN)
            continue;
        if (c->clear_count == 0 || start > end + CLEAR_GAP)
            c->clears[c->clear_count++].offset = (uint16_t)start;
        end = ((uint32_t)place->offset + place->size + 7) & ~7u;
        struct clear_range *range = &c->clears[c->clear_count - 1];
        range->word_count = (uint16_t)((end - range->offset) / 8);
    }
    c->clears_tail = c->clear_count > 0 || c->batch->stride > sizeof(struct flow);
}

static void *collector_new(const struct decoder_settings *settings,
                           struct exporter_table *exporters, struct flow_batch *batch)
{
    const struct sfacctd_settings *own = settings->own;
    struct collector *c = mem_zalloc(sizeof *c);

    c->settings = own;
    c->exporters = exporters;
    c->batch = batch;
    c->arena.data = mem_alloc(ARENA_LEN);
    c->arena.size = ARENA_LEN;
    c->tunnel_view = settings->tunnel_view;
    agent_table_init(&c->agents, own->agents_max, own->sources_max);
    if (own->counter_file)
        c->counter_log = counter_log_new(own->counter_file, settings->is_utc);
    set_needs(c, &settings->needs);
    return c;
}

static void collector_free(void *decoder)
{
    struct collector *c = decoder;

    if (!c)
        return;
    counter_log_free(c->counter_log);
    agent_table_clear(&c->agents);
    mem_free(c->arena.data);
    mem_free(c);
}

void sflow_message_start(struct sflow_message *msg, const struct ip_addr *agent_addr,
                         uint32_t sub_agent, uint32_t sequence)
{
    struct collector *c = msg->collector;

    msg->sub_agent = sub_agent;
    msg->sequence = sequence;
    msg->agent_addr = *agent_addr;
    if (c->settings->ignore_exporter_address || ip_addr_is_zero(agent_addr))
        msg->agent_addr = msg->exporter->addr;
    else if (!ip_addr_equal(agent_addr, &msg->exporter->addr))
        msg->exporter = exporter_table_get(c->exporters, agent_addr, msg->datagram->received_ns);
    msg->agent = agent_get(&c->agents, msg->exporter, agent_addr, sub_agent);
    if (!c->settings->skip_sequence_check)
        sequence_check(&msg->agent->sequence, &msg->exporter->counters, sequence, 1);
}

static void count_read(struct exporter *exporter, const struct datagram *datagram)
{
    counter_add(&exporter->counters.datagrams_read, 1);
    counter_add(&exporter->counters.bytes_read, datagram->len);
    counter_set(&exporter->counters.last_datagram_ns, (uint64_t)datagram->received_ns);
}

static void collector_decode(void *decoder, struct exporter *exporter,
                             const struct datagram *datagram) ON_THREAD(worker_thread)
{
    THREAD_ASSERT(worker_thread);
    struct collector *c = decoder;
    struct reader r = reader_make(datagram->data, datagram->len);
    uint32_t version = reader_u32(&r);
    struct sflow_message msg = {
        .collector = c,
        .exporter = exporter,
        .datagram = datagram,
        .version = (uint8_t)version,
        .order = datagram->number << ORDER_RECORD_BITS,
    };

    if (c->batch->count == 0)
        c->arena.used = 0;
    if (r.failed)
        exporter_drop(exporter, DROP_truncated_header, "%u bytes", datagram->len);
    else if (version == 5)
        sflow5_decode(&msg, &r);
    else if (version == 2 || version == 4)
        sflow4_decode(&msg, &r);
    else
        exporter_drop(exporter, DROP_bad_version, "version %u", version);
    count_read(msg.exporter, datagram); /* the agent, once it is known */
    counter_add(&msg.exporter->counters.flows, msg.flow_count);
    counter_add(&msg.exporter->counters.flow_samples, msg.sample_count);
}

static void collector_tick(void *decoder, int64_t now_ns) ON_THREAD(worker_thread)
{
    struct collector *c = decoder;

    THREAD_ASSERT(worker_thread);
    (void)now_ns;
    if (c->counter_log)
        counter_log_flush(c->counter_log);
}

/* Nothing is kept at exporters, sub-agents are found by their generation; but losses of counters
 * are counted there. */
static void collector_forget(void *decoder, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct collector *c = decoder;

    THREAD_ASSERT(worker_thread);
    (void)exporter;
    if (c && c->counter_log)
        counter_log_flush(c->counter_log);
}

/* sFlow has no templates: all that is known comes with each datagram. */
static struct json_t *save(void *decoder)
{
    (void)decoder;
    return NULL;
}

static size_t load(void *decoder, const struct json_t *saved,
                   bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
{
    (void)decoder;
    (void)saved;
    (void)owns;
    (void)arg;
    return 0;
}

static uint64_t save_generation(const void *decoder)
{
    (void)decoder;
    return 0;
}

/* What only options, templates or flows over time could tell. BGP may fill others. */
static const enum flow_member lacking[] = {
    FLOW_start_ns,
    FLOW_end_ns,
    FLOW_export_ns,
    FLOW_class_name,
    FLOW_vrf_name,
    FLOW_in_vrf_name,
    FLOW_out_vrf_name,
    FLOW_in_iface_name,
    FLOW_out_iface_name,
    FLOW_nat_event,
    FLOW_fw_event,
    FLOW_out_cvlan,
    FLOW_path_delay_avg_us,
    FLOW_path_delay_min_us,
    FLOW_path_delay_max_us,
    FLOW_tag,
    FLOW_tag2,
    FLOW_label,
    FLOW_vpn_rd,
};

const struct decoder_ops sfacctd_decoder = {
    .name = "sfacctd",
    .lacking = lacking,
    .lacking_count = sizeof lacking / sizeof lacking[0],
    .lacks_elements = true,
    .new = collector_new,
    .free = collector_free,
    .decode = collector_decode,
    .tick = collector_tick,
    .forget = collector_forget,
    .set_needs = set_needs,
    .save = save,
    .load = load,
    .save_generation = save_generation,
};
