/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The key bgp_wait_for_rib: tells whether the tables of the expected peers are there. Expected are
 * the peers and routers that bgp_agent_map names and the single addresses of bgp_daemon_allow_file and
 * bmp_daemon_allow_file; if there are none, any will do. Main thread.
 */
#include "base/thread.h"
#include "maps/maps.h"
#include "pipeline/route_sources.h"

struct rib_wait;

/* Files that are NULL: none. */
struct rib_wait *rib_wait_new(const struct maps *maps, const char *bgp_allow_file,
                              const char *bmp_allow_file);
void rib_wait_free(struct rib_wait *wait); /* NULL is fine */
/* True if all tables of a peer have come that were agreed on. */
bool rib_wait_is_loaded(const struct bgp_peer_info *peer);
/* The same of a connected BMP router, which has at least one. */
bool rib_wait_is_router_loaded(const struct bmp_router_view *router);
bool rib_wait_is_over(const struct rib_wait *wait, const struct route_sources *sources)
    ON_THREAD(main_thread);
