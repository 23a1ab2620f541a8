/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks for the plugin host and the plugins. See places.h. */
#include "daemon/places.h"
#include "base/program_place.h"

void places_find(struct places *ret_places)
{
    program_place_find(ret_places->host, "PATHACCT_HOST", PATHACCT_HOST_BELOW, PATHACCT_HOST_PATH);
    program_place_find(ret_places->plugin_dir, "PATHACCT_PLUGIN_DIR", PATHACCT_PLUGINS_BELOW,
                       PATHACCT_PLUGIN_DIR);
}
