/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * aggregate_filter: expressions in libpcap's language (pcap-filter(7)), asked of a frame made up
 * from the flow: Ethernet, IPv4 or IPv6, TCP, UDP or ICMP. An expression that says `vlan` sees the
 * flow's VLAN tag, others an untagged frame; `len`, `less` and `greater` see the mean length of its
 * packets with their Ethernet header. Several expressions, separated by commas: one of them has to
 * accept.
 *
 * Immutable once made: all workers share it.
 */
#include "base/text.h"
#include "flow/flow.h"
#include <stdbool.h>

struct flow_filter;

/* -EINVAL: appends libpcap's reason to `error`. */
int flow_filter_new(const char *expressions, struct text *error, struct flow_filter **ret_filter);
void flow_filter_free(struct flow_filter *filter); /* NULL is fine */
bool flow_filter_accepts(const struct flow_filter *filter, const struct flow *flow);
void flow_filter_add_needs(struct flow_needs *needs); /* members that it reads */
