/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Chooses the tables by which a BMP router answers for an exporter: the router that bmp_agent_map names, else
 * the one whose connection is from the exporter's address, else the one whose router id it is; else the exporter
 * is a peer that a router monitors (a route reflector), and of that router's tables only its routes count.
 */
#include "bmp/bmp_views.h"

/* A router, and the peer of it whose routes alone count; family IP_NONE: all count. Holds for snapshots of one
 * generation. */
struct bmp_answerer {
    bool is_there;
    uint32_t index; /* of the router in the snapshot, most likely */
    struct ip_addr router, peer;
};
/* Finds the router of that connection or router id; NULL: there is none. */
const struct bmp_router_view *bmp_choice_router(const struct bmp_views *views,
                                                const struct ip_addr *address,
                                                bool match_router_id);
/* Finds that one, or one that monitors a peer of the address. `views` may be NULL. */
struct bmp_answerer bmp_choice_find(const struct bmp_views *views, const struct ip_addr *address,
                                    bool match_router_id);

/* A table of the RIB: rib_query.peer and rib_query.only_member. */
struct table_choice {
    uint32_t slot, only_member;
};
#define BMP_TABLES_MAX 2
/*
 * Writes the router's tables of that distinguisher that know the family, in the order in which they are asked: the
 * Loc-RIB, which has what the router uses, then what it has from its peers. Where there is none of that
 * distinguisher, the global one may have VPN routes of it. Returns how many.
 */
unsigned bmp_choice_tables(const struct bmp_views *views, const struct bmp_answerer *answerer,
                           uint64_t distinguisher, enum rib_family family,
                           struct table_choice tables[BMP_TABLES_MAX]);
