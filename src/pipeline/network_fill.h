/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Fills networks, masks, next hops and AS numbers of flows from networks_file, or by networks_mask,
 * where nfacctd_as and nfacctd_net say so. It comes after correlation, for each instance with keys
 * networks_* of its own.
 *
 * By method `file` a row says it all, and without one nothing is known. By method `longest` a row
 * goes before whoever has a shorter prefix, or one as long. A mask of 0 bits is no network.
 */
#include "base/thread.h"
#include "config/config_key.h"
#include "flow/flow.h"
#include "pipeline/correlate.h"
#include <stdbool.h>
#include <stdint.h>

struct networks;
struct prefix_match;

/* Values of an instance's keys. */
struct network_settings {
    const char *file;                    /* networks_file; NULL: none */
    bool filters, file_wins, keeps_host; /* as in the next */
    uint16_t mask;
};
extern const struct config_key network_keys[];

/* Holds what comes of these keys and of the methods. */
struct network_fill_settings {
    int32_t file; /* number of its networks_file in the snapshot; -1: none */
    enum route_method as_method, net_method;
    bool filters;    /* networks_file_filter: addresses without a row are not shown */
    bool file_wins;  /* networks_file_no_lpm: with `longest` any row goes before the others */
    bool keeps_host; /* networks_no_mask_if_zero: no network is the address itself */
    uint16_t mask;   /* networks_mask; 0: none */
    bool has_rib;    /* src_as_mask and dst_as_mask are those of correlation */
};

/* Holds what follows from that and from the members that somebody needs. */
struct network_fill {
    struct network_fill_settings settings;
    bool finds_src, finds_dst; /* a row is looked for */
    bool fills_src_as, fills_dst_as;
    bool fills_src_net, fills_dst_net;
    bool shows_src_net, shows_dst_net; /* the networks themselves, not only masks or next hops */
    bool fills_source;                 /* path_source */
};

/* Says whether an instance with such keys sees flows in another way. */
bool network_fill_is_wanted(const struct network_fill_settings *settings);
bool network_fill_settings_equal(const struct network_fill_settings *a,
                                 const struct network_fill_settings *b);
/* Prepares for the members that somebody needs, to which those that it reads itself are added. */
void network_fill_init(struct network_fill *fill, const struct network_fill_settings *settings,
                       struct flow_needs *needs);
/* Changes the flows of a batch. `networks` is the snapshot's file, NULL if there is none; `matches` has
 * room for two for each flow. */
void network_fill_batch(const struct network_fill *fill, const struct networks *networks,
                        struct prefix_match *matches, struct flow_batch *batch)
    ON_THREAD(worker_thread);
