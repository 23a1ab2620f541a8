/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The part of a route that birdwatcher tells of its path's attributes. */
#include "base/text.h"
#include "bgp/rib_show.h"

/* Appends the members gateway, interface, metric, type and bgp of a JSON object. */
void birdwatcher_route_append(struct text *out, const struct rib_shown *path);
