/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the stream of a router that speaks BMP, into a RIB, in pieces whose size the first byte says. Its bounds are
 * small. The router is lost, comes back and says the same again; when it is lost for good nothing is left of it. */
#include "support/bmp_tables_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BOUND_PATHS 40

static void views_ask(struct bmp_tables_rig *rig) ON_THREAD(bgp_thread)
{
    const struct bmp_views *views = bmp_tables_views(rig->tables);
    uint64_t paths = 0;

    for (uint32_t r = 0; r < views->count; r++) {
        const struct bmp_router_view *router = views->routers[r];
        for (uint32_t i = 0; i < router->view_count; i++) {
            const struct bmp_view *view = &router->views[i];
            struct rib_query query = {.peer = view->slot,
                                      .only_member = rig->now_s % 2 ? 0 : 1,
                                      .rd = view->distinguisher,
                                      .to_ns = rig->now_s * NS_PER_S};
            CHECK(ip_addr_parse(rig->now_s % 3 ? "198.51.100.9" : "2001:db8::1", &query.address) ==
                  0);
            query.next_hop = query.address;
            rib_lookup_batch(rig->rib, RIB_POLICY_NORMAL, &query, 1);
            CHECK(!query.path.attrs || query.path.attrs->handle != 0);
            paths += rib_peer_counts(rig->rib, view->slot).paths;
        }
    }
    CHECK(paths <= BOUND_PATHS);
}

static void stream_feed(struct bmp_tables_rig *rig, const uint8_t *data, size_t size)
    ON_THREAD(bgp_thread)
{
    size_t piece = data[0] + 1u;

    for (size_t pos = 1; pos < size; pos += piece) {
        size_t len = size - pos < piece ? size - pos : piece;
        if (!bmp_router_feed(rig->routers[0].router, data + pos, len))
            break;
        bmp_tables_rig_tick(rig, rig->now_s + (pos % 7 == 0));
        views_ask(rig);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bmp_tables_rig rig;
    struct rib_statistics left;

    if (size < 1)
        return 0;
    bmp_tables_rig_init(&rig, &(struct bmp_tables_rig_settings){.slot_count = 3,
                                                                .max_members = 5,
                                                                .routers_max = 1,
                                                                .peers_max = 4,
                                                                .paths_max = BOUND_PATHS});
    for (int life = 0; life < 2; life++) {
        CHECK(bmp_tables_rig_connect(&rig, 0));
        stream_feed(&rig, data, size);
        bmp_tables_rig_lose(&rig, 0, life == 0);
        bmp_tables_rig_tick(&rig, rig.now_s + 1);
        views_ask(&rig);
    }
    for (int i = 0; i < 3; i++)
        bmp_tables_rig_tick(&rig, rig.now_s + 2);
    CHECK(bmp_tables_views(rig.tables)->count == 0);
    rib_statistics(rig.rib, &left);
    CHECK(left.paths == 0 && left.history_paths == 0);
    CHECK(attr_store_statistics(rig.bmp.store).sets == 0);
    bmp_tables_rig_clear(&rig);
    return 0;
}
