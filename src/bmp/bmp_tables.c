/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routers from their first connection until nothing of them is left. See bmp_tables.h. */
#include "bmp/bmp_tables.h"
#include "base/memory.h"
#include "bmp/bmp_tables_private.h"
#include <assert.h>

#define TIDY_EVERY_S 1
#define TIDY_MEMBERS 2048 /* in one turn, and those of one router more */

struct bmp_tables *bmp_tables_new(const struct bmp_tables_settings *settings)
{
    struct bmp_tables *tables = mem_zalloc(sizeof *tables);

    tables->settings = *settings;
    tables->retired = rcu_queue_new(settings->rcu);
    tables->slots = mem_calloc(settings->slot_count + 1, sizeof tables->slots[0]);
    tables->wall = clock_wall();
    tables->mono = clock_mono();
    atomic_init(&tables->snapshot, mem_zalloc(sizeof(struct bmp_views)));
    return tables;
}

static void router_free(struct bmp_tables_router *router)
{
    for (uint32_t v = 0; v < router->view_count; v++) {
        struct tables_view *view = router->views[v];
        for (uint32_t i = 0; i < view->member_count; i++)
            mem_free(view->members[i]);
        mem_free(view->members);
        mem_free(view);
    }
    mem_free(router->views);
    mem_free(router);
}

void bmp_tables_free(struct bmp_tables *tables)
{
    if (!tables)
        return;
    for (uint32_t i = 0; i < tables->router_count; i++) {
        assert(!tables->routers[i]->is_connected);
        mem_free(tables->routers[i]->block);
        router_free(tables->routers[i]);
    }
    rcu_queue_free(tables->retired);
    mem_free(rcu_read(&tables->snapshot));
    mem_free(tables->routers);
    mem_free(tables->slots);
    mem_free(tables);
}

void bmp_tables_set_time(struct bmp_tables *tables, struct wall_time wall, struct mono_time mono)
{
    tables->wall = wall;
    tables->mono = mono;
}

static struct bmp_tables_router *router_find(const struct bmp_tables *tables,
                                             const struct ip_addr *address)
{
    for (uint32_t i = 0; i < tables->router_count; i++) {
        if (ip_addr_equal(&tables->routers[i]->address, address))
            return tables->routers[i];
    }
    return NULL;
}

bool bmp_tables_is_connected(const struct bmp_tables *tables, const struct ip_addr *address)
{
    const struct bmp_tables_router *router = router_find(tables, address);

    return router && router->is_connected;
}

/* Routers that are forgotten do not count: they wait for their memory to be swept. */
static uint64_t router_count(const struct bmp_tables *tables)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < tables->router_count; i++)
        count += !tables->routers[i]->is_forgotten;
    return count;
}

static struct bmp_tables_router *router_make(struct bmp_tables *tables,
                                             const struct ip_addr *address) ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = mem_zalloc(sizeof *router);

    router->tables = tables;
    router->owner = bmp_routes_owner(router);
    router->address = *address;
    tables->routers =
        mem_realloc_array(tables->routers, tables->router_count + 1, sizeof tables->routers[0]);
    tables->routers[tables->router_count++] = router;
    return router;
}

struct bmp_tables_router *bmp_tables_connect(struct bmp_tables *tables,
                                             const struct ip_addr *address, uint16_t port)
{
    struct bmp_tables_router *router = router_find(tables, address);

    THREAD_ASSERT(bgp_thread);
    if ((!router || router->is_forgotten) && router_count(tables) >= tables->settings.routers.max &&
        !bmp_tables_drop_lost(tables)) {
        bmp_tables_count(tables, BMP_TABLES_COUNTER_routers_refused, 1);
        return NULL;
    }
    if (!router)
        router = router_make(tables, address);
    assert(!router->is_connected);
    router->port = port;
    router->is_connected = true;
    router->is_forgotten = false;
    router->is_changed = true;
    router->connected_ns = tables->wall.ns;
    router->lost_ns = 0;
    router->offset = (struct router_clock){0};
    tables->is_changed = true;
    return router;
}

const struct bmp_router_owner *bmp_tables_owner(const struct bmp_tables_router *router)
{
    return &router->owner;
}

void bmp_tables_lost(struct bmp_tables *tables, struct bmp_tables_router *router, bool is_kept)
{
    THREAD_ASSERT(bgp_thread);
    assert(router->is_connected && router->peer_count == 0);
    router->is_connected = false;
    router->is_changed = true;
    router->lost_ns = tables->wall.ns;
    router->lost_since = tables->mono;
    if (!is_kept) {
        bmp_router_forget_stale(router);
        router->is_forgotten = true;
        tables->is_changed = true;
    }
}

/* Takes care of one router. */
static void router_tidy(struct bmp_tables *tables) ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = tables->routers[tables->tidied];

    bmp_router_tidy(router);
    if (router->is_connected || router->view_count > 0) {
        router->is_changed |= bmp_views_are_stale(router);
        tables->tidied++;
        return;
    }
    tables->routers[tables->tidied] = tables->routers[--tables->router_count];
    tables->is_changed = true;
    if (router->block)
        rcu_retire(tables->retired, mem_free, router->block);
    router_free(router);
}

/* Takes care of some routers; false: all are done for this second. */
static bool tidy_step(struct bmp_tables *tables) ON_THREAD(bgp_thread)
{
    if (tables->mono.ns >= tables->next_second.ns) {
        tables->next_second.ns = tables->mono.ns + TIDY_EVERY_S * NS_PER_S;
        tables->tidied = 0;
    }
    for (uint32_t done = 0; done < TIDY_MEMBERS && tables->tidied < tables->router_count;) {
        done += 1 + tables->routers[tables->tidied]->member_count;
        router_tidy(tables);
    }
    return tables->tidied < tables->router_count;
}

bool bmp_tables_turn(struct bmp_tables *tables)
{
    THREAD_ASSERT(bgp_thread);
    bool has_more = tidy_step(tables);
    bmp_views_publish(tables);
    rcu_queue_poll(tables->retired);
    return has_more;
}

uint64_t bmp_tables_paths(const struct bmp_tables *tables, const struct bmp_tables_router *router)
{
    uint64_t paths = 0;

    THREAD_ASSERT(bgp_thread);
    for (uint32_t i = 0; i < router->view_count; i++) {
        struct rib_peer_counts counts =
            rib_peer_counts(tables->settings.rib, router->views[i]->slot);
        paths += counts.paths + counts.history_paths;
    }
    return paths;
}

uint64_t bmp_tables_forget_stale(struct bmp_tables *tables)
{
    uint64_t paths = 0;

    THREAD_ASSERT(bgp_thread);
    for (uint32_t i = 0; i < tables->router_count; i++) {
        struct bmp_tables_router *router = tables->routers[i];
        uint64_t before = bmp_tables_paths(tables, router);
        if (bmp_router_forget_stale(router))
            paths += before;
    }
    return paths;
}

const struct bmp_views *bmp_tables_views(const struct bmp_tables *tables)
{
    return rcu_read(&tables->snapshot);
}

void bmp_tables_statistics_each(const struct bmp_tables *tables, bgp_statistic_fn *fn, void *arg)
{
    static const struct bgp_statistic rows[] = {
#define BMP_TABLES_COUNTER(NAME, HELP) {#NAME, HELP, false},
#include "bmp/bmp_tables_counters.def"
#undef BMP_TABLES_COUNTER
    };

    for (int i = 0; i < BMP_TABLES_COUNTER_COUNT; i++)
        fn(arg, &rows[i], counter_get(&tables->counters[i]));
}
