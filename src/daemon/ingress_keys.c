/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares the keys of the source side with each other. See ingress_keys.h. */
#include "daemon/ingress_keys.h"
#include "daemon/daemon_private.h"
#include <errno.h>

int ingress_keys_check(struct daemon *d, struct text *errors, struct text *warnings)
{
    const struct correlate_settings *c = &d->crew.correlate;
    const struct {
        const char *type_key, *map_key;
        enum source_method method;
    } keys[INGRESS_MAP_COUNT] = {
        [INGRESS_MAP_PEER_AS] = {"bgp_peer_src_as_type", "bgp_peer_src_as_map", c->peer_src_as},
        [INGRESS_MAP_LOCAL_PREF] = {"bgp_src_local_pref_type", "bgp_src_local_pref_map",
                                    c->src_local_pref},
        [INGRESS_MAP_MED] = {"bgp_src_med_type", "bgp_src_med_map", c->src_med},
    };
    int err = 0;

    for (int i = 0; i < INGRESS_MAP_COUNT; i++) {
        const char **map = &d->maps_settings.ingress_maps[i];
        bool is_set = config_is_set(d->config, keys[i].map_key, CONFIG_GLOBAL);
        if (keys[i].method == SOURCE_BY_MAP && !is_set) {
            text_append_printf(errors, "%s: %s: map needs %s: FILE\n",
                               config_place(d->config, keys[i].type_key, CONFIG_GLOBAL),
                               keys[i].type_key, keys[i].map_key);
            err = -EINVAL;
        } else if (keys[i].method != SOURCE_BY_MAP && *map) {
            text_append_printf(warnings, "%s: %s: it has no effect without %s: map\n",
                               config_place(d->config, keys[i].map_key, CONFIG_GLOBAL),
                               keys[i].map_key, keys[i].type_key);
            *map = NULL;
        }
    }
    return err;
}
