/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views and members: a peer that comes up finds the member that kept its paths, or gets a new one. Where there is no
 * room, first goes what peers and routers left that are down. See bmp_tables.h.
 */
#include "base/memory.h"
#include "bgp/rib_view.h"
#include "bmp/bmp_tables_private.h"
#include <errno.h>
#include <inttypes.h>

#define SWEEP_EVERY_S 1 /* to make room, at most: a whole sweep may take as long */

uint32_t bmp_member_table(const struct view_member *member, bool is_post)
{
    return rib_view_table(member->view->router->tables->settings.rib, member->view->slot,
                          member->number, is_post);
}

/* ---- what is left of those that are down ---- */

static bool member_forget(struct view_member *member) ON_THREAD(bgp_thread)
{
    struct rib *rib = member->view->router->tables->settings.rib;
    bool has_some = false;

    for (int is_post = 0; is_post < 2; is_post++)
        has_some |= rib_peer_forget(rib, bmp_member_table(member, is_post));
    return has_some;
}

static bool member_has_stale(const struct view_member *member) ON_THREAD(bgp_thread)
{
    const struct rib *rib = member->view->router->tables->settings.rib;

    for (int i = 0; i < 2 * RIB_SAFI_COUNT * RIB_FAMILY_COUNT; i++) {
        enum rib_safi safi = (enum rib_safi)(i / 2 % RIB_SAFI_COUNT);
        enum rib_family family = (enum rib_family)(i / 2 / RIB_SAFI_COUNT);
        if (rib_peer_family(rib, bmp_member_table(member, i % 2), safi, family).is_stale)
            return true;
    }
    return false;
}

/* Nothing of the member may be stale. */
static void member_give_back(struct view_member *member, uint32_t index) ON_THREAD(bgp_thread)
{
    struct tables_view *view = member->view;

    rib_view_give_back(view->router->tables->settings.rib, view->slot, member->number);
    view->members[index] = view->members[--view->member_count];
    view->router->member_count--;
    view->router->is_changed = true;
    mem_free(member);
}

bool bmp_router_forget_stale(struct bmp_tables_router *router)
{
    bool has_some = false;

    for (uint32_t v = 0; v < router->view_count; v++) {
        struct tables_view *view = router->views[v];
        for (uint32_t i = view->member_count; i-- > 0;) {
            struct view_member *member = view->members[i];
            if (member->peer)
                continue;
            has_some |= member_forget(member);
            member_give_back(member, i);
        }
    }
    return has_some;
}

static void view_free(struct tables_view *view)
{
    struct bmp_tables_router *router = view->router;
    struct bmp_tables *tables = router->tables;

    tables->slots[view->slot - tables->settings.first_slot] = NULL;
    for (uint32_t i = 0; i < router->view_count; i++) {
        if (router->views[i] == view) {
            router->views[i] = router->views[--router->view_count];
            break;
        }
    }
    router->is_changed = true;
    mem_free(view->members);
    mem_free(view);
}

void bmp_router_tidy(struct bmp_tables_router *router)
{
    for (uint32_t v = router->view_count; v-- > 0;) {
        struct tables_view *view = router->views[v];
        for (uint32_t i = view->member_count; i-- > 0;) {
            if (!view->members[i]->peer && !member_has_stale(view->members[i]))
                member_give_back(view->members[i], i);
        }
        if (view->member_count == 0 && rib_peer_release(router->tables->settings.rib, view->slot))
            view_free(view);
    }
}

bool bmp_tables_drop_lost(struct bmp_tables *tables)
{
    struct bmp_tables_router *oldest = NULL;

    for (uint32_t i = 0; i < tables->router_count; i++) {
        struct bmp_tables_router *router = tables->routers[i];
        if (!router->is_connected && !router->is_forgotten &&
            (!oldest || router->lost_since.ns < oldest->lost_since.ns))
            oldest = router;
    }
    if (!oldest)
        return false;
    bmp_router_forget_stale(oldest);
    oldest->is_forgotten = true;
    tables->is_changed = true;
    bmp_tables_count(tables, BMP_TABLES_COUNTER_stale_dropped, 1);
    return true;
}

/* ---- room ---- */

/* Whether a sweep may be made, which takes time; then the caller makes it. */
static bool sweep_is_due(struct bmp_tables *tables)
{
    if (tables->mono.ns < tables->next_sweep.ns)
        return false;
    tables->next_sweep.ns = tables->mono.ns + SWEEP_EVERY_S * NS_PER_S;
    return true;
}

/* Drops the member of the router that has been down for longest. */
static bool oldest_member_drop(struct bmp_tables_router *router) ON_THREAD(bgp_thread)
{
    struct view_member *oldest = NULL;
    uint32_t index = 0;

    for (uint32_t v = 0; v < router->view_count; v++) {
        for (uint32_t i = 0; i < router->views[v]->member_count; i++) {
            struct view_member *member = router->views[v]->members[i];
            if (member->peer || (oldest && member->down_since.ns >= oldest->down_since.ns))
                continue;
            oldest = member;
            index = i;
        }
    }
    if (!oldest)
        return false;
    bmp_tables_count(router->tables, BMP_TABLES_COUNTER_stale_dropped, member_forget(oldest));
    member_give_back(oldest, index);
    return true;
}

static uint32_t slot_find(const struct bmp_tables *tables)
{
    uint32_t i = 0;

    while (i < tables->settings.slot_count && tables->slots[i])
        i++;
    return i;
}

/* Makes a slot free; false: all are those of peers that are up. */
static bool slot_make_room(struct bmp_tables *tables) ON_THREAD(bgp_thread)
{
    if (!sweep_is_due(tables))
        return false;
    bmp_tables_drop_lost(tables);
    rib_sweep(tables->settings.rib);
    for (uint32_t i = 0; i < tables->router_count; i++)
        bmp_router_tidy(tables->routers[i]);
    return slot_find(tables) < tables->settings.slot_count;
}

static bool refused_log_allowed(struct bmp_tables_router *router)
{
    uint64_t suppressed;

    return log_limit_allow(&router->log_limits[ROUTER_LOG_REFUSED], &suppressed);
}

static struct tables_view *view_find(const struct bmp_tables_router *router,
                                     enum bmp_view_kind kind, uint64_t distinguisher)
{
    for (uint32_t i = 0; i < router->view_count; i++) {
        struct tables_view *view = router->views[i];
        if (view->kind == kind && view->distinguisher == distinguisher)
            return view;
    }
    return NULL;
}

static struct tables_view *view_take(struct bmp_tables_router *router, enum bmp_view_kind kind,
                                     uint64_t distinguisher) ON_THREAD(bgp_thread)
{
    struct bmp_tables *tables = router->tables;
    struct tables_view *view = view_find(router, kind, distinguisher);
    char address[IP_TEXT_LEN];

    if (view)
        return view;
    uint32_t index = slot_find(tables);
    if (index == tables->settings.slot_count && slot_make_room(tables))
        index = slot_find(tables);
    if (index == tables->settings.slot_count) {
        bmp_tables_count(tables, BMP_TABLES_COUNTER_views_refused, 1);
        ip_addr_format(&router->address, address);
        if (refused_log_allowed(router))
            log_warning("bmp: router %s: routes of a peer are not taken: all %" PRIu32
                        " tables that routers may have are in use; raise %s, or let routers tell "
                        "of fewer VRFs",
                        address, tables->settings.slot_count, tables->settings.routers.key);
        return NULL;
    }
    view = mem_zalloc(sizeof *view);
    view->router = router;
    view->slot = tables->settings.first_slot + index;
    view->kind = kind;
    view->distinguisher = distinguisher;
    /* A Loc-RIB has one path of several, unless ADD-PATH tells all. */
    rib_view_begin(tables->settings.rib, view->slot, kind != BMP_VIEW_LOC);
    tables->slots[index] = view;
    router->views =
        mem_realloc_array(router->views, router->view_count + 1, sizeof router->views[0]);
    router->views[router->view_count++] = view;
    router->is_changed = true;
    return view;
}

static struct view_member *member_find(const struct tables_view *view, const struct bmp_peer *peer,
                                       enum rib_safi safi)
{
    for (uint32_t i = 0; i < view->member_count; i++) {
        struct view_member *member = view->members[i];
        if (member->peer_type == peer->key.type && member->safi == safi &&
            member->address.family == peer->key.address.family &&
            ip_addr_equal(&member->address, &peer->key.address))
            return member;
    }
    return NULL;
}

static bool member_has_room(struct bmp_tables_router *router) ON_THREAD(bgp_thread)
{
    uint64_t max = router->tables->settings.peers.max;

    return router->member_count < max || oldest_member_drop(router);
}

static int member_number(struct tables_view *view, uint16_t *ret_number) ON_THREAD(bgp_thread)
{
    struct bmp_tables *tables = view->router->tables;
    int err = rib_view_add_member(tables->settings.rib, view->slot, ret_number);

    if (err != -ENOSPC || !sweep_is_due(tables))
        return err;
    bmp_router_forget_stale(view->router);
    rib_sweep(tables->settings.rib);
    return rib_view_add_member(tables->settings.rib, view->slot, ret_number);
}

static struct view_member *member_make(struct tables_view *view, const struct bmp_peer *peer,
                                       enum rib_safi safi) ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = view->router;
    struct bmp_tables *tables = router->tables;
    char address[IP_TEXT_LEN];
    uint16_t number;

    if (!member_has_room(router) || member_number(view, &number) < 0) {
        bmp_tables_count(tables, BMP_TABLES_COUNTER_peers_refused, 1);
        ip_addr_format(&router->address, address);
        if (refused_log_allowed(router))
            log_warning("bmp: router %s: routes of a peer are not taken: it has more than %" PRIu64
                        " of them; raise %s",
                        address, tables->settings.peers.max, tables->settings.peers.key);
        return NULL;
    }
    struct view_member *member = mem_zalloc(sizeof *member);
    *member = (struct view_member){.view = view,
                                   .peer_type = peer->key.type,
                                   .safi = (uint8_t)safi,
                                   .address = peer->key.address,
                                   .number = number};
    view->members =
        mem_realloc_array(view->members, view->member_count + 1, sizeof view->members[0]);
    view->members[view->member_count++] = member;
    router->member_count++;
    return member;
}

/* ---- peers ---- */

static void member_attach(struct view_member *member, struct monitored_peer *peer)
{
    const struct bmp_peer *bmp = peer->peer;

    member->peer = peer;
    member->as = bmp->header.as;
    member->router_id = bmp->header.router_id;
    member->up_ns = peer->up_ns;
    peer->members[member->safi] = member;
    member->view->router->is_changed = true;
}

struct view_member *bmp_member_take(struct bmp_tables_router *router, struct monitored_peer *peer,
                                    enum rib_safi safi)
{
    const struct bmp_peer_key *key = &peer->peer->key;

    if (peer->members[safi] || peer->is_refused)
        return peer->members[safi];
    if (!peer->view)
        peer->view = view_take(router, key->type == BMP_PEER_LOC_RIB ? BMP_VIEW_LOC : BMP_VIEW_IN,
                               key->distinguisher);
    struct view_member *member = peer->view ? member_find(peer->view, peer->peer, safi) : NULL;
    if (peer->view && !member)
        member = member_make(peer->view, peer->peer, safi);
    if (member) {
        member_attach(member, peer);
    } else {
        peer->is_refused = true;
        peer->view = NULL; /* it may have no member, and go */
    }
    return member;
}

void bmp_members_attach(struct bmp_tables_router *router, struct monitored_peer *peer)
{
    if (!bmp_member_take(router, peer, RIB_UNICAST) || !peer->view->distinguisher)
        return;
    for (int safi = RIB_UNICAST + 1; safi < RIB_SAFI_COUNT; safi++) {
        struct view_member *kept = member_find(peer->view, peer->peer, (enum rib_safi)safi);
        if (kept)
            member_attach(kept, peer);
    }
}

static void table_down(struct view_member *member, bool is_post, bool is_kept) ON_THREAD(bgp_thread)
{
    struct bmp_tables *tables = member->view->router->tables;
    uint32_t table = bmp_member_table(member, is_post);

    if (member->tables[is_post].is_up)
        rib_peer_down(tables->settings.rib, table, is_kept, tables->wall, tables->mono);
    if (!is_kept) /* what was kept of an earlier life */
        rib_peer_forget(tables->settings.rib, table);
    member->tables[is_post] = (struct member_table){0};
}

void bmp_members_detach(struct bmp_tables_router *router, struct monitored_peer *peer, bool is_kept)
{
    for (int safi = 0; safi < RIB_SAFI_COUNT; safi++) {
        struct view_member *member = peer->members[safi];
        if (!member)
            continue;
        for (int is_post = 0; is_post < 2; is_post++)
            table_down(member, is_post, is_kept);
        member->peer = NULL;
        member->updates = peer->peer->updates;
        member->down_since = router->tables->mono;
    }
    router->is_changed = true;
}
