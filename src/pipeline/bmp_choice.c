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

const struct bmp_router_view *bmp_choice_router(const struct bmp_views *views,
                                                const struct ip_addr *address, bool match_router_id)
{
    const struct bmp_router_view *by_id = NULL;
    uint32_t id = match_router_id && address->family == IP_V4 ? wire_u32(ip_addr_wire(address)) : 0;

    for (uint32_t i = 0; views && i < views->count; i++) {
        const struct bmp_router_view *router = views->routers[i];
        if (ip_addr_equal(&router->address, address))
            return router;
        if (id != 0 && router->router_id == id && (!by_id || router->is_connected))
            by_id = router;
    }
    return by_id;
}

struct bmp_answerer bmp_choice_find(const struct bmp_views *views, const struct ip_addr *address,
                                    bool match_router_id)
{
    const struct bmp_router_view *found = bmp_choice_router(views, address, match_router_id);

    if (found)
        return (struct bmp_answerer){.is_there = true, .router = found->address};
    for (uint32_t i = 0; views && i < views->count; i++) {
        const struct bmp_router_view *router = views->routers[i];
        if ((!found || (router->is_connected && !found->is_connected)) && monitors(router, address))
            found = router;
    }
    if (!found)
        return (struct bmp_answerer){0};
    return (struct bmp_answerer){.is_there = true, .router = found->address, .peer = *address};
}

unsigned bmp_choice_tables(const struct bmp_views *views, const struct bmp_answerer *answerer,
                           uint64_t distinguisher, enum rib_family family,
                           struct table_choice tables[BMP_TABLES_MAX])
{
    static const enum bmp_view_kind order[BMP_TABLES_MAX] = {BMP_VIEW_LOC, BMP_VIEW_IN};
    const struct bmp_router_view *router = NULL;
    unsigned count = 0;

    for (uint32_t i = 0; i < views->count && answerer->is_there && !router; i++) {
        if (ip_addr_equal(&views->routers[i]->address, &answerer->router))
            router = views->routers[i];
    }
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
