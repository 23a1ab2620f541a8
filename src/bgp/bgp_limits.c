/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits bound what a peer may have, and all of them together. A peer that goes beyond one of its
 * own loses its session and is refused for a while. When all tables need more memory than
 * bgp_daemon_max_memory, first goes what lost sessions left, then sessions of addresses that nobody
 * knows, those that hold most; and when there are none, no new paths are taken.
 */
#include "bgp/bgp_private.h"
#include <inttypes.h>

#define SHED_WAIT_S  1 /* after a sweep, for readers to let go of what was swept */
#define REFUSE_LOG_S 60
/* Steps beyond the limit, as a shift: an eighth more, while something is on its way out, and a
 * quarter more, where only smaller attributes of paths that are there could help. */
#define SLACK_SHIFT  3
#define EXCESS_SHIFT 2
#define LITTLE_PART  16 /* of all paths */

uint64_t bgp_memory_used(const struct bgp *bgp)
{
    uint64_t guests = bgp->guest.memory_used ? bgp->guest.memory_used(bgp->guest.arg) : 0;

    return rib_memory_used(bgp->rib) + attr_store_statistics(bgp->attrs).bytes + guests;
}

int64_t bgp_punish(struct bgp *bgp, const struct ip_addr *address, uint8_t subcode)
{
    bgp_count(bgp, BGP_COUNTER_sessions_ended_limit, 1);
    return standing_refuse(&bgp->standing, address, subcode, clock_mono());
}

/* Forgets what lost sessions left. False: there was nothing. */
static bool stale_shed(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    uint64_t paths = 0;

    for (uint32_t i = 0; i < bgp->peers.capacity; i++) {
        struct rib_peer_counts counts = rib_peer_counts(bgp->rib, i);
        if (bgp->peers.peers[i].session || !rib_peer_forget(bgp->rib, i))
            continue;
        paths += counts.paths;
    }
    if (bgp->guest.forget_stale)
        paths += bgp->guest.forget_stale(bgp->guest.arg);
    if (paths == 0)
        return false;
    bgp_count(bgp, BGP_COUNTER_stale_shed, paths);
    log_warning("bgp: %" PRIu64 " stale paths dropped: bgp_daemon_max_memory (%" PRIu64
                " MB) is reached",
                paths, bgp->memory_max >> 20);
    return true;
}

/* Finds the peer with most paths, more than *most, of those whose address is not named and had no session before
 * this one. */
static struct peer *stranger_largest(const struct bgp *bgp, uint64_t *most) ON_THREAD(bgp_thread)
{
    struct peer *largest = NULL;

    for (uint32_t i = 0; i < bgp->peers.capacity; i++) {
        struct peer *peer = &bgp->peers.peers[i];
        struct rib_peer_counts counts = rib_peer_counts(bgp->rib, i);
        uint64_t paths = counts.paths + counts.history_paths;
        if (!peer->session || paths <= *most || bgp_is_named(bgp, &peer->info.address) ||
            standing_since(&bgp->standing, &peer->info.address) <
                session_info(peer->session)->since.ns)
            continue;
        largest = peer;
        *most = paths;
    }
    return largest;
}

static bool stranger_shed(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    struct notification n = notification_make(ERROR_CEASE, CEASE_OUT_OF_RESOURCES);
    struct rib_statistics all;
    char address[IP_TEXT_LEN];

    /* One that holds little is left alone: its end would help nobody. */
    rib_statistics(bgp->rib, &all);
    uint64_t most = (all.paths + all.history_paths) / LITTLE_PART;
    struct peer *peer = stranger_largest(bgp, &most);
    if (bgp->guest.largest_stranger && bgp->guest.largest_stranger(bgp->guest.arg, most) > 0) {
        bgp->guest.end_stranger(bgp->guest.arg);
        return true;
    }
    if (!peer)
        return false;
    struct session *session = peer->session;
    uint64_t paths = rib_peer_counts(bgp->rib, peer->info.index).paths;
    int64_t wait_s = bgp_punish(bgp, &peer->info.address, CEASE_OUT_OF_RESOURCES);
    log_error("bgp: peer %s: session ended, and refused for %" PRId64
              " s: bgp_daemon_max_memory (%" PRIu64 " MB) is reached, and it holds most of those "
              "that are not known, %" PRIu64 " paths",
              bgp_session_text(session, address), wait_s, bgp->memory_max >> 20, paths);
    session_info(session)->is_over_for_good = true;
    session_close(session, &n);
    bgp_peer_lose(bgp, session, "bgp_daemon_max_memory is reached");
    route_log_settle(bgp->log); /* its memory is needed */
    return true;
}

/* Tells the RIB what it may still take, and the operator what that costs. */
static void intake_set(struct bgp *bgp, enum rib_intake intake) ON_THREAD(bgp_thread)
{
    struct mono_time now = clock_mono();

    if (intake == RIB_INTAKE_ALL && bgp->intake != RIB_INTAKE_ALL)
        log_notice("bgp: new paths are taken again; peers that sent some meanwhile have to send "
                   "their tables again (reset their sessions)");
    if (intake != RIB_INTAKE_ALL && now.ns >= bgp->next_memory_error.ns) {
        bgp->next_memory_error.ns = now.ns + REFUSE_LOG_S * NS_PER_S;
        log_error("bgp: new paths are refused: tables have %" PRIu64
                  " MB, and bgp_daemon_max_memory is %" PRIu64 " MB; raise it, or let routers send "
                  "less",
                  bgp_memory_used(bgp) >> 20, bgp->memory_max >> 20);
    }
    bgp->intake = intake;
    rib_set_intake(bgp->rib, intake);
}

void bgp_memory_check(struct bgp *bgp)
{
    uint64_t used = bgp_memory_used(bgp), max = bgp->memory_max;
    struct mono_time now = clock_mono();
    bool is_shedding;

    counter_set(&bgp->memory_used, used);
    if (used <= max) {
        if (bgp->intake != RIB_INTAKE_ALL && used <= max - (max >> 4))
            intake_set(bgp, RIB_INTAKE_ALL);
        return;
    }
    if (rib_is_sweeping(bgp->rib))
        bgp->shed_until.ns = now.ns + SHED_WAIT_S * NS_PER_S;
    is_shedding = now.ns < bgp->shed_until.ns;
    if (!is_shedding && (stale_shed(bgp) || stranger_shed(bgp))) {
        bgp->shed_until.ns = now.ns + SHED_WAIT_S * NS_PER_S;
        is_shedding = true;
    }
    if (used > max + (max >> EXCESS_SHIFT))
        intake_set(bgp, RIB_INTAKE_NONE);
    else if (!is_shedding || used > max + (max >> SLACK_SHIFT))
        intake_set(bgp, RIB_INTAKE_SAME);
}
