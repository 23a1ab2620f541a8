/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The log of BGP messages (bgp_daemon_msglog_*): a record for each NLRI that is announced or withdrawn, for each path that
 * a lost session leaves, and for the begin and end of sessions, numbered in one order over all peers. It is for a sink that
 * takes what it has room for and never waits.
 *
 * The BGP thread owns it.
 */
#include "base/event.h"
#include "base/thread.h"
#include "bgp/bgp.h"
#include "bgp/peer_table.h"
#include "bgp/rib.h"
#include "bgp/session.h"

struct route_log;

/* `sink` and `settings` are copied, `peers` and `rib` borrowed. */
struct route_log *route_log_new(const struct bgp_log_sink *sink,
                                const struct bgp_settings *settings, const struct rib *rib,
                                const struct peer_table *peers);
void route_log_free(struct route_log *log); /* NULL is fine, here and in all that follows */

/* The peer has a session. What it lost before is told first, however long that takes. */
void route_log_open(struct route_log *log, const struct peer *peer) ON_THREAD(bgp_thread);

/* The session ended before there were any routes. */
void route_log_close(struct route_log *log, const struct peer *peer) ON_THREAD(bgp_thread);

/* These tell what the peer said. Withdrawals are told before the RIB hears of them, with the attributes that it has; of a
 * path that is not there nothing is told. With settings.log_lacks_table all are told, without attributes, and of a lost
 * session nothing but its end. */
struct route_log_batch {
    const struct peer *peer;
    enum address_family family;
    bool has_add_path;
    const struct rib_nlri *nlri;
    size_t count;
    int64_t time_ns; /* wall clock */
};
void route_log_update(struct route_log *log, const struct route_log_batch *batch,
                      const struct path_attrs *attrs) ON_THREAD(bgp_thread);
void route_log_withdraw(struct route_log *log, struct rib *rib, const struct route_log_batch *batch)
    ON_THREAD(bgp_thread);
void route_log_end_of_rib(struct route_log *log, const struct peer *peer,
                          enum address_family family, int64_t time_ns) ON_THREAD(bgp_thread);

/* The session is lost: its paths are told as deleted, in slices. Then the RIB hears of it (rib_peer_down()), as if it had at
 * once. Without a log it does at once. */
void route_log_lose(struct route_log *log, struct rib *rib, const struct peer *peer, bool is_kept,
                    struct wall_time wall, struct mono_time mono) ON_THREAD(bgp_thread);
/* Ends that for all peers, if it goes on for any. */
void route_log_settle(struct route_log *log) ON_THREAD(bgp_thread);

/* The RIB has all that was told: to be called after each UPDATE. */
void route_log_publish(struct route_log *log) ON_THREAD(bgp_thread);
/* Returns the number of the first record that the RIB may not have. Any thread; not NULL. */
uint64_t route_log_seq(const struct route_log *log);

/* Does what is due: a slice, handing over, and the end when it is asked for. Returns how many milliseconds the next call may
 * wait; -1: any time. */
int route_log_turn(struct route_log *log) ON_THREAD(bgp_thread);
