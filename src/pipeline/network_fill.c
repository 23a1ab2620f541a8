/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks up all addresses of a batch together, then writes the answers into the flows. */
#include "pipeline/network_fill.h"
#include "flow/path_source.h"
#include "maps/networks.h"
#include <string.h>

const struct config_key network_keys[] = {
    {"networks_file", KEY_STRING_AT(struct network_settings, file), .scope = SCOPE_INSTANCE,
     .help =
         "file that says whose networks are whose, for nfacctd_as and nfacctd_net: file or longest "
         "(see MAPS)"},
    {"networks_file_filter", KEY_BOOL_AT(struct network_settings, filters), "false",
     .scope = SCOPE_INSTANCE,
     .help = "addresses that no row of networks_file has are shown as 0.0.0.0 or ::"},
    {"networks_file_no_lpm", KEY_BOOL_AT(struct network_settings, file_wins), "false",
     .scope = SCOPE_INSTANCE,
     .help =
         "with nfacctd_as or nfacctd_net: longest a row of networks_file goes before all others, "
         "however long"},
    {"networks_mask", KEY_INT_AT(struct network_settings, mask, 0, 128), "0",
     .scope = SCOPE_INSTANCE, .help = "length of all networks, for nfacctd_net: mask"},
    {"networks_no_mask_if_zero", KEY_BOOL_AT(struct network_settings, keeps_host), "false",
     .scope = SCOPE_INSTANCE,
     .help = "the network of an address whose mask is 0 is the address itself"},
    {0},
};

enum { TOGETHER = 32 }; /* flows, of which most have one match */

/* Holds what is known of one address of a flow. */
struct answer {
    const struct network *network; /* NULL: no row */
    uint8_t len;
};

static bool uses_file(const struct network_fill_settings *s, enum route_method method)
{
    return s->file >= 0 && (method == ROUTE_FILE || method == ROUTE_LONGEST);
}

bool network_fill_is_wanted(const struct network_fill_settings *s)
{
    return s->as_method == ROUTE_FILE || s->net_method == ROUTE_FILE ||
           s->net_method == ROUTE_MASK || uses_file(s, s->as_method) ||
           uses_file(s, s->net_method) || (s->file >= 0 && s->filters) || s->keeps_host;
}

bool network_fill_settings_equal(const struct network_fill_settings *a,
                                 const struct network_fill_settings *b)
{
    return a->file == b->file && a->as_method == b->as_method && a->net_method == b->net_method &&
           a->filters == b->filters && a->file_wins == b->file_wins &&
           a->keeps_host == b->keeps_host && a->mask == b->mask && a->has_rib == b->has_rib;
}

static bool needs_one(const struct flow_needs *needs, enum flow_member a, enum flow_member b)
{
    return flow_needs_has(needs, a) || flow_needs_has(needs, b);
}

/* By `longest` the lengths of others are compared with the row's. */
static void add_lengths(const struct network_fill *f, struct flow_needs *needs)
{
    const struct network_fill_settings *s = &f->settings;

    if (f->fills_src_as && s->as_method == ROUTE_LONGEST && s->has_rib)
        flow_needs_add(needs, FLOW_src_as); /* so that correlation says its length */
    if (f->fills_dst_as && s->as_method == ROUTE_LONGEST && s->has_rib)
        flow_needs_add(needs, FLOW_dst_as);
    if ((f->fills_src_as && s->as_method == ROUTE_LONGEST) || f->fills_src_net)
        flow_needs_add(needs, FLOW_src_mask);
    if ((f->fills_dst_as && s->as_method == ROUTE_LONGEST) || f->fills_dst_net)
        flow_needs_add(needs, FLOW_dst_mask);
}

void network_fill_init(struct network_fill *f, const struct network_fill_settings *settings,
                       struct flow_needs *needs)
{
    const struct network_fill_settings *s = settings;
    bool has_as = s->as_method == ROUTE_FILE || uses_file(s, s->as_method);
    bool has_net = s->net_method == ROUTE_FILE || s->net_method == ROUTE_MASK ||
                   uses_file(s, s->net_method) || s->keeps_host || s->filters;
    bool has_source = flow_needs_has(needs, FLOW_path_source) && (has_as || has_net);

    *f = (struct network_fill){
        .settings = *s,
        .fills_src_as = has_as && needs_one(needs, FLOW_src_as, FLOW_peer_src_as),
        .fills_dst_as = has_as && (needs_one(needs, FLOW_dst_as, FLOW_peer_dst_as) || has_source),
        .fills_src_net = has_net && needs_one(needs, FLOW_src_mask, FLOW_src_net),
        .fills_dst_net = has_net && (needs_one(needs, FLOW_dst_mask, FLOW_dst_net) ||
                                     flow_needs_has(needs, FLOW_bgp_next_hop) || has_source),
        .shows_src_net = has_net && flow_needs_has(needs, FLOW_src_net),
        .shows_dst_net = has_net && flow_needs_has(needs, FLOW_dst_net),
        .fills_source = has_source,
    };
    bool finds_as = uses_file(s, s->as_method), finds_net = uses_file(s, s->net_method);
    f->finds_src = (f->fills_src_as && finds_as) || (f->fills_src_net && finds_net) ||
                   (s->file >= 0 && s->filters);
    f->finds_dst = (f->fills_dst_as && finds_as) || (f->fills_dst_net && finds_net) ||
                   (s->file >= 0 && s->filters);
    add_lengths(f, needs);
    if (f->finds_src || f->fills_src_net)
        flow_needs_add(needs, FLOW_src_addr);
    if (f->finds_dst || f->fills_dst_net)
        flow_needs_add(needs, FLOW_dst_addr);
}

/* True if the row's word holds against what has a prefix of `len` bits. By `file` it does even where
 * there is no row, and where those without a row are not shown. */
static bool row_wins(const struct network_fill_settings *s, enum route_method method,
                     const struct answer *row, uint8_t len)
{
    if (method == ROUTE_FILE)
        return true;
    if (method != ROUTE_LONGEST)
        return false;
    if (!row->network)
        return s->filters && !s->file_wins;
    return s->file_wins ? row->len > 0 : row->len >= len;
}

/* Returns the length of a network by networks_mask, in its own family. */
static uint8_t static_mask(const struct network_fill_settings *s, const struct ip_addr *addr)
{
    uint16_t longest = addr->family == IP_V4 ? 32 : 128;

    return (uint8_t)(s->mask < longest ? s->mask : longest);
}

/* True if all that no row has are one network, that of 0 bits. */
static bool is_outside(const struct network_fill_settings *s, const struct answer *row)
{
    return s->filters && s->net_method == ROUTE_LONGEST && !row->network;
}

static void put_network(const struct network_fill_settings *s, const struct ip_addr *addr,
                        uint8_t mask, struct ip_addr *ret_network)
{
    ip_addr_put_masked(ret_network, addr, mask == 0 && s->keeps_host ? 128 : mask);
}

/* Puts the address if there is a row that has it, else the zero address of its family. */
static void put_shown(const struct ip_addr *addr, const struct answer *row,
                      struct ip_addr *ret_shown)
{
    ip_addr_put_masked(ret_shown, addr, row->network ? 128 : 0);
}

static void fill_source(const struct network_fill *f, struct flow *flow, const struct answer *row)
{
    const struct network_fill_settings *s = &f->settings;
    uint8_t mask = flow->src_mask;

    if (f->fills_src_as && row_wins(s, s->as_method, row, s->has_rib ? flow->src_as_mask : mask)) {
        flow->src_as = row->network ? row->network->as : 0;
        flow->peer_src_as = row->network ? row->network->peer_as : 0;
    }
    if (s->filters)
        put_shown(&flow->src_addr, row, &flow->src_shown);
    if (!f->fills_src_net)
        return;
    if (is_outside(s, row) || row_wins(s, s->net_method, row, mask))
        flow->src_mask = row->len;
    else if (s->net_method == ROUTE_MASK)
        flow->src_mask = static_mask(s, &flow->src_addr);
    if (f->shows_src_net)
        put_network(s, s->filters ? &flow->src_shown : &flow->src_addr, flow->src_mask,
                    &flow->src_net);
}

static void fill_destination(const struct network_fill *f, struct flow *flow,
                             const struct answer *row)
{
    const struct network_fill_settings *s = &f->settings;
    uint8_t mask = flow->dst_mask;
    bool has_as =
        f->fills_dst_as && row_wins(s, s->as_method, row, s->has_rib ? flow->dst_as_mask : mask);
    bool has_net = f->fills_dst_net && row_wins(s, s->net_method, row, mask);

    /* path_source goes by the same method as in correlation. */
    if (f->fills_source && (s->as_method != ROUTE_NETFLOW ? has_as : has_net))
        flow->path_source = row->network ? PATH_SOURCE_FILE : PATH_SOURCE_NONE;
    if (has_as) {
        flow->dst_as = row->network ? row->network->as : 0;
        flow->peer_dst_as = row->network ? row->network->peer_as : 0;
    }
    if (s->filters)
        put_shown(&flow->dst_addr, row, &flow->dst_shown);
    if (!f->fills_dst_net)
        return;
    if (has_net) {
        flow->dst_mask = row->len;
        flow->bgp_next_hop = row->network ? row->network->next_hop : (struct ip_addr){0};
    } else if (s->net_method == ROUTE_MASK) {
        flow->dst_mask = static_mask(s, &flow->dst_addr);
        flow->bgp_next_hop = (struct ip_addr){0};
    } else if (is_outside(s, row)) {
        flow->dst_mask = 0;
    }
    if (f->shows_dst_net)
        put_network(s, s->filters ? &flow->dst_shown : &flow->dst_addr, flow->dst_mask,
                    &flow->dst_net);
}

static struct answer answer_of(const struct networks *networks, const struct prefix_match *match)
{
    struct answer answer = {networks_answer(networks, match), 0};

    if (answer.network)
        answer.len = match->len;
    return answer;
}

/* Some flows of a batch that are worked on together. */
struct fill_part {
    uint32_t start, end;
    struct prefix_match
        *matches; /* of the source, where one is looked for, then of the destination */
    size_t match_count;
};

static void part_ask(const struct network_fill *f, const struct networks *networks,
                     const struct flow_batch *batch, struct fill_part *part)
{
    struct prefix_match *next = part->matches;

    for (uint32_t i = part->start; i < part->end; i++) {
        const struct flow *flow = flow_batch_at(batch, i);
        if (f->finds_src)
            networks_ask(networks, &flow->src_addr, next++);
        if (f->finds_dst)
            networks_ask(networks, &flow->dst_addr, next++);
    }
    part->match_count = (size_t)(next - part->matches);
}

static void part_fill(const struct network_fill *f, const struct networks *networks,
                      const struct flow_batch *batch, const struct fill_part *part)
{
    const struct prefix_match *next = part->matches;
    const struct answer nothing = {0};

    for (uint32_t i = part->start; i < part->end; i++) {
        struct flow *flow = flow_batch_at(batch, i);
        struct answer src = networks && f->finds_src ? answer_of(networks, next++) : nothing;
        struct answer dst = networks && f->finds_dst ? answer_of(networks, next++) : nothing;
        fill_source(f, flow, &src);
        fill_destination(f, flow, &dst);
    }
}

/* While the flows of one part wait for memory, those before and after them are worked on. */
void network_fill_batch(const struct network_fill *f, const struct networks *networks,
                        struct prefix_match *matches, struct flow_batch *batch)
{
    enum { STAGES = 4 };
    struct fill_part parts[STAGES] = {{0}};
    uint32_t part_count = (batch->count + TOGETHER - 1) / TOGETHER;
    size_t each = (size_t)f->finds_src + f->finds_dst;

    THREAD_ASSERT(worker_thread);
    for (uint32_t i = 0; i < part_count + STAGES - 1; i++) {
        struct fill_part *first = &parts[i % STAGES], *second = &parts[(i + 3) % STAGES];
        struct fill_part *third = &parts[(i + 2) % STAGES];
        *first = (struct fill_part){0};
        if (i < part_count) {
            uint32_t start = i * TOGETHER, left = batch->count - start;
            *first = (struct fill_part){.start = start,
                                        .end = start + (left < TOGETHER ? left : TOGETHER),
                                        .matches = matches + start * each};
        }
        if (networks) { /* parts before the first one and behind the last one are empty */
            part_ask(f, networks, batch, first);
            networks_approach(networks, second->matches, second->match_count);
            networks_find(networks, third->matches, third->match_count);
        }
        if (i >= STAGES - 1)
            part_fill(f, networks, batch, &parts[(i + 1) % STAGES]);
    }
}
