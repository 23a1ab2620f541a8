/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Implements struct decoder_ops for sFlow: tells versions apart, finds the exporter, makes and
 * frees the parts. */
#include "sfacctd/sflow_decoder.h"
#include "sfacctd/counter_log.h"

#include "base/memory.h"

#define ARENA_LEN (256u << 10)
#define CLEAR_GAP 24 /* unneeded bytes that are cheaper zeroed than stepped over */

static void decoder_set_needs(void *self, const struct flow_needs *needs)
{
    struct sflow_decoder *decoder = self;
    uint32_t end = 0;

    decoder->needs = *needs;
    decoder->wants_tunnel = packet_wants_tunnel(needs, decoder->tunnel_view);
    decoder->needs_header = decoder->wants_tunnel;
    for (enum header_part part = 0; part < HEADER_PART_COUNT; part++) {
        decoder->needs_part[part] = header_part_is_needed(needs, part);
        if (part != HEADER_PART_COUNTERS) /* they stand beside the header */
            decoder->needs_header |= decoder->needs_part[part];
    }
    decoder->needs_vlans = decoder->needs_part[HEADER_PART_VLANS] ||
                           flow_needs_has(needs, FLOW_out_vlan) ||
                           flow_needs_has(needs, FLOW_in_cvlan);
    decoder->clear_count = 0;
    for (int m = 0; m < FLOW_MEMBER_COUNT; m++) {
        const struct flow_member_place *place = &flow_member_places[m];
        uint32_t start = place->offset & ~7u;
        if (!flow_needs_has(needs, m) || (size_t)place->offset + place->size <= FLOW_HEAD_LEN)
            continue;
        if (decoder->clear_count == 0 || start > end + CLEAR_GAP)
            decoder->clears[decoder->clear_count++].offset = (uint16_t)start;
        end = ((uint32_t)place->offset + place->size + 7) & ~7u;
        struct clear_range *range = &decoder->clears[decoder->clear_count - 1];
        range->word_count = (uint16_t)((end - range->offset) / 8);
    }
    decoder->clears_tail = decoder->clear_count > 0 || decoder->batch->stride > sizeof(struct flow);
}

/* A decoder that takes datagrams apart makes a flow of each packet, and writes no counters. */
static void use_to_split(struct sflow_decoder *decoder, const struct sfacctd_settings *own)
{
    decoder->own = *own;
    decoder->own.skip_sequence_check = true;
    decoder->own.account_discards = true;
    decoder->own.counter_file = NULL;
    decoder->settings = &decoder->own;
}

static void *decoder_new(const struct decoder_settings *settings, struct exporter_table *exporters,
                         struct flow_batch *batch)
{
    struct sflow_decoder *decoder = mem_zalloc(sizeof *decoder);
    const struct sfacctd_settings *own = decoder->settings = settings->own;

    if (settings->only_splits) {
        use_to_split(decoder, own);
        own = decoder->settings;
    }
    decoder->exporters = exporters;
    decoder->batch = batch;
    decoder->arena.data = mem_alloc(ARENA_LEN);
    decoder->arena.size = ARENA_LEN;
    decoder->tunnel_view = settings->tunnel_view;
    agent_table_init(&decoder->agents, own->agents_max, own->sources_max);
    if (own->counter_file)
        decoder->counter_log = counter_log_new(own->counter_file, settings->is_utc);
    decoder_set_needs(decoder, &settings->needs);
    return decoder;
}

static void decoder_free(void *self)
{
    struct sflow_decoder *decoder = self;

    if (!decoder)
        return;
    counter_log_free(decoder->counter_log);
    text_clear(&decoder->counter_fields);
    agent_table_clear(&decoder->agents);
    mem_free(decoder->arena.data);
    mem_free(decoder);
}

void sflow_message_start(struct sflow_message *msg, const struct ip_addr *agent_addr,
                         uint32_t sub_agent, uint32_t sequence)
{
    struct sflow_decoder *decoder = msg->decoder;

    msg->sub_agent = sub_agent;
    msg->sequence = sequence;
    msg->agent_addr = *agent_addr;
    if (decoder->settings->ignore_exporter_address || ip_addr_is_zero(agent_addr))
        msg->agent_addr = msg->exporter->addr;
    else if (!ip_addr_equal(agent_addr, &msg->exporter->addr))
        msg->exporter = exporter_table_get_agent(decoder->exporters, msg->exporter, agent_addr,
                                                 msg->datagram->received_ns);
    exporter_greet_once(msg->exporter, msg->version, sub_agent, msg->datagram->source_port);
    msg->agent = agent_get(&decoder->agents, msg->exporter, agent_addr, sub_agent);
    if (!decoder->settings->skip_sequence_check)
        sequence_check(&msg->agent->sequence, &msg->exporter->counters, sequence, 1);
}

static void count_read(struct exporter *exporter, const struct datagram *datagram)
{
    counter_add(&exporter->counters.datagrams_read, 1);
    counter_add(&exporter->counters.bytes_read, datagram->len);
    counter_set(&exporter->counters.last_datagram_ns, (uint64_t)datagram->received_ns);
}

/* Refuses what is not sFlow. The versions of NetFlow and IPFIX are the two upper bytes of what would
 * be sFlow's, and a number of records, or a length, follows them, which is not 0. */
static void refuse_version(struct exporter *exporter, uint32_t version)
{
    uint32_t netflow_version = version >> 16;
    bool is_ipfix = netflow_version == 10;

    if ((netflow_version == 5 || netflow_version == 9 || is_ipfix) && (version & 0xffff) != 0) {
        exporter_count_drop(exporter, DROP_bad_version);
        exporter_say_once(exporter, NOTE_sends_netflow, "it sends %s",
                          is_ipfix               ? "IPFIX"
                          : netflow_version == 9 ? "NetFlow (version 9)"
                                                 : "NetFlow (version 5)");
        return;
    }
    exporter_drop(exporter, DROP_bad_version, "version %u", version);
}

static void decoder_decode(void *self, struct exporter *exporter, const struct datagram *datagram)
    ON_THREAD(worker_thread)
{
    THREAD_ASSERT(worker_thread);
    struct sflow_decoder *decoder = self;
    struct reader r = reader_make(datagram->data, datagram->len);
    uint32_t version = reader_u32(&r);
    struct sflow_message msg = {
        .decoder = decoder,
        .exporter = exporter,
        .datagram = datagram,
        .version = (uint8_t)version,
        .order = datagram->number << FLOW_ORDER_RECORD_BITS,
    };

    if (decoder->batch->count == 0)
        decoder->arena.used = 0;
    if (r.failed)
        exporter_drop(exporter, DROP_truncated_header, "%u bytes", datagram->len);
    else if (version == 5)
        sflow5_decode(&msg, &r);
    else if (version == 2 || version == 4)
        sflow4_decode(&msg, &r);
    else
        refuse_version(exporter, version);
    count_read(msg.exporter, datagram); /* the agent, once it is known */
    counter_add(&msg.exporter->counters.flows, msg.flow_count);
    counter_add(&msg.exporter->counters.flow_samples, msg.sample_count);
}

static bool decoder_split(void *self, struct exporter *exporter, const struct datagram *datagram,
                          struct datagram_parts *parts) ON_THREAD(worker_thread)
{
    struct sflow_decoder *decoder = self;
    struct reader r = reader_make(datagram->data, datagram->len);
    struct sflow_message msg = {
        .decoder = decoder, .exporter = exporter, .datagram = datagram, .version = 5};

    THREAD_ASSERT(worker_thread);
    if (decoder->batch->count == 0)
        decoder->arena.used = 0;
    return reader_u32(&r) == 5 && sflow5_split(&msg, &r, parts);
}

static void decoder_tick(void *self, int64_t now_ns) ON_THREAD(worker_thread)
{
    struct sflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    (void)now_ns;
    if (decoder->counter_log)
        counter_log_flush(decoder->counter_log);
}

/* Lines that wait count their loss at the exporter, so they are written now. */
static void decoder_forget(void *self, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct sflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    if (!decoder) {
        exporter->decoder_state = NULL;
        return;
    }
    if (decoder->counter_log)
        counter_log_flush(decoder->counter_log);
    agent_table_forget(&decoder->agents, exporter);
}

static void decoder_know(void *self, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct sflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    agent_table_know(&decoder->agents, exporter);
}

/* sFlow has no templates to be saved: each datagram tells all that is needed. */
static struct saved_pieces *decoder_save(void *self)
{
    (void)self;
    return NULL;
}

static size_t decoder_load(void *self, const struct json_t *saved,
                           bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
{
    (void)self;
    (void)saved;
    (void)owns;
    (void)arg;
    return 0;
}

static uint64_t decoder_save_generation(const void *self)
{
    (void)self;
    return 0;
}

/* Version, address of the agent (its kind, then 4 or 16 bytes) and, in version 5, the sub-agent. */
static void decoder_read_header(const void *self, const struct datagram *datagram,
                                struct flow *flow)
{
    const struct sflow_decoder *decoder = self;
    struct reader r = reader_make(datagram->data, datagram->len);
    uint32_t version = reader_u32(&r), kind = reader_u32(&r);
    const uint8_t *bytes = kind == 1 || kind == 2 ? reader_bytes(&r, kind == 1 ? 4 : 16) : NULL;
    struct ip_addr agent = {0};

    flow->export_version = (uint8_t)(version <= 5 ? version : 0);
    flow->export_domain = 0;
    flow->sample_format = 1; /* it is sFlow's */
    if (!bytes)
        return;
    agent = kind == 1 ? ip_addr_v4(bytes) : ip_addr_v6(bytes);
    if (!decoder->settings->ignore_exporter_address && !ip_addr_is_zero(&agent))
        flow->exporter_addr = agent;
    if (version == 5)
        flow->export_domain = reader_u32(&r);
}

/* Members that only options, templates or flows over time could tell. BGP may fill others. */
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
    .tells_paths = true,
    .new = decoder_new,
    .free = decoder_free,
    .decode = decoder_decode,
    .read_header = decoder_read_header,
    .split = decoder_split,
    .tick = decoder_tick,
    .forget = decoder_forget,
    .know = decoder_know,
    .set_needs = decoder_set_needs,
    .save = decoder_save,
    .load = decoder_load,
    .save_generation = decoder_save_generation,
};
