/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * bgp_agent_map: which router's tables answer for an exporter, by BGP or BMP. SET bgp_ip (or bmp_ip, id), bgp_port (or bmp_port); MATCH ip,
 * in, out, filter. Rows that match are peers in order of preference: the next one serves while the
 * one before it is down. Immutable.
 */
#include "base/address.h"
#include "flow/flow.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;
struct map_report;
struct agent_map;

struct agent_peer {
    struct ip_addr address; /* of the session or the BMP connection, or the router id */
    uint16_t port;          /* of the session at the peer's end; 0: any */
};
#define AGENT_PEERS_MAX 16 /* that one flow can have */

int agent_map_read(const char *path, struct map_report *report, struct agent_map **ret_map);
int agent_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                    struct agent_map **ret_map);
void agent_map_free(struct agent_map *map); /* NULL is fine */

/* True if some row is for that exporter alone. */
bool agent_map_names(const struct agent_map *map, const struct ip_addr *exporter);
/* Tells whether an exporter has rows, and on what else of a flow its peers depend, which decides what a
 * cache is keyed by. It goes through the exporter's rows: keep the result. 0: it has none. */
enum agent_map_use {
    AGENT_HAS_ROWS = 1,
    AGENT_BY_IFACE = 2,
    AGENT_BY_FAMILY = 4,
    AGENT_BY_FILTER = 8
};
unsigned agent_map_uses(const struct agent_map *map, const struct ip_addr *exporter);
/* Writes the peers for this flow of an exporter, best first, into `peers` (room for AGENT_PEERS_MAX).
 * Returns how many; 0: no row matches. */
size_t agent_map_find(const struct agent_map *map, const struct ip_addr *exporter,
                      const struct flow *flow, const struct agent_peer **peers);

/* The peer of every row, for those who wait for them. */
size_t agent_map_peer_count(const struct agent_map *map);
const struct agent_peer *agent_map_peer_at(const struct agent_map *map, size_t index);
void agent_map_add_needs(const struct agent_map *map, struct flow_needs *needs);
