/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The snapshot that other threads read: a block for each router, which is made anew when that router
 * changed, and a list of them. See bmp_views.h. */
#include "bmp/bmp_views.h"
#include "base/memory.h"
#include "bgp/rib_view.h"
#include "bmp/bmp_tables_private.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(BMP_VIEW_NAME_LEN == BMP_NAME_LEN, "names fit");

#define DESCRIBE_EVERY_S 10 /* for counts alone */

const char *bmp_view_kind_name(enum bmp_view_kind kind)
{
    static const char *const names[] = {"Adj-RIB-In", "Loc-RIB", "Adj-RIB-Out"};

    return names[kind];
}

const struct bmp_view *bmp_views_find_slot(const struct bmp_views *views, uint32_t slot,
                                           const struct bmp_router_view **ret_router)
{
    if (!views || slot - views->first_slot >= views->slot_count) /* it wraps below the first */
        return NULL;
    const struct bmp_view_place *place = &views->places[slot - views->first_slot];
    if (place->view && ret_router)
        *ret_router = place->router;
    return place->view;
}

const struct bmp_view *bmp_router_view_find(const struct bmp_router_view *router,
                                            enum bmp_view_kind kind, uint64_t distinguisher)
{
    for (uint32_t i = 0; i < router->view_count; i++) {
        if (router->views[i].kind == kind && router->views[i].distinguisher == distinguisher)
            return &router->views[i];
    }
    return NULL;
}

const struct bmp_view_member *bmp_view_find_member(const struct bmp_view *view,
                                                   const struct ip_addr *address)
{
    uint32_t low = 0, high = view->member_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ip_addr_compare(&view->members[middle].address, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == view->member_count || view->members[low].is_labelled ||
        !ip_addr_equal(&view->members[low].address, address))
        return NULL;
    return &view->members[low];
}

/* ---- making one ---- */

static struct bmp_view_family family_of(const struct tables_view *view, enum rib_family family)
{
    const struct rib *rib = view->router->tables->settings.rib;
    struct rib_family_state state =
        rib_peer_family(rib, view->slot, view->distinguisher ? RIB_VPN : RIB_UNICAST, family);

    return (struct bmp_view_family){
        state.is_negotiated, state.has_add_path, state.is_loaded, state.is_stale,
        state.has_paths || rib_peer_family(rib, view->slot, RIB_LABELLED, family).has_paths};
}

static bool family_is_same(const struct bmp_view_family *a, const struct bmp_view_family *b)
{
    return a->is_negotiated == b->is_negotiated && a->has_add_path == b->has_add_path &&
           a->is_loaded == b->is_loaded && a->is_stale == b->is_stale &&
           a->has_paths == b->has_paths;
}

bool bmp_views_are_stale(struct bmp_tables_router *router)
{
    for (uint32_t i = 0; i < router->view_count; i++) {
        for (int f = 0; f < RIB_FAMILY_COUNT; f++) {
            struct bmp_view_family now = family_of(router->views[i], (enum rib_family)f);
            if (!family_is_same(&now, &router->views[i]->shown[f]))
                return true;
        }
    }
    return false;
}

static struct bmp_view_member member_describe(const struct view_member *member)
    ON_THREAD(bgp_thread)
{
    const struct rib *rib = member->view->router->tables->settings.rib;
    uint32_t slot = member->view->slot;

    return (struct bmp_view_member){
        .number = member->number,
        .peer_type = member->peer_type,
        .is_up = member->peer,
        .is_labelled = member->safi == RIB_LABELLED,
        .has_pre = member->tables[false].is_up,
        .has_post = member->tables[true].is_up,
        .pre_paths = rib_view_table_paths(rib, slot, member->number, false),
        .post_paths = rib_view_table_paths(rib, slot, member->number, true),
        .address = member->address,
        .as = member->as,
        .router_id = member->router_id,
        .updates = member->peer ? member->peer->peer->updates : member->updates,
        .up_ns = member->up_ns,
    };
}

/* The order of members, for qsort(): by address, those of labelled routes behind others. */
static int member_compare(const void *a, const void *b)
{
    const struct bmp_view_member *x = a, *y = b;
    int order = ip_addr_compare(&x->address, &y->address);

    if (order == 0)
        order = (int)x->is_labelled - (int)y->is_labelled;
    return order != 0 ? order : (int)x->number - (int)y->number;
}

/* `members`: where its members go. */
static void view_describe(struct tables_view *view, struct bmp_view *out,
                          struct bmp_view_member *members) ON_THREAD(bgp_thread)
{
    struct rib_peer_counts counts = rib_peer_counts(view->router->tables->settings.rib, view->slot);

    for (int f = 0; f < RIB_FAMILY_COUNT; f++)
        view->shown[f] = family_of(view, (enum rib_family)f);
    *out = (struct bmp_view){
        .slot = view->slot,
        .kind = view->kind,
        .distinguisher = view->distinguisher,
        .paths = counts.paths,
        .history_paths = counts.history_paths,
        .prefixes = counts.prefixes,
        .member_count = view->member_count,
        .members = members,
    };
    memcpy(out->families, view->shown, sizeof out->families);
    for (uint32_t i = 0; i < view->member_count; i++)
        members[i] = member_describe(view->members[i]);
    qsort(members, view->member_count, sizeof *members, member_compare);
}

/* One block of memory, so that it is retired as one. */
static struct bmp_router_view *router_describe(struct bmp_tables_router *router)
    ON_THREAD(bgp_thread)
{
    uint32_t view_count = router->view_count, member_count = router->member_count;
    struct bmp_router_view *block =
        mem_zalloc(sizeof *block + view_count * sizeof(struct bmp_view) +
                   member_count * sizeof(struct bmp_view_member));
    struct bmp_view *views = (struct bmp_view *)(void *)(block + 1);
    struct bmp_view_member *members = (struct bmp_view_member *)(void *)(views + view_count);

    *block = (struct bmp_router_view){
        .address = router->address,
        .port = router->port,
        .is_connected = router->is_connected,
        .as = router->as,
        .router_id = router->router_id,
        .connected_ns = router->connected_ns,
        .lost_ns = router->lost_ns,
        .clock_offset_ns = bmp_clock_offset(&router->offset),
        .has_clock_offset = router->offset.has_now,
        .adj_rib_out = router->adj_rib_out,
        .paths_refused = router->paths_refused,
        .peer_count = router->peer_count,
        .view_count = view_count,
        .views = views,
    };
    memcpy(block->sys_name, router->sys_name, sizeof block->sys_name);
    memcpy(block->sys_descr, router->sys_descr, sizeof block->sys_descr);
    for (uint32_t i = 0; i < view_count; i++) {
        view_describe(router->views[i], &views[i], members);
        members += views[i].member_count;
    }
    return block;
}

/* Makes a list of all blocks, with the views by their slots. */
static struct bmp_views *views_list(const struct bmp_tables *tables)
{
    uint32_t slot_count = tables->settings.slot_count;

    while (slot_count > 0 && !tables->slots[slot_count - 1])
        slot_count--;
    struct bmp_views *views =
        mem_zalloc(sizeof *views + tables->router_count * sizeof views->routers[0] +
                   slot_count * sizeof views->places[0]);
    struct bmp_view_place *places =
        (struct bmp_view_place *)(void *)(views->routers + tables->router_count);
    views->places = places;
    views->first_slot = tables->settings.first_slot;
    views->slot_count = slot_count;
    for (uint32_t r = 0; r < tables->router_count; r++) {
        const struct bmp_router_view *router = tables->routers[r]->block;
        if (tables->routers[r]->is_forgotten)
            continue;
        views->routers[views->count++] = router;
        for (uint32_t i = 0; i < router->view_count; i++)
            places[router->views[i].slot - views->first_slot] =
                (struct bmp_view_place){router, &router->views[i]};
    }
    return views;
}

void bmp_views_publish(struct bmp_tables *tables)
{
    struct bmp_views *old = rcu_read(&tables->snapshot);
    bool is_changed = tables->is_changed, is_due = is_changed;

    for (uint32_t i = 0; i < tables->router_count; i++) {
        struct bmp_tables_router *router = tables->routers[i];
        if (!router->is_changed && router->block &&
            tables->mono.ns - router->described.ns < DESCRIBE_EVERY_S * NS_PER_S)
            continue;
        if (router->block)
            rcu_retire(tables->retired, mem_free, router->block);
        is_changed |= router->is_changed;
        is_due = true;
        router->block = router_describe(router);
        router->described = tables->mono;
        router->is_changed = false;
    }
    tables->is_changed = false;
    if (!is_due)
        return;
    struct bmp_views *views = views_list(tables);
    views->generation = old->generation + is_changed;
    rcu_publish(&tables->snapshot, views);
    rcu_retire(tables->retired, mem_free, old);
}
