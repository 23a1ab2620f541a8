/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Gives datagrams to the instances that take them as they came (PA_PLUGIN_TAKES_DATAGRAMS), before
 * and whatever becomes of their decoding. Tags are set by what the header alone tells; a map that asks
 * for more has datagrams taken apart (datagram_split.h). Rows are handed
 * over when they are DATAGRAM_FEED_WAIT_MS old, so that they are with the plugin within 20 ms.
 *
 * A worker owns its feed, and never waits for it: what there is no room for is dropped and counted.
 */
#include "base/thread.h"
#include "flow/decoder.h"
#include <stdbool.h>
#include <stdint.h>

enum { DATAGRAM_FEED_WAIT_MS = 8 };

struct aggregate;
struct crew;
struct datagram_feed;
struct json_t;
struct maps;
struct worker_counters;

/* `decoder`, `aggregates`, by instance, `exporters` and `counters` are the worker's; all are borrowed. NULL if no instance takes datagrams,
 * which costs nothing then. */
struct datagram_feed *datagram_feed_new(const struct crew *crew, const void *decoder,
                                        struct aggregate *const *aggregates,
                                        const struct exporter_table *exporters,
                                        struct worker_counters *counters);
void datagram_feed_free(struct datagram_feed *feed); /* NULL is fine */

/* Gives templates that were saved to who takes datagrams apart, if `maps`, which may be NULL, make
 * anybody do so; it is called before the first datagram. */
void datagram_feed_load(struct datagram_feed *feed, const struct maps *maps,
                        const struct json_t *saved,
                        bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
    ON_THREAD(worker_thread);
/* `maps` may be NULL. */
void datagram_feed_add(struct datagram_feed *feed, const struct maps *maps,
                       const struct datagram *datagram) ON_THREAD(worker_thread);
/* Tells who takes datagrams apart of templates that came from another collector. */
void datagram_feed_learn(struct datagram_feed *feed, const struct datagram *datagram)
    ON_THREAD(worker_thread);
/* Lets old templates expire; about once a second, with a datagram's received_ns or wall clock. */
void datagram_feed_tick(struct datagram_feed *feed, int64_t now_ns) ON_THREAD(worker_thread);
/* Hands over what is old enough; `now_ns` is of clock_mono(), `time_ns` of the wall. Returns how many
 * milliseconds the rest has yet; -1: there is none. */
int datagram_feed_turn(struct datagram_feed *feed, int64_t now_ns, int64_t time_ns)
    ON_THREAD(worker_thread);
