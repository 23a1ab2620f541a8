/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * networks_file: whose networks are whose. A row is [NEXTHOP,][[PEERAS_]AS,]PREFIX/LENGTH, for IPv4
 * and IPv6 alike; the row with the longest prefix that contains an address speaks for it. Where a
 * prefix stands twice the last row holds.
 *
 * Immutable; workers share it under RCU.
 */
#include "base/address.h"
#include "base/prefix_tree.h"
#include <stddef.h>
#include <stdint.h>

struct text;
struct map_report;
struct networks;

/* Holds what a row says. */
struct network {
    uint32_t as, peer_as;    /* 0: it does not say */
    struct ip_addr next_hop; /* IP_NONE: it does not say */
};

/* -EINVAL: all errors are appended, a line each: "file:line: what; what would be right". */
int networks_parse(const char *name, const char *data, size_t len, struct text *errors,
                   struct networks **ret_networks);
int networks_read(const char *path, struct map_report *report, struct networks **ret_networks);
void networks_free(struct networks *networks);          /* NULL is fine */
size_t networks_count(const struct networks *networks); /* prefixes */

/* Makes the question about an address, for networks_find(). */
void networks_ask(const struct networks *networks, const struct ip_addr *addr,
                  struct prefix_match *ret_match);
/* Fetches what networks_find() reads; best some time before it. */
void networks_approach(const struct networks *networks, struct prefix_match *matches, size_t count);
/* Looks for the rows of many addresses, with their misses overlapped. */
void networks_find(const struct networks *networks, struct prefix_match *matches, size_t count);
/* Returns what the row that was found says, NULL if there is none. Its length is match->len. */
const struct network *networks_answer(const struct networks *networks,
                                      const struct prefix_match *match);
