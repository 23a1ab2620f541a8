/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Who tells routes, at one moment: the snapshots of BGP's peers and of BMP's routers, under RCU. Either may be
 * NULL.
 */
#include "bgp/bgp.h"
#include "bmp/bmp_views.h"

struct route_sources {
    const struct bgp_peers *peers;
    const struct bmp_views *views;
};
