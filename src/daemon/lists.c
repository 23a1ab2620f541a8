/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the lists of all instances. See lists.h. */
#include "daemon/lists.h"
#include "base/memory.h"
#include "daemon/daemon_private.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Finds a list among those of instances before this one, or adds it. */
static int32_t list_number(struct maps_settings *maps, const struct maps_list *list)
{
    for (uint32_t i = 0; i < maps->list_count; i++)
        if (maps->lists[i].kind == list->kind && strcmp(maps->lists[i].path, list->path) == 0)
            return (int32_t)i;
    maps->lists = mem_realloc_array(maps->lists, maps->list_count + 1, sizeof *maps->lists);
    maps->lists[maps->list_count] = *list;
    return (int32_t)maps->list_count++;
}

int lists_find(struct daemon *d, struct text *errors)
{
    const char *missing = NULL;

    for (uint32_t i = 0; i < d->instance_count; i++)
        for (int kind = 0; kind < VALUE_LIST_COUNT; kind++) {
            struct maps_list list = {d->instance_settings[i].lists.paths[kind],
                                     (enum value_list_kind)kind, i};
            int32_t number = -1;
            if (list.path && access(list.path, R_OK) < 0) {
                if (list.path != missing) /* the same line may be for several instances */
                    text_append_printf(errors, "%s: %s: cannot read %s: %s\n",
                                       config_place(d->config, value_list_keys[kind].name, i),
                                       value_list_keys[kind].name, list.path, strerror(errno));
                missing = list.path;
            } else if (list.path) {
                number = list_number(&d->maps_settings, &list);
            }
            if (d->instances && d->instances[i])
                d->instances[i]->lists[kind] = number;
        }
    return missing ? -EINVAL : 0;
}
