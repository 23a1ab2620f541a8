/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes what an errand needs along, has it done, and tells what came of it. See errands.h. */
#include "daemon/errands.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "daemon/daemon_private.h"
#include "daemon/process.h"
#include "maps/map_source.h"
#include <string.h>

/* ---- maps ---- */

struct map_errand {
    struct daemon *daemon;
    uint64_t generation;
    struct maps *maps; /* what was read; NULL: there were errors */
    bool has_row_error;
    struct text errors, warnings;
};

static void load_maps(void *arg)
{
    struct map_errand *e = arg;

    struct map_report report = {.is_tolerant = !config_is_strict(e->daemon->config),
                                .errors = &e->errors,
                                .warnings = &e->warnings};

    if (maps_load(&e->daemon->maps_settings, e->generation, &report, &e->maps) < 0)
        e->maps = NULL;
    e->has_row_error = report.has_row_error;
}

static bool needs_grew(const struct flow_needs *old, const struct flow_needs *more)
{
    for (size_t i = 0; i < sizeof old->bits / sizeof *old->bits; i++)
        if (more->bits[i] & ~old->bits[i])
            return true;
    return false;
}

/* Tells statistics whether paths are looked up, now that other maps ask. Workers do the same for
 * themselves: worker_add_needs(). */
static void note_lookups(struct daemon *d, const struct flow_needs *of_maps)
{
    struct correlate_settings settings = d->crew.correlate_asked;
    struct flow_needs needs = d->needs;

    for (size_t i = 0; i < sizeof needs.bits / sizeof *needs.bits; i++)
        needs.bits[i] |= of_maps->bits[i];
    correlate_settings_finish(&settings, &needs);
    atomic_store_explicit(&d->crew.asks_destination, settings.needs_destination,
                          memory_order_relaxed);
}

static void publish_maps(struct daemon *d, struct maps *maps) ON_THREAD(main_thread)
{
    bool has_grown = needs_grew(&d->needs, &maps->needs);

    note_lookups(d, &maps->needs);
    maps_publish(&d->maps, d->retired, maps);
    log_notice("maps: read anew");
    daemon_name_peers(d);
    if (has_grown)
        for (uint32_t i = 0; i < d->crew.worker_count; i++)
            worker_add_needs(d->crew.workers[i]);
}

static void read_maps(struct daemon *d) ON_THREAD(main_thread);

static void maps_are_loaded(void *arg) ON_THREAD(main_thread)
{
    struct map_errand *e = arg;
    struct daemon *d = e->daemon;

    THREAD_ASSERT(main_thread);
    log_lines(&e->warnings, LOG_LEVEL_WARNING);
    if (e->maps) {
        publish_maps(d, e->maps);
        trouble_end(&d->troubles, TROUBLE_MAPS);
    } else {
        size_t len = e->errors.len ? strcspn(text_cstr(&e->errors), "\n") : 0;
        trouble_say(&d->troubles, TROUBLE_MAPS,
                    "maps: the old ones stay in force since the last reload; mend this and send "
                    "SIGUSR2: %.*s",
                    (int)len, text_cstr(&e->errors));
        log_lines(&e->errors, LOG_LEVEL_ERROR);
        log_error("maps: the old ones stay in force%s",
                  e->has_row_error ? "; strict_config: false leaves out rows that are wrong" : "");
    }
    text_clear(&e->errors);
    text_clear(&e->warnings);
    mem_free(e);
    d->is_reloading = false;
    if (!d->is_stopping)
        watchdog_ready(&d->watchdog, d->status);
    if (d->wants_reload)
        read_maps(d); /* files may have changed while they were read */
}

static void read_maps(struct daemon *d)
{
    const struct maps *old = rcu_read(&d->maps);
    struct map_errand *e;

    d->wants_reload = d->is_reloading;
    if (d->is_reloading)
        return;
    d->is_reloading = true;
    watchdog_reloading(&d->watchdog);
    e = mem_zalloc(sizeof *e);
    e->daemon = d;
    e->generation = old ? old->generation + 1 : 1;
    chores_add(d->chores, load_maps, maps_are_loaded, e);
}

void errands_reload(struct daemon *d)
{
    const struct maps_settings *maps = &d->maps_settings;
    bool takes_datagrams = false; /* the plugin has a map of its own */
    bool has_maps = maps->allow_file || maps->sampling_map || maps->flow_to_rd_map ||
                    maps->bgp_agent_map || maps->bgp_peer_dst_ip_map || maps->geoip_file ||
                    maps->tag_map_count > 0 || maps->networks_file_count > 0;

    for (int i = 0; i < INGRESS_MAP_COUNT; i++)
        has_maps = has_maps || maps->ingress_maps[i];
    has_maps = has_maps || maps->list_count > 0;
    for (uint32_t i = 0; i < d->instance_count; i++)
        takes_datagrams = takes_datagrams || d->instances[i]->takes_datagrams;

    if ((has_maps || takes_datagrams) && !maps->may_refresh) {
        log_notice("maps are not read anew: maps_refresh is false");
        return;
    }
    supervisor_reload(d->supervisor);
    if (has_maps)
        read_maps(d);
    else if (!takes_datagrams)
        log_notice("maps: none is configured, so none is read anew");
    if (d->bgp)
        bgp_reload(d->bgp);
}

/* ---- statistics ---- */

struct statistics_errand {
    const struct process_settings *settings;
    char *text;
    struct troubles *troubles;
    int err;
};

static void write_text(void *arg)
{
    struct statistics_errand *e = arg;

    e->err = file_replace(e->settings->stats_file, e->text, strlen(e->text), FILE_MODE_SHARED,
                          FILE_SYNC_CONTENT);
}

static void text_is_written(void *arg)
{
    struct statistics_errand *e = arg;
    const struct process_settings *s = e->settings;

    if (e->err == 0)
        e->err = process_give_file(s->stats_file, s->files_uid, s->files_gid);
    if (e->err < 0) {
        log_error("stats_file %s: %s", s->stats_file, named_file_error(e->err));
        trouble_say(e->troubles, TROUBLE_STATS_FILE,
                    "stats_file %s could not be written: %s; mend that and send SIGUSR1",
                    s->stats_file, named_file_error(e->err));
    } else {
        log_notice("statistics: written to %s", s->stats_file);
        trouble_end(e->troubles, TROUBLE_STATS_FILE);
    }
    mem_free(e->text);
    mem_free(e);
}

void errands_write_statistics(struct daemon *d, bool is_final)
{
    struct statistics_sources s = daemon_statistics(d, is_final);
    struct statistics_errand *e;

    statistics_log(&s);
    if (!d->process.stats_file) {
        if (!is_final)
            log_notice("statistics: stats_file is not set; with it the whole ledger goes there");
        return;
    }
    e = mem_zalloc(sizeof *e);
    e->settings = &d->process;
    e->troubles = &d->troubles;
    e->text = statistics_text(&s);
    chores_add(d->chores, write_text, text_is_written, e);
}
