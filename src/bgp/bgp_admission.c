/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may be a peer. The bounds are of sessions in all and of identifiers at one address. Where all
 * places are taken, an address that files, keys or maps name goes before one that they do not, and
 * then who had a session first goes before who came later; strangers displace nobody.
 */
#include "bgp/bgp_private.h"
#include <inttypes.h>

/* The smaller, the rather it may have a session. */
static uint64_t rank_of(const struct bgp *bgp, const struct ip_addr *address) ON_THREAD(bgp_thread)
{
    uint64_t since = (uint64_t)standing_since(&bgp->standing, address);
    return bgp_is_named(bgp, address) ? since : since | UINT64_C(1) << 63;
}

/* Finds the peer that is to give way first, of those with a session or of those that are down;
 * NULL: all go before `rank`. */
static struct peer *peer_lesser(const struct bgp *bgp, uint64_t rank, bool has_session)
    ON_THREAD(bgp_thread)
{
    struct peer *least = NULL;
    uint64_t least_rank = rank;

    if (rank == UINT64_MAX)
        return NULL; /* a stranger */

    for (uint32_t i = 0; i < bgp->peers.capacity; i++) {
        struct peer *peer = &bgp->peers.peers[i];
        if (!peer->is_in_use || (peer->session != NULL) != has_session)
            continue;
        uint64_t its_rank = rank_of(bgp, &peer->info.address);
        if (its_rank > least_rank) {
            least = peer;
            least_rank = its_rank;
        }
    }
    return least;
}

/* Whether one more peer may have a session; one that may less has to end for it. */
static bool sessions_have_room(struct bgp *bgp, const struct session_info *info)
    ON_THREAD(bgp_thread)
{
    char theirs[IP_TEXT_LEN], ours[IP_TEXT_LEN];

    if (peer_table_session_count(&bgp->peers) < bgp->settings.max_peers)
        return true;
    struct peer *victim = peer_lesser(bgp, rank_of(bgp, &info->address), true);
    if (!victim)
        return false;
    ip_addr_format(&victim->info.address, theirs);
    ip_addr_format(&info->address, ours);
    bgp_count(bgp, BGP_COUNTER_sessions_displaced, 1);
    if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_DISPLACED]))
        log_warning(
            "bgp: session with %s ended for %s, which is better known: bgp_daemon_max_peers "
            "is %u",
            theirs, ours, bgp->settings.max_peers);
    struct session *session = victim->session;
    struct notification n = notification_make(ERROR_CEASE, CEASE_OUT_OF_RESOURCES);
    session_close(session, &n);
    bgp_peer_lose(bgp, session, "ended for a peer that is better known");
    return true;
}

/*
 * Whether the address may have one more identifier. Tables that its former ones left count too, and
 * go at once when there are too many: who takes on one identifier after the other must not fill the
 * places of all.
 */
static bool address_has_room(struct bgp *bgp, const struct session_info *info) ON_THREAD(bgp_thread)
{
    uint32_t max = bgp->settings.max_sessions_per_address, up = 0, down = 0;

    for (uint32_t i = 0; i < bgp->peers.capacity; i++) {
        const struct peer *peer = &bgp->peers.peers[i];
        bool is_other = peer->is_in_use && ip_addr_equal(&peer->info.address, &info->address) &&
                        peer->info.router_id != info->theirs.router_id;
        up += is_other && peer->session;
        down += is_other && !peer->session;
    }
    if (up >= max)
        return false;
    if (up + down < max)
        return true;
    bool has_room = true;
    for (uint32_t i = 0; i < bgp->peers.capacity; i++) {
        struct peer *peer = &bgp->peers.peers[i];
        if (!peer->is_in_use || peer->session ||
            !ip_addr_equal(&peer->info.address, &info->address) ||
            peer->info.router_id == info->theirs.router_id)
            continue;
        rib_peer_forget(bgp->rib, i);
        if (rib_peer_release(bgp->rib, i))
            peer->is_in_use = false;
        else
            has_room = false; /* for a moment, until the memory is swept */
    }
    return has_room;
}

/* Returns the peer's slot. If all hold something of others, what a lesser one left goes. NULL:
 * there is none. */
static struct peer *slot_take(struct bgp *bgp, const struct session_info *info)
    ON_THREAD(bgp_thread)
{
    struct peer *peer = peer_table_take(&bgp->peers, &info->address, info->theirs.router_id);
    struct peer *victim = peer ? NULL : peer_lesser(bgp, rank_of(bgp, &info->address), false);

    if (!victim)
        return peer;
    rib_peer_forget(bgp->rib, victim->info.index);
    rib_sweep(bgp->rib);
    return peer_table_take(&bgp->peers, &info->address, info->theirs.router_id);
}

static int refuse(struct bgp *bgp, enum bgp_counter counter, uint8_t subcode,
                  struct notification *ret_error)
{
    bgp_count(bgp, counter, 1);
    *ret_error = notification_make(ERROR_CEASE, subcode);
    return -1;
}

int bgp_admit(struct bgp *bgp, struct session *session, struct peer **ret_peer,
              struct notification *ret_error)
{
    const struct session_info *info = session_info(session);
    char address[IP_TEXT_LEN];
    uint8_t subcode;

    bgp_session_text(session, address);
    int64_t refused_s = standing_refused_s(&bgp->standing, &info->address, clock_mono(), &subcode);
    if (refused_s > 0) {
        if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_REFUSED]))
            log_warning("bgp: peer %s refused: it went beyond a limit, and has to wait for another "
                        "%" PRId64 " s",
                        address, refused_s);
        return refuse(bgp, BGP_COUNTER_connections_refused_wait, subcode, ret_error);
    }
    struct peer *peer = peer_table_find(&bgp->peers, &info->address, info->theirs.router_id);
    if (!peer && !address_has_room(bgp, info)) {
        if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_REFUSED]))
            log_warning("bgp: peer %s refused: it came with more router ids than "
                        "bgp_daemon_max_sessions_per_address, which is %u",
                        address, bgp->settings.max_sessions_per_address);
        return refuse(bgp, BGP_COUNTER_connections_refused_identifiers, CEASE_REJECTED, ret_error);
    }
    bool has_room = (peer && peer->session) || sessions_have_room(bgp, info);
    if (has_room && !peer)
        peer = slot_take(bgp, info);
    if (!has_room || !peer) {
        if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_REFUSED]))
            log_warning("bgp: peer %s refused: bgp_daemon_max_peers is %u", address,
                        bgp->settings.max_peers);
        return refuse(bgp, BGP_COUNTER_connections_refused_limit, CEASE_REJECTED, ret_error);
    }
    *ret_peer = peer;
    return 0;
}
