/* SPDX-License-Identifier: GPL-2.0-or-later */
/* These functions tell the API of BMP: routers, their views and peers, and whose a path of a view is. */
#include "daemon/api_bmp.h"
#include "base/clock.h"
#include "bmp/bmp_station.h"
#include "bmp/bmp_tables.h"
#include "daemon/api_private.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MEMBERS_MAX = 10000 }; /* of all routers, in one answer */

static const struct bmp_views *views_of(const struct statistics_sources *sources)
{
    return bmp_tables_views(bmp_station_tables(sources->bmp));
}

void api_bmp_distinguisher(uint64_t rd, char out[API_DISTINGUISHER_LEN])
{
    unsigned type = (unsigned)(rd >> 48);

    if (type == 0)
        snprintf(out, API_DISTINGUISHER_LEN, "0:%u:%u", (unsigned)(rd >> 32 & 0xffff),
                 (unsigned)rd);
    else if (type == 1)
        snprintf(out, API_DISTINGUISHER_LEN, "1:%u.%u.%u.%u:%u", (unsigned)(rd >> 40 & 0xff),
                 (unsigned)(rd >> 32 & 0xff), (unsigned)(rd >> 24 & 0xff),
                 (unsigned)(rd >> 16 & 0xff), (unsigned)(rd & 0xffff));
    else
        snprintf(out, API_DISTINGUISHER_LEN, "%u:%u:%u", type, (unsigned)(rd >> 16),
                 (unsigned)(rd & 0xffff));
}

static json_t *json_distinguisher(uint64_t rd)
{
    char text[API_DISTINGUISHER_LEN];

    if (rd == 0)
        return json_null();
    api_bmp_distinguisher(rd, text);
    return json_string(text);
}

static json_t *json_member(const struct bmp_view_member *m)
{
    bool has_address = m->address.family != IP_NONE;

    return json_pack("{s:o,s:I,s:o,s:b,s:o,s:I,s:o,s:o}", "address",
                     has_address ? api_address(&m->address) : json_null(), "as", (json_int_t)m->as,
                     "router_id", api_router_id(m->router_id), "is_up", m->is_up, "since",
                     m->is_up ? api_time(m->up_ns) : json_null(), "updates", (json_int_t)m->updates,
                     "pre_policy_paths", m->has_pre ? api_uint(m->pre_paths) : json_null(),
                     "post_policy_paths", m->has_post ? api_uint(m->post_paths) : json_null());
}

static json_t *json_family(const struct bmp_view_family *f)
{
    return json_pack("{s:b,s:b,s:b,s:b}", "is_negotiated", f->is_negotiated, "has_add_path",
                     f->has_add_path, "is_loaded", f->is_loaded, "is_stale", f->is_stale);
}

/* `left`: so many peers may still be named. */
static json_t *json_view(const struct bmp_view *view, uint32_t *left)
{
    json_t *peers = json_array();

    for (uint32_t i = 0; i<view->member_count && * left> 0; i++, (*left)--)
        json_array_append_new(peers, json_member(&view->members[i]));
    return json_pack("{s:s,s:o,s:I,s:I,s:o,s:o,s:I,s:o}", "table", bmp_view_kind_name(view->kind),
                     "distinguisher", json_distinguisher(view->distinguisher), "paths",
                     (json_int_t)view->paths, "history_paths", (json_int_t)view->history_paths,
                     "ipv4", json_family(&view->families[RIB_IPV4]), "ipv6",
                     json_family(&view->families[RIB_IPV6]), "peer_count",
                     (json_int_t)view->member_count, "peers", peers);
}

static json_t *json_router(const struct bmp_router_view *r, uint32_t *left)
{
    json_t *views = json_array();

    for (uint32_t i = 0; i < r->view_count; i++)
        json_array_append_new(views, json_view(&r->views[i], left));
    return json_pack(
        "{s:o,s:i,s:o,s:o,s:I,s:o,s:s,s:o,s:I,s:I,s:I,s:o}", "address", api_address(&r->address),
        "port", (int)r->port, "name", api_string(r->sys_name, strlen(r->sys_name)), "description",
        api_string(r->sys_descr, strlen(r->sys_descr)), "as", (json_int_t)r->as, "router_id",
        api_router_id(r->router_id), "state", r->is_connected ? "connected" : "lost", "since",
        api_time(r->is_connected ? r->connected_ns : r->lost_ns), "peers_up",
        (json_int_t)r->peer_count, "paths_refused", (json_int_t)r->paths_refused, "adj_rib_out",
        (json_int_t)r->adj_rib_out, "views", views);
}

json_t *api_bmp_routers(const struct statistics_sources *sources)
{
    json_t *list = json_array();
    uint32_t left = MEMBERS_MAX;

    if (!sources->bmp)
        return list;
    const struct bmp_views *views = views_of(sources);
    for (uint32_t i = 0; i < views->count; i++)
        json_array_append_new(list, json_router(views->routers[i], &left));
    return list;
}

json_t *api_bmp_status(const struct statistics_sources *sources)
{
    json_int_t connected = 0, peers = 0;

    if (!sources->bmp)
        return json_null();
    const struct bmp_views *views = views_of(sources);
    for (uint32_t i = 0; i < views->count; i++) {
        connected += views->routers[i]->is_connected;
        peers += views->routers[i]->peer_count;
    }
    return json_pack("{s:I,s:I,s:I}", "routers", (json_int_t)views->count, "connected", connected,
                     "peers_up", peers);
}

bool api_bmp_find(const struct statistics_sources *sources, const struct rib_shown *path,
                  struct api_bmp_owner *ret_owner)
{
    if (!sources->bmp)
        return false;
    ret_owner->view = bmp_views_find_slot(views_of(sources), path->peer, &ret_owner->router);
    ret_owner->member = NULL;
    for (uint32_t i = 0; ret_owner->view && i < ret_owner->view->member_count; i++) {
        if (ret_owner->view->members[i].number == path->member)
            ret_owner->member = &ret_owner->view->members[i];
    }
    return ret_owner->view;
}

json_t *api_bmp_table(const struct api_bmp_owner *owner, const struct rib_shown *path)
{
    const char *kind = bmp_view_kind_name(owner->view->kind);
    char text[64];

    if (owner->view->kind == BMP_VIEW_LOC)
        return json_string(kind);
    snprintf(text, sizeof text, "%s %s", kind,
             path->is_pre && path->is_post ? "pre-policy and post-policy"
             : path->is_pre                ? "pre-policy"
                                           : "post-policy");
    return json_string(text);
}
