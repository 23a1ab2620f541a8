/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Routers that speak BMP to a RIB, played by the test. A message is written by what it says, and the time is the
 * test's: second 1000 at first.
 */
#include "bgp/rib.h"
#include "bmp/bmp_tables.h"
#include "support/bmp_rig.h"

#define RIG_ROUTERS    100
#define RIG_FIRST_SLOT 2

struct bmp_tables_rig_settings {
    uint32_t slot_count, max_members;
    uint64_t routers_max, peers_max, paths_max;
};

struct bmp_tables_rig {
    struct bmp_rig bmp; /* its router is the one that speaks */
    struct rib *rib;
    struct bmp_tables *tables;
    struct {
        struct bmp_tables_router *told;
        struct bmp_router *router;
    } routers[RIG_ROUTERS];
    int64_t now_s;
};

#define RIG_KEEP_S 60

static inline void bmp_tables_rig_time(struct bmp_tables_rig *rig, int64_t now_s)
    ON_THREAD(bgp_thread)
{
    rig->now_s = now_s;
    bmp_tables_set_time(rig->tables, (struct wall_time){now_s * NS_PER_S},
                        (struct mono_time){now_s * NS_PER_S});
}

/* `rig` is large: not on the stack. */
static inline void bmp_tables_rig_init(struct bmp_tables_rig *rig,
                                       const struct bmp_tables_rig_settings *settings)
{
    memset(rig, 0, sizeof *rig);
    thread_enter_role(&bgp_thread);
    bmp_rig_init(&rig->bmp, 1000);
    bmp_router_free(rig->bmp.router);
    rig->bmp.router = NULL;
    rig->rib = rib_new(rig->bmp.rcu,
                       &(struct rib_settings){.max_peers = RIG_FIRST_SLOT + settings->slot_count,
                                              .max_members = settings->max_members,
                                              .history_s = 300,
                                              .history_max = 100000,
                                              .peer_down_keep_s = RIG_KEEP_S,
                                              .attrs_pool = attr_store_pool(rig->bmp.store),
                                              .attrs_unref = attr_store_unref,
                                              .attrs_arg = rig->bmp.store});
    rig->tables =
        bmp_tables_new(&(struct bmp_tables_settings){.rib = rig->rib,
                                                     .rcu = rig->bmp.rcu,
                                                     .first_slot = RIG_FIRST_SLOT,
                                                     .slot_count = settings->slot_count,
                                                     .routers = {settings->routers_max, "routers"},
                                                     .peers = {settings->peers_max, "peers"},
                                                     .paths = {settings->paths_max, "paths"}});
    bmp_tables_rig_time(rig, 1000);
}

/* Time goes by for the RIB too; all that is to be swept and given back is. */
static inline void bmp_tables_rig_tick(struct bmp_tables_rig *rig, int64_t now_s)
    ON_THREAD(bgp_thread)
{
    uint64_t changes;

    bmp_tables_rig_time(rig, now_s);
    while (rib_tick(rig->rib, (struct wall_time){now_s * NS_PER_S},
                    (struct mono_time){now_s * NS_PER_S}, &changes))
        continue;
    while (bmp_tables_turn(rig->tables))
        continue;
}

static inline struct ip_addr bmp_tables_rig_address(unsigned router)
{
    const uint8_t bytes[4] = {10, 0, 0, (uint8_t)(router + 1)};

    return ip_addr_v4(bytes);
}

/* False: it was refused. */
static inline bool bmp_tables_rig_connect(struct bmp_tables_rig *rig, unsigned router)
    ON_THREAD(bgp_thread)
{
    struct ip_addr address = bmp_tables_rig_address(router);

    rig->routers[router].told = bmp_tables_connect(rig->tables, &address, 40000);
    if (!rig->routers[router].told)
        return false;
    rig->routers[router].router =
        bmp_router_new(&rig->bmp.settings, bmp_tables_owner(rig->routers[router].told));
    return true;
}

static inline void bmp_tables_rig_lose(struct bmp_tables_rig *rig, unsigned router, bool is_kept)
    ON_THREAD(bgp_thread)
{
    if (!rig->routers[router].router)
        return;
    bmp_router_free(rig->routers[router].router);
    rig->routers[router].router = NULL;
    bmp_tables_lost(rig->tables, rig->routers[router].told, is_kept);
}

static inline void bmp_tables_rig_clear(struct bmp_tables_rig *rig) ON_THREAD(bgp_thread)
{
    for (unsigned i = 0; i < RIG_ROUTERS; i++)
        bmp_tables_rig_lose(rig, i, false);
    bmp_tables_free(rig->tables);
    rib_free(rig->rib);
    rig->bmp.router = NULL;
    bmp_rig_clear(&rig->bmp);
    thread_leave_role(&bgp_thread);
}

/* The router as the snapshot has it now; NULL: not there. */
static inline const struct bmp_router_view *bmp_tables_rig_router(struct bmp_tables_rig *rig,
                                                                  unsigned router)
    ON_THREAD(bgp_thread)
{
    struct ip_addr address = bmp_tables_rig_address(router);

    bmp_tables_turn(rig->tables);
    const struct bmp_views *views = bmp_tables_views(rig->tables);
    for (uint32_t i = 0; i < views->count; i++) {
        if (ip_addr_equal(&views->routers[i]->address, &address))
            return views->routers[i];
    }
    return NULL;
}

static inline const struct bmp_view *bmp_tables_rig_view(struct bmp_tables_rig *rig,
                                                         unsigned router, enum bmp_view_kind kind,
                                                         uint64_t rd) ON_THREAD(bgp_thread)
{
    const struct bmp_router_view *shown = bmp_tables_rig_router(rig, router);

    return shown ? bmp_router_view_find(shown, kind, rd) : NULL;
}

/* ---- messages ---- */

/* Flags of the per-peer header. */
enum { TOLD_PRE = 0, TOLD_POST = 0x40, TOLD_OUT_POST = 0x50 };

/* A monitored peer, and how messages of it are written. */
struct bmp_told {
    uint8_t type; /* enum bmp_peer_type */
    uint64_t distinguisher;
    struct ip_addr address;
    uint32_t as;
    int64_t time_s; /* of the per-peer header; 0: none */
    bool has_add_path, is_labelled;
    uint32_t path_id;
    const char *next_hop;
    uint32_t first_as; /* of its paths */
};

static inline struct bmp_told told_peer(const char *address, uint32_t as)
{
    struct bmp_told peer = {.as = as, .first_as = as, .next_hop = address};

    CHECK(ip_addr_parse(address, &peer.address) == 0);
    return peer;
}

static inline struct bmp_told told_loc_rib(const char *next_hop, uint32_t as)
{
    return (struct bmp_told){
        .type = BMP_PEER_LOC_RIB, .as = as, .first_as = as, .next_hop = next_hop};
}

static inline void told_hex(struct text *text, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text_append_printf(text, "%02x", bytes[i]);
}

static inline void told_header(struct text *text, const struct bmp_told *peer, unsigned flags)
{
    text_append_printf(text, "%02x%02x%016" PRIx64, peer->type, flags, peer->distinguisher);
    text_append_string(text, "000000000000000000000000");
    if (peer->type == BMP_PEER_LOC_RIB)
        text_append_string(text, "00000000");
    else
        told_hex(text, ip_addr_wire(&peer->address), 4);
    text_append_printf(text, "%08x0a000001%08x00000000", peer->as, (unsigned)peer->time_s);
}

static inline void told_send(struct bmp_tables_rig *rig, unsigned router, uint8_t version,
                             uint8_t type, struct text *body) ON_THREAD(bgp_thread)
{
    rig->bmp.router = rig->routers[router].router;
    bmp_rig_send(&rig->bmp, version, type, text_cstr(body));
    rig->bmp.router = NULL;
    text_clear(body);
}

static inline void told_up(struct bmp_tables_rig *rig, unsigned router, const struct bmp_told *peer)
    ON_THREAD(bgp_thread)
{
    struct text body = {0};

    told_header(&body, peer, 0);
    text_append_string(&body, BMP_LOCAL);
    text_append_string(&body, peer->has_add_path ? BMP_OPEN_SENT_ADD_PATH : BMP_OPEN_SENT);
    text_append_string(&body, peer->has_add_path ? BMP_OPEN_RECEIVED_ADD_PATH : BMP_OPEN_RECEIVED);
    told_send(rig, router, 3, BMP_PEER_UP, &body);
}

/* `rest` is what follows the reason, as hex. */
static inline void told_down(struct bmp_tables_rig *rig, unsigned router,
                             const struct bmp_told *peer, unsigned reason, const char *rest)
    ON_THREAD(bgp_thread)
{
    struct text body = {0};

    told_header(&body, peer, 0);
    text_append_printf(&body, "%02x%s", reason, rest);
    told_send(rig, router, 3, BMP_PEER_DOWN, &body);
}

static inline void told_nlri(struct text *text, const struct bmp_told *peer, const char *prefix)
{
    struct ip_prefix p;

    CHECK(ip_prefix_parse(prefix, &p) == 0);
    if (peer->has_add_path)
        text_append_printf(text, "%08x", peer->path_id);
    text_append_printf(text, "%02x", p.len + (peer->is_labelled ? 24u : 0));
    if (peer->is_labelled)
        text_append_string(text, "000101");
    told_hex(text, ip_addr_wire(&p.addr), (p.len + 7u) / 8);
}

/* Appends an UPDATE of so many bytes of body, written as hex. */
static inline void told_update(struct text *out, const char *body)
{
    struct hex hex = hex_make(body);

    text_append_printf(out, "%s%04x02%s", BGP_MARKER, (unsigned)(19 + hex.len), body);
    hex_clear(&hex);
}

static inline unsigned told_hex_len(const struct text *text)
{
    struct hex hex = hex_make(text->data);
    unsigned len = (unsigned)hex.len;

    hex_clear(&hex);
    return len;
}

/* The body of an UPDATE that announces the prefix as the peer has it. */
static inline void told_announcement(struct text *out, const struct bmp_told *peer,
                                     const char *prefix)
{
    struct text nlri = {0}, attributes = {0};
    struct ip_addr next_hop;

    CHECK(ip_addr_parse(peer->next_hop, &next_hop) == 0);
    told_nlri(&nlri, peer, prefix);
    text_append_printf(&attributes, "40010100 40020602 01%08x", peer->first_as);
    if (peer->is_labelled) {
        text_append_printf(&attributes, "800e%02x 000104 04", told_hex_len(&nlri) + 9);
        told_hex(&attributes, ip_addr_wire(&next_hop), 4);
        text_append_printf(&attributes, "00%s", text_cstr(&nlri));
        text_reset(&nlri);
    } else {
        text_append_string(&attributes, "400304");
        told_hex(&attributes, ip_addr_wire(&next_hop), 4);
    }
    text_append_printf(out, "0000%04x%s%s", told_hex_len(&attributes), text_cstr(&attributes),
                       nlri.len ? text_cstr(&nlri) : "");
    text_clear(&nlri);
    text_clear(&attributes);
}

static inline void told_monitoring(struct bmp_tables_rig *rig, unsigned router,
                                   const struct bmp_told *peer, unsigned flags, struct text *update)
    ON_THREAD(bgp_thread)
{
    struct text body = {0};

    told_header(&body, peer, flags);
    told_update(&body, text_cstr(update));
    text_clear(update);
    told_send(rig, router, 3, BMP_ROUTE_MONITORING, &body);
}

static inline void told_route(struct bmp_tables_rig *rig, unsigned router,
                              const struct bmp_told *peer, unsigned flags, const char *prefix)
    ON_THREAD(bgp_thread)
{
    struct text update = {0};

    told_announcement(&update, peer, prefix);
    told_monitoring(rig, router, peer, flags, &update);
}

static inline void told_withdrawal(struct bmp_tables_rig *rig, unsigned router,
                                   const struct bmp_told *peer, unsigned flags, const char *prefix)
    ON_THREAD(bgp_thread)
{
    struct text nlri = {0}, update = {0};

    told_nlri(&nlri, peer, prefix);
    if (peer->is_labelled)
        text_append_printf(&update, "0000%04x 800f%02x000104%s", told_hex_len(&nlri) + 6,
                           told_hex_len(&nlri) + 3, text_cstr(&nlri));
    else
        text_append_printf(&update, "%04x%s0000", told_hex_len(&nlri), text_cstr(&nlri));
    text_clear(&nlri);
    told_monitoring(rig, router, peer, flags, &update);
}

/* End-of-RIB of IPv4 unicast. */
static inline void told_end(struct bmp_tables_rig *rig, unsigned router,
                            const struct bmp_told *peer, unsigned flags) ON_THREAD(bgp_thread)
{
    struct text update = {0};

    text_append_string(&update, "00000000");
    told_monitoring(rig, router, peer, flags, &update);
}

/* Version 4: an UPDATE of prefixes, each marked with a status in hex (path marking, section 3.1). */
static inline void told_v4(struct bmp_tables_rig *rig, unsigned router, const struct bmp_told *peer,
                           unsigned flags, struct text *update_body, const char *marks)
    ON_THREAD(bgp_thread)
{
    struct text body = {0}, update = {0};

    told_update(&update, text_cstr(update_body));
    told_header(&body, peer, flags);
    text_append_printf(&body, "0007%04x0000%s%s", told_hex_len(&update), text_cstr(&update), marks);
    text_clear(&update);
    text_clear(update_body);
    told_send(rig, router, 4, BMP_ROUTE_MONITORING, &body);
}

static inline void told_marked(struct bmp_tables_rig *rig, unsigned router,
                               const struct bmp_told *peer, unsigned flags, const char *prefix,
                               const char *status) ON_THREAD(bgp_thread)
{
    struct text update = {0}, marks = {0};

    told_announcement(&update, peer, prefix);
    text_append_printf(&marks, "000500060000%s0001", status);
    told_v4(rig, router, peer, flags, &update, text_cstr(&marks));
    text_clear(&marks);
}

/* Both in one UPDATE. */
static inline void told_two_marked(struct bmp_tables_rig *rig, unsigned router,
                                   const struct bmp_told *peer, unsigned flags, const char *first,
                                   const char *second, const char *first_status,
                                   const char *second_status) ON_THREAD(bgp_thread)
{
    struct text update = {0}, marks = {0};

    told_announcement(&update, peer, first);
    told_nlri(&update, peer, second);
    text_append_printf(&marks, "000500040001%s000500040002%s", first_status, second_status);
    told_v4(rig, router, peer, flags, &update, text_cstr(&marks));
    text_clear(&marks);
}
