/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages about BGP: sessions, and the paths to an address or of a prefix. */
#include "base/clock.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/route_distinguisher.h"
#include "bgp/bgp.h"
#include "bgp/decision.h"
#include "bgp/rib_show.h"
#include "daemon/api_bmp.h"
#include "daemon/api_private.h"
#include <errno.h>
#include <string.h>

enum { PATHS_DEFAULT = 1000, PATHS_MAX = 5000, SLICE_PATHS = 64 };

static const char *const table_names[] = {
    [RIB_UNICAST] = "unicast", [RIB_LABELLED] = "labelled", [RIB_VPN] = "vpn"};
static const char *const origins[] = {"igp", "egp", "incomplete", "incomplete"};

static json_t *no_bgp(struct api_call *call)
{
    return api_fail(
        call, 409,
        "there are no BGP sessions and no BMP routers: bgp_daemon: true or bmp_daemon: true "
        "makes the daemon listen");
}

/* ---- peers ---- */

/* Returns a copy, as pages rest while they walk; NULL: there is none yet. */
static struct bgp_peers *peers_copy(const struct bgp *bgp)
{
    const struct bgp_peers *peers = bgp_peers(bgp);
    struct bgp_peers *copy = NULL;

    if (peers) {
        size_t size = sizeof *peers + peers->count * sizeof peers->peers[0];
        copy = mem_alloc(size);
        memcpy(copy, peers, size);
        copy->expected = NULL;
        copy->expected_count = 0;
    }
    return copy;
}

static json_t *json_family(const struct bgp_peer_family *f)
{
    return json_pack("{s:b,s:b,s:b,s:b}", "is_negotiated", f->is_negotiated, "has_add_path",
                     f->has_add_path, "is_loaded", f->is_loaded, "is_stale", f->is_stale);
}

static json_t *json_peer(const struct bgp_peer_info *peer)
{
    bool is_up = peer->state == BGP_PEER_ESTABLISHED;

    return json_pack(
        "{s:o,s:i,s:o,s:I,s:s,s:o,s:I,s:I,s:I,s:o,s:o,s:o}", "address", api_address(&peer->address),
        "port", (int)peer->port, "router_id", api_router_id(peer->router_id), "as",
        (json_int_t)peer->as, "state", is_up ? "established" : "down", "since",
        is_up ? api_time(peer->established_ns) : json_null(), "updates", (json_int_t)peer->updates,
        "paths", (json_int_t)peer->paths, "history_paths", (json_int_t)peer->history_paths,
        "last_error",
        api_string(peer->last_error, strnlen(peer->last_error, sizeof peer->last_error)), "ipv4",
        json_family(&peer->families[RIB_IPV4]), "ipv6", json_family(&peer->families[RIB_IPV6]));
}

json_t *api_page_peers(struct api_call *call)
{
    const struct bgp *bgp = call->api->sources->crew->bgp;
    json_t *list;

    if (!bgp)
        return no_bgp(call);
    struct bgp_peers *peers = peers_copy(bgp);
    list = json_array();
    for (uint32_t i = 0; peers && i < peers->count; i++)
        json_array_append_new(list, json_peer(&peers->peers[i]));
    mem_free(peers);
    return json_pack("{s:o,s:o}", "peers", list, "bmp_routers",
                     api_bmp_routers(call->api->sources));
}

/* ---- paths ---- */

struct routes_walk {
    const struct traffic *traffic_source; /* NULL: none */
    const struct statistics_sources *sources;
    const struct rib *rib;
    struct bgp_peers *peers;
    bool has_peer; /* only paths of this one */
    struct ip_addr peer;
    int64_t now_ns;
    uint64_t left; /* to be shown */
    uint64_t found, shown;
    json_t *prefixes, *paths;    /* all; of the prefix under way */
    struct traffic_row *traffic; /* of the prefix under way, a copy */
    size_t traffic_count;
    /* The best path of the prefix under way, as far as it is known: a copy of its set, whose
     * texts are not looked at. */
    struct path_attrs best;
    struct decision_path best_path;
    json_t *best_json; /* NULL: it is not shown */
    bool has_best;
};

/* Appends the parts of a text that are joined by '_'. */
static json_t *json_parts(const struct rib_text *text)
{
    json_t *list = json_array();
    const char *at = rib_text_data(text), *end;

    for (; *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, '_');
        json_array_append_new(list, api_string(at, (size_t)(end - at)));
    }
    return list;
}

static json_t *json_as_path(const struct rib_text *text)
{
    struct text spaced = {0};
    json_t *string;

    text_append_string(&spaced, rib_text_data(text));
    for (size_t i = 0; i < spaced.len; i++)
        if (spaced.data[i] == '_')
            spaced.data[i] = ' ';
    string = api_string(spaced.len ? spaced.data : "", spaced.len);
    text_clear(&spaced);
    return string;
}

static json_t *uint_or_null(bool is_there, uint64_t value)
{
    return is_there ? api_uint(value) : json_null();
}

/* Takes the bytes of a path out of those of its prefix, so that no second path has them too. */
static uint64_t take_bytes(const struct routes_walk *w, const struct rib_shown *path,
                           const struct ip_addr *address)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < w->traffic_count; i++) {
        struct traffic_row *row = &w->traffic[i];
        bool is_its_own = (address && ip_addr_equal(&row->exporter, address)) ||
                          (row->exporter.family == IP_V4 &&
                           wire_u32(row->exporter.bytes + 12) == path->router_id);
        if (!is_its_own || !ip_addr_equal(&row->next_hop, &path->attrs->next_hop))
            continue;
        bytes += row->bytes;
        row->bytes = 0;
    }
    return bytes;
}

static json_t *json_path(const struct routes_walk *w, const struct rib_shown *path)
{
    const struct path_attrs *a = path->attrs;
    const struct bgp_peer_info *peer = bgp_peers_find(w->peers, path->peer);
    struct api_bmp_owner bmp = {0};
    bool is_bmp = !peer && api_bmp_find(w->sources, path, &bmp);
    bool has_member = bmp.member && bmp.member->address.family != IP_NONE;
    int64_t since_ns = path->announced_ms * NS_PER_MS;
    json_t *object =
        json_pack("{s:o,s:o,s:o,s:o,s:b,s:o,s:o,s:o,s:b,s:b,s:o,s:o,s:o,s:o}", "peer",
                  peer         ? api_address(&peer->address)
                  : has_member ? api_address(&bmp.member->address)
                               : json_null(),
                  "peer_as",
                  uint_or_null(peer || bmp.member, peer         ? peer->as
                                                   : bmp.member ? bmp.member->as
                                                                : 0),
                  "bmp_router", is_bmp ? api_address(&bmp.router->address) : json_null(),
                  "bmp_table", is_bmp ? api_bmp_table(&bmp, path) : json_null(), "is_in_use",
                  is_bmp && path->is_in_use, "router_id", api_router_id(path->router_id), "path_id",
                  uint_or_null(path->has_add_path, path->path_id), "rank",
                  uint_or_null(path->rank != UINT32_MAX, (uint64_t)path->rank + 1), "is_best", 0,
                  "is_stale", path->is_stale, "since", api_time(since_ns), "age_s",
                  uint_or_null(since_ns != 0 && w->now_ns >= since_ns,
                               (uint64_t)(w->now_ns - since_ns) / NS_PER_S),
                  "withdrawn", api_time(path->withdrawn_ms * NS_PER_MS), "bytes",
                  uint_or_null(w->traffic && path->rank != UINT32_MAX,
                               path->rank != UINT32_MAX ? take_bytes(w, path,
                                                                     peer     ? &peer->address
                                                                     : is_bmp ? &bmp.router->address
                                                                              : NULL)
                                                        : 0));
    json_t *attrs = json_pack(
        "{s:o,s:s,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o}", "next_hop", api_address(&a->next_hop),
        "origin", origins[a->origin], "as_path", json_as_path(a->as_path), "local_pref",
        uint_or_null(a->has_local_pref, a->local_pref), "med", uint_or_null(a->has_med, a->med),
        "originator_id", a->has_originator_id ? api_router_id(a->originator_id) : json_null(),
        "cluster_list_len", (int)a->cluster_list_len, "communities", json_parts(a->std_comms),
        "extended_communities", json_parts(a->ext_comms), "large_communities",
        json_parts(a->lrg_comms));

    json_object_update(object, attrs);
    json_decref(attrs);
    return object;
}

/* Takes note of the better of two paths. `json` is NULL if the new one is not shown. */
static void look_for_best(struct routes_walk *w, const struct rib_shown *path, json_t *json)
{
    const struct decision_path both[] = {
        w->best_path,
        {.attrs = path->attrs, .router_id = path->router_id, .path_id = path->path_id}};

    if (path->rank != 0 || (w->has_best && decision_best(both, 2) == 0))
        return;
    w->has_best = true;
    /* The rest is the BGP thread's alone. */
    memcpy(&w->best, path->attrs, offsetof(struct path_attrs, ref_count));
    w->best_path = both[1];
    w->best_path.attrs = &w->best;
    w->best_json = json;
}

/* Whether it is a path of the peer that is asked for: of a session, or of a BMP router or a peer that it monitors. */
static bool is_of_peer(const struct routes_walk *w, const struct rib_shown *path)
{
    const struct bgp_peer_info *peer = bgp_peers_find(w->peers, path->peer);
    uint32_t id = w->peer.family == IP_V4 ? wire_u32(w->peer.bytes + 12) : 0;
    struct api_bmp_owner bmp;

    if (peer)
        return ip_addr_equal(&peer->address, &w->peer) || (id != 0 && peer->router_id == id);
    if (!api_bmp_find(w->sources, path, &bmp))
        return false;
    return ip_addr_equal(&bmp.router->address, &w->peer) ||
           (id != 0 && bmp.router->router_id == id) ||
           (bmp.member && (ip_addr_equal(&bmp.member->address, &w->peer) ||
                           (id != 0 && bmp.member->router_id == id)));
}

static void take_path(void *arg, const struct rib_shown *path)
{
    struct routes_walk *w = arg;
    json_t *json = NULL;
    bool is_wanted = !w->has_peer || is_of_peer(w, path);

    if (is_wanted) {
        w->found++;
        if (w->left > 0) {
            w->left--;
            w->shown++;
            json = json_path(w, path);
            json_array_append_new(w->paths, json);
        }
    }
    look_for_best(w, path, json);
}

/* Copies what was counted under a prefix, as the walk rests. */
static void copy_traffic(struct routes_walk *w, const struct ip_prefix *prefix)
{
    const struct traffic_table *table = traffic_table(w->traffic_source);
    const struct traffic_row *rows;

    w->traffic = NULL;
    w->traffic_count = 0;
    if (!table || table->until_ns == 0)
        return;
    rows = traffic_rows(table, prefix, &w->traffic_count);
    w->traffic = mem_calloc(w->traffic_count + 1, sizeof *rows);
    if (w->traffic_count > 0)
        memcpy(w->traffic, rows, w->traffic_count * sizeof *rows);
}

static json_t *json_other_bytes(const struct routes_walk *w)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < w->traffic_count; i++)
        bytes += w->traffic[i].bytes;
    return uint_or_null(w->traffic, bytes);
}

/* Appends what stands under one prefix, in slices. */
static void put_prefix(struct routes_walk *w, enum rib_safi safi, uint64_t rd,
                       const struct ip_prefix *prefix)
{
    struct rib_show show = {.rib = w->rib, .safi = safi, .rd = rd, .prefix = *prefix};
    char text[IP_PREFIX_TEXT_LEN];

    w->paths = json_array();
    copy_traffic(w, prefix);
    w->best_json = NULL;
    w->has_best = false;
    w->best_path = (struct decision_path){.attrs = &w->best};
    while (rib_show_some(&show, SLICE_PATHS, take_path, w))
        rcu_quiescent(w->sources->reader);
    rcu_quiescent(w->sources->reader);
    if (w->best_json)
        json_object_set_new(w->best_json, "is_best", json_true());
    if (json_array_size(w->paths) == 0) {
        json_decref(w->paths);
        mem_free(w->traffic);
        return;
    }
    ip_prefix_format(prefix, text);
    json_array_append_new(w->prefixes,
                          json_pack("{s:s,s:s,s:o,s:o}", "prefix", text, "table", table_names[safi],
                                    "other_bytes", json_other_bytes(w), "paths", w->paths));
    mem_free(w->traffic);
}

/* Appends the prefix itself, or all that contain the address. */
static void put_table(struct routes_walk *w, enum rib_safi safi, uint64_t rd,
                      const struct ip_prefix *asked, bool is_address)
{
    uint8_t lens[RIB_SHOW_LENS];
    size_t count;

    if (!is_address) {
        put_prefix(w, safi, rd, asked);
        return;
    }
    count = rib_show_covering(w->rib, safi, rd, &asked->addr, lens);
    for (size_t i = 0; i < count; i++) {
        struct ip_prefix prefix = {ip_addr_mask(&asked->addr, lens[i]), lens[i]};
        put_prefix(w, safi, rd, &prefix);
    }
}

/* Reads what is asked for; false: the error says what would be right. */
static bool read_question(struct api_call *call, struct routes_walk *w, struct ip_prefix *asked,
                          uint64_t *rd)
{
    const char *address = control_parameter(call->request, "address"),
               *prefix = control_parameter(call->request, "prefix"),
               *peer = control_parameter(call->request, "peer"),
               *rd_text = control_parameter(call->request, "rd");

    if (!address == !prefix) {
        api_fail(call, 400, "one of address and prefix: address=192.0.2.1, prefix=192.0.2.0/24");
        return false;
    }
    if (address && ip_addr_parse(address, &asked->addr) < 0) {
        api_fail(call, 400, "address: an address, as 192.0.2.1 or 2001:db8::1");
        return false;
    }
    int err = prefix ? ip_prefix_parse(prefix, asked) : 0;
    if (err < 0) {
        api_fail(call, 400, "prefix: %s, as in 192.0.2.0/24",
                 err == -ERANGE ? "no bits beyond its length" : "an address and a length");
        return false;
    }
    if (peer && ip_addr_parse(peer, &w->peer) < 0) {
        api_fail(call, 400, "peer: the address of its session, or its router id");
        return false;
    }
    w->has_peer = peer;
    if (rd_text && route_distinguisher_parse(rd_text, rd) < 0) {
        api_fail(call, 400, "rd: the type, then two numbers: 0:65000:1, 1:192.0.2.1:1");
        return false;
    }
    return api_number(call, "limit", PATHS_MAX, &w->left);
}

/* Says where bytes come from, and what keeps them away. */
static void put_traffic(const struct api *api, json_t **ret_traffic, json_t **ret_missing)
{
    const struct traffic_table *table = traffic_table(api->traffic);

    *ret_traffic = *ret_missing = NULL;
    if (!api->traffic)
        *ret_missing = json_string(
            "control_traffic is not set: let it name a memory plugin's instance whose aggregate "
            "has peer_src_ip, dst_net, dst_mask and peer_dst_ip");
    else if (!table)
        *ret_missing = json_string("the table in memory has not answered yet; ask again");
    else if (table->error[0])
        *ret_missing = api_string(table->error, strlen(table->error));
    if (table && table->until_ns != 0)
        *ret_traffic = json_pack("{s:s,s:o,s:o,s:f,s:b}", "instance", api->traffic_instance, "from",
                                 api_time(table->from_ns), "until", api_time(table->until_ns),
                                 "seconds", (double)(table->until_ns - table->from_ns) / NS_PER_S,
                                 "is_whole", table->is_whole);
    if (!*ret_traffic)
        *ret_traffic = json_null();
    if (!*ret_missing)
        *ret_missing = json_null();
}

json_t *api_page_routes(struct api_call *call)
{
    const struct bgp *bgp = call->api->sources->crew->bgp;
    struct routes_walk w = {.traffic_source = call->api->traffic,
                            .sources = call->api->sources,
                            .left = PATHS_DEFAULT,
                            .now_ns = clock_wall().ns};
    struct ip_prefix asked;
    uint64_t rd = 0;

    if (!bgp)
        return no_bgp(call);
    if (!read_question(call, &w, &asked, &rd))
        return NULL;
    bool is_address = control_parameter(call->request, "address") != NULL;
    w.rib = bgp_rib(bgp);
    w.peers = peers_copy(bgp);
    w.prefixes = json_array();
    if (rd != 0) {
        put_table(&w, RIB_VPN, rd, &asked, is_address);
    } else {
        put_table(&w, RIB_UNICAST, 0, &asked, is_address);
        put_table(&w, RIB_LABELLED, 0, &asked, is_address);
    }
    mem_free(w.peers);
    json_t *traffic, *missing;
    put_traffic(call->api, &traffic, &missing);
    return json_pack("{s:o,s:I,s:b,s:o,s:o}", "prefixes", w.prefixes, "paths", (json_int_t)w.found,
                     "is_whole", w.found == w.shown, "traffic", traffic, "traffic_missing",
                     missing);
}
