/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes of the command line a daemon that only has to be started. Everything that is wrong is told
 * at once. */
#include "base/log.h"
#include "base/memory.h"
#include "base/service.h"
#include "daemon/daemon_private.h"
#include "daemon/event_output.h"
#include "daemon/ingress_keys.h"
#include "daemon/lists.h"
#include "daemon/msglog.h"
#include "daemon/notices.h"
#include "daemon/spool_use.h"
#include "daemon/table_dump_use.h"
#include "daemon/traffic_place.h"
#include "daemon/user.h"
#include "daemon/views.h"
#include "maps/custom_primitives.h"
#include "maps/map_source.h"
#include "maps/sampling_map.h"
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

/* A table of keys is of a service, which its switch names, of flows, or (NULL) of every program. */
#define OF_BGP "bgp_daemon"
#define OF_BMP "bmp_daemon"
static const char of_flows[] = "flows";

/* Says whether tables of this have a meaning here, or are foreign. */
static bool is_here(const struct daemon *d, const char *of)
{
    const char *service = d->description->service;

    return !service || !of || strcmp(of, service) == 0;
}

static void add_tables(struct daemon *d)
{
    const struct {
        const struct config_key *keys;
        void *settings;
        const char *of;
    } tables[] = {
        {process_keys, &d->process, NULL},
        {process_flow_keys, &d->process, of_flows},
        {row_keys, &d->rows, of_flows},
        {udp_keys, &d->udp, of_flows},
        {crew_keys, &d->crew, of_flows},
        {replay_keys, &d->crew.replay, of_flows},
        {template_share_keys, &d->crew.templates, of_flows},
        {enrich_keys, &d->crew.enrich, of_flows},
        {correlate_keys, &d->crew.correlate, of_flows},
        {bgp_keys, &d->bgp_settings, OF_BGP},
        {rib_keys, &d->bgp_settings, NULL},
        {bmp_keys, &d->bmp_settings, OF_BMP},
        {bgp_flow_keys, &d->bgp_settings, of_flows},
        {table_dump_keys, &d->table_dump_settings, OF_BGP},
        {msglog_keys, &d->bgp_settings, OF_BGP},
        {rtr_keys, &d->rtr_settings, of_flows},
        {maps_keys, &d->maps_settings, of_flows},
        {control_keys, &d->control_settings, NULL},
        {control_flow_keys, &d->control_settings, of_flows},
        {d->description->keys, d->description->decoder_settings, NULL},
    };
    static_assert(sizeof tables / sizeof *tables <= KEY_TABLES_MAX, "each has a copy");

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (!tables[i].keys)
            continue;
        if (is_here(d, tables[i].of)) {
            d->keys[i] = settings_keys_new(tables[i].keys, d->description);
            config_add_table(d->config, d->keys[i], tables[i].settings);
        } else {
            d->keys[i] = settings_foreign_keys_new(tables[i].keys);
            config_add_foreign_table(d->config, d->keys[i]);
        }
    }
}

static void add_instance_tables(struct daemon *d)
{
    const struct {
        const struct config_key *keys;
        void *settings;
        const char *of;
    } tables[] = {
        {instance_keys, d->instance_settings, NULL},
        {instance_flow_keys, d->instance_settings, of_flows},
        {network_keys, &d->instance_settings->networks, of_flows},
        {instance_tag_keys, &d->instance_settings->tags, of_flows},
        {tag_filter_keys, &d->instance_settings->tag_filter, of_flows},
        {value_list_keys, &d->instance_settings->lists, of_flows},
    };

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (is_here(d, tables[i].of))
            config_add_instance_table(d->config, tables[i].keys, tables[i].settings,
                                      sizeof *d->instance_settings);
        else
            config_add_foreign_table(d->config, tables[i].keys);
}

/* True if what the events are of runs here. Keys are not checked yet, so their lines are asked. */
static bool output_is_on(const struct daemon *d, const struct event_output *output)
{
    struct config_found_line line;

    if (!output->switch_key)
        return true;
    if (d->description->service)
        return strcmp(d->description->service, output->switch_key) == 0;
    return config_find_line(d->config, output->switch_key, &line) &&
           strcasecmp(line.value, "true") == 0;
}

/* Adds the instances that take events, and counts all. */
static int find_event_outputs(struct daemon *d, struct text *errors)
{
    const struct event_output *const outputs[] = {
        d->description->event_output, /* those that workers feed come first */
        &table_dump_output,
        &msglog_output,
    };
    const size_t output_count = sizeof outputs / sizeof *outputs;
    int err = 0;

    for (size_t k = 0; k < output_count; k++)
        if (outputs[k] && output_is_on(d, outputs[k]) &&
            event_output_find(outputs[k], d->config, errors) < 0)
            err = -EINVAL;
    d->instance_count = (uint32_t)config_instance_count(d->config);
    d->instance_settings = mem_calloc(d->instance_count + 1, sizeof *d->instance_settings);
    for (uint32_t i = 0; i < d->instance_count; i++)
        for (size_t k = 0; k < output_count; k++)
            if (outputs[k] && config_instance_at(d->config, i)->prefix == outputs[k]->prefix)
                d->instance_settings[i].event_output = outputs[k];
    return err;
}

/* Finds the instances: those of `plugins`, unless that is foreign, and the event output's. */
static int find_instances(struct daemon *d, struct text *errors)
{
    int err = 0;

    if (!is_here(d, of_flows))
        config_add_foreign_table(d->config, config_plugins_keys);
    else if (config_find_instances(d->config, errors) < 0)
        err = -EINVAL;
    if (find_event_outputs(d, errors) < 0)
        err = -EINVAL;
    return err;
}

static int read_tables(struct daemon *d, struct text *errors, struct text *warnings)
{
    places_find(&d->places);
    int err = plugin_list_read(d->places.host, d->places.plugin_dir, errors, warnings, &d->plugins);

    if (find_instances(d, errors) < 0)
        err = -EINVAL;
    add_tables(d);
    add_instance_tables(d);
    for (size_t i = 0; i < d->plugins.count; i++)
        config_add_plugin(d->config, d->plugins.items[i]);
    return err;
}

/* The service that a program is cannot be switched off in it. */
static int check_service(const struct daemon *d, struct text *errors)
{
    const char *service = d->description->service;

    if (!service || config_number(d->config, service, CONFIG_GLOBAL) != 0)
        return 0;
    text_append_printf(errors, "%s: %s: false leaves nothing that %s does; leave it out\n",
                       config_place(d->config, service, CONFIG_GLOBAL), service,
                       d->description->name);
    return -EINVAL;
}

/* Reports a file that a key names and that is not there, at the place of the key; afterwards the key
 * counts as unset. */
static bool can_read(const struct daemon *d, const char *key, size_t instance, const char **path,
                     struct text *errors)
{
    if (!*path || access(*path, R_OK) == 0)
        return true;
    text_append_printf(errors, "%s: %s: cannot read %s: %s\n",
                       config_place(d->config, key, instance),
                       config_spelling(d->config, key, instance), *path, strerror(errno));
    *path = NULL;
    return false;
}

/* Does so for a key of instances, whose path is at that place of their settings. */
static bool can_read_each(struct daemon *d, const char *key, size_t place, struct text *errors)
{
    const char *missing = NULL;

    for (uint32_t i = 0; i < d->instance_count; i++) {
        const char **path = (const char **)(void *)((char *)&d->instance_settings[i] + place);
        const char *name = *path;
        if (name && name == missing)
            *path = NULL; /* the same line is for several instances */
        else if (!can_read(d, key, i, path, errors))
            missing = name;
    }
    return !missing;
}

static int check_control(struct daemon *d, struct text *errors)
{
    struct text error = {0};
    const char *remark = control_settings_remark(&d->control_settings);
    int err = control_settings_check(&d->control_settings, &error);

    if (err < 0)
        text_append_printf(errors, "%s: %s\n",
                           config_place(d->config,
                                        d->control_settings.http_listen ? "http_listen"
                                        : d->control_settings.tls_cert  ? "http_tls_cert"
                                                                        : "http_tls_key",
                                        CONFIG_GLOBAL),
                           text_cstr(&error));
    else if (remark)
        text_append_printf(&d->notices, "%s: %s\n",
                           config_place(d->config, "http_listen", CONFIG_GLOBAL), remark);
    text_clear(&error);
    return err;
}

/* A file of ROAs and a cache of them would be two truths. */
static int check_rtr(const struct daemon *d, struct text *errors)
{
    const char *place = config_place(d->config, "rpki_rtr_cache", CONFIG_GLOBAL);
    struct text error = {0};
    int err = rtr_check(&d->rtr_settings, &error);

    if (err < 0)
        text_append_printf(errors, "%s: rpki_rtr_cache: expected %s\n", place, text_cstr(&error));
    text_clear(&error);
    if (!d->rtr_settings.cache || !d->maps_settings.roas_file)
        return err;
    text_append_printf(errors,
                       "%s: rpki_rtr_cache: rpki_roas_file is set too; ROAs come from one of them: "
                       "leave the other one out\n",
                       place);
    return -EINVAL;
}

static int check_bmp(struct daemon *d, struct text *errors)
{
    if (!d->bmp_settings.enabled)
        return 0;
    int err = bmp_station_claim(&d->bmp_settings, &d->bgp_settings, errors);
    return bmp_station_check(&d->bmp_settings, errors) < 0 ? -EINVAL : err;
}

/* Looks at all files that are read at start, so that each is told of once. */
static int check_files(struct daemon *d, struct text *errors)
{
    bool has_bgp = d->bgp_settings.enabled;
    bool must_have_places = config_is_strict(d->config);
    char *allow_key = mem_printf("%s_allow_file", d->description->name);
    struct {
        const char *key, **path;
    } files[] = {
        {"aggregate_primitives", &d->maps_settings.aggregate_primitives},
        {allow_key, &d->maps_settings.allow_file},
        {"sampling_map", &d->maps_settings.sampling_map},
        {"flow_to_rd_map", &d->maps_settings.flow_to_rd_map},
        {"bgp_agent_map", &d->maps_settings.bgp_agent_map},
        {"bgp_peer_dst_ip_map", &d->maps_settings.bgp_peer_dst_ip_map},
        {"bgp_peer_src_as_map", &d->maps_settings.ingress_maps[INGRESS_MAP_PEER_AS]},
        {"bgp_src_local_pref_map", &d->maps_settings.ingress_maps[INGRESS_MAP_LOCAL_PREF]},
        {"bgp_src_med_map", &d->maps_settings.ingress_maps[INGRESS_MAP_MED]},
        {"geoipv2_file", must_have_places ? &d->maps_settings.geoip_file : NULL},
        {"rpki_roas_file", &d->maps_settings.roas_file},
        {"pcap_savefile", &d->crew.replay.path},
        {"bgp_daemon_allow_file", has_bgp ? &d->bgp_settings.allow_file : NULL},
        {"bgp_daemon_md5_file", has_bgp ? &d->bgp_settings.md5_file : NULL},
        {"bmp_daemon_allow_file", d->bmp_settings.enabled ? &d->bmp_settings.allow_file : NULL},
        {"http_token_file", &d->control_settings.token_file},
        {"http_tls_cert", &d->control_settings.tls_cert},
        {"http_tls_key", &d->control_settings.tls_key},
    };
    int err = 0;

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (files[i].path && !can_read(d, files[i].key, CONFIG_GLOBAL, files[i].path, errors))
            err = -EINVAL;
    if (!can_read_each(d, "pre_tag_map", offsetof(struct instance_settings, tags.map), errors) ||
        !can_read_each(d, "networks_file", offsetof(struct instance_settings, networks.file),
                       errors))
        err = -EINVAL;
    mem_free(allow_key);
    return err;
}

static struct map_report map_report(const struct daemon *d, struct text *errors,
                                    struct text *warnings)
{
    return (struct map_report){
        .is_tolerant = !config_is_strict(d->config), .errors = errors, .warnings = warnings};
}

static int read_primitives(struct daemon *d, struct text *errors, struct text *warnings)
{
    struct map_report report = map_report(d, errors, warnings);
    int err;

    d->primitives = primitive_table_new();
    if (!d->maps_settings.aggregate_primitives)
        return 0;
    if (d->description->decoder->lacks_elements) {
        text_append_printf(
            errors, "%s: aggregate_primitives: %s has no information elements; leave it out\n",
            config_place(d->config, "aggregate_primitives", CONFIG_GLOBAL),
            d->description->data_name);
        return -EINVAL;
    }
    err = custom_primitives_read(d->maps_settings.aggregate_primitives, &report, &d->primitives);
    d->has_row_error = d->has_row_error || report.has_row_error;
    return err;
}

static void udp_settings_finish(struct daemon *d)
{
    d->udp.daemon_name = d->description->name;
    d->udp.worker_count = d->crew.worker_count;
    if (d->udp.port == 0)
        d->udp.port = d->description->port;
}

static bool takes_datagrams(const struct daemon *d, uint32_t index)
{
    const struct config_instance *instance = config_instance_at(d->config, index);

    return (config_plugin_flags(d->config, instance->type) & PA_PLUGIN_TAKES_DATAGRAMS) != 0;
}

static int read_instances(struct daemon *d, struct text *errors, struct text *warnings)
{
    int err = 0;

    d->instances = mem_calloc(d->instance_count + 1, sizeof(struct instance *));
    for (uint32_t i = 0; i < d->instance_count; i++) {
        const struct config_instance *instance = config_instance_at(d->config, i);
        if (instance_new(d->config, i, &d->instance_settings[i], &d->rows, &d->crew, d->primitives,
                         &d->needs, errors, warnings, &d->instances[i]) < 0)
            err = -EINVAL;
        if (takes_datagrams(d, i)) /* what waits is sent soon or never */
            d->instance_settings[i].spool_dir = NULL;
        /* If not even a plugin is named, the error says it all. */
        if ((errors->len == 0 || config_is_set(d->config, "plugins", i)) &&
            !takes_datagrams(d, i) && !instance->prefix &&
            !config_is_set(d->config, "aggregate", i) &&
            config_has_plugin(d->config, instance->type))
            text_append_printf(warnings,
                               "%s: %s[%s]: aggregate is not set; its rows are by src_host\n",
                               instance->place, instance->type, instance->name);
    }
    return err;
}

/* Says whether a member is set here, by a map or a key. */
static bool is_set_here(const struct daemon *d, enum flow_member member)
{
    bool is_tag = member == FLOW_tag || member == FLOW_tag2 || member == FLOW_label;

    if (member == FLOW_vpn_rd && d->maps_settings.flow_to_rd_map)
        return true;
    for (uint32_t i = 0; is_tag && i < d->instance_count; i++)
        if (d->views[i].tag_map >= 0 || d->views[i].post_tag || d->views[i].post_tag2)
            return true;
    return false;
}

/* Warns of primitives that will always be empty, as the protocol does not have them. */
static void warn_lacking(const struct daemon *d, struct text *warnings)
{
    const struct decoder_ops *decoder = d->description->decoder;

    for (size_t i = 0; decoder && i < decoder->lacking_count; i++) {
        if (!flow_needs_has(&d->needs, decoder->lacking[i]) || is_set_here(d, decoder->lacking[i]))
            continue;
        for (size_t k = 0; k < PRIMITIVE_COUNT; k++)
            if (primitives[k].member == (int16_t)decoder->lacking[i] &&
                primitives[k].combine == PA_COMBINE_KEY)
                text_append_printf(warnings,
                                   "aggregate: primitive '%s' is not told by %s: it is empty\n",
                                   primitives[k].name, d->description->data_name);
    }
}

/* Reads the settings of correlation, which concern other modules. */
static int read_correlation(struct daemon *d, struct text *errors, struct text *warnings)
{
    struct correlate_settings *c = &d->crew.correlate;
    char *key;

    c->is_enabled = daemon_has_rib(d);
    c->is_replay = d->crew.replay.path != NULL;
    d->bgp_settings.is_replay = c->is_replay;
    c->disable_router_id_check = d->bgp_settings.disable_router_id_check;
    /* Under the policy pmacct a session's paths go with the session, as they do there. */
    if (c->policy == RIB_POLICY_PMACCT &&
        !config_is_set(d->config, "bgp_peer_down_keep", CONFIG_GLOBAL))
        d->bgp_settings.peer_down_keep_s = 0;
    if (c->adds_differs)
        text_append_printf(warnings,
                           "%s: bgp_path_accept: `differs`, which was part of `single` before, is "
                           "accepted too; name it to be rid of this line\n",
                           config_place(d->config, "bgp_path_accept", CONFIG_GLOBAL));
    if (c->is_enabled || (c->as_method != ROUTE_BGP && c->net_method != ROUTE_BGP))
        return 0;
    key = mem_printf("%s_%s", d->description->name, c->as_method == ROUTE_BGP ? "as" : "net");
    text_append_printf(errors, "%s: %s: bgp needs bgp_daemon: true or bmp_daemon: true\n",
                       config_place(d->config, key, CONFIG_GLOBAL), key);
    mem_free(key);
    return -EINVAL;
}

static int read_maps(struct daemon *d, struct text *errors, struct text *warnings)
{
    struct maps *maps;
    struct map_report report = map_report(d, errors, warnings);
    report.census = &d->map_census;
    int err = maps_load(&d->maps_settings, 1, &report, &maps);

    d->has_row_error = d->has_row_error || report.has_row_error;
    if (err < 0)
        return err;
    atomic_init(&d->maps, maps);
    for (size_t i = 0; i < sizeof d->needs.bits / sizeof *d->needs.bits; i++)
        d->needs.bits[i] |= maps->needs.bits[i];
    return 0;
}

/* A trial goes on without the files that cannot be read, so that all else is told as well. */
static int do_without_maps(struct daemon *d)
{
    const struct maps_settings none = {0};
    struct text ignored = {0};
    struct map_report report = map_report(d, &ignored, &ignored);
    struct maps *maps;
    int err = maps_load(&none, 1, &report, &maps);

    text_clear(&ignored);
    if (err == 0)
        atomic_init(&d->maps, maps);
    return err;
}

/* Finds out whether exporters that sample are to be warned of: nothing in the configuration shows
 * that somebody has thought of it. */
static void read_sampling(struct daemon *d)
{
    struct enrich_settings *enrich = &d->crew.enrich;
    char *key = mem_printf("%s_renormalize", d->description->name);

    enrich->shows_rate = flow_needs_has(&d->needs, FLOW_sampling_rate);
    enrich->warns_of_rates = !enrich->renormalize && !enrich->shows_rate &&
                             enrich->ext_sampling_rate == 0 && !d->maps_settings.sampling_map &&
                             !config_is_set(d->config, key, CONFIG_GLOBAL);
    mem_free(key);
}

/* Returns how many instances workers feed: the others come behind them. */
static uint32_t fed_count(const struct daemon *d)
{
    uint32_t count = 0;

    while (count < d->instance_count && !d->instances[count]->is_foreign)
        count++;
    return count;
}

static void fill_crew(struct daemon *d)
{
    struct crew *crew = &d->crew;

    crew->decoder = d->description->decoder;
    crew->instance_count = fed_count(d);
    crew->maps = &d->maps;
    crew->geo = geo_settings_make(&d->needs);
    crew->enrich.needs_networks =
        flow_needs_has(&d->needs, FLOW_src_net) || flow_needs_has(&d->needs, FLOW_dst_net);
    for (uint32_t i = 0; i < d->instance_count; i++)
        crew->enrich.needs_bins = crew->enrich.needs_bins || d->instances[i]->has_bins;
    read_sampling(d);
    enrich_add_needs(&crew->enrich, &d->needs);
    instance_views_add_needs(d->views, d->instance_count, &d->needs);
    crew->correlate.start_is_export = crew->enrich.bins_by_arrival;
    crew->correlate_asked = crew->correlate;
    correlate_settings_finish(&crew->correlate, &d->needs);
    atomic_init(&crew->asks_destination, crew->correlate.needs_destination);
    /* Rows of flows take whole cache lines, so that the groups of flow/members.def stay within
     * theirs. */
    crew->flow_stride =
        (primitive_table_flow_stride(d->primitives) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    crew->decoder_settings.needs = d->needs;
    crew->decoder_settings.own = d->description->decoder_settings;
    crew->decoder_settings.is_replay = crew->replay.path != NULL;
    crew->decoder_settings.has_whole_seconds = d->instance_count > 0;
    crew->decoder_settings.has_arrival_bins = crew->enrich.bins_by_arrival;
    crew->decoder_settings.is_utc = d->instance_count > 0;
    for (uint32_t i = 0; i < d->instance_count; i++) {
        crew->decoder_settings.has_whole_seconds &= d->instances[i]->plan->has_whole_seconds;
        crew->decoder_settings.is_utc &= config_number(d->config, "timestamps_utc", i) != 0;
    }
    crew->decoder_settings.custom_fields =
        primitive_table_custom_fields(d->primitives, &crew->decoder_settings.custom_field_count);
}

/* Many configurations of pmacct have daemonize, and a unit of Type=notify waits for its own child. */
static void stay_if_managed(struct daemon *d)
{
    if (!d->process.daemonize || !service_is_managed())
        return;
    d->process.daemonize = false;
    text_append_printf(&d->notices,
                       "%s: daemonize: has no effect under systemd, which waits for the daemon in "
                       "the foreground\n",
                       config_place(d->config, "daemonize", CONFIG_GLOBAL));
}

/* Where a unit gives a folder for it, what is known of exporters and sockets is kept without a key. */
static void use_state_folder(struct daemon *d)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment */
    const char *folders = getenv("STATE_DIRECTORY"), *name = d->process.core_proc_name;
    bool has_name = strcmp(name, "default") != 0 && !strchr(name, '/');

    if (!d->description->decoder || d->process.templates_file || d->crew.replay.path || !folders ||
        *folders != '/')
        return;
    d->state_file = mem_printf("%.*s/%s%s%s.state", (int)strcspn(folders, ":"), folders,
                               d->description->name, has_name ? "-" : "", has_name ? name : "");
    d->process.templates_file = d->state_file;
}

int setup_read(struct daemon *d, int argc, char **argv, struct text *errors, struct text *warnings)
{
    int err = options_read(argc, argv, d->description, d->config, errors, &d->options);
    bool has_primitives, wants_primitives, wants_replay, is_trial;

    /* A copy, since the title of the process will overwrite the arguments. */
    if (d->options.file)
        d->options.file = d->file = mem_strdup(d->options.file);
    if (d->options.is_unusable)
        return err;
    if (d->options.action == ACTION_HELP || d->options.action == ACTION_VERSION)
        return 0;
    if (d->options.action == ACTION_PRIMITIVES && !d->file)
        return read_primitives(d, errors, warnings); /* the built-in ones need no configuration */
    if (read_tables(d, errors, warnings) < 0)
        err = -EINVAL;
    if (d->options.action == ACTION_KEYS)
        return err;
    if (config_check(d->config, errors, warnings) < 0)
        err = -EINVAL;
    if (d->options.action == ACTION_RUN && d->process.dry_run != TRIAL_NONE && err == 0)
        d->options.action = d->process.dry_run == TRIAL_CHECK ? ACTION_CHECK : ACTION_SETUP;
    if (user_find(d, errors) < 0)
        err = -EINVAL;
    if (check_service(d, errors) < 0)
        err = -EINVAL;
    if (d->description->decoder) {
        crew_settings_finish(&d->crew);
        udp_settings_finish(d);
    }
    if (template_sharing_check(d, errors) < 0)
        err = -EINVAL;
    is_trial = d->options.action == ACTION_SETUP;
    wants_primitives = d->maps_settings.aggregate_primitives != NULL;
    if (check_control(d, errors) < 0)
        err = -EINVAL;
    wants_replay = d->crew.replay.path != NULL;
    if (check_files(d, errors) < 0 && (!is_trial || wants_replay != (d->crew.replay.path != NULL)))
        err = -EINVAL;
    has_primitives = read_primitives(d, errors, warnings) == 0 &&
                     wants_primitives == (d->maps_settings.aggregate_primitives != NULL);
    if (!has_primitives)
        err = -EINVAL;
    if (d->options.action == ACTION_PRIMITIVES)
        return err;
    /* If custom primitives could not be read, they must not be called unknown as well. */
    if (has_primitives && read_instances(d, errors, warnings) < 0)
        err = -EINVAL;
    if (views_read(d, errors) < 0)
        err = -EINVAL;
    warn_lacking(d, warnings);
    if (read_correlation(d, errors, warnings) < 0)
        err = -EINVAL;
    if (ingress_keys_check(d, errors, warnings) < 0)
        err = -EINVAL;
    if (lists_find(d, errors) < 0)
        err = -EINVAL;
    if (traffic_place_find(d, errors, &d->traffic_path) < 0)
        err = -EINVAL;
    if (read_maps(d, errors, warnings) < 0 && (!is_trial || do_without_maps(d) < 0))
        err = -EINVAL;
    if (check_rtr(d, errors) < 0)
        err = -EINVAL;
    if (table_dump_use_read(d, errors) < 0)
        err = -EINVAL;
    msglog_read(d);
    if (d->bgp_settings.enabled && bgp_check(&d->bgp_settings, errors) < 0)
        err = -EINVAL;
    if (check_bmp(d, errors) < 0)
        err = -EINVAL;
    confinement_check(d, warnings);
    stay_if_managed(d);
    use_state_folder(d);
    notices_append(d, &d->notices);
    if (err == 0)
        fill_crew(d);
    return err;
}

/* Returns what keys of an instance that nobody named begin with, for a complaint about one of them. */
static char *complaint_prefix(const struct daemon *d, uint32_t index, const char *complaint)
{
    const struct config_instance *identity = config_instance_at(d->config, index);
    bool is_own = strncmp(complaint, identity->type, strlen(identity->type)) == 0;

    return identity->prefix && is_own ? mem_printf("%s_", identity->prefix) : mem_strdup("");
}

/* Returns the place of the line that a plugin complains of: "print_output_file: ..." begins with
 * its key. */
static const char *complaint_place(const struct daemon *d, uint32_t index, const char *complaint)
{
    char *key = mem_strndup(complaint, strcspn(complaint, ": "));
    const char *place = config_is_set(d->config, key, index)
                            ? config_place(d->config, key, index)
                            : config_instance_at(d->config, index)->place;

    mem_free(key);
    return place;
}

void setup_append_said(const struct daemon *d, uint32_t index, const char *lines, struct text *out)
{
    const struct config_instance *identity = d->instances[index]->identity;

    while (*lines) {
        size_t len = strcspn(lines, "\n");
        char *prefix = complaint_prefix(d, index, lines);
        size_t left_out = *prefix ? (size_t)(config_prefixed_name(lines) - lines) : 0;
        text_append_printf(out, "%s: %s[%s]: %s%.*s\n", complaint_place(d, index, lines),
                           identity->type, identity->name, prefix, (int)(len - left_out),
                           lines + left_out);
        mem_free(prefix);
        lines += len + (lines[len] == '\n');
    }
}

static void check_plugin(struct daemon *d, uint32_t index, struct text *errors)
    ON_THREAD(main_thread)
{
    struct supervisor_plugin plugin = instance_plugin(d->instances[index]);
    struct text error = {0}, notices = {0};

    if (supervisor_check(d->supervisor, &plugin, &error, &notices) < 0)
        setup_append_said(d, index, error.len ? text_cstr(&error) : "cannot be checked", errors);
    if (notices.len)
        setup_append_said(d, index, text_cstr(&notices), &d->notices);
    text_clear(&error);
    text_clear(&notices);
}

int setup_check_plugins(struct daemon *d, struct text *errors)
{
    int err = poller_new(&d->poller);
    size_t errors_before = errors->len;

    if (err < 0)
        return err;
    d->supervisor_settings = (struct supervisor_settings){
        .daemon_name = d->description->name,
        .host_path = d->places.host,
        .plugin_dir = d->places.plugin_dir,
        .identity = d->options.file,
        .is_replay = d->crew.replay.path != NULL,
        .is_tolerant = !config_is_strict(d->config),
        .debug = d->process.debug,
        .shutdown_timeout_s = d->process.shutdown_timeout_s,
    };
    if (getrandom(d->supervisor_settings.core_id, sizeof d->supervisor_settings.core_id, 0) < 0)
        return -errno;
    d->supervisor = supervisor_new(d->poller, &d->supervisor_settings);
    for (uint32_t i = 0; d->instances && i < d->instance_count; i++) {
        if (d->instances[i] && config_has_plugin(d->config, d->instances[i]->identity->type))
            check_plugin(d, i, errors); /* otherwise its fault was told before */
    }
    return errors->len > errors_before ? -EINVAL : 0;
}

/* ---- opening ---- */

static int open_events(struct daemon *d)
{
    d->crew.main_event = poller_event_new();
    if (d->crew.main_event < 0)
        return d->crew.main_event;
    for (uint32_t i = 0; i < d->crew.worker_count; i++) {
        d->worker_events[i] = poller_event_new();
        if (d->worker_events[i] < 0)
            return d->worker_events[i];
    }
    return 0;
}

static int open_instances(struct daemon *d)
{
    d->worker_instances = mem_calloc(d->instance_count + 1, sizeof *d->worker_instances);
    d->foreign_events = mem_calloc(d->instance_count + 1, sizeof *d->foreign_events);
    d->crew.instances = d->worker_instances;
    for (uint32_t i = 0; i < d->instance_count; i++)
        d->foreign_events[i] = -1;
    for (uint32_t i = 0; i < d->instance_count; i++) {
        bool is_foreign = d->instances[i]->is_foreign;
        int err = is_foreign ? d->foreign_events[i] = poller_event_new() : 0;
        if (err >= 0)
            err = instance_open(d->instances[i], is_foreign ? 1 : d->crew.worker_count,
                                is_foreign ? &d->foreign_events[i] : d->worker_events);
        if (err < 0)
            return err;
        d->worker_instances[i] = instance_for_workers(d->instances[i]);
    }
    return 0;
}

static int open_workers(struct daemon *d, struct text *errors) ON_THREAD(main_thread)
{
    for (uint32_t i = 0; i < d->crew.worker_count; i++) {
        struct worker *worker;
        struct udp_receiver *receiver = d->receivers[i];
        int err;
        d->receivers[i] = NULL;
        err = worker_new(&d->crew, i, receiver, d->worker_events[i], errors, &worker);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Sockets are tried one and all, so that whatever is taken is told at once. */
static int open_bgp(struct daemon *d, struct text *errors)
{
    struct text error = {0};
    int err = bgp_new(&d->bgp_settings, d->rcu, &error, &d->bgp);

    if (err < 0)
        text_append_printf(errors, "%s\n", text_cstr(&error));
    text_reset(&error);
    int bmp_err = err == 0 && d->bmp_settings.enabled
                      ? bmp_station_new(&d->bmp_settings, d->bgp, &error, &d->bmp)
                      : 0;
    if (bmp_err < 0) {
        text_append_printf(errors, "%s\n", text_cstr(&error));
        err = bmp_err;
    }
    text_clear(&error);
    return err;
}

/* Gives workers the raw socket that sends templates to the receiver. */
static int take_raw_socket(struct daemon *d, int err, const char *why, struct text *errors)
{
    struct template_share_settings *templates = &d->crew.templates;

    templates->raw_fd = templates->to.ip.family == IP_V6 ? d->raw_sockets.v6 : d->raw_sockets.v4;
    if (templates->raw_fd >= 0)
        return 0;
    text_append_printf(errors, "%s: nfacctd_templates_receiver: %s\n",
                       config_place(d->config, "nfacctd_templates_receiver", CONFIG_GLOBAL),
                       err < 0 ? why
                               : "this system has no IPv6; name a receiver with an IPv4 address");
    return -EINVAL;
}

/* Opens raw sockets if some instance asks for them, or templates are sent on. */
static int open_raw_sockets(struct daemon *d, struct text *errors)
{
    struct config_setting setting;
    struct text error = {0};
    bool is_tried = d->crew.templates.receiver != NULL;
    int err = is_tried ? raw_sockets_open(&d->raw_sockets, &error) : 0;

    if (is_tried && take_raw_socket(d, err, text_cstr(&error), errors) < 0 && err == 0)
        err = -EINVAL;
    for (uint32_t i = 0; i < d->instance_count; i++) {
        struct instance *instance = d->instances[i];
        if (!instance || !instance->wants_raw_sockets)
            continue;
        if (!is_tried)
            err = raw_sockets_open(&d->raw_sockets, &error);
        is_tried = true;
        instance->raw_sockets = &d->raw_sockets;
        if (err < 0 && config_role(d->config, i, PA_ROLE_RAW_SOCKETS, &setting))
            text_append_printf(errors, "%s: %s[%s]: %s\n", setting.place, setting.key->name,
                               instance->identity->name, text_cstr(&error));
    }
    text_clear(&error);
    return err;
}

int setup_open(struct daemon *d, struct text *errors)
{
    int err = d->description->decoder ? flow_sockets_open(d, errors) : 0, bgp_err;

    if (open_raw_sockets(d, errors) < 0)
        err = -EINVAL;

    d->rcu = rcu_new(WORKERS_MAX + 4);
    d->crew.rcu = d->rcu;
    d->retired = rcu_queue_new(d->rcu);
    if (rcu_reader_register(d->rcu, &d->reader) < 0)
        err = -ENOMEM;
    bgp_err = d->reader && daemon_has_rib(d) ? open_bgp(d, errors) : 0;
    if (bgp_err < 0)
        err = bgp_err;
    d->crew.bgp = d->bgp;
    d->crew.bmp = d->bmp ? bmp_station_tables(d->bmp) : NULL;
    if (d->rtr_settings.cache)
        d->crew.rtr = d->rtr = rtr_new(&d->rtr_settings, d->rcu);
    daemon_name_peers(d);
    if (err == 0)
        err = open_events(d);
    if (err == 0)
        err = open_instances(d);
    if (err == 0)
        err = msglog_open(d);
    if (err == 0)
        err = open_workers(d, errors);
    if (err == 0)
        err = table_dump_use_open(d);
    if (err == 0)
        err = template_sharing_give(d);
    if (err == 0)
        flow_sockets_move(d);
    if (err < 0 && errors->len == 0)
        text_append_printf(errors, "%s\n", strerror(-err));
    if (err == 0 && d->bgp && d->process.wait_for_rib_s > 0) {
        d->rib_wait =
            rib_wait_new(d->maps, d->bgp_settings.enabled ? d->bgp_settings.allow_file : NULL,
                         d->bmp ? d->bmp_settings.allow_file : NULL);
        atomic_init(&d->crew.is_holding, true);
    }
    return err;
}

/* Tells of folders in the same places that are of no instance, each place once. */
static void find_other_spools(struct daemon *d)
{
    const char **names = mem_calloc(d->instance_count + 1, sizeof *names);

    for (uint32_t i = 0; i < d->instance_count; i++) {
        const char *dir = d->instance_settings[i].spool_dir;
        size_t count = 0;
        bool is_first = dir != NULL;
        for (uint32_t k = 0; dir && k < d->instance_count; k++) {
            const char *other = d->instance_settings[k].spool_dir;
            if (!other || strcmp(other, dir) != 0)
                continue;
            is_first = is_first && k >= i;
            names[count++] = d->instances[k]->identity->name;
        }
        if (is_first)
            spool_use_find_others(dir, names, count, &d->warnings);
    }
    mem_free(names);
}

int setup_take_spools(struct daemon *d, struct text *errors)
{
    int err = 0;

    for (uint32_t i = 0; i < d->instance_count; i++) {
        const struct config_instance *identity = d->instances[i]->identity;
        const char *dir = d->instance_settings[i].spool_dir;
        struct text error = {0};
        if (!dir)
            continue;
        int lock =
            spool_use_begin(dir, identity->name, d->description->name, d->options.file, &error);
        if (lock == -EWOULDBLOCK)
            err = lock;
        if (lock < 0)
            text_append_printf(
                lock == -EWOULDBLOCK ? errors : &d->warnings, "%s: plugin_spool_dir[%s]: %s\n",
                config_place(d->config, "plugin_spool_dir", i), identity->name, text_cstr(&error));
        d->instances[i]->spool_lock_fd = lock < 0 ? -1 : lock;
        text_clear(&error);
    }
    find_other_spools(d);
    return err;
}

void setup_close(struct daemon *d)
{
    control_use_end(d->control);
    supervisor_free(d->supervisor);
    confinement_clear(&d->confinement);
    chores_free(d->chores); /* before all that its work is about */
    watchdog_clear(&d->watchdog);
    mem_free(d->status);
    templates_file_free(d->templates);
    rib_wait_free(d->rib_wait);
    raw_sockets_close(&d->raw_sockets);
    template_sharing_clear(&d->sharing);
    table_dump_free(d->table_dump);
    for (uint32_t i = 0; i < d->crew.worker_count; i++) {
        worker_free(d->crew.workers[i]);
        udp_receiver_free(d->receivers[i]);
    }
    if (d->reader)
        rcu_reader_unregister(d->reader);
    /* The process ends anyway, and freeing a table of millions of paths would keep it busy for a
     * second: only checked runs do it. */
    if (mem_is_checked()) {
        bmp_station_free(d->bmp);
        bgp_free(d->bgp);
    }
    rtr_free(d->rtr);
    msglog_free(d);
    for (uint32_t i = 0; d->instances && i < d->instance_count; i++)
        instance_free(d->instances[i]);
    if (d->retired)
        rcu_queue_free(d->retired);
    maps_free((void *)(uintptr_t)atomic_load_explicit(&d->maps, memory_order_relaxed));
    if (d->rcu)
        rcu_free(d->rcu);
    poller_free(d->poller);
    text_clear(&d->warnings);
    text_clear(&d->notices);
    primitive_table_free(d->primitives);
    plugin_list_clear(&d->plugins);
    privileges_user_free(d->user);
    config_free(d->config);
    for (size_t i = 0; i < KEY_TABLES_MAX; i++)
        settings_keys_free(d->keys[i]);
    flow_sockets_clear(&d->flow_sockets);
    map_census_clear(&d->map_census);
    status_line_clear(&d->status_line);
    mem_free(d->traffic_path);
    mem_free(d->state_file);
    mem_free(d->file);
    mem_free(d->instances);
    mem_free(d->instance_settings);
    mem_free(d->views);
    mem_free(d->maps_settings.tag_maps);
    mem_free(d->maps_settings.tag_map_pairs);
    mem_free(d->maps_settings.tag_map_exports);
    mem_free(d->maps_settings.lists);
    mem_free(d->maps_settings.networks_files);
    mem_free(d->worker_instances);
    for (uint32_t i = 0; d->foreign_events && i < d->instance_count; i++)
        if (d->foreign_events[i] >= 0)
            close(d->foreign_events[i]);
    mem_free(d->foreign_events);
}
