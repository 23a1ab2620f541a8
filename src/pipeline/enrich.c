/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prepares flows for correlation. A flow is multiplied by its sampling rate here and nowhere
 * else; afterwards its rate is 1. */
#include "pipeline/enrich.h"
#include "base/clock.h"
#include "flow/exporter.h"
#include "maps/maps.h"
#include "maps/rd_map.h"
#include "maps/sampling_map.h"

const struct config_key enrich_keys[] = {
    {"NAME_renormalize", KEY_BOOL_AT(struct enrich_settings, renormalize), "false",
     .aliases = "pmacctd_renormalize|uacctd_renormalize",
     .help = "multiply packets and bytes by the sampling rate"},
    {"NAME_ext_sampling_rate", KEY_INT_AT(struct enrich_settings, ext_sampling_rate, 0, UINT32_MAX),
     "0", .aliases = "pmacctd_ext_sampling_rate|uacctd_ext_sampling_rate",
     .help = "sampling rate of exporters that do not tell theirs"},
    {"NAME_time_new", KEY_BOOL_AT(struct enrich_settings, bins_by_arrival), "false",
     .aliases = "pmacctd_time_new",
     .help = "time bins go by arrival, not by flow start; IPFIX flows whose start is an uptime "
             "begin at their export then, as in pmacct"},
    {"NETFLOW_time_correct", KEY_BOOL_AT(struct enrich_settings, corrects_time), "false",
     .help = "stamps and time bins go by our clock where the exporter's is off"},
    {"NAME_peer_as", KEY_BOOL_AT(struct enrich_settings, as_is_peer_as), "false",
     .aliases = "nfprobe_peer_as|sfprobe_peer_as",
     .help =
         "exported AS numbers are those of neighbours: they become peer_src_as and peer_dst_as"},
    {0},
};

/* flow_to_rd_map goes before what the exporter says of the VPN. */
static void apply_rd_map(const struct maps *maps, struct flow *flow)
{
    uint64_t rd;

    if (!rd_map_find(maps->rd, &flow->exporter->addr, flow, &rd))
        return;
    flow->vpn_rd = rd;
    flow->vpn_rd_origin = RD_ORIGIN_MAP;
}

static void note_unknown_rate(struct exporter *exporter)
{
    counter_add(&exporter->counters.rate_unknown, 1);
    exporter_say_once(exporter, NOTE_rate_unknown,
                      "it sends flows whose sampling rate is not known");
}

static void apply_sampling_rate(const struct enrich_settings *s, uint32_t rate_of_map,
                                struct flow *flow)
{
    if (rate_of_map != 0)
        flow->sampling_rate = rate_of_map;
    if (flow->sampling_rate == 0 && s->ext_sampling_rate > 0)
        flow->sampling_rate = s->ext_sampling_rate;
    if (flow->sampling_rate == 0) {
        if (s->renormalize || s->shows_rate)
            note_unknown_rate(flow->exporter);
        return;
    }
    if (!s->renormalize) {
        if (s->warns_of_rates && flow->sampling_rate > 1)
            exporter_say_once(flow->exporter, NOTE_rate_unused, "it samples 1 packet in %u",
                              flow->sampling_rate);
        return;
    }
    flow->bytes *= flow->sampling_rate;
    flow->packets *= flow->sampling_rate;
    flow->sampling_rate = 1;
}

#define CLOCK_SLACK_NS (2 * NS_PER_S)    /* headers count whole seconds */
#define EXPORT_MOST_NS (3600 * NS_PER_S) /* flows are not exported later than that */

static bool is_just_before(int64_t instant_ns, int64_t other_ns)
{
    return instant_ns <= other_ns + CLOCK_SLACK_NS && instant_ns >= other_ns - EXPORT_MOST_NS;
}

bool enrich_is_of_right_clock(const struct flow *flow, int64_t end_ns)
{
    return is_just_before(end_ns, flow->arrival_ns) &&
           !is_just_before(end_ns, flow->arrival_ns - flow->clock_offset_ns);
}

/* Adds the offset to an instant that is known; one that would be out of all range stays. */
static void correct_instant(int64_t *instant_ns, int64_t offset_ns)
{
    int64_t corrected;

    if (*instant_ns != 0 && !__builtin_add_overflow(*instant_ns, offset_ns, &corrected))
        *instant_ns = corrected;
}

/* Stamps and bins by our clock. */
static void correct_time(struct flow *flow)
{
    int64_t offset_ns = flow->clock_offset_ns;

    if (flow->end_ns == 0 || !enrich_is_of_right_clock(flow, flow->end_ns)) {
        correct_instant(&flow->start_ns, offset_ns);
        correct_instant(&flow->end_ns, offset_ns);
    }
    correct_instant(&flow->export_ns, offset_ns);
    flow->clock_offset_ns = 0;
}

static bool is_plausible(int64_t time_ns, int64_t now_ns)
{
    return time_ns >= now_ns - ENRICH_PAST_NS && time_ns <= now_ns + ENRICH_FUTURE_NS;
}

static void choose_bin(const struct enrich_settings *s, struct flow *flow)
{
    flow->bin_ns = flow->arrival_ns;
    if (s->bins_by_arrival || flow->start_ns == 0)
        return;
    if (!is_plausible(flow->start_ns, flow->arrival_ns) ||
        (flow->end_ns != 0 && !is_plausible(flow->end_ns, flow->arrival_ns)))
        counter_add(&flow->exporter->counters.bad_time, 1);
    else
        flow->bin_ns = flow->start_ns;
}

/* True if there is anything to do. Often there is not, which is cheaper to see once than flow by
 * flow. */
static bool is_needed(const struct enrich_settings *s, const struct maps *maps)
{
    return (maps && (maps->sampling || maps->rd)) || s->ext_sampling_rate > 0 || s->renormalize ||
           s->shows_rate || s->warns_of_rates || s->needs_bins || s->as_is_peer_as ||
           s->needs_networks || s->corrects_time;
}

void enrich_batch(const struct enrich_settings *s, const struct maps *maps,
                  struct flow_batch *batch)
{
    enum { TOGETHER = SAMPLING_MAP_TOGETHER };
    uint32_t rates[TOGETHER] = {0}; /* of sampling_map, which goes before the exporter's own */

    THREAD_ASSERT(worker_thread);
    if (!is_needed(s, maps))
        return;
    for (uint32_t i = 0; i < batch->count; i++) {
        struct flow *flow = flow_batch_at(batch, i);
        if (maps && maps->sampling && i % TOGETHER == 0)
            sampling_map_find(maps->sampling, batch, i,
                              batch->count - i < TOGETHER ? batch->count - i : TOGETHER, rates);
        apply_sampling_rate(s, rates[i % TOGETHER], flow);
        if (maps && maps->rd)
            apply_rd_map(maps, flow);
        if (s->corrects_time && flow->clock_offset_ns != 0)
            correct_time(flow);
        if (s->needs_bins)
            choose_bin(s, flow);
        if (s->as_is_peer_as) {
            flow->peer_src_as = flow->src_as;
            flow->peer_dst_as = flow->dst_as;
            flow->src_as = flow->dst_as = 0;
        }
        if (s->needs_networks) {
            flow->src_net = ip_addr_mask(&flow->src_addr, flow->src_mask);
            flow->dst_net = ip_addr_mask(&flow->dst_addr, flow->dst_mask);
        }
    }
}

void enrich_options(struct flow_batch *batch)
{
    THREAD_ASSERT(worker_thread);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct flow *record = flow_batch_at(batch, i);
        record->bin_ns = record->arrival_ns;
    }
}

void enrich_add_needs(const struct enrich_settings *s, struct flow_needs *needs)
{
    flow_needs_add(needs, FLOW_bytes);
    flow_needs_add(needs, FLOW_packets);
    flow_needs_add(needs, FLOW_flows);
    flow_needs_add(needs, FLOW_arrival_ns);
    if (s->renormalize || s->ext_sampling_rate > 0 || s->warns_of_rates)
        flow_needs_add(needs, FLOW_sampling_rate);
    if (s->needs_bins && !s->bins_by_arrival) {
        flow_needs_add(needs, FLOW_start_ns);
        flow_needs_add(needs, FLOW_end_ns);
    }
    if (s->corrects_time) {
        flow_needs_add(needs, FLOW_clock_offset_ns);
        flow_needs_add(needs, FLOW_start_ns);
        flow_needs_add(needs, FLOW_end_ns);
        flow_needs_add(needs, FLOW_export_ns);
    }
    if (s->as_is_peer_as) {
        flow_needs_add(needs, FLOW_src_as);
        flow_needs_add(needs, FLOW_dst_as);
    }
    if (s->needs_networks) {
        flow_needs_add(needs, FLOW_src_addr);
        flow_needs_add(needs, FLOW_dst_addr);
        flow_needs_add(needs, FLOW_src_mask);
        flow_needs_add(needs, FLOW_dst_mask);
    }
}
