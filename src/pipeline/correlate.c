/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Correlates a batch in steps: one query per flow, all answered together, then the answers written
 * into the flows. Second questions (a VPN without a route, following next hops) are rare and asked
 * one by one.
 */
#include "pipeline/correlate.h"
#include "base/memory.h"
#include "bgp/rib_view.h"
#include "flow/exporter.h"
#include "flow/path_source.h"
#include "maps/agent_map.h"
#include "maps/maps.h"
#include "maps/next_hop_map.h"
#include "pipeline/bmp_choice.h"
#include "pipeline/enrich.h"
#include "pipeline/exporter_evidence.h"
#include "pipeline/ingress_maps.h"
#include "pipeline/origin_check.h"
#include "pipeline/path_fill.h"
#include "pipeline/peer_choice.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum { PEER_UNKNOWN = PEER_NONE - 1 };

/* Next hops of an exporter that match no path: so many flows and so long are looked at together. */
#define FOREIGN_FLOWS   1000
#define FOREIGN_NS      (600 * NS_PER_S)
#define FOREIGN_PERCENT 95

/* The tables that may answer for a flow, in the order in which they are asked. */
struct tables {
    unsigned count, first_view, end_of_views; /* views are those between */
    struct table_choice at[1 + BMP_TABLES_MAX];
};

/* The facts known of an exporter, by its index; valid while all generations are the same. */
struct exporter_entry {
    uint64_t exporter_generation, peers_generation, views_generation, maps_generation;
    uint32_t peers[RIB_FAMILY_COUNT]; /* PEER_UNKNOWN: not looked for yet */
    struct bmp_answerer bmp;          /* the router that tells its routes by BMP */
    bool is_bmp_known;
    struct tables tables[RIB_FAMILY_COUNT]; /* of the global table; where BMP is spoken */
    bool has_tables[RIB_FAMILY_COUNT];
    bool has_agents;                    /* rows of bgp_agent_map */
    bool is_by_flow;                    /* those rows want to see each flow */
    struct exporter_evidence *evidence; /* made with the first multipath prefix */
    /* Flows with a next hop since then, and those of them whose next hop no path had. */
    int64_t next_hops_since_ns;
    uint64_t next_hop_count, foreign_count;
};

struct correlator {
    struct correlate_settings
        own_settings; /* of correlator_add_needs(); `settings` points at it then */
    const struct correlate_settings *settings;
    const struct rib *rib;
    uint32_t capacity;
    struct rib_query *queries; /* capacity of them */
    uint32_t *flow_of;         /* which flow of the batch a query is for */
    struct exporter_entry *exporters;
    uint32_t exporter_count;
    struct source_facts *facts; /* capacity of them: the paths to the sources of this batch */
    bool has_facts;
    struct origin_check *origins;
    const struct roa_table *_Atomic *cached_roas; /* NULL: those of maps hold */
};

/* The snapshots under RCU that one batch is correlated against. */
struct snapshot_view {
    struct route_sources sources;
    const struct bgp_peers *peers;
    const struct bmp_views *views; /* NULL: no router speaks BMP */
    const struct maps *maps;
    struct rib_equality equality; /* bgp_peer_dst_ip_map; is_same NULL: there is none */
};

struct correlator *correlator_new(const struct correlate_settings *settings, const struct rib *rib,
                                  uint32_t batch_capacity)
{
    struct correlator *c = mem_zalloc(sizeof *c);

    static_assert(PATH_MATCH_COUNT <= 16, "exporter counters have 16 places");
    c->settings = settings;
    c->rib = rib;
    c->capacity = batch_capacity;
    c->queries = mem_calloc(batch_capacity, sizeof *c->queries);
    c->flow_of = mem_calloc(batch_capacity, sizeof *c->flow_of);
    c->facts = mem_calloc(batch_capacity, sizeof *c->facts);
    c->origins = origin_check_new(batch_capacity);
    return c;
}

void correlator_set_roas(struct correlator *c, const struct roa_table *_Atomic *roas)
{
    c->cached_roas = roas;
}

void correlator_add_needs(struct correlator *c, const struct correlate_settings *asked,
                          struct flow_needs *needs)
{
    THREAD_ASSERT(worker_thread);
    c->own_settings = *asked;
    correlate_settings_finish(&c->own_settings, needs);
    c->settings = &c->own_settings;
}

void correlator_free(struct correlator *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->exporter_count; i++)
        mem_free(c->exporters[i].evidence);
    mem_free(c->exporters);
    mem_free(c->queries);
    mem_free(c->flow_of);
    mem_free(c->facts);
    origin_check_free(c->origins);
    mem_free(c);
}

static enum rib_family family_of(const struct ip_addr *address)
{
    return address->family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
}

static struct exporter_entry *entry_of(struct correlator *c, const struct snapshot_view *view,
                                       const struct exporter *exporter)
{
    uint64_t peers_generation = view->peers ? view->peers->generation : 0;
    uint64_t views_generation = view->views ? view->views->generation : 0;
    uint64_t maps_generation = view->maps ? view->maps->generation : 0;
    const struct agent_map *agents = view->maps ? view->maps->agents : NULL;
    struct exporter_entry *e;
    unsigned uses;

    if (exporter->index >= c->exporter_count) {
        uint32_t count = (exporter->index + 1) * 2;
        c->exporters = mem_realloc_array(c->exporters, count, sizeof *c->exporters);
        memset(c->exporters + c->exporter_count, 0,
               (count - c->exporter_count) * sizeof *c->exporters);
        c->exporter_count = count;
    }
    e = &c->exporters[exporter->index];
    if (e->exporter_generation == exporter->generation && e->peers_generation == peers_generation &&
        e->views_generation == views_generation && e->maps_generation == maps_generation)
        return e;
    if (e->exporter_generation != exporter->generation) {
        mem_free(e->evidence);
        e->evidence = NULL;
        e->next_hops_since_ns = 0;
        e->next_hop_count = e->foreign_count = 0;
    }
    e->exporter_generation = exporter->generation;
    e->peers_generation = peers_generation;
    e->views_generation = views_generation;
    e->is_bmp_known = false;
    e->has_tables[RIB_IPV4] = e->has_tables[RIB_IPV6] = false;
    e->maps_generation = maps_generation;
    uses = agents ? agent_map_uses(agents, &exporter->addr) : 0;
    e->has_agents = uses != 0;
    e->is_by_flow = (uses & (AGENT_BY_IFACE | AGENT_BY_FILTER)) != 0;
    for (int family = 0; family < RIB_FAMILY_COUNT; family++)
        e->peers[family] = PEER_UNKNOWN;
    return e;
}

/* The exporter of the flow before: most flows of a batch are of the same one. */
struct current_exporter {
    const struct exporter *exporter; /* NULL: none yet */
    struct exporter_entry *entry;
};

static inline struct exporter_entry *entry_of_flow(struct correlator *c,
                                                   const struct snapshot_view *view,
                                                   const struct flow *flow,
                                                   struct current_exporter *current)
{
    if (flow->exporter != current->exporter) {
        current->exporter = flow->exporter;
        current->entry = entry_of(c, view, flow->exporter);
    }
    return current->entry;
}

/* Finds the peer where it is not known yet, or depends on the flow. */
static uint32_t peer_find(const struct correlator *c, const struct snapshot_view *view,
                          struct exporter_entry *e, const struct flow *flow, enum rib_family family)
{
    uint32_t peer = PEER_UNKNOWN;
    size_t agent_count = 0;

    if (e->has_agents) {
        const struct agent_peer *agents[AGENT_PEERS_MAX];
        agent_count = agent_map_find(view->maps->agents, &flow->exporter->addr, flow, agents);
        peer = peer_choice_of_agents(view->peers, agents, agent_count, family);
    }
    if (agent_count == 0)
        peer = peer_choice(view->peers, &flow->exporter->addr, 0, family,
                           !c->settings->disable_router_id_check);
    e->peers[family] = peer;
    return peer;
}

/* Returns the peer whose table answers for this flow, or PEER_NONE. */
static inline uint32_t peer_of(const struct correlator *c, const struct snapshot_view *view,
                               struct exporter_entry *e, const struct flow *flow,
                               enum rib_family family)
{
    uint32_t peer = e->peers[family];

    return e->is_by_flow || peer == PEER_UNKNOWN ? peer_find(c, view, e, flow, family) : peer;
}

/* ---- tables ---- */

/* Finds the router that tells of the exporter by BMP, where it is not known yet or depends on the flow. */
static const struct bmp_answerer *bmp_of(const struct correlator *c,
                                         const struct snapshot_view *view, struct exporter_entry *e,
                                         const struct flow *flow)
{
    bool match_router_id = !c->settings->disable_router_id_check;
    size_t agent_count = 0;

    if (e->is_bmp_known && !e->is_by_flow)
        return &e->bmp;
    e->bmp = (struct bmp_answerer){0};
    e->is_bmp_known = true;
    if (e->has_agents) {
        const struct agent_peer *agents[AGENT_PEERS_MAX];
        agent_count = agent_map_find(view->maps->agents, &flow->exporter->addr, flow, agents);
        for (size_t i = 0; i < agent_count && !e->bmp.is_there; i++)
            e->bmp = bmp_choice_find(view->views, &agents[i]->address, true);
    }
    if (agent_count == 0)
        e->bmp = bmp_choice_find(view->views, &flow->exporter->addr, match_router_id);
    return &e->bmp;
}

static bool peer_has_add_path(const struct bgp_peers *peers, uint32_t peer, enum rib_family family)
{
    const struct bgp_peer_info *info = bgp_peers_find(peers, peer);

    return info && info->families[family].has_add_path &&
           (info->families[family].is_negotiated || info->families[family].is_stale);
}

/* BGP comes first where it has ADD-PATH, as it may decide then, else last. */
static struct tables tables_find(const struct correlator *c, const struct snapshot_view *view,
                                 struct exporter_entry *e, const struct flow *flow,
                                 enum rib_family family, uint64_t rd)
{
    uint32_t peer = peer_of(c, view, e, flow, family);
    bool is_first = peer != PEER_NONE && peer_has_add_path(view->peers, peer, family);
    struct tables t = {0};

    if (is_first)
        t.at[t.count++] = (struct table_choice){.slot = peer};
    t.first_view = t.count;
    t.count += bmp_choice_tables(view->views, bmp_of(c, view, e, flow), rd, family, t.at + t.count);
    t.end_of_views = t.count;
    if (peer != PEER_NONE && !is_first)
        t.at[t.count++] = (struct table_choice){.slot = peer};
    return t;
}

/* Does as tables_find(); those that hold for all flows of an exporter are kept. */
static struct tables tables_of(const struct correlator *c, const struct snapshot_view *view,
                               struct exporter_entry *e, const struct flow *flow,
                               enum rib_family family, uint64_t rd)
{
    if (rd != 0 || e->is_by_flow)
        return tables_find(c, view, e, flow, family, rd);
    if (!e->has_tables[family]) {
        e->tables[family] = tables_find(c, view, e, flow, family, 0);
        e->has_tables[family] = true;
    }
    return e->tables[family];
}

/* Returns the table to ask first; its slot is PEER_NONE where there is none. */
static inline struct table_choice table_of(const struct correlator *c,
                                           const struct snapshot_view *view,
                                           struct exporter_entry *e, const struct flow *flow,
                                           enum rib_family family, uint64_t rd)
{
    if (!view->views)
        return (struct table_choice){.slot = peer_of(c, view, e, flow, family)};
    struct tables tables = tables_of(c, view, e, flow, family, rd);
    if (tables.count == 0 && rd != 0) /* to be asked about the global table in the end */
        tables = tables_of(c, view, e, flow, family, 0);
    return tables.count > 0 ? tables.at[0] : (struct table_choice){.slot = PEER_NONE};
}

/* How good an answer is. Those of one rank are as good as each other. */
enum answer_rank { RANK_NO_TABLE, RANK_NO_ROUTE, RANK_BGP, RANK_BMP, RANK_GONE, RANK_NEXT_HOP };

static enum answer_rank answer_rank(const struct rib_query *q, bool is_bmp)
{
    switch (q->match) {
    case PATH_MATCH_EXACT:
    case PATH_MATCH_AMBIGUOUS:
        return RANK_NEXT_HOP;
    case PATH_MATCH_HISTORIC:
        return RANK_GONE;
    case PATH_MATCH_NO_ROUTE:
        return RANK_NO_ROUTE;
    case PATH_MATCH_NONE:
    case PATH_MATCH_NO_RIB:
    case PATH_MATCH_COUNT:
        return RANK_NO_TABLE;
    default:
        return is_bmp ? RANK_BMP : RANK_BGP;
    }
}

/* Asks the exporter's further tables, until one has the flow's next hop, and keeps the best answer. Without a
 * next hop what the router uses is the best there is. */
static void ask_further(const struct correlator *c, const struct snapshot_view *view,
                        struct exporter_entry *e, const struct flow *flow, struct rib_query *q)
{
    bool has_next_hop = !q->any_path && !ip_addr_is_zero(&q->next_hop);
    enum answer_rank enough = has_next_hop ? RANK_NEXT_HOP : RANK_BMP;
    const struct tables t = tables_of(c, view, e, flow, family_of(&q->address), q->rd);
    enum answer_rank rank = answer_rank(q, t.first_view == 0 && t.end_of_views > 0);

    if (t.count < 2 || rank >= enough)
        return;
    struct rib_query further = *q;
    for (unsigned i = 1; i < t.count && rank < enough; i++) {
        further.peer = t.at[i].slot;
        further.only_member = t.at[i].only_member;
        rib_lookup_batch(c->rib, c->settings->policy, &further, 1);
        enum answer_rank other = answer_rank(&further, i >= t.first_view && i < t.end_of_views);
        if (other <= rank)
            continue;
        *q = further;
        rank = other;
    }
}

/* Asks the global table where a route distinguisher has no route: the flow may well have been
 * switched by it. */
static void ask_global(const struct correlator *c, const struct snapshot_view *view,
                       struct exporter_entry *e, const struct flow *flow, struct rib_query *q)
{
    struct table_choice table = table_of(c, view, e, flow, family_of(&q->address), 0);

    q->rd = 0;
    q->peer = table.slot;
    q->only_member = table.only_member;
    rib_lookup_batch(c->rib, c->settings->policy, q, 1);
    if (view->views)
        ask_further(c, view, e, flow, q);
}

/* Puts the exporter's instants on our clock. */
static void life_correct(const struct flow *flow, int64_t *from, int64_t *to)
{
    int64_t before_header_ns = flow->arrival_ns - flow->clock_offset_ns - *to;

    /* Absurd times stay, and are told by what they are. */
    if (before_header_ns < -ENRICH_FUTURE_NS || before_header_ns > ENRICH_PAST_NS)
        return;
    if (!enrich_is_of_right_clock(flow, *to)) {
        *from += flow->clock_offset_ns;
        *to += flow->clock_offset_ns;
    }
    if (*to > flow->arrival_ns)
        *to = flow->arrival_ns;
    if (*from > *to)
        *from = *to;
}

/* Sets the life of the flow; in replay both ends are 0, for current paths only. A flow without
 * times, or with absurd ones, was when it arrived. News that came after its end are waited for
 * only where the flow tells when that was. */
static void life_of(const struct correlate_settings *s, const struct flow *flow,
                    struct rib_query *q)
{
    int64_t from = flow->start_ns, to = flow->end_ns, now = flow->arrival_ns;

    q->from_ns = q->to_ns = q->late_ns = 0;
    if (s->is_replay)
        return;
    if (to == 0) /* it goes on: until its export, by the exporter's clock */
        to = from ? now - flow->clock_offset_ns : 0;
    if (from == 0 || (s->start_is_export && from > to))
        from = to;
    if (flow->clock_offset_ns != 0 && from != 0 && to >= from)
        life_correct(flow, &from, &to);
    if (from == 0 || to < from || from < now - ENRICH_PAST_NS || to > now + ENRICH_FUTURE_NS)
        from = to = now;
    else if (s->policy == RIB_POLICY_NORMAL)
        q->late_ns = s->path_lag_s * NS_PER_S;
    q->from_ns = from;
    q->to_ns = to;
}

/* ---- second questions ---- */

static bool is_followed(const struct correlate_settings *s, const struct ip_addr *next_hop)
{
    for (uint32_t i = 0; i < s->follow_count; i++)
        if (ip_prefix_contains(&s->follow[i], next_hop))
            return true;
    return false;
}

/* Finds the peer behind a next hop. bgp_agent_map holds for next hops too, but for their
 * addresses alone: there is no flow from them. */
static uint32_t peer_of_next_hop(const struct correlator *c, const struct snapshot_view *view,
                                 const struct ip_addr *next_hop, enum rib_family family)
{
    const struct agent_map *map = view->maps ? view->maps->agents : NULL;
    const struct agent_peer *agents[AGENT_PEERS_MAX];
    const struct flow nothing = {0};

    if (map && agent_map_uses(map, next_hop) == AGENT_HAS_ROWS)
        return peer_choice_of_agents(view->peers, agents,
                                     agent_map_find(map, next_hop, &nothing, agents), family);
    return peer_choice(view->peers, next_hop, 0, family, !c->settings->disable_router_id_check);
}

/* The same for a router that speaks BMP. */
static bool view_of_next_hop(const struct correlator *c, const struct snapshot_view *view,
                             const struct ip_addr *next_hop, struct rib_query *q)
{
    const struct bmp_answerer found =
        bmp_choice_find(view->views, next_hop, !c->settings->disable_router_id_check);
    struct table_choice tables[BMP_TABLES_MAX];

    if (!found.is_there ||
        bmp_choice_tables(view->views, &found, 0, family_of(&q->address), tables) == 0)
        return false;
    q->peer = tables[0].slot;
    q->only_member = tables[0].only_member;
    return true;
}

/* Finds the best path to the query's address in the table of the peer behind `next_hop`. */
static bool ask_next_hop(const struct correlator *c, const struct snapshot_view *view,
                         const struct ip_addr *next_hop, const struct rib_query *about,
                         struct rib_path *ret_path)
{
    struct rib_query q = {.address = about->address,
                          .from_ns = about->from_ns,
                          .to_ns = about->to_ns,
                          .any_path = true};

    q.peer = peer_of_next_hop(c, view, next_hop, family_of(&about->address));
    if (q.peer == PEER_NONE && !view_of_next_hop(c, view, next_hop, &q))
        return false;
    rib_lookup_batch(c->rib, c->settings->policy, &q, 1);
    if (!q.path.attrs)
        return false;
    *ret_path = q.path;
    return true;
}

/* bgp_follow_default: the router knows a default route only; ask the one it points to. */
static void follow_default(const struct correlator *c, const struct snapshot_view *view,
                           const struct rib_query *q, struct rib_path *path)
{
    for (int64_t hop = 0; hop < c->settings->follow_default && path->prefix_len == 0; hop++)
        if (!ask_next_hop(c, view, &path->attrs->next_hop, q, path))
            break;
}

/* bgp_follow_nexthop: returns the last next hop inside the prefixes, or, external, the one that
 * the last node itself uses. */
static struct ip_addr follow_next_hop(const struct correlator *c, const struct snapshot_view *view,
                                      const struct rib_query *q, struct ip_addr next_hop)
{
    for (int hop = 0; hop < FOLLOW_HOPS_MAX && is_followed(c->settings, &next_hop); hop++) {
        struct rib_path path;
        if (!ask_next_hop(c, view, &next_hop, q, &path) ||
            ip_addr_equal(&path.attrs->next_hop, &next_hop))
            break;
        if (!is_followed(c->settings, &path.attrs->next_hop)) {
            if (c->settings->follow_external)
                next_hop = path.attrs->next_hop;
            break;
        }
        next_hop = path.attrs->next_hop;
    }
    return next_hop;
}

/* ---- origins ---- */

/* Until somebody knows better, the origin of nothing is known. */
static void clear_states(struct flow_batch *batch)
{
    static const struct roa_state unknown = {{'u'}};

    for (uint32_t i = 0; i < batch->count; i++) {
        struct flow *flow = flow_batch_at(batch, i);
        flow->dst_roa = flow->src_roa = unknown;
    }
}

static void check_origins(struct correlator *c, const struct snapshot_view *view)
{
    const struct roa_table *roas = view->maps ? view->maps->roas : NULL;

    if (c->cached_roas)
        roas = rcu_read(c->cached_roas);
    origin_check_finish(c->origins, c->rib, c->settings->policy, &view->sources, roas);
}

/* ---- destination ---- */

static void set_verdict(struct flow *flow, enum path_match match)
{
    flow->path_match = (uint8_t)match;
    counter_add(&flow->exporter->counters.path_match[match], 1);
}

static const char *family_name(const struct rib_query *q)
{
    return q->address.family == IP_V6 ? "ipv6-unicast" : "ipv4-unicast";
}

static void say_no_add_path(const struct snapshot_view *view, const struct flow *flow,
                            const struct rib_query *q)
{
    char address[IP_TEXT_LEN] = "?", exported[IP_TEXT_LEN], path[IP_TEXT_LEN];
    const struct bmp_router_view *router;
    const struct bmp_view *table = bmp_views_find_slot(view->views, q->peer, &router);

    if (!exporter_is_first_note(flow->exporter, NOTE_lacks_add_path))
        return;
    for (uint32_t i = 0; view->peers && i < view->peers->count; i++) {
        if (view->peers->peers[i].index == q->peer)
            ip_addr_format(&view->peers->peers[i].address, address);
    }
    if (table)
        ip_addr_format(&router->address, address);
    ip_addr_format(&q->next_hop, exported);
    ip_addr_format(&q->path.attrs->next_hop, path);
    exporter_say(flow->exporter, NOTE_lacks_add_path,
                 "its %s %s has no ADD-PATH in %s, and one path (next hop %s where a flow "
                 "says %s)",
                 table ? "Loc-RIB, told by BMP from" : "BGP session", address, family_name(q), path,
                 exported);
}

/* An exporter whose next hops are hardly ever those of paths is told of, with an example. */
static void watch_next_hops(struct exporter_entry *e, const struct flow *flow,
                            const struct rib_query *q)
{
    bool is_foreign = q->match == PATH_MATCH_UNMATCHED || q->match == PATH_MATCH_DIFFERS;
    char exported[IP_TEXT_LEN], path[IP_TEXT_LEN];

    if (e->next_hop_count++ == 0)
        e->next_hops_since_ns = flow->arrival_ns;
    e->foreign_count += is_foreign;
    if (e->next_hop_count < FOREIGN_FLOWS || flow->arrival_ns - e->next_hops_since_ns < FOREIGN_NS)
        return;
    if (is_foreign && e->foreign_count * 100 >= e->next_hop_count * FOREIGN_PERCENT &&
        exporter_is_first_note(flow->exporter, NOTE_next_hops_foreign)) {
        ip_addr_format(&q->next_hop, exported);
        ip_addr_format(&q->path.attrs->next_hop, path);
        exporter_say(flow->exporter, NOTE_next_hops_foreign,
                     "%" PRIu64 " of %" PRIu64 " next hops are of no path, such as %s where the "
                     "path has %s",
                     e->foreign_count, e->next_hop_count, exported, path);
    }
    if (!is_foreign && e->foreign_count * 100 >= e->next_hop_count * FOREIGN_PERCENT)
        return; /* the next one that is an example */
    e->next_hop_count = e->foreign_count = 0;
}

/* Counts verdicts that came about by bgp_peer_dst_ip_map. */
static void count_mapped(struct exporter_counters *counters, const struct rib_query *q)
{
    if (q->match == PATH_MATCH_UNMATCHED || q->match == PATH_MATCH_DIFFERS)
        return;
    if (!ip_addr_equal(&q->path.attrs->next_hop, &q->next_hop))
        counter_add(&counters->next_hop_mapped, 1);
}

/* Tells by what table of a router an answer is, if BMP told it. */
static enum path_source bmp_source_of(const struct correlator *c, const struct snapshot_view *view,
                                      struct rib_query *q)
{
    const struct bmp_router_view *router;
    const struct bmp_view *table = bmp_views_find_slot(view->views, q->peer, &router);
    struct rib_path_origin origin = {0};

    if (!table)
        return PATH_SOURCE_BGP;
    if (table->kind == BMP_VIEW_LOC)
        return PATH_SOURCE_BMP_LOC;
    rib_view_path_origin(c->rib, q, &origin);
    return origin.is_pre ? PATH_SOURCE_BMP_PRE : PATH_SOURCE_BMP_POST;
}

static void answer_destination(struct correlator *c, const struct snapshot_view *view,
                               struct exporter_entry *e, struct flow *flow, struct rib_query *q)
{
    const struct correlate_settings *s = c->settings;
    struct exporter_counters *counters = &flow->exporter->counters;
    struct rib_path path;

    if (view->views)
        ask_further(c, view, e, flow, q);
    if (q->rd != 0 && !q->path.attrs) {
        ask_global(c, view, e, flow, q);
        counter_add(&counters->rd_fallback, 1);
    }
    set_verdict(flow, q->match);
    if (q->match == PATH_MATCH_DIFFERS)
        say_no_add_path(view, flow, q);
    if (q->next_hop.family != IP_NONE)
        watch_next_hops(e, flow, q);
    if (q->is_stale)
        counter_add(&counters->stale, 1);
    if (q->is_loading)
        counter_add(&counters->loading, 1);
    if (q->is_late)
        counter_add(&counters->late, 1);
    if (q->equality && q->path.attrs)
        count_mapped(counters, q);
    if (q->candidate_paths > 1 && q->path.attrs) {
        if (!e->evidence)
            e->evidence = mem_zalloc(sizeof *e->evidence);
        if (e->evidence->used < EVIDENCE_MAX) { /* a settled exporter's flows cost nothing here */
            const struct ip_prefix prefix = rib_query_prefix(q);
            exporter_evidence_add(e->evidence, counters, &prefix, &q->next_hop);
        }
    }
    if (!q->path.attrs || !(s->accepted >> q->match & 1)) {
        path_fill_destination(s, flow, NULL);
        return;
    }
    path = q->path;
    if (s->follow_default > 0)
        follow_default(c, view, q, &path);
    path_fill_destination(s, flow, &path);
    if (s->needs_path_source && view->views && flow->path_source == PATH_SOURCE_BGP)
        flow->path_source = bmp_source_of(c, view, q);
    if (s->dst_roa)
        origin_check_add(c->origins, &flow->dst_roa, q, &path, &view->sources);
    if (s->follow_count > 0)
        flow->bgp_next_hop = follow_next_hop(c, view, q, flow->bgp_next_hop);
}

/* Prefetches the texts that somebody asks for: first the place in a set that names them, which
 * is behind what a lookup reads, then the texts. (The function is always in line, as gcc 12
 * drops calls of one that only prefetches.) */
static inline __attribute__((always_inline)) void
prefetch_texts(const struct correlate_settings *s, const struct rib_query *queries, uint32_t count)
{
    if (!s->needs_as_path && !s->needs_std_comms && !s->needs_ext_comms && !s->needs_lrg_comms)
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (queries[i].path.attrs)
            __builtin_prefetch(&queries[i].path.attrs->as_path);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct path_attrs *attrs = queries[i].path.attrs;
        if (attrs && s->needs_as_path)
            __builtin_prefetch(attrs->as_path);
        if (attrs && s->needs_std_comms)
            __builtin_prefetch(attrs->std_comms);
        if (attrs && s->needs_lrg_comms)
            __builtin_prefetch(attrs->lrg_comms);
    }
}

static inline uint64_t rd_of(const struct flow *flow)
{
    return flow->vpn_rd >> 48 == 0xffff ? 0 : flow->vpn_rd; /* or no more than a VRF id */
}

/* Sets each member that a query is asked with, by itself. Results are written by the lookup, and
 * clearing all of a query first would cost more than it does. */
static inline void query_ask(struct rib_query *q, struct table_choice table,
                             const struct flow *flow, const struct ip_addr *address, bool any_path)
{
    q->peer = table.slot;
    q->only_member = table.only_member;
    q->rd = rd_of(flow);
    q->address = *address;
    q->next_hop = (struct ip_addr){0};
    q->equality = NULL;
    q->any_path = any_path;
}

static void correlate_destinations(struct correlator *c, const struct snapshot_view *view,
                                   struct flow_batch *batch)
{
    struct current_exporter current = {0};
    uint32_t count = 0;

    for (uint32_t i = 0; i < batch->count; i++) {
        struct flow *flow = flow_batch_at(batch, i);
        enum rib_family family = family_of(&flow->dst_addr);
        struct rib_query *q = &c->queries[count];
        struct exporter_entry *e = entry_of_flow(c, view, flow, &current);
        struct table_choice table = table_of(c, view, e, flow, family, rd_of(flow));
        if (table.slot == PEER_NONE) {
            set_verdict(flow, PATH_MATCH_NO_RIB);
            path_fill_destination(c->settings, flow, NULL);
            continue;
        }
        query_ask(q, table, flow, &flow->dst_addr, false);
        if (!ip_addr_is_zero(&flow->bgp_next_hop))
            q->next_hop = flow->bgp_next_hop;
        if (view->equality.is_same && next_hop_map_has(view->maps->next_hops, &q->next_hop)) {
            q->equality = &view->equality;
            q->router = &flow->exporter->addr;
        }
        life_of(c->settings, flow, q);
        c->flow_of[count++] = i;
    }
    rib_lookup_batch(c->rib, c->settings->policy, c->queries, count);
    prefetch_texts(c->settings, c->queries, count);
    for (uint32_t i = 0; i < count; i++) {
        struct flow *flow = flow_batch_at(batch, c->flow_of[i]);
        answer_destination(c, view, entry_of_flow(c, view, flow, &current), flow, &c->queries[i]);
    }
    if (c->settings->dst_roa)
        check_origins(c, view);
}

/* ---- source ---- */

static void fill_source(struct correlator *c, uint32_t index, struct flow *flow,
                        const struct rib_path *path)
{
    path_fill_source(c->settings, flow, path);
    if (c->has_facts)
        path_source_facts(c->settings, path, &c->facts[index]);
}

static void correlate_sources(struct correlator *c, const struct snapshot_view *view,
                              struct flow_batch *batch)
{
    struct current_exporter current = {0};
    uint32_t count = 0;

    for (uint32_t i = 0; i < batch->count; i++) {
        struct flow *flow = flow_batch_at(batch, i);
        struct rib_query *q = &c->queries[count];
        struct exporter_entry *e = entry_of_flow(c, view, flow, &current);
        struct table_choice table =
            table_of(c, view, e, flow, family_of(&flow->src_addr), rd_of(flow));
        if (table.slot == PEER_NONE) {
            fill_source(c, i, flow, NULL);
            continue;
        }
        query_ask(q, table, flow, &flow->src_addr, true);
        life_of(c->settings, flow, q);
        c->flow_of[count++] = i;
    }
    rib_lookup_batch(c->rib, c->settings->policy, c->queries, count);
    for (uint32_t i = 0; i < count; i++) {
        struct rib_query *q = &c->queries[i];
        struct flow *flow = flow_batch_at(batch, c->flow_of[i]);
        struct exporter_entry *e = entry_of_flow(c, view, flow, &current);
        if (view->views)
            ask_further(c, view, e, flow, q);
        if (q->rd != 0 && !q->path.attrs)
            ask_global(c, view, e, flow, q);
        struct rib_path path = q->path;
        if (path.attrs && c->settings->follow_default > 0)
            follow_default(c, view, q, &path);
        fill_source(c, c->flow_of[i], flow, path.attrs ? &path : NULL);
        if (c->settings->src_roa && path.attrs)
            origin_check_add(c->origins, &flow->src_roa, q, &path, &view->sources);
    }
    if (c->settings->src_roa)
        check_origins(c, view);
}

static bool next_hop_is_same(const void *map, const struct ip_addr *exporter,
                             const struct ip_addr *path_next_hop, const struct ip_addr *exported)
{
    return next_hop_map_is_same(map, exporter, path_next_hop, exported);
}

void correlate_batch(struct correlator *c, const struct route_sources *sources,
                     const struct maps *maps, struct flow_batch *batch)
{
    struct snapshot_view view;

    THREAD_ASSERT(worker_thread);
    c->has_facts = false;
    if (c->settings->shows_roa)
        clear_states(batch);
    if (!c->settings->is_enabled)
        return;
    assert(batch->count <= c->capacity);
    view = (struct snapshot_view){.sources = *sources, .peers = sources->peers, .maps = maps};
    if (sources->views && sources->views->count > 0)
        view.views = sources->views;
    if (maps && maps->next_hops)
        view.equality = (struct rib_equality){next_hop_is_same, maps->next_hops};
    if (c->settings->needs_destination)
        correlate_destinations(c, &view, batch);
    c->has_facts = ingress_maps_ask_path(c->settings, maps);
    if (c->settings->needs_source || c->has_facts)
        correlate_sources(c, &view, batch);
}

void correlate_ingress_maps(struct correlator *c, const struct maps *maps, struct flow_batch *batch)
{
    THREAD_ASSERT(worker_thread);
    if (maps && c->settings->has_ingress_maps)
        ingress_maps_apply(c->settings, maps, c->has_facts ? c->facts : NULL, batch);
}

/* ---- settings ---- */

static bool needs_any(const struct flow_needs *needs, const enum flow_member *members, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (flow_needs_has(needs, members[i]))
            return true;
    return false;
}

void correlate_settings_finish(struct correlate_settings *s, struct flow_needs *needs)
{
    static const enum flow_member destination[] = {
        FLOW_as_path,      FLOW_std_comms,   FLOW_ext_comms, FLOW_lrg_comms,
        FLOW_local_pref,   FLOW_med,         FLOW_path_id,   FLOW_path_match,
        FLOW_bgp_next_hop, FLOW_path_source, FLOW_dst_roa,
    };
    bool is_as_bgp = s->as_method == ROUTE_BGP || s->as_method == ROUTE_LONGEST;
    bool is_net_bgp = s->net_method == ROUTE_BGP || s->net_method == ROUTE_LONGEST;

    s->needs_as_path = flow_needs_has(needs, FLOW_as_path);
    s->needs_std_comms = flow_needs_has(needs, FLOW_std_comms);
    s->needs_ext_comms = flow_needs_has(needs, FLOW_ext_comms);
    s->needs_lrg_comms = flow_needs_has(needs, FLOW_lrg_comms);
    s->src_as_path &= flow_needs_has(needs, FLOW_src_as_path);
    s->src_std_comms &= flow_needs_has(needs, FLOW_src_std_comms);
    s->src_ext_comms &= flow_needs_has(needs, FLOW_src_ext_comms);
    s->src_lrg_comms &= flow_needs_has(needs, FLOW_src_lrg_comms);
    s->src_roa &= flow_needs_has(needs, FLOW_src_roa);
    s->dst_roa = flow_needs_has(needs, FLOW_dst_roa);
    s->shows_roa = s->dst_roa || flow_needs_has(needs, FLOW_src_roa);
    s->needs_path_source = flow_needs_has(needs, FLOW_path_source);
    s->needs_networks = flow_needs_has(needs, FLOW_dst_net) || flow_needs_has(needs, FLOW_src_net);
    s->by_map[INGRESS_MAP_PEER_AS] =
        s->peer_src_as == SOURCE_BY_MAP && flow_needs_has(needs, FLOW_peer_src_as);
    s->by_map[INGRESS_MAP_LOCAL_PREF] =
        s->src_local_pref == SOURCE_BY_MAP && flow_needs_has(needs, FLOW_src_local_pref);
    s->by_map[INGRESS_MAP_MED] = s->src_med == SOURCE_BY_MAP && flow_needs_has(needs, FLOW_src_med);
    for (int i = 0; i < INGRESS_MAP_COUNT; i++)
        s->has_ingress_maps = s->has_ingress_maps || s->by_map[i];
    if (!s->is_enabled)
        return;
    s->needs_destination =
        needs_any(needs, destination, sizeof destination / sizeof *destination) ||
        (is_as_bgp &&
         (flow_needs_has(needs, FLOW_dst_as) || flow_needs_has(needs, FLOW_peer_dst_as))) ||
        (is_net_bgp &&
         (flow_needs_has(needs, FLOW_dst_mask) || flow_needs_has(needs, FLOW_dst_net)));
    s->needs_source =
        (s->src_as_path && flow_needs_has(needs, FLOW_src_as_path)) ||
        (s->src_std_comms && flow_needs_has(needs, FLOW_src_std_comms)) ||
        (s->src_ext_comms && flow_needs_has(needs, FLOW_src_ext_comms)) ||
        (s->src_lrg_comms && flow_needs_has(needs, FLOW_src_lrg_comms)) || s->src_roa ||
        (s->src_local_pref == SOURCE_BGP && flow_needs_has(needs, FLOW_src_local_pref)) ||
        (s->src_med == SOURCE_BGP && flow_needs_has(needs, FLOW_src_med)) ||
        (s->peer_src_as == SOURCE_BGP && flow_needs_has(needs, FLOW_peer_src_as)) ||
        (is_as_bgp && flow_needs_has(needs, FLOW_src_as)) ||
        (is_net_bgp &&
         (flow_needs_has(needs, FLOW_src_mask) || flow_needs_has(needs, FLOW_src_net)));
    s->is_enabled = s->needs_destination || s->needs_source || s->has_ingress_maps;
    if (!s->is_enabled)
        return;
    flow_needs_add(needs, FLOW_dst_addr);
    flow_needs_add(needs, FLOW_src_addr);
    flow_needs_add(needs, FLOW_bgp_next_hop);
    flow_needs_add(needs, FLOW_vpn_rd);
    flow_needs_add(needs, FLOW_start_ns);
    flow_needs_add(needs, FLOW_end_ns);
    flow_needs_add(needs, FLOW_arrival_ns);
    if (!s->is_replay)
        flow_needs_add(needs, FLOW_clock_offset_ns);
    if (s->as_method == ROUTE_LONGEST || s->net_method == ROUTE_LONGEST) {
        flow_needs_add(needs, FLOW_dst_mask);
        flow_needs_add(needs, FLOW_src_mask);
    }
}
