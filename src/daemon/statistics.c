/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes stats_file: {"daemon", "name", "version", "started", "written", "is_final", "workers":
 * [{"datagrams", "overflow", ...}], "exporters": [{"address", "worker", counters, "drops": {reason:
 * n}, "path_match": {verdict: n}}], "evicted": the same of exporters that went, "datagrams":
 * {"arrived", "overflow", "read", "decoded", "refused", "waiting", "residual"}, "instances":
 * [{"name", "plugin", "decoded": {"flows", "packets", "bytes"}, "filtered", "written", "open",
 * "handed_over", "spooled", "drops": {reason: {...}}, "residual": {...}, "option_records": {...}, "plugin_process":
 * {...}}],
 * "bgp": {"peers": [...], counters}}
 */
#include "daemon/statistics.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "bgp/bgp.h"
#include "bmp/bmp_station.h"
#include "bmp/bmp_tables.h"
#include "daemon/api_bmp.h"
#include "daemon/dump_files.h"
#include "daemon/table_dump.h"
#include "pipeline/exporter_evidence.h"
#include "rpki/rtr.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *json_totals(const struct handover_totals *t)
{
    json_t *object = json_object();

    set_count(object, "flows", t->flows);
    set_count(object, "packets", t->packets);
    set_count(object, "bytes", t->bytes);
    return object;
}

static json_t *json_time(int64_t ns)
{
    char text[40];
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm tm;

    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

/* ---- exporters ---- */

/* Sums over exporters, for the equation of datagrams. */
struct datagram_sums {
    uint64_t read, decoded, refused;
};

static uint64_t refused_count(const struct exporter_counters *c)
{
    uint64_t refused = 0;

    for (int i = 0; i < DROP_REASON_COUNT; i++)
        if (drop_reasons[i].level == DROP_LEVEL_DATAGRAM)
            refused += counter_get(&c->drops[i]);
    return refused;
}

static void sums_add(struct datagram_sums *sums, const struct exporter_counters *c)
{
    sums->read += counter_get(&c->datagrams_read);
    sums->decoded += counter_get(&c->datagrams_decoded);
    sums->refused += refused_count(c);
}

static json_t *json_counters(const struct exporter_counters *c)
{
    json_t *object = json_object(), *drops = json_object(), *verdicts = json_object();

    for (size_t i = 0; i < exporter_counter_info_count; i++) {
        const struct exporter_counter_info *info = &exporter_counter_infos[i];
        set_count(
            object, info->name,
            counter_get((const struct counter *)(const void *)((const uint8_t *)c + info->offset)));
    }
    for (int i = 0; i < DROP_REASON_COUNT; i++)
        if (drop_reasons[i].level != DROP_LEVEL_FLOW)
            set_count(drops, drop_reasons[i].key, counter_get(&c->drops[i]));
    for (int i = 1; i < PATH_MATCH_COUNT; i++)
        set_count(verdicts, path_matches[i].text, counter_get(&c->path_match[i]));
    json_object_set_new(object, "drops", drops);
    json_object_set_new(object, "path_match", verdicts);
    return object;
}

struct exporter_walk {
    json_t *list;
    uint32_t worker;
    struct datagram_sums *sums;
};

/* True if the exporter only carried the datagrams of sFlow agents, which are the exporters then. One
 * that named too many of them is shown. */
static bool is_carrier(const struct exporter *exporter)
{
    const struct exporter_counters *c = &exporter->counters;

    return counter_get(&c->datagrams_read) == 0 &&
           counter_get(&c->drops[DROP_too_many_agents]) == 0;
}

static void walk_exporter(void *arg, struct exporter *exporter)
{
    struct exporter_walk *walk = arg;

    if (is_carrier(exporter))
        return;
    json_t *object = json_counters(&exporter->counters);
    char address[IP_TEXT_LEN];

    ip_addr_format(&exporter->addr, address);
    json_object_set_new(object, "address", json_string(address));
    json_object_set_new(object, "worker", json_integer(walk->worker));
    json_object_set_new(object, "next_hops_dishonest",
                        json_boolean(exporter_evidence_is_dishonest(&exporter->counters)));
    json_array_append_new(walk->list, object);
    sums_add(walk->sums, &exporter->counters);
}

/* Walks the exporters of a worker, as a reader of what workers free. */
static void each_exporter(const struct statistics_sources *s, uint32_t worker,
                          void (*fn)(void *arg, struct exporter *exporter), void *arg)
{
    if (s->reader)
        rcu_online(s->reader);
    exporter_table_each(worker_exporters(s->crew->workers[worker]), fn, arg);
    if (s->reader)
        rcu_offline(s->reader);
}

/* Counts messages of templates for another collector, by what became of them. */
static json_t *json_templates(const struct worker_counters *c)
{
    json_t *object = json_object();

    for (int i = 0; i < TEMPLATE_OUTCOME_COUNT; i++)
        set_count(object, template_outcomes[i].key, counter_get(&c->templates_sent[i]));
    return object;
}

static void put_input(const struct statistics_sources *s, json_t *root) ON_THREAD(main_thread)
{
    json_t *workers = json_array(), *exporters = json_array(), *evicted = json_array(),
           *datagrams = json_object();
    struct datagram_sums sums = {0};
    uint64_t taken = 0, overflow = 0, not_allowed = 0, lost = 0, waiting = 0;

    for (uint32_t i = 0; i < s->crew->worker_count; i++) {
        struct worker *worker = s->crew->workers[i];
        const struct worker_counters *c = worker_counters(worker);
        struct exporter_walk walk = {exporters, i, &sums};
        json_t *object = json_object();
        set_count(object, "datagrams", counter_get(&c->datagrams));
        set_count(object, "overflow", counter_get(&c->overflow));
        set_count(object, "not_allowed", counter_get(&c->not_allowed));
        set_count(object, "passed_on", counter_get(&c->passed_on));
        set_count(object, "passing_lost", counter_get(&c->passing_lost));
        set_count(object, "held", counter_get(&c->held));
        set_count(object, "hold_overflow", counter_get(&c->hold_overflow));
        set_count(object, "template_datagrams", counter_get(&c->template_datagrams));
        set_count(object, "template_overflow", counter_get(&c->template_overflow));
        json_object_set_new(object, "templates_sent", json_templates(c));
        set_count(object, "unsplit", counter_get(&c->unsplit));
        set_count(object, "unread_parts", counter_get(&c->unread_parts));
        set_count(object, "batches", counter_get(&c->batches));
        set_count(object, "waits", counter_get(&c->waits));
        json_array_append_new(workers, object);
        taken += counter_get(&c->datagrams);
        overflow += counter_get(&c->overflow) + counter_get(&c->template_overflow);
        not_allowed += counter_get(&c->not_allowed);
        lost += counter_get(&c->passing_lost);
        waiting += worker_waiting(worker);
        each_exporter(s, i, walk_exporter, &walk);
        object = json_counters(exporter_table_evicted(worker_exporters(worker)));
        set_count(object, "exporters", exporter_table_evicted_count(worker_exporters(worker)));
        sums_add(&sums, exporter_table_evicted(worker_exporters(worker)));
        json_array_append_new(evicted, object);
    }
    json_object_set_new(root, "workers", workers);
    json_object_set_new(root, "exporters", exporters);
    json_object_set_new(root, "evicted", evicted);
    set_count(datagrams, "arrived", taken + overflow);
    set_count(datagrams, "overflow", overflow);
    set_count(datagrams, "read", taken);
    set_count(datagrams, "decoded", sums.decoded);
    set_count(datagrams, "refused", sums.refused + not_allowed + lost);
    set_count(datagrams, "waiting", waiting);
    set_count(datagrams, "residual",
              taken - sums.decoded - sums.refused - not_allowed - lost - waiting);
    json_object_set_new(root, "datagrams", datagrams);
}

/* ---- instances ---- */

static void put_counter(void *arg, const char *name, uint64_t value)
{
    set_count(arg, name, value);
}

static json_t *json_process(const struct supervisor *supervisor, uint32_t number)
    ON_THREAD(main_thread)
{
    struct supervisor_status status;
    json_t *object = json_object(), *counters = json_object();

    supervisor_status(supervisor, number, &status);
    json_object_set_new(object, "pid", json_integer(status.pid));
    set_count(object, "restarts", status.restarts);
    set_count(object, "hung_kills", status.hung_kills);
    json_object_set_new(object, "is_open", json_boolean(status.is_open));
    json_object_set_new(object, "is_failing", json_boolean(status.is_failing));
    set_count(object, "commits", status.commits);
    set_count(object, "spooled_handovers", status.spooled_count);
    set_count(object, "kept_handovers", status.kept_count);
    supervisor_counters(supervisor, number, put_counter, counters);
    json_object_set_new(object, "counters", counters);
    return object;
}

static json_t *json_options(const struct ledger_sum *sum)
{
    json_t *object = json_object();

    set_count(object, "decoded", sum->option_records);
    set_count(object, "filtered", sum->options_filtered);
    set_count(object, "dropped", sum->options_dropped);
    return object;
}

static json_t *json_instance(const struct statistics_sources *s, uint32_t number)
    ON_THREAD(main_thread)
{
    const struct instance *instance = s->instances[number];
    struct ledger_sum sum = instance_ledger(instance);
    struct handover_totals residual = ledger_sum_residual(&sum);
    json_t *object = json_object(), *drops = json_object();

    json_object_set_new(object, "name", json_string(instance->identity->name));
    json_object_set_new(object, "plugin", json_string(instance->identity->type));
    json_object_set_new(object, "unit", json_string(instance_unit(instance)));
    json_object_set_new(object, "decoded", json_totals(&sum.decoded));
    json_object_set_new(object, "filtered", json_totals(&sum.filtered));
    json_object_set_new(object, "written", json_totals(&sum.written));
    json_object_set_new(object, "open", json_totals(&sum.open));
    json_object_set_new(object, "handed_over", json_totals(&sum.handed_over));
    json_object_set_new(object, "spooled", json_totals(&sum.spooled));
    for (int i = 0; i < DROP_REASON_COUNT; i++)
        if (drop_reasons[i].level == DROP_LEVEL_FLOW && i != DROP_filtered)
            json_object_set_new(drops, drop_reasons[i].key, json_totals(&sum.drops[i]));
    json_object_set_new(object, "drops", drops);
    json_object_set_new(object, "residual", json_totals(&residual));
    set_count(object, "rows", sum.rows);
    set_count(object, "handovers", sum.handovers);
    json_object_set_new(object, "option_records", json_options(&sum));
    if (s->supervisor)
        json_object_set_new(object, "process", json_process(s->supervisor, number));
    return object;
}

/* ---- BGP ---- */

static json_t *json_peer(const struct bgp_peer_info *peer)
{
    static const char *const families[RIB_FAMILY_COUNT] = {
        [RIB_IPV4] = "ipv4", [RIB_IPV6] = "ipv6"};
    json_t *object = json_object();
    char address[IP_TEXT_LEN];

    ip_addr_format(&peer->address, address);
    json_object_set_new(object, "address", json_string(address));
    set_count(object, "as", peer->as);
    json_object_set_new(object, "is_established",
                        json_boolean(peer->state == BGP_PEER_ESTABLISHED));
    set_count(object, "updates", peer->updates);
    set_count(object, "paths", peer->paths);
    set_count(object, "history_paths", peer->history_paths);
    for (int i = 0; i < RIB_FAMILY_COUNT; i++) {
        const struct bgp_peer_family *f = &peer->families[i];
        json_t *family = json_object();
        json_object_set_new(family, "is_negotiated", json_boolean(f->is_negotiated));
        json_object_set_new(family, "has_add_path", json_boolean(f->has_add_path));
        json_object_set_new(family, "is_loaded", json_boolean(f->is_loaded));
        json_object_set_new(family, "is_stale", json_boolean(f->is_stale));
        json_object_set_new(object, families[i], family);
    }
    return object;
}

static void put_bgp(void *arg, const struct bgp_statistic *statistic, uint64_t value)
{
    set_count(arg, statistic->name, value);
}

static json_t *json_bgp(const struct statistics_sources *s)
{
    json_t *object = json_object(), *list = json_array();
    const struct bgp_peers *peers;

    rcu_online(s->reader);
    peers = bgp_peers(s->crew->bgp);
    for (uint32_t i = 0; peers && i < peers->count; i++)
        json_array_append_new(list, json_peer(&peers->peers[i]));
    rcu_offline(s->reader);
    json_object_set_new(object, "peers", list);
    bgp_statistics_each(s->crew->bgp, put_bgp, object);
    return object;
}

/* ---- BMP ---- */

static json_t *json_view(const struct bmp_router_view *router, const struct bmp_view *view)
{
    json_t *object = json_object();
    char text[IP_TEXT_LEN], distinguisher[API_DISTINGUISHER_LEN];

    ip_addr_format(&router->address, text);
    json_object_set_new(object, "router", json_string(text));
    json_object_set_new(object, "is_connected", json_boolean(router->is_connected));
    json_object_set_new(object, "table", json_string(bmp_view_kind_name(view->kind)));
    api_bmp_distinguisher(view->distinguisher, distinguisher);
    json_object_set_new(object, "distinguisher",
                        view->distinguisher ? json_string(distinguisher) : json_null());
    set_count(object, "peers", view->member_count);
    set_count(object, "paths", view->paths);
    set_count(object, "history_paths", view->history_paths);
    return object;
}

static json_t *json_views(const struct bmp_views *views)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < views->count; i++)
        for (uint32_t k = 0; k < views->routers[i]->view_count; k++)
            json_array_append_new(list, json_view(views->routers[i], &views->routers[i]->views[k]));
    return list;
}

static json_t *json_bmp(const struct statistics_sources *s)
{
    json_t *object = json_object();

    bmp_station_statistics_each(s->bmp, put_bgp, object);
    rcu_online(s->reader);
    json_object_set_new(object, "tables", json_views(bmp_tables_views(bmp_station_tables(s->bmp))));
    rcu_offline(s->reader);
    return object;
}

/* ---- RPKI ---- */

static void put_rtr(void *arg, const struct rtr_statistic *statistic, uint64_t value)
{
    set_count(arg, statistic->name, value);
}

static json_t *json_rtr(const struct statistics_sources *s)
{
    json_t *object = json_object();

    rtr_statistics_each(s->crew->rtr, put_rtr, object);
    return object;
}

/* ---- system calls ---- */

/* Counts what was refused, by process and call; an empty object if nothing was. */
static json_t *json_refusals(const struct confinement *confinement)
{
    json_t *root = json_object();

    for (size_t i = 0; confinement && i < confinement->refusal_count; i++) {
        const struct refusal *r = &confinement->refusals[i];
        json_t *process = json_object_get(root, r->who);
        char name[SYSCALL_NAME_LEN] = "others";
        if (r->number >= 0)
            syscall_name(r->number, name);
        if (!process) {
            process = json_object();
            json_object_set_new(root, r->who, process);
        }
        set_count(process, name, r->count);
    }
    return root;
}

static json_t *json_table_dump(const struct table_dump *dump)
{
    const struct table_dump_counts *counts = table_dump_counts(dump);
    const struct dump_file_counts *files = table_dump_file_counts(dump);
    json_t *root = json_object();

    set_count(root, "dumps", counter_get(&counts->dumps));
    set_count(root, "given_up", counter_get(&counts->given_up));
    set_count(root, "last_paths", counter_get(&counts->last_paths));
    set_count(root, "last_ms", counter_get(&counts->last_ms));
    if (files) {
        set_count(root, "records_written", counter_get(&files->written));
        set_count(root, "records_lost", counter_get(&files->lost));
    }
    return root;
}

char *statistics_text(const struct statistics_sources *s)
{
    json_t *root = json_object(), *instances = json_array();
    char *text, *result;

    THREAD_ASSERT(main_thread);
    json_object_set_new(root, "daemon", json_string(s->daemon_name));
    json_object_set_new(root, "name", json_string(s->core_proc_name));
    json_object_set_new(root, "version", json_string(PATHACCT_VERSION));
    json_object_set_new(root, "started", json_time(s->started_ns));
    json_object_set_new(root, "written", json_time(clock_wall().ns));
    json_object_set_new(root, "is_final", json_boolean(s->is_final));
    put_input(s, root);
    for (uint32_t i = 0; i < s->instance_count; i++)
        json_array_append_new(instances, json_instance(s, i));
    json_object_set_new(root, "instances", instances);
    if (s->crew->bgp)
        json_object_set_new(root, "bgp", json_bgp(s));
    if (s->bmp)
        json_object_set_new(root, "bmp", json_bmp(s));
    if (s->table_dump)
        json_object_set_new(root, "bgp_dump", json_table_dump(s->table_dump));
    if (s->crew->rtr)
        json_object_set_new(root, "rpki", json_rtr(s));
    json_object_set_new(root, "refused_calls", json_refusals(s->confinement));
    set_count(root, "log_lines_lost", log_lost_count());
    text = json_dumps(root, JSON_INDENT(1));
    result = mem_strdup(text);
    free(text); /* NOLINT: jansson allocated it */
    json_decref(root);
    return result;
}

/* ---- log ---- */

static void log_exporter(void *arg, struct exporter *exporter)
{
    const struct exporter_counters *c = &exporter->counters;
    struct text verdicts = {0};
    char address[IP_TEXT_LEN];
    uint64_t all = 0;

    (void)arg;
    if (is_carrier(exporter))
        return;
    ip_addr_format(&exporter->addr, address);
    for (int i = 0; i < PATH_MATCH_COUNT; i++)
        all += counter_get(&c->path_match[i]);
    for (int i = 1; i < PATH_MATCH_COUNT; i++)
        if (counter_get(&c->path_match[i]) > 0)
            text_append_printf(&verdicts, " %s %.1f%%", path_matches[i].text,
                               100.0 * (double)counter_get(&c->path_match[i]) / (double)all);
    log_notice("exporter %s: %llu datagrams, %llu refused, %llu flows, %llu gaps, %llu missing, "
               "%llu templates, "
               "%llu sets wait for one%s%s%s",
               address, (unsigned long long)counter_get(&c->datagrams_read),
               (unsigned long long)refused_count(c), (unsigned long long)counter_get(&c->flows),
               (unsigned long long)counter_get(&c->sequence_gaps),
               (unsigned long long)counter_get(&c->sequence_missing),
               (unsigned long long)counter_get(&c->templates),
               (unsigned long long)counter_get(&c->pending_sets), verdicts.len ? "; paths:" : "",
               verdicts.len ? text_cstr(&verdicts) : "",
               exporter_evidence_is_dishonest(c) ? "; it names one next hop for every multipath "
                                                   "destination: turn next-hop learning on there"
                                                 : "");
    text_clear(&verdicts);
}

void statistics_log(const struct statistics_sources *s)
{
    THREAD_ASSERT(main_thread);
    for (uint32_t i = 0; i < s->crew->worker_count; i++) {
        const struct worker_counters *c = worker_counters(s->crew->workers[i]);
        each_exporter(s, i, log_exporter, NULL);
        if (counter_get(&c->overflow) + counter_get(&c->not_allowed) > 0)
            log_notice("worker %u: %llu datagrams, %llu lost for want of socket buffer, %llu from "
                       "sources not allowed",
                       i, (unsigned long long)counter_get(&c->datagrams),
                       (unsigned long long)counter_get(&c->overflow),
                       (unsigned long long)counter_get(&c->not_allowed));
    }
    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct ledger_sum sum = instance_ledger(s->instances[i]);
        uint64_t dropped = 0;
        for (int reason = 0; reason < DROP_REASON_COUNT; reason++)
            dropped += sum.drops[reason].flows;
        log_notice(
            "instance %s: %llu %s, %llu filtered, %llu written, %llu dropped, %llu on their way",
            s->instances[i]->identity->name, (unsigned long long)sum.decoded.flows,
            instance_unit(s->instances[i]), (unsigned long long)sum.filtered.flows,
            (unsigned long long)sum.written.flows, (unsigned long long)dropped,
            (unsigned long long)(sum.open.flows + sum.handed_over.flows + sum.spooled.flows));
        if (sum.option_records > 0)
            log_notice("instance %s: %llu records of options data, %llu filtered, %llu dropped",
                       s->instances[i]->identity->name, (unsigned long long)sum.option_records,
                       (unsigned long long)sum.options_filtered,
                       (unsigned long long)sum.options_dropped);
    }
}

/* ---- watch ---- */

#define POOL_FULL_AGAIN_NS (60 * NS_PER_S)

static void watch_pool(struct instance *instance)
{
    struct handover_totals now = {0}, more;
    int64_t now_ns = clock_mono().ns;

    for (uint32_t i = 0; i < instance->worker_count; i++) {
        struct handover_totals t = ledger_totals(&instance->ledgers[i].drops[DROP_pool_full]);
        now.flows += t.flows;
        now.packets += t.packets;
        now.bytes += t.bytes;
    }
    more = now;
    ledger_totals_subtract(&more, &instance->pool_full_told);
    if ((more.flows | more.packets | more.bytes) == 0 ||
        (instance->pool_full_told_ns != 0 &&
         now_ns - instance->pool_full_told_ns < POOL_FULL_AGAIN_NS))
        return;
    log_error(
        "plugin %s[%s]: plugin_pool_size is used up, so new rows are dropped: %llu %s of %llu "
        "packets and %llu bytes%s; its backend is away or too slow, or there are more keys than "
        "memory: see the lines of the plugin, raise plugin_pool_size, or set plugin_spool_dir",
        instance->identity->type, instance->identity->name, (unsigned long long)more.flows,
        instance_unit(instance), (unsigned long long)more.packets, (unsigned long long)more.bytes,
        instance->pool_full_told_ns != 0 ? " since the last such line" : "");
    instance->pool_full_told = now;
    instance->pool_full_told_ns = now_ns;
}

void statistics_watch_pools(const struct statistics_sources *s)
{
    THREAD_ASSERT(main_thread);
    for (uint32_t i = 0; i < s->instance_count; i++)
        watch_pool(s->instances[i]);
}

/* Anybody can send from many source addresses, so not all of them are named. */
#define NAMED_MAX 10

static void watch_exporter(void *arg, struct exporter *exporter)
{
    uint64_t *without_peer = arg;
    const struct exporter_counters *c = &exporter->counters;
    uint64_t all = 0, no_rib = counter_get(&c->path_match[PATH_MATCH_NO_RIB]);
    char address[IP_TEXT_LEN];

    for (int i = 1; i < PATH_MATCH_COUNT; i++)
        all += counter_get(&c->path_match[i]);
    if (no_rib == 0 || no_rib != all || exporter->is_told_no_peer)
        return;
    exporter->is_told_no_peer = true;
    if (++*without_peer > NAMED_MAX)
        return;
    ip_addr_format(&exporter->addr, address);
    log_warning("exporter %s: no BGP peer has its address or router id; %s", address,
                exporter_note_text(NOTE_no_bgp_peer));
}

void statistics_watch(const struct statistics_sources *s, struct statistics_watch *watch)
{
    uint64_t datagrams = 0, without_peer = 0, unsaid;

    THREAD_ASSERT(main_thread);
    for (uint32_t i = 0; i < s->crew->worker_count; i++) {
        datagrams += counter_get(&worker_counters(s->crew->workers[i])->datagrams);
        if (s->crew->correlate.is_enabled &&
            atomic_load_explicit(&s->crew->asks_destination, memory_order_relaxed))
            each_exporter(s, i, watch_exporter, &without_peer);
    }
    if (without_peer > NAMED_MAX)
        log_warning("%llu more exporters have no BGP peer; SIGUSR1 lists all",
                    (unsigned long long)(without_peer - NAMED_MAX));
    unsaid = atomic_exchange_explicit(&s->crew->news.unsaid, 0, memory_order_relaxed);
    if (unsaid > 0)
        log_notice("%llu more exporters sent their first datagram; SIGUSR1 lists all",
                   (unsigned long long)unsaid);
    if (datagrams == watch->last_datagrams && !watch->is_silent && !s->crew->replay.path) {
        log_warning(
            "no datagram for a minute; do the exporters send here, and does a firewall let them?");
        watch->is_silent = true;
    }
    if (datagrams != watch->last_datagrams)
        watch->is_silent = false;
    watch->last_datagrams = datagrams;
}
