/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes what an errand needs along, has it done, and tells what came of it. See errands.h. */
#include "daemon/errands.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "daemon/daemon_private.h"
#include "daemon/process.h"
#include "daemon/status_line.h"
#include "maps/map_source.h"
#include <string.h>

/* ---- a reload ---- */

static bool maps_are_configured(const struct maps_settings *maps)
{
    bool has_maps = maps->allow_file || maps->sampling_map || maps->flow_to_rd_map ||
                    maps->bgp_agent_map || maps->bgp_peer_dst_ip_map || maps->geoip_file ||
                    maps->roas_file || maps->tag_map_count > 0 || maps->networks_file_count > 0 ||
                    maps->list_count > 0;

    for (int i = 0; i < INGRESS_MAP_COUNT; i++)
        has_maps = has_maps || maps->ingress_maps[i];
    return has_maps;
}

struct reload_errand {
    struct daemon *daemon;
    bool has_maps; /* and they may be read anew */
    uint64_t generation;
    struct maps *maps; /* what was read; NULL: there were errors */
    bool has_row_error;
    struct map_census census;
    struct text changed_keys; /* of the configuration, which a restart would see */
    struct text errors, warnings, config_errors;
};

static void read_files(void *arg)
{
    struct reload_errand *e = arg;
    const char *file = e->daemon->options.file;
    struct map_report report = {.is_tolerant = !config_is_strict(e->daemon->config),
                                .errors = &e->errors,
                                .warnings = &e->warnings,
                                .census = &e->census};

    if (e->has_maps && maps_load(&e->daemon->maps_settings, e->generation, &report, &e->maps) < 0)
        e->maps = NULL;
    e->has_row_error = report.has_row_error;
    if (file)
        (void)config_compare_file(e->daemon->config, file, &e->changed_keys, &e->config_errors);
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

static void publish_maps(struct daemon *d, struct reload_errand *e) ON_THREAD(main_thread)
{
    bool has_grown = needs_grew(&d->needs, &e->maps->needs);

    note_lookups(d, &e->maps->needs);
    maps_publish(&d->maps, d->retired, e->maps);
    daemon_name_peers(d);
    if (has_grown)
        for (uint32_t i = 0; i < d->crew.worker_count; i++)
            worker_add_needs(d->crew.workers[i]);
    map_census_clear(&d->map_census);
    d->map_census = e->census;
    e->census = (struct map_census){0};
}

/* Plugins that take datagrams have maps of their own, which they read themselves. */
static bool has_any_maps(const struct daemon *d)
{
    bool has = maps_are_configured(&d->maps_settings);

    for (uint32_t i = 0; i < d->instance_count; i++)
        has = has || d->instances[i]->takes_datagrams;
    return has;
}

/* Says in one line what became of the maps; the caller frees it. */
static char *maps_summary(const struct daemon *d, const struct reload_errand *e)
{
    struct text files = {0};
    char *summary;

    if (!e->has_maps)
        return mem_strdup(!has_any_maps(d) ? "maps: none is configured, so none is read anew"
                          : d->maps_settings.may_refresh
                              ? "maps: plugins read theirs anew"
                              : "maps are not read anew: maps_refresh is false");
    map_census_compare(&d->map_census, &e->census, &files);
    if (e->maps)
        summary = mem_printf("maps: read anew: %s", text_cstr(&files));
    else
        summary = mem_printf(
            "maps: the old ones stay in force%s: %s",
            e->has_row_error ? "; strict_config: false leaves out rows that are wrong" : "",
            text_cstr(&files));
    text_clear(&files);
    return summary;
}

/* Tells what a restart would change, as a reload reads the configuration for this alone. */
static void append_config(struct reload_errand *e, struct text *out)
{
    if (e->config_errors.len > 0)
        text_append_printf(out, "; the configuration is wrong now: %.*s",
                           (int)strcspn(text_cstr(&e->config_errors), "\n"),
                           text_cstr(&e->config_errors));
    else if (e->changed_keys.len > 0)
        text_append_printf(out, "; changed in the configuration, which needs a restart: %s",
                           text_cstr(&e->changed_keys));
}

static void reload(struct daemon *d) ON_THREAD(main_thread);

static void files_are_read(void *arg) ON_THREAD(main_thread)
{
    struct reload_errand *e = arg;
    struct daemon *d = e->daemon;
    struct text line = {0};
    char *summary = maps_summary(d, e);
    bool is_wrong = e->has_maps && !e->maps;

    THREAD_ASSERT(main_thread);
    log_lines(&e->warnings, LOG_LEVEL_WARNING);
    text_append_string(&line, summary);
    append_config(e, &line);
    if (is_wrong) {
        size_t len = e->errors.len ? strcspn(text_cstr(&e->errors), "\n") : 0;
        trouble_say(&d->troubles, TROUBLE_MAPS,
                    "maps: the old ones stay in force since the last reload; mend this and send "
                    "SIGUSR2: %.*s",
                    (int)len, text_cstr(&e->errors));
    }
    log_lines(&e->errors, LOG_LEVEL_ERROR);
    if (e->maps) {
        publish_maps(d, e);
        trouble_end(&d->troubles, TROUBLE_MAPS);
    }
    log_write(is_wrong ? LOG_LEVEL_ERROR : LOG_LEVEL_NOTICE, "%s", text_cstr(&line));
    d->is_reloading = false;
    if (!d->is_stopping)
        status_line_reloaded(d, text_cstr(&line));
    mem_free(summary);
    text_clear(&line);
    text_clear(&e->errors);
    text_clear(&e->warnings);
    text_clear(&e->changed_keys);
    text_clear(&e->config_errors);
    map_census_clear(&e->census);
    mem_free(e);
    if (d->wants_reload)
        reload(d); /* files may have changed while they were read */
}

static void reload(struct daemon *d)
{
    const struct maps *old = rcu_read(&d->maps);
    struct reload_errand *e;

    d->wants_reload = d->is_reloading;
    if (d->is_reloading)
        return;
    d->is_reloading = true;
    watchdog_reloading(&d->watchdog);
    e = mem_zalloc(sizeof *e);
    e->daemon = d;
    e->has_maps = maps_are_configured(&d->maps_settings) && d->maps_settings.may_refresh;
    e->generation = old ? old->generation + 1 : 1;
    chores_add(d->chores, read_files, files_are_read, e);
}

void errands_reload(struct daemon *d)
{
    bool is_barred = has_any_maps(d) && !d->maps_settings.may_refresh;

    if (!is_barred)
        supervisor_reload(d->supervisor);
    reload(d);
    if (d->bgp && !is_barred)
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
