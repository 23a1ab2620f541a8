/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Fills the members of a flow from the path that was found, by the methods that are configured.
 * Pure functions. */
#include "bgp/rib.h"
#include "maps/ingress_map.h"
#include "pipeline/correlate.h"

/* `path` is NULL if none is known or its verdict is not accepted. */
void path_fill_destination(const struct correlate_settings *settings, struct flow *flow,
                           const struct rib_path *path);
/* Tells the maps of the source side what the path to the source says. */
void path_source_facts(const struct correlate_settings *settings, const struct rib_path *path,
                       struct source_facts *ret_facts);
void path_fill_source(const struct correlate_settings *settings, struct flow *flow,
                      const struct rib_path *path);
