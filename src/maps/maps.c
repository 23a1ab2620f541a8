/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads all maps together, so that workers never see one half of a change. */
#include "maps/maps.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "maps/agent_map.h"
#include "maps/allow_list.h"
#include "maps/geoip.h"
#include "maps/ingress_map.h"
#include "maps/map_source.h"
#include "maps/networks.h"
#include "maps/next_hop_map.h"
#include "maps/rd_map.h"
#include "maps/roa_file.h"
#include "maps/sampling_map.h"
#include "maps/tag_map.h"
#include "rpki/roa_table.h"
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>

const struct config_key maps_keys[] = {
    {.name = "NAME_allow_file",
     KEY_STRING_AT(struct maps_settings, allow_file),
     .help = "file of the addresses and prefixes that may export to this daemon, one a line; "
             "empty: nobody"},
    {.name = "sampling_map",
     KEY_STRING_AT(struct maps_settings, sampling_map),
     .help = "map of sampling rates by exporter and interface (see MAPS)"},
    {.name = "flow_to_rd_map",
     KEY_STRING_AT(struct maps_settings, flow_to_rd_map),
     .help = "map of route distinguishers: which VPN a flow is of (see MAPS)"},
    {.name = "bgp_agent_map",
     KEY_STRING_AT(struct maps_settings, bgp_agent_map),
     .aliases = "bmp_agent_map",
     .help = "map from exporters to the BGP peers and BMP routers whose tables hold for them (see "
             "MAPS)"},
    {.name = "bgp_peer_dst_ip_map",
     KEY_STRING_AT(struct maps_settings, bgp_peer_dst_ip_map),
     .help = "map of next hops that exporters report instead of those in their paths (see MAPS)"},
    {.name = "bgp_peer_src_as_map",
     KEY_STRING_AT(struct maps_settings, ingress_maps[INGRESS_MAP_PEER_AS]),
     .help = "map of peer_src_as, for bgp_peer_src_as_type: map (see MAPS)"},
    {.name = "bgp_src_local_pref_map",
     KEY_STRING_AT(struct maps_settings, ingress_maps[INGRESS_MAP_LOCAL_PREF]),
     .help = "map of src_local_pref, for bgp_src_local_pref_type: map"},
    {.name = "bgp_src_med_map",
     KEY_STRING_AT(struct maps_settings, ingress_maps[INGRESS_MAP_MED]),
     .help = "map of src_med, for bgp_src_med_type: map"},
    {.name = "geoipv2_file",
     KEY_STRING_AT(struct maps_settings, geoip_file),
     .help = "database of places in MaxMind's format, for src_host_country and the like (see "
             "MAPS)"},
    {.name = "rpki_roas_file",
     KEY_STRING_AT(struct maps_settings, roas_file),
     .help = "file of ROAs in JSON, as rpki-client and routinator write it, by which src_roa and "
             "dst_roa tell whether a route's origin is valid"},
    {.name = "aggregate_primitives",
     KEY_STRING_AT(struct maps_settings, aggregate_primitives),
     .help = "file of custom primitives made from information elements (see MAPS)"},
    {.name = "pre_tag_map_dont_recirculate",
     KEY_BOOL_AT(struct maps_settings, of_tag_maps.counts_rows_once),
     .help =
         "the log counts each row of a pre_tag_map once, also those without ip, which count for "
         "IPv4 and for IPv6 otherwise; what rows hold for stays the same"},
    {.name = "maps_refresh",
     KEY_BOOL_AT(struct maps_settings, may_refresh),
     .default_value = "true",
     .aliases = "refresh_maps",
     .help = "read maps again on SIGUSR2"},
    {0},
};

bool maps_exporter_is_allowed(const struct maps *maps, const struct ip_addr *exporter)
{
    return !maps->allow || allow_list_contains(maps->allow, exporter);
}

bool maps_names_exporter(const struct maps *maps, const struct ip_addr *exporter)
{
    for (uint32_t i = 0; i < maps->tag_map_count; i++) {
        if (maps->tags[i] && tag_map_names(maps->tags[i], exporter))
            return true;
    }
    for (int i = 0; i < INGRESS_MAP_COUNT; i++) {
        if (maps->ingress[i] && ingress_map_names(maps->ingress[i], exporter))
            return true;
    }
    return (maps->allow && allow_list_names(maps->allow, exporter)) ||
           (maps->sampling && sampling_map_names(maps->sampling, exporter)) ||
           (maps->rd && rd_map_names(maps->rd, exporter)) ||
           (maps->agents && agent_map_names(maps->agents, exporter)) ||
           (maps->next_hops && next_hop_map_names(maps->next_hops, exporter));
}

/* Loads all maps. It goes on after an error, as those of all maps are wanted at once. */
static int load_all(const struct maps_settings *settings, struct maps *maps,
                    struct map_report *report)
{
    struct allow_list *allow;
    struct sampling_map *sampling;
    struct rd_map *rd;
    struct agent_map *agents;
    struct next_hop_map *next_hops;
    int err = 0;

    if (settings->allow_file) {
        if (allow_list_read(settings->allow_file, report, &allow) == 0)
            maps->allow = allow;
        else
            err = -EINVAL;
    }
    if (settings->sampling_map) {
        if (sampling_map_read(settings->sampling_map, report, &sampling) == 0) {
            maps->sampling = sampling;
            sampling_map_add_needs(sampling, &maps->needs);
        } else {
            err = -EINVAL;
        }
    }
    if (settings->flow_to_rd_map) {
        if (rd_map_read(settings->flow_to_rd_map, report, &rd) == 0) {
            maps->rd = rd;
            rd_map_add_needs(rd, &maps->needs);
        } else {
            err = -EINVAL;
        }
    }
    if (settings->bgp_agent_map) {
        if (agent_map_read(settings->bgp_agent_map, report, &agents) == 0) {
            maps->agents = agents;
            agent_map_add_needs(agents, &maps->needs);
        } else {
            err = -EINVAL;
        }
    }
    if (settings->bgp_peer_dst_ip_map) {
        if (next_hop_map_read(settings->bgp_peer_dst_ip_map, report, &next_hops) == 0)
            maps->next_hops = next_hops;
        else
            err = -EINVAL;
    }
    return err;
}

static int load_lists(const struct maps_settings *settings, struct maps *maps,
                      struct map_report *report)
{
    int err = 0;

    maps->lists = mem_calloc(settings->list_count + 1, sizeof(struct value_list *));
    maps->list_count = settings->list_count;
    for (uint32_t i = 0; i < settings->list_count; i++)
        if (value_list_read(settings->lists[i].kind, settings->lists[i].path, report,
                            &maps->lists[i]) < 0)
            err = -EINVAL;
    return err;
}

/* Notes the database of places, which is too large to be looked at byte for byte once more. */
static void note_geoip(const char *path, bool is_wrong, struct map_census *census)
{
    struct stat status;
    uint64_t digest = 0;

    if (stat(path, &status) == 0) {
        const int64_t facts[] = {(int64_t)status.st_ino, status.st_size, status.st_mtim.tv_sec,
                                 status.st_mtim.tv_nsec};
        digest = hash_bytes(facts, sizeof facts, 0) | 1;
    }
    map_census_add(census, path, digest, 0, is_wrong);
}

/* Loads the database of places. Without it places are empty, which pmacct goes on with. */
static int load_geoip(const struct maps_settings *settings, struct maps *maps,
                      struct map_report *report)
{
    struct text error = {0};
    struct geoip *geoip;
    int err = 0;

    if (!settings->geoip_file)
        return 0;
    if (geoip_read(settings->geoip_file, &error, &geoip) == 0) {
        maps->geoip = geoip;
    } else if (report->is_tolerant) {
        text_append_printf(report->warnings, "%.*s; places are left empty\n", (int)error.len - 1,
                           text_cstr(&error));
    } else {
        report->has_row_error = true;
        text_append(report->errors, error.data, error.len);
        err = -EINVAL;
    }
    note_geoip(settings->geoip_file, err < 0, report->census);
    text_clear(&error);
    return err;
}

/* A map by which datagrams are tagged may ask for what these tell. */
static int check_exports_alone(const struct maps_settings *settings, uint32_t index,
                               const struct tag_map *map, struct map_report *report)
{
    const char *instance = settings->tag_map_exports ? settings->tag_map_exports[index] : NULL;
    const char *key = instance ? tag_map_asks_beyond_exports(map) : NULL;

    if (!key)
        return 0;
    text_append_printf(report->errors,
                       "%s: pre_tag_map of [%s]: datagrams are passed on before BGP and other maps "
                       "are asked, so rows cannot ask for %s; leave such rows out, or give [%s] a "
                       "map of its own\n",
                       settings->tag_maps[index], instance, key, instance);
    return -EINVAL;
}

static int load_roas(const struct maps_settings *settings, struct maps *maps,
                     struct map_report *report)
{
    struct roa_table *roas;

    if (!settings->roas_file)
        return 0;
    if (roa_file_read(settings->roas_file, report, &roas) < 0)
        return -EINVAL;
    maps->roas = roas;
    return 0;
}

static int load_tag_maps(const struct maps_settings *settings, struct maps *maps,
                         struct map_report *report)
{
    int err = 0;

    maps->tags = mem_calloc(settings->tag_map_count + 1, sizeof(struct tag_map *));
    maps->tag_map_count = settings->tag_map_count;
    for (uint32_t i = 0; i < settings->tag_map_count; i++) {
        struct tag_map_reading how = settings->of_tag_maps;
        how.has_pairs = settings->tag_map_pairs && settings->tag_map_pairs[i];
        if (tag_map_read(settings->tag_maps[i], &how, report, &maps->tags[i]) < 0) {
            err = -EINVAL;
            continue;
        }
        tag_map_add_needs(maps->tags[i], &maps->needs);
        if (check_exports_alone(settings, i, maps->tags[i], report) < 0)
            err = -EINVAL;
    }
    return err;
}

static int load_ingress_maps(const struct maps_settings *settings, struct maps *maps,
                             struct map_report *report)
{
    struct ingress_map *map;
    int err = 0;

    for (int i = 0; i < INGRESS_MAP_COUNT; i++) {
        if (!settings->ingress_maps[i])
            continue;
        if (ingress_map_read(settings->ingress_maps[i], report, &map) == 0) {
            maps->ingress[i] = map;
            ingress_map_add_needs(map, &maps->needs);
        } else {
            err = -EINVAL;
        }
    }
    return err;
}

static int load_networks(const struct maps_settings *settings, struct maps *maps,
                         struct map_report *report)
{
    int err = 0;

    maps->networks = mem_calloc(settings->networks_file_count + 1, sizeof(struct networks *));
    maps->networks_count = settings->networks_file_count;
    for (uint32_t i = 0; i < settings->networks_file_count; i++)
        if (networks_read(settings->networks_files[i], report, &maps->networks[i]) < 0)
            err = -EINVAL;
    return err;
}

int maps_load(const struct maps_settings *settings, uint64_t generation, struct map_report *report,
              struct maps **ret_maps)
{
    struct maps *maps = mem_zalloc(sizeof *maps);
    int err = load_all(settings, maps, report);

    if (load_ingress_maps(settings, maps, report) < 0)
        err = -EINVAL;
    if (load_tag_maps(settings, maps, report) < 0)
        err = -EINVAL;
    if (load_lists(settings, maps, report) < 0)
        err = -EINVAL;
    if (load_geoip(settings, maps, report) < 0)
        err = -EINVAL;
    if (load_roas(settings, maps, report) < 0)
        err = -EINVAL;
    if (load_networks(settings, maps, report) < 0)
        err = -EINVAL;
    maps->generation = generation;
    if (err < 0) {
        maps_free(maps);
        return err;
    }
    *ret_maps = maps;
    return 0;
}

/* The parameter is void to fit rcu_retire(). The snapshot owns what it shows as const to
 * workers. */
void maps_free(void *object)
{
    struct maps *maps = object;

    if (!maps)
        return;
    allow_list_free((struct allow_list *)(uintptr_t)maps->allow);
    sampling_map_free((struct sampling_map *)(uintptr_t)maps->sampling);
    rd_map_free((struct rd_map *)(uintptr_t)maps->rd);
    agent_map_free((struct agent_map *)(uintptr_t)maps->agents);
    next_hop_map_free((struct next_hop_map *)(uintptr_t)maps->next_hops);
    for (int i = 0; i < INGRESS_MAP_COUNT; i++)
        ingress_map_free((struct ingress_map *)(uintptr_t)maps->ingress[i]);
    geoip_free((struct geoip *)(uintptr_t)maps->geoip);
    roa_table_free((struct roa_table *)(uintptr_t)maps->roas);
    for (uint32_t i = 0; maps->tags && i < maps->tag_map_count; i++)
        tag_map_free(maps->tags[i]);
    mem_free(maps->tags);
    for (uint32_t i = 0; maps->lists && i < maps->list_count; i++)
        value_list_free(maps->lists[i]);
    mem_free(maps->lists);
    for (uint32_t i = 0; maps->networks && i < maps->networks_count; i++)
        networks_free(maps->networks[i]);
    mem_free(maps->networks);
    mem_free(maps);
}

void maps_publish(const struct maps *_Atomic *place, struct rcu_queue *queue, struct maps *maps)
{
    const struct maps *old = rcu_read(place);

    THREAD_ASSERT(main_thread);
    rcu_publish(place, maps);
    if (old)
        rcu_retire(queue, maps_free, (void *)(uintptr_t)old);
}
