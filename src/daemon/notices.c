/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares what instances ask for with where the daemon can have it from. See notices.h. */
#include "daemon/notices.h"
#include "base/clock.h"
#include "base/memory.h"
#include "daemon/daemon_private.h"
#include "maps/tag_map.h"
#include <string.h>
#include <time.h>

/* Who can tell, beside BGP, what a primitive that BGP fills is. */
enum teller { TELLER_EXPORTER, TELLER_OF_PATHS, TELLER_NONE };
static const struct {
    enum primitive_index primitive;
    enum teller teller;
} bgp_primitives[] = {
    {PRIMITIVE_src_as, TELLER_EXPORTER},      {PRIMITIVE_dst_as, TELLER_EXPORTER},
    {PRIMITIVE_peer_src_as, TELLER_EXPORTER}, {PRIMITIVE_peer_dst_as, TELLER_EXPORTER},
    {PRIMITIVE_as_path, TELLER_OF_PATHS},     {PRIMITIVE_std_comm, TELLER_OF_PATHS},
    {PRIMITIVE_local_pref, TELLER_OF_PATHS},  {PRIMITIVE_ext_comm, TELLER_NONE},
    {PRIMITIVE_lrg_comm, TELLER_NONE},        {PRIMITIVE_med, TELLER_NONE},
    {PRIMITIVE_src_as_path, TELLER_NONE},     {PRIMITIVE_src_std_comm, TELLER_NONE},
    {PRIMITIVE_src_ext_comm, TELLER_NONE},    {PRIMITIVE_src_lrg_comm, TELLER_NONE},
    {PRIMITIVE_src_local_pref, TELLER_NONE},  {PRIMITIVE_src_med, TELLER_NONE},
    {PRIMITIVE_path_match, TELLER_NONE},      {PRIMITIVE_path_id, TELLER_NONE},
    {PRIMITIVE_src_roa, TELLER_NONE},         {PRIMITIVE_dst_roa, TELLER_NONE},
};

static bool has_bgp_method(const struct correlate_settings *c)
{
    return c->as_method != ROUTE_NETFLOW || c->net_method != ROUTE_NETFLOW;
}

static bool is_by_map(const struct correlate_settings *c, enum primitive_index primitive)
{
    return (primitive == PRIMITIVE_peer_src_as && c->peer_src_as == SOURCE_BY_MAP) ||
           (primitive == PRIMITIVE_src_local_pref && c->src_local_pref == SOURCE_BY_MAP) ||
           (primitive == PRIMITIVE_src_med && c->src_med == SOURCE_BY_MAP);
}

/* True if BGP is there and may not fill the primitive. */
static bool is_kept_from_bgp(const struct daemon *d, size_t row)
{
    const struct correlate_settings *c = &d->crew.correlate;

    if (!daemon_has_rib(d) || bgp_primitives[row].teller != TELLER_EXPORTER || has_bgp_method(c) ||
        is_by_map(c, bgp_primitives[row].primitive))
        return false;
    return bgp_primitives[row].primitive != PRIMITIVE_peer_src_as || c->peer_src_as != SOURCE_BGP;
}

/* True if only BGP could fill it, and there is none. */
static bool lacks_bgp(const struct daemon *d, size_t row)
{
    if (daemon_has_rib(d) || bgp_primitives[row].teller == TELLER_EXPORTER ||
        is_by_map(&d->crew.correlate, bgp_primitives[row].primitive))
        return false;
    return bgp_primitives[row].teller == TELLER_NONE || !d->description->decoder->tells_paths;
}

/* Appends the names of the list's primitives of which `is_so` is true, comma-separated. */
static void append_names(const struct daemon *d, const struct primitive_list *list,
                         bool (*is_so)(const struct daemon *d, size_t row), struct text *out)
{
    for (size_t i = 0; i < sizeof bgp_primitives / sizeof bgp_primitives[0]; i++)
        for (size_t k = 0; k < list->count && is_so(d, i); k++)
            if (list->items[k] == primitive_table_at(d->primitives, bgp_primitives[i].primitive))
                text_append_printf(out, "%s%s", out->len ? ", " : "", list->items[k]->name);
}

/* Appends the names of the list's primitives that the database of places fills. */
static void append_places(const struct primitive_list *list, struct text *out)
{
    for (size_t i = 0; i < list->count; i++) {
        struct flow_needs needs = {0};
        if (list->items[i]->member >= 0)
            flow_needs_add(&needs, (enum flow_member)list->items[i]->member);
        struct geo_settings geo = geo_settings_make(&needs);
        if (geo.source || geo.destination)
            text_append_printf(out, "%s%s", out->len ? ", " : "", list->items[i]->name);
    }
}

/* Appends the names of the list's primitives that only ROAs fill. */
static void append_states(const struct daemon *d, const struct primitive_list *list,
                          struct text *out)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == primitive_table_at(d->primitives, PRIMITIVE_src_roa) ||
            list->items[i] == primitive_table_at(d->primitives, PRIMITIVE_dst_roa))
            text_append_printf(out, "%s%s", out->len ? ", " : "", list->items[i]->name);
}

static void append_aggregate(const struct daemon *d, size_t index, struct text *names,
                             const char *seen, const char *remedy, struct text *notices)
{
    if (names->len > 0)
        text_append_printf(
            notices, "%s: aggregate[%s]: %s: %s; %s\n", config_place(d->config, "aggregate", index),
            config_instance_at(d->config, index)->name, text_cstr(names), seen, remedy);
}

static void check_columns(const struct daemon *d, size_t index, struct text *notices)
{
    struct primitive_list list = {0};
    struct text error = {0}, kept = {0}, lacking = {0}, places = {0}, states = {0};
    char *remedy =
        mem_printf("set %s_as: longest (or bgp) to have BGP fill them", d->description->name);

    if (primitive_list_parse(d->primitives, d->instance_settings[index].aggregate, &error, &list) ==
        0) {
        append_names(d, &list, is_kept_from_bgp, &kept);
        append_names(d, &list, lacks_bgp, &lacking);
        if (!d->maps_settings.geoip_file)
            append_places(&list, &places);
        if (!d->maps_settings.roas_file && !d->rtr_settings.cache)
            append_states(d, &list, &states);
    }
    append_aggregate(d, index, &kept,
                     "these come from the exporter alone, though bgp_daemon is true", remedy,
                     notices);
    append_aggregate(d, index, &lacking, "empty without BGP",
                     "set bgp_daemon: true and give the routers a session, or leave them out",
                     notices);
    append_aggregate(d, index, &places, "empty without a database",
                     "name one by geoipv2_file, or leave them out", notices);
    append_aggregate(d, index, &states, "u without ROAs",
                     "name a file of them by rpki_roas_file or a cache by rpki_rtr_cache, or leave "
                     "them out",
                     notices);
    mem_free(remedy);
    text_clear(&states);
    text_clear(&places);
    text_clear(&error);
    text_clear(&kept);
    text_clear(&lacking);
    primitive_list_clear(&list);
}

/* True if the clocks of this time zone are set within the next year. */
static bool has_summer_time(void)
{
    time_t now = (time_t)(clock_wall().ns / NS_PER_S);
    struct tm first, later;

    localtime_r(&now, &first);
    for (int month = 1; month <= 12; month++) {
        time_t then = now + (time_t)month * 30 * 86400;
        localtime_r(&then, &later);
        if (later.tm_gmtoff != first.tm_gmtoff)
            return true;
    }
    return false;
}

/* Bins of more than an hour begin at different hours, whatever the clocks do. */
static void check_bins(const struct daemon *d, size_t index, struct text *notices)
{
    static const char *const unambiguous[] = {"timestamps_utc", "timestamps_since_epoch",
                                              "timestamps_rfc9557", "sql_timestamptz"};
    struct config_setting history;

    if (!config_role(d->config, index, PA_ROLE_HISTORY, &history) || !history.value ||
        history.number <= 0 || history.number > 3600 || !has_summer_time())
        return;
    for (size_t i = 0; i < sizeof unambiguous / sizeof unambiguous[0]; i++)
        if (config_number(d->config, unambiguous[i], index) != 0)
            return;
    text_append_printf(notices,
                       "%s: %s[%s]: bins are stamped in local time: at the end of summer time an "
                       "hour of stamps comes twice; set timestamps_utc: true\n",
                       history.place, history.key->name,
                       config_instance_at(d->config, index)->name);
}

/* A table in memory is pmacct's default, and not what most who forget `plugins` want. */
static void check_default_plugin(const struct daemon *d, struct text *notices)
{
    if (d->options.file && strcmp(config_instance_at(d->config, 0)->place, "default") == 0)
        text_append_string(notices,
                           "plugins: not set, so rows go into a table in memory, which pmacct(1) "
                           "shows and which ends with the daemon; name plugins to keep them\n");
}

/* In the background standard output and error lead to nobody. */
static void check_background(const struct daemon *d, struct text *notices)
{
    const char *place = config_place(d->config, "daemonize", CONFIG_GLOBAL);

    if (!d->process.daemonize)
        return;
    if (!d->process.logfile && !d->process.syslog)
        text_append_printf(notices,
                           "%s: daemonize: nobody sees the log; set logfile or syslog, or leave "
                           "daemonize out\n",
                           place);
    for (uint32_t i = 0; i < d->instance_count; i++) {
        const struct config_instance *identity = config_instance_at(d->config, i);
        if (strcmp(identity->type, "print") == 0 &&
            !config_is_set(d->config, "print_output_file", i))
            text_append_printf(
                notices,
                "%s: print[%s]: its rows are lost: daemonize closes standard output, "
                "and print_output_file is not set\n",
                identity->place, identity->name);
    }
}

static void check_bgp(const struct daemon *d, struct text *notices)
{
    if (d->bgp_settings.enabled && !d->bgp_settings.allow_file)
        text_append_printf(notices,
                           "%s: bgp_daemon: whoever reaches port %u may become a peer; "
                           "bgp_daemon_allow_file names a file of those that may\n",
                           config_place(d->config, "bgp_daemon", CONFIG_GLOBAL),
                           d->bgp_settings.port);
    if (d->bmp_settings.enabled && !d->bmp_settings.allow_file)
        text_append_printf(notices,
                           "%s: bmp_daemon: whoever reaches port %u may tell routes; "
                           "bmp_daemon_allow_file names a file of those that may\n",
                           config_place(d->config, "bmp_daemon", CONFIG_GLOBAL),
                           d->bmp_settings.port);
}

/* Rows of options data look like others unless a map tells them apart. */
static void check_options(const struct daemon *d, uint32_t index, struct text *notices)
{
    const struct maps *maps = atomic_load_explicit(&d->maps, memory_order_relaxed);
    struct flow_needs needs = {0};
    int32_t map = d->views ? d->views[index].tag_map : -1;

    if (config_number(d->config, "nfacctd_account_options", CONFIG_GLOBAL) == 0 || map < 0 ||
        !maps || !maps->tags[map])
        return;
    tag_map_add_needs(maps->tags[map], &needs);
    if (!flow_needs_has(&needs, FLOW_has_counters))
        text_append_printf(notices,
                           "%s: pre_tag_map[%s]: nfacctd_account_options: no row has sample_type, "
                           "so rows of options data look like those of events; let a row ask for "
                           "sample_type=option\n",
                           config_place(d->config, "pre_tag_map", index),
                           config_instance_at(d->config, index)->name);
}

/* A networks_file that no method asks is not read; pmacct's operators expect it to do something. */
static void check_networks_file(const struct daemon *d, size_t index, struct text *notices)
{
    const char *file = d->instance_settings[index].networks.file;

    if (!file || d->views[index].networks.file >= 0 ||
        (index > 0 && d->instance_settings[index - 1].networks.file == file))
        return; /* one line may be for several instances */
    text_append_printf(notices,
                       "%s: networks_file[%s]: nothing is read from it; set %s_as or %s_net to "
                       "file or longest\n",
                       config_place(d->config, "networks_file", index),
                       config_instance_at(d->config, index)->name, d->description->name,
                       d->description->name);
}

void notices_append(const struct daemon *d, struct text *notices)
{
    if (d->instances && d->instance_count > 0)
        check_default_plugin(d, notices);
    check_background(d, notices);
    check_bgp(d, notices);
    for (uint32_t i = 0; d->instances && i < d->instance_count; i++) {
        if (!d->instances[i] || d->instances[i]->takes_events)
            continue; /* its faults were told; or it has nothing of flows */
        check_columns(d, i, notices);
        check_bins(d, i, notices);
        check_options(d, i, notices);
        check_networks_file(d, i, notices);
    }
}
