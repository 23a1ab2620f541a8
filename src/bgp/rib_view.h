/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Views: tables that a router tells of by BMP (RFC 7854), in the RIB's slots beside those of peers. A view is one kind of
 * table of one router and one distinguisher. The sessions that the router has are its members; a path of a
 * view is named by member and path id. Each member has two tables, of routes before and after policy, with the
 * life of a session each. A path that is the same in both is stored once.
 *
 * A query for the view's slot answers from all its members, or from one (struct rib_query). Candidates are
 * paths after policy; paths before it only of members whose table after policy is not there. What is neither, as
 * a Loc-RIB, is entered as after policy. Of candidates with the flow's next hop, and of all where the flow has
 * none, those in use decide, if there are any.
 *
 * The BGP thread calls all of it.
 */
#include "bgp/rib.h"

/* Makes a view of a slot that is free (rib_peer_release() makes it one again). `is_multipath`: its members
 * together tell all paths that the router has, as ADD-PATH does; else they do if ADD-PATH says so. */
void rib_view_begin(struct rib *rib, uint32_t slot, bool is_multipath) ON_THREAD(bgp_thread);

/* Gives the view a member; it may have the number of one that was given back. -ENOSPC: the view has
 * RIB_MEMBERS_MAX, or all views have max_members. */
int rib_view_add_member(struct rib *rib, uint32_t slot, uint16_t *ret_member) ON_THREAD(bgp_thread);

/* The member's peer is gone for good. Its number may become another one's when nothing of it is left. */
void rib_view_give_back(struct rib *rib, uint32_t slot, uint16_t member) ON_THREAD(bgp_thread);

/* One table of a member. rib_peer_down(), _forget(), _family(), rib_end_of_rib() and rib_begin_refresh() take it
 * in place of a peer; rib_peer_counts() and `has_paths` are of the view alone. */
uint32_t rib_view_table(const struct rib *rib, uint32_t slot, uint16_t member, bool is_post)
    ON_THREAD(bgp_thread);
/* Its paths; those that are in both tables of the member count in each, and what is still to be swept too. */
uint64_t rib_view_table_paths(const struct rib *rib, uint32_t slot, uint16_t member, bool is_post)
    ON_THREAD(bgp_thread);
/* One table of a member, which is down, comes up, as by rib_peer_up(). The router id is that of the member's peer. */
void rib_view_table_up(struct rib *rib, uint32_t slot, uint16_t member, bool is_post,
                       const struct rib_session *session, struct mono_time now)
    ON_THREAD(bgp_thread);
/* The table, which is up, has one more family, or ADD-PATH in one that it has. */
void rib_view_family_up(struct rib *rib, uint32_t slot, uint16_t member, bool is_post,
                        enum rib_safi safi, enum rib_family family, bool has_add_path,
                        struct mono_time now) ON_THREAD(bgp_thread);

/* Where routes of a view come from. */
struct rib_member_source {
    uint32_t slot;
    uint16_t member;
    bool is_post;
    bool is_in_use;  /* the router says that it uses these paths */
    int64_t told_ns; /* wall clock: since when they are so, by the router; 0: it does not say */
    /* The view may have so many paths (RIB_LIMIT_PEER_PATHS); the bounds of peers are not those of views. */
    bool is_bounded;
    uint64_t paths_max;
};
/* The two do as rib_announce() and rib_withdraw(); the member's table is up. `now` is when they came, and no path's life begins
 * later. */
size_t rib_view_announce(struct rib *rib, const struct rib_member_source *source,
                         enum rib_safi safi, const struct rib_nlri *nlri, size_t count,
                         struct path_attrs *attrs, struct wall_time now) ON_THREAD(bgp_thread);
size_t rib_view_withdraw(struct rib *rib, const struct rib_member_source *source,
                         enum rib_safi safi, const struct rib_nlri *nlri, size_t count,
                         struct wall_time now) ON_THREAD(bgp_thread);

/* The member that a view's path is of. */
struct rib_path_origin {
    uint16_t member;
    bool is_in_use;
    bool is_pre; /* of the table before policy, as the router does not tell of the one after it */
};
/* Tells it of the answer that a query has just had, in the same section of the reader. False: it was no view's, or
 * the path went meanwhile. Any reader of the RIB's RCU domain. */
bool rib_view_path_origin(const struct rib *rib, struct rib_query *query,
                          struct rib_path_origin *ret_origin);
