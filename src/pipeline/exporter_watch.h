/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Watches exporters as their datagrams come: which of them are known, so that what is bounded is
 * theirs before it is that of invented addresses (base/share.h), and which send more than they may.
 * Time is that of arrival, so that a capture gives the same whenever it is read. A worker's alone.
 */
#include "flow/exporter.h"

struct route_sources;
struct maps;

/*
 * Takes note of what the exporter has sent since it was last looked at. Returns whether it is known
 * now: a map or a key names its address (a prefix is no
 * name), it has a BGP session or tells routes by BMP, or it has delivered flows for ten minutes and did so last within
 * five. `maps` may be NULL.
 */
bool exporter_watch_look(struct exporter *exporter, const struct route_sources *sources,
                         const struct maps *maps, int64_t now_ns);

/* Returns whether a known exporter that fell silent still is: an hour of silence ends what its flows
 * were worth. */
bool exporter_watch_still_known(const struct exporter *exporter,
                                const struct route_sources *sources, const struct maps *maps,
                                int64_t now_ns);

/* Returns whether a datagram is within `per_second` of them, of which one second's may come at
 * once. */
bool exporter_watch_rate(struct exporter *exporter, uint32_t per_second, int64_t now_ns);
