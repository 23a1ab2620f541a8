/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects what sets networks and tags, of all instances. See views.h. */
#include "daemon/views.h"
#include "base/memory.h"
#include "daemon/daemon_private.h"
#include <errno.h>
#include <string.h>

/* Finds a path among those that instances before this one name, or adds it. Returns its number; -1:
 * there is none. */
static int32_t path_number(const char ***paths, uint32_t *count, const char *path)
{
    if (!path)
        return -1;
    for (uint32_t i = 0; i < *count; i++)
        if (strcmp((*paths)[i], path) == 0)
            return (int32_t)i;
    *paths = mem_realloc_array(*paths, *count + 1, sizeof path);
    (*paths)[*count] = path;
    return (int32_t)(*count)++;
}

/* Only a file that something is asked of is read. */
static bool is_file_used(const struct correlate_settings *c, const struct instance_settings *s)
{
    const enum route_method methods[] = {c->as_method, c->net_method};

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i] == ROUTE_FILE || methods[i] == ROUTE_LONGEST)
            return true;
    return s->networks.filters;
}

static struct network_fill_settings networks_of(struct daemon *d, const struct instance_settings *s)
{
    const struct correlate_settings *c = &d->crew.correlate;
    struct maps_settings *maps = &d->maps_settings;
    struct network_fill_settings networks = {
        .file = path_number(&maps->networks_files, &maps->networks_file_count,
                            is_file_used(c, s) ? s->networks.file : NULL),
        .as_method = c->as_method,
        .net_method = c->net_method,
        .keeps_host = s->networks.keeps_host,
        .mask = c->net_method == ROUTE_MASK ? s->networks.mask : 0,
        .has_rib = daemon_has_rib(d) && c->as_method == ROUTE_LONGEST,
    };

    networks.filters = networks.file >= 0 && s->networks.filters;
    networks.file_wins = networks.file >= 0 && s->networks.file_wins;
    return networks;
}

/* True if the instance asks for one of these primitives. */
static bool asks_for(const struct daemon *d, uint32_t instance, const enum primitive_index *wanted,
                     size_t count)
{
    struct primitive_list list = {0};
    struct text error = {0};
    bool is_asked = false;

    if (primitive_list_parse(d->primitives, d->instance_settings[instance].aggregate, &error,
                             &list) == 0)
        for (size_t i = 0; i < list.count; i++)
            for (size_t k = 0; k < count; k++)
                is_asked =
                    is_asked || list.items[i] == primitive_table_at(d->primitives, wanted[k]);
    text_clear(&error);
    primitive_list_clear(&list);
    return is_asked;
}

static void append_lack(const struct daemon *d, uint32_t instance, const char *suffix,
                        const char *value, const char *lacking, struct text *errors)
{
    char *key = mem_printf("%s_%s", d->description->name, suffix);

    text_append_printf(errors, "%s: %s: %s needs %s, which [%s] lacks; set it, or use another %s\n",
                       config_place(d->config, key, CONFIG_GLOBAL), key, value, lacking,
                       config_instance_at(d->config, instance)->name, key);
    mem_free(key);
}

/* An instance that shows what a method gives has to have what the method takes it from. */
static int check_methods(const struct daemon *d, uint32_t instance, struct text *errors)
{
    static const enum primitive_index as_numbers[] = {PRIMITIVE_src_as, PRIMITIVE_dst_as};
    static const enum primitive_index networks[] = {PRIMITIVE_src_net, PRIMITIVE_dst_net,
                                                    PRIMITIVE_src_mask, PRIMITIVE_dst_mask,
                                                    PRIMITIVE_peer_dst_ip};
    const struct correlate_settings *c = &d->crew.correlate;
    const struct instance_settings *s = &d->instance_settings[instance];
    bool shows_networks = asks_for(d, instance, networks, sizeof networks / sizeof networks[0]);
    int err = 0;

    if (c->as_method == ROUTE_FILE && !s->networks.file &&
        asks_for(d, instance, as_numbers, sizeof as_numbers / sizeof as_numbers[0])) {
        append_lack(d, instance, "as", "file", "networks_file", errors);
        err = -EINVAL;
    }
    if (c->net_method == ROUTE_FILE && !s->networks.file && shows_networks) {
        append_lack(d, instance, "net", "file", "networks_file", errors);
        err = -EINVAL;
    }
    if (c->net_method == ROUTE_MASK && s->networks.mask == 0 && shows_networks) {
        append_lack(d, instance, "net", "mask", "networks_mask", errors);
        err = -EINVAL;
    }
    return err;
}

/* The map of an instance that takes datagrams may ask for what exports tell, and no more. */
static void take_tag_map(struct daemon *d, uint32_t index)
{
    struct maps_settings *maps = &d->maps_settings;
    int32_t map = d->views[index].tag_map;

    d->instances[index]->tag_map = map;
    if (map >= 0)
        maps->tag_map_exports[map] = d->instances[index]->identity->name;
}

static bool sees_flows(const struct instance *instance)
{
    return !instance->takes_datagrams && !instance->takes_events;
}

/* An instance that takes datagrams or events sees no flows. It is given the view of one that does, so that views
 * which all share stay shared. */
static void pass_over_others(struct daemon *d)
{
    const struct instance_view_settings *view = NULL;
    const struct instance_view_settings none = {.networks = {.file = -1}, .tag_map = -1};

    for (uint32_t i = 0; i < d->instance_count; i++)
        if (!view && d->instances[i] && sees_flows(d->instances[i]))
            view = &d->views[i];
    for (uint32_t i = 0; i < d->instance_count; i++)
        if (d->instances[i] && !sees_flows(d->instances[i]))
            d->views[i] = view ? *view : none;
}

int views_read(struct daemon *d, struct text *errors)
{
    struct maps_settings *maps = &d->maps_settings;
    int err = 0;

    d->views = mem_calloc(d->instance_count + 1, sizeof *d->views);
    maps->tag_map_pairs = mem_calloc(d->instance_count + 1, sizeof *maps->tag_map_pairs);
    maps->tag_map_exports = mem_calloc(d->instance_count + 1, sizeof(const char *));
    for (uint32_t i = 0; i < d->instance_count; i++) {
        const struct instance_settings *s = &d->instance_settings[i];
        d->views[i] = (struct instance_view_settings){
            .networks = networks_of(d, s),
            .tag_map = path_number(&maps->tag_maps, &maps->tag_map_count, s->tags.map),
            .post_tag = s->tags.post_tag,
            .post_tag2 = s->tags.post_tag2};
        if (d->views[i].tag_map >= 0 &&
            config_number(d->config, "pre_tag_label_encode_as_map", i) != 0)
            maps->tag_map_pairs[d->views[i].tag_map] = true;
        if (s->event_output)
            continue;
        if (d->instances && d->instances[i] && d->instances[i]->takes_datagrams)
            take_tag_map(d, i);
        else if (check_methods(d, i, errors) < 0)
            err = -EINVAL;
    }
    if (d->instances)
        pass_over_others(d);
    d->crew.views = d->views;
    maps->of_tag_maps.has_agents =
        d->description->decoder && d->description->decoder->lacks_elements;
    return err;
}
