/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The key bgp_wait_for_rib: tells whether the tables of the expected peers are there. Expected are
 * the peers that bgp_agent_map names and the single addresses of bgp_daemon_allow_file; if there
 * are none, any peer will do. Main thread.
 */
#include "base/thread.h"
#include "bgp/bgp.h"
#include "maps/maps.h"

struct rib_wait;

struct rib_wait *rib_wait_new(const struct maps *maps, const char *allow_file);
void rib_wait_free(struct rib_wait *wait); /* NULL is fine */
/* True if all tables of a peer have come that were agreed on. */
bool rib_wait_is_loaded(const struct bgp_peer_info *peer);
bool rib_wait_is_over(const struct rib_wait *wait, const struct bgp_peers *peers)
    ON_THREAD(main_thread);
