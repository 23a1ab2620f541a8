/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at the instance's plugin and at its aggregate. See traffic_place.h. */
#include "daemon/traffic_place.h"
#include "base/memory.h"
#include "daemon/daemon_private.h"
#include <errno.h>
#include <string.h>

/* Appends those of the primitives that the instance's aggregate lacks. */
static void append_lacking(const struct daemon *d, size_t index, struct text *out)
{
    static const enum primitive_index needed[] = {PRIMITIVE_peer_src_ip, PRIMITIVE_dst_net,
                                                  PRIMITIVE_dst_mask, PRIMITIVE_peer_dst_ip};
    struct primitive_list list = {0};
    struct text error = {0};

    if (d->primitives && primitive_list_parse(d->primitives, d->instance_settings[index].aggregate,
                                              &error, &list) == 0)
        for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
            const struct primitive *primitive = primitive_table_at(d->primitives, needed[i]);
            bool is_there = false;
            for (size_t k = 0; k < list.count; k++)
                is_there = is_there || list.items[k] == primitive;
            if (!is_there)
                text_append_printf(out, "%s%s", out->len ? ", " : "", primitive->name);
        }
    text_clear(&error);
    primitive_list_clear(&list);
}

static int check_instance(const struct daemon *d, size_t index, struct text *errors,
                          char **ret_path)
{
    const struct config_instance *identity = config_instance_at(d->config, index);
    const char *place = config_place(d->config, "control_traffic", CONFIG_GLOBAL);
    struct config_setting socket;
    struct text lacking = {0};
    int err = 0;

    append_lacking(d, index, &lacking);
    if (strcmp(identity->type, "memory") != 0 ||
        !config_role(d->config, index, PA_ROLE_OWN_PLACE, &socket) || !socket.value) {
        text_append_printf(errors,
                           "%s: control_traffic: %s[%s] is no table in memory; name one: "
                           "plugins: memory[%s]\n",
                           place, identity->type, identity->name, identity->name);
        err = -EINVAL;
    } else if (lacking.len > 0) {
        text_append_printf(errors,
                           "%s: control_traffic: aggregate[%s] lacks %s; it needs peer_src_ip, "
                           "dst_net, dst_mask and peer_dst_ip to tell bytes per path\n",
                           place, identity->name, text_cstr(&lacking));
        err = -EINVAL;
    } else {
        *ret_path = mem_strdup(socket.value);
    }
    text_clear(&lacking);
    return err;
}

int traffic_place_find(const struct daemon *d, struct text *errors, char **ret_path)
{
    const char *name = d->control_settings.traffic;

    *ret_path = NULL;
    if (!name)
        return 0;
    for (size_t i = 0; i < config_instance_count(d->config); i++)
        if (strcmp(config_instance_at(d->config, i)->name, name) == 0)
            return check_instance(d, i, errors, ret_path);
    text_append_printf(errors,
                       "%s: control_traffic: no instance is called %s; name one of `plugins`: a "
                       "table in memory whose aggregate has peer_src_ip, dst_net, dst_mask and "
                       "peer_dst_ip\n",
                       config_place(d->config, "control_traffic", CONFIG_GLOBAL), name);
    return -EINVAL;
}
