/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Fills the members of a flow from the path that was found, by the methods that are configured.
 * Pure functions. */
#include "bgp/rib.h"
#include "pipeline/correlate.h"

/* `path` is NULL if none is known or its verdict is not accepted. */
void path_fill_destination(const struct correlate_settings *settings, struct flow *flow,
                           const struct rib_path *path);
void path_fill_source(const struct correlate_settings *settings, struct flow *flow,
                      const struct rib_path *path);
