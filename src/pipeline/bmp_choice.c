/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks over routers and their peers; those who ask keep the result. See bmp_choice.h. */
#include "pipeline/bmp_choice.h"
#include "base/reader.h"

/* Whether the router monitors the peer in its global table. */
static bool monitors(const struct bmp_router_view *router, const struct ip_addr *address)
{
    const struct bmp_view *in = bmp_router_view_find(router, BMP_VIEW_IN, 0);

    return in && bmp_view_find_member(in, address);
}

#define NO_ROUTER UINT32_MAX

static uint32_t router_index(const struct bmp_views *views, const struct ip_addr *address,
                             bool match_router_id)
{
    uint32_t by_id = NO_ROUTER;
    uint32_t id = match_router_id && address->family == IP_V4 ? wire_u32(ip_addr_wire(address)) : 0;

    for (uint32_t i = 0; views && i < views->count; i++) {
        const struct bmp_router_view *router = views->routers[i];
        if (ip_addr_equal(&router->address, address))
            return i;
        if (id != 0 && router->router_id == id && (by_id == NO_ROUTER || router->is_connected))
            by_id = i;
    }
    return by_id;
}

const struct bmp_router_view *bmp_choice_router(const struct bmp_views *views,
                                                const struct ip_addr *address, bool match_router_id)
{
    uint32_t index = router_index(views, address, match_router_id);

    return index == NO_ROUTER ? NULL : views->routers[index];
}

struct bmp_answerer bmp_choice_find(const struct bmp_views *views, const struct ip_addr *address,
                                    bool match_router_id)
{
    uint32_t found = router_index(views, address, match_router_id);

    if (found != NO_ROUTER)
        return (struct bmp_answerer){
            .is_there = true, .index = found, .router = views->routers[found]->address};
    for (uint32_t i = 0; views && i < views->count; i++) {
        const struct bmp_router_view *router = views->routers[i];
        if ((found == NO_ROUTER ||
             (router->is_connected && !views->routers[found]->is_connected)) &&
            monitors(router, address))
            found = i;
    }
    if (found == NO_ROUTER)
        return (struct bmp_answerer){0};
    return (struct bmp_answerer){true, found, views->routers[found]->address, *address};
}

unsigned bmp_choice_tables(const struct bmp_views *views, const struct bmp_answerer *answerer,
                           uint64_t distinguisher, enum rib_family family,
                           struct table_choice tables[BMP_TABLES_MAX])
{
    static const enum bmp_view_kind order[BMP_TABLES_MAX] = {BMP_VIEW_LOC, BMP_VIEW_IN};
    const struct bmp_router_view *router = NULL;
    unsigned count = 0;

    if (!answerer->is_there)
        return 0;
    if (answerer->index < views->count)
        router = views->routers[answerer->index];
    if (!router || !ip_addr_equal(&router->address, &answerer->router))
        router = bmp_choice_router(views, &answerer->router, false);
    for (unsigned i = 0; router && i < BMP_TABLES_MAX; i++) {
        const struct bmp_view *view = bmp_router_view_find(router, order[i], distinguisher);
        const struct bmp_view_member *member = NULL;
        if (!view && distinguisher != 0) /* VPN routes, of which `families` does not tell */
            view = bmp_router_view_find(router, order[i], 0);
        else if (view && !view->families[family].is_negotiated && !view->families[family].is_stale)
            view = NULL;
        if (!view)
            continue;
        if (answerer->peer.family != IP_NONE) {
            member = order[i] == BMP_VIEW_IN ? bmp_view_find_member(view, &answerer->peer) : NULL;
            if (!member)
                continue;
        }
        tables[count++] = (struct table_choice){view->slot, member ? member->number + 1u : 0};
    }
    return count;
}
