/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fills flows from paths. Each member has a method that says whether BGP or the exporter is
 * believed; communities can stand in for an AS path (bgp_stdcomm_pattern_to_asn). */
#include "pipeline/path_fill.h"
#include "flow/path_source.h"
#include <string.h>

static struct flow_bytes bytes_of(const struct rib_text *text)
{
    if (!text)
        return (struct flow_bytes){0};
    return (struct flow_bytes){(const uint8_t *)text->data, text->len, text->handle};
}

/* True if `text` begins with `pattern`, where '.' is any character. */
static bool matches_at(const char *text, size_t len, const char *pattern, size_t pattern_len)
{
    if (len < pattern_len)
        return false;
    for (size_t i = 0; i < pattern_len; i++)
        if (pattern[i] != '.' && pattern[i] != text[i])
            return false;
    return true;
}

static bool matches(const char *text, size_t len, const char *patterns)
{
    while (*patterns) {
        size_t pattern_len = strcspn(patterns, ",");
        for (size_t at = 0; at < len; at++)
            if (matches_at(text + at, len - at, patterns, pattern_len))
                return true;
        patterns += pattern_len + (patterns[pattern_len] == ',');
    }
    return false;
}

/*
 * bgp_stdcomm_pattern_to_asn and its sister: own customers without an AS number of their own are
 * marked by a community PEER:ORIGIN on a path without AS path.
 */
static bool community_to_as(const struct rib_text *communities, const char *patterns,
                            uint32_t *ret_peer, uint32_t *ret_origin)
{
    const char *at = rib_text_data(communities), *end = at + (communities ? communities->len : 0);

    while (patterns && at < end) {
        const char *next = memchr(at, '_', (size_t)(end - at));
        size_t len = (size_t)((next ? next : end) - at);
        const char *colon = memchr(at, ':', len);
        if (colon && matches(at, len, patterns)) {
            uint64_t values[2] = {0, 0};
            const char *p = at;
            for (int i = 0; i < 2; i++, p++)
                for (; p < at + len && *p >= '0' && *p <= '9'; p++)
                    values[i] = values[i] * 10 + (uint64_t)(*p - '0');
            *ret_peer = (uint32_t)values[0];
            *ret_origin = (uint32_t)values[1];
            return true;
        }
        at += len + 1;
    }
    return false;
}

struct path_as {
    uint32_t neighbour, origin;
};

static struct path_as path_as(const struct correlate_settings *s, const struct path_attrs *attrs)
{
    struct path_as as = {s->skip_confederation ? attrs->first_as_no_confed : attrs->first_as,
                         attrs->origin_as};

    /* The texts are another cache line, so they are looked at only where there is something to
     * look for. */
    if ((s->std_comm_to_asn || s->lrg_comm_to_asn) && !attrs->as_path &&
        !community_to_as(attrs->std_comms, s->std_comm_to_asn, &as.neighbour, &as.origin))
        community_to_as(attrs->lrg_comms, s->lrg_comm_to_asn, &as.neighbour, &as.origin);
    return as;
}

/* True if the value of BGP goes before the exported one: by method BGP always, by `longest` if
 * its prefix is at least as long. */
static bool bgp_wins(enum route_method method, const struct rib_path *path, uint8_t exported_len)
{
    return method == ROUTE_BGP ||
           (method == ROUTE_LONGEST && path && path->prefix_len >= exported_len);
}

/* The source of the path's fields goes by the method of AS numbers, or by that of networks where the
 * first leaves all to the exporter. */
static enum path_source source_of(const struct correlate_settings *s, const struct flow *flow,
                                  const struct rib_path *path, uint8_t exported_len)
{
    enum route_method method = s->as_method != ROUTE_NETFLOW ? s->as_method : s->net_method;

    switch (method) {
    case ROUTE_BGP:
        return path ? PATH_SOURCE_BGP : PATH_SOURCE_NONE;
    case ROUTE_LONGEST:
        return path && bgp_wins(method, path, exported_len) ? PATH_SOURCE_BGP : PATH_SOURCE_EXPORT;
    case ROUTE_FILE:
        return PATH_SOURCE_NONE; /* until a row is found */
    case ROUTE_NETFLOW:
    case ROUTE_MASK:
        break;
    }
    return path && !flow->has_exported_path ? PATH_SOURCE_BGP : PATH_SOURCE_EXPORT;
}

static void fill_path(const struct correlate_settings *s, struct flow *flow,
                      const struct rib_path *path)
{
    const struct path_attrs *attrs = path ? path->attrs : NULL;

    if (s->needs_as_path)
        flow->as_path = attrs ? bytes_of(attrs->as_path) : (struct flow_bytes){0};
    if (s->needs_std_comms)
        flow->std_comms = attrs ? bytes_of(attrs->std_comms) : (struct flow_bytes){0};
    if (s->needs_ext_comms)
        flow->ext_comms = attrs ? bytes_of(attrs->ext_comms) : (struct flow_bytes){0};
    if (s->needs_lrg_comms)
        flow->lrg_comms = attrs ? bytes_of(attrs->lrg_comms) : (struct flow_bytes){0};
    if (attrs) {
        flow->local_pref = attrs->local_pref;
        flow->med = attrs->med;
        flow->path_id = path->path_id;
        flow->bgp_next_hop = attrs->next_hop;
    } else {
        flow->local_pref = flow->med = flow->path_id = 0;
        if (ip_addr_is_zero(&flow->bgp_next_hop)) /* exported as 0.0.0.0: none */
            flow->bgp_next_hop = (struct ip_addr){0};
    }
}

void path_fill_destination(const struct correlate_settings *s, struct flow *flow,
                           const struct rib_path *path)
{
    const struct path_attrs *attrs = path ? path->attrs : NULL;
    uint8_t exported_len = flow->dst_mask;
    bool is_bgp = bgp_wins(s->as_method, path, exported_len);

    if (flow->has_exported_path && !is_bgp)
        flow->path_id = 0; /* the path is what the router itself says of it */
    else
        fill_path(s, flow, path);
    if (is_bgp) {
        struct path_as as = attrs ? path_as(s, attrs) : (struct path_as){0};
        flow->dst_as = as.origin;
        flow->peer_dst_as = as.neighbour;
    }
    if (s->needs_path_source)
        flow->path_source = source_of(s, flow, path, exported_len);
    if (s->as_method == ROUTE_LONGEST)
        flow->dst_as_mask = is_bgp ? path->prefix_len : exported_len;
    if (!path && s->net_method == ROUTE_BGP && s->policy == RIB_POLICY_PMACCT)
        flow->bgp_next_hop = (struct ip_addr){0}; /* pmacct gives up the exported one too */
    if (bgp_wins(s->net_method, path, exported_len))
        flow->dst_mask = path ? path->prefix_len : 0;
    if (s->needs_networks)
        flow->dst_net = ip_addr_mask(&flow->dst_addr, flow->dst_mask);
}

void path_source_facts(const struct correlate_settings *s, const struct rib_path *path,
                       struct source_facts *ret_facts)
{
    const struct path_attrs *attrs = path ? path->attrs : NULL;

    *ret_facts = (struct source_facts){0};
    if (!attrs)
        return;
    ret_facts->next_hop = attrs->next_hop;
    ret_facts->neighbour_as = path_as(s, attrs).neighbour;
    ret_facts->local_pref = attrs->local_pref;
    ret_facts->med = attrs->med;
}

void path_fill_source(const struct correlate_settings *s, struct flow *flow,
                      const struct rib_path *path)
{
    const struct path_attrs *attrs = path ? path->attrs : NULL;
    struct path_as as = attrs ? path_as(s, attrs) : (struct path_as){0};
    uint8_t exported_len = flow->src_mask;

    flow->src_as_path = attrs && s->src_as_path ? bytes_of(attrs->as_path) : (struct flow_bytes){0};
    flow->src_std_comms =
        attrs && s->src_std_comms ? bytes_of(attrs->std_comms) : (struct flow_bytes){0};
    flow->src_ext_comms =
        attrs && s->src_ext_comms ? bytes_of(attrs->ext_comms) : (struct flow_bytes){0};
    flow->src_lrg_comms =
        attrs && s->src_lrg_comms ? bytes_of(attrs->lrg_comms) : (struct flow_bytes){0};
    flow->src_local_pref = attrs && s->src_local_pref == SOURCE_BGP ? attrs->local_pref : 0;
    flow->src_med = attrs && s->src_med == SOURCE_BGP ? attrs->med : 0;
    if (bgp_wins(s->as_method, path, exported_len))
        flow->src_as = as.origin;
    if (s->as_method == ROUTE_LONGEST)
        flow->src_as_mask =
            path && path->prefix_len >= exported_len ? path->prefix_len : exported_len;
    if (s->peer_src_as == SOURCE_BGP)
        flow->peer_src_as = as.neighbour;
    else if (s->peer_src_as == SOURCE_NONE)
        flow->peer_src_as = 0;
    if (bgp_wins(s->net_method, path, exported_len))
        flow->src_mask = path ? path->prefix_len : 0;
    if (s->needs_networks)
        flow->src_net = ip_addr_mask(&flow->src_addr, flow->src_mask);
}
