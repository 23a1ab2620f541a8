/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers the routes of a batch, and asks the RIB once more about those that are invalid. */
#include "pipeline/origin_check.h"

#include "base/memory.h"
#include "rpki/roa_table.h"
#include <assert.h>

enum { UNKNOWN = 'u', INVALID = 'i', VALID = 'v', VALID_BELOW = 'o', UNKNOWN_BELOW = 'O' };

struct origin_check {
    uint32_t count, capacity;
    struct roa_query *routes;
    struct roa_state **states;        /* where each goes */
    const struct rib_query **queries; /* what was asked for each */
};

struct origin_check *origin_check_new(uint32_t capacity)
{
    struct origin_check *check = mem_zalloc(sizeof *check);

    check->capacity = capacity;
    check->routes = mem_calloc(capacity, sizeof *check->routes);
    check->states = mem_calloc(capacity, sizeof(struct roa_state *));
    check->queries = mem_calloc(capacity, sizeof(const struct rib_query *));
    return check;
}

void origin_check_free(struct origin_check *check)
{
    if (!check)
        return;
    mem_free(check->routes);
    mem_free(check->states);
    mem_free(check->queries);
    mem_free(check);
}

/* Finds the last number of an AS path that ends with a set. */
static uint32_t last_as(const struct rib_text *path)
{
    uint32_t last = 0, digits = 0;

    for (uint32_t i = 0; i < path->len; i++) {
        if (path->data[i] < '0' || path->data[i] > '9') {
            digits = 0;
            continue;
        }
        last = (digits++ > 0 ? last * 10 : 0) + (uint32_t)(path->data[i] - '0');
    }
    return last;
}

/* Returns the AS that originates a path; one without AS path is the router's own. */
static uint32_t origin_of(const struct path_attrs *attrs, const struct route_sources *sources,
                          uint32_t peer)
{
    const struct bgp_peer_info *info;
    const struct bmp_router_view *router;

    if (attrs->origin_as != 0)
        return attrs->origin_as;
    if (attrs->as_path)
        return last_as(attrs->as_path);
    info = bgp_peers_find(sources->peers, peer);
    if (info)
        return info->as;
    return bmp_views_find_slot(sources->views, peer, &router) ? router->as : 0;
}

void origin_check_add(struct origin_check *check, struct roa_state *state,
                      const struct rib_query *query, const struct rib_path *path,
                      const struct route_sources *sources)
{
    assert(check->count < check->capacity);
    check->states[check->count] = state;
    check->queries[check->count] = query;
    check->routes[check->count++] =
        (struct roa_query){.address = query->address,
                           .len = path->prefix_len,
                           .origin = origin_of(path->attrs, sources, query->peer)};
}

/* Looks for less specific routes of an invalid one, until one of them is not invalid. */
static char letter_of_invalid(const struct rib *rib, enum rib_policy policy,
                              const struct route_sources *sources, const struct roa_table *roas,
                              const struct rib_query *query, unsigned len)
{
    struct rib_query more = {.peer = query->peer,
                             .only_member = query->only_member,
                             .rd = query->rd,
                             .address = query->address,
                             .from_ns = query->from_ns,
                             .to_ns = query->to_ns,
                             .any_path = true};

    while (len > 0) {
        struct roa_query route = {.address = query->address};
        rib_lookup_shorter(rib, policy, &more, len);
        if (!more.path.attrs)
            break;
        route.len = more.path.prefix_len;
        route.origin = origin_of(more.path.attrs, sources, query->peer);
        roa_validate(roas, &route, 1);
        if (route.validity != ROA_INVALID)
            return route.validity == ROA_VALID ? VALID_BELOW : UNKNOWN_BELOW;
        len = route.len;
    }
    return INVALID;
}

void origin_check_finish(struct origin_check *check, const struct rib *rib, enum rib_policy policy,
                         const struct route_sources *sources, const struct roa_table *roas)
{
    roa_validate(roas, check->routes, check->count);
    for (uint32_t i = 0; i < check->count; i++) {
        const struct roa_query *route = &check->routes[i];
        char letter = route->validity == ROA_VALID ? VALID : UNKNOWN;
        if (route->validity == ROA_INVALID)
            letter = letter_of_invalid(rib, policy, sources, roas, check->queries[i], route->len);
        check->states[i]->text[0] = letter;
    }
    check->count = 0;
}
