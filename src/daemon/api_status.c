/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages about what flows go through: the whole, exporters, instances, plugin processes. */
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "bgp/bgp.h"
#include "daemon/api_bmp.h"
#include "daemon/api_private.h"
#include "daemon/progress.h"
#include "pipeline/exporter_evidence.h"
#include "pipeline/worker.h"
#include <string.h>

enum { WALK_PART = 256, EXPORTERS_DEFAULT = 1000, EXPORTERS_MAX = 10000, EXPECTED_MAX = 256 };

/* Walks all exporters in parts, between which those that went may be freed. */
static void walk(const struct statistics_sources *s,
                 void (*fn)(void *arg, struct exporter *exporter), void *arg, uint32_t *worker)
{
    for (*worker = 0; *worker < s->crew->worker_count; (*worker)++) {
        const struct exporter_table *table = worker_exporters(s->crew->workers[*worker]);
        for (uint32_t index = 0; exporter_table_some(table, &index, WALK_PART, fn, arg);)
            rcu_quiescent(s->reader);
    }
}

/* Makes an object of counters; those that are 0 are left out where `has_zeros` is false. */
static json_t *json_verdicts(const struct exporter_counters *c, bool has_zeros)
{
    json_t *object = json_object();

    for (int i = 1; i < PATH_MATCH_COUNT; i++)
        if (has_zeros || counter_get(&c->path_match[i]) > 0)
            json_object_set_new(object, path_matches[i].text,
                                api_uint(counter_get(&c->path_match[i])));
    return object;
}

/* ---- exporters ---- */

struct exporters_walk {
    json_t *list;
    const struct ip_addr *only; /* NULL: all */
    uint64_t left;              /* to be shown */
    uint32_t worker;
};

static void show_exporter(void *arg, struct exporter *exporter)
{
    struct exporters_walk *w = arg;
    const struct exporter_counters *c = &exporter->counters;

    if (w->left == 0 || (w->only && !ip_addr_equal(w->only, &exporter->addr)))
        return;
    w->left--;
    json_t *counters = json_object(), *drops = json_object();
    for (size_t i = 0; i < exporter_counter_info_count; i++)
        json_object_set_new(counters, exporter_counter_infos[i].name,
                            api_uint(exporter_counter_get(c, &exporter_counter_infos[i])));
    for (int i = 0; i < DROP_REASON_COUNT; i++)
        if (drop_reasons[i].level != DROP_LEVEL_FLOW && counter_get(&c->drops[i]) > 0)
            json_object_set_new(drops, drop_reasons[i].key, api_uint(counter_get(&c->drops[i])));
    json_array_append_new(
        w->list,
        json_pack("{s:o,s:i,s:b,s:o,s:o,s:o}", "address", api_address(&exporter->addr), "worker",
                  (int)w->worker, "next_hops_dishonest", exporter_evidence_is_dishonest(c),
                  "counters", counters, "drops", drops, "path_match", json_verdicts(c, false)));
}

json_t *api_page_exporters(struct api_call *call)
{
    const struct statistics_sources *s = call->api->sources;
    const char *only = control_parameter(call->request, "exporter");
    struct ip_addr address;
    struct exporters_walk w = {.left = EXPORTERS_DEFAULT};
    uint64_t count = 0, evicted = 0;

    if (only && ip_addr_parse(only, &address) < 0)
        return api_fail(call, 400, "exporter: an address, as 192.0.2.1 or 2001:db8::1");
    if (!api_number(call, "limit", EXPORTERS_MAX, &w.left))
        return NULL;
    w.only = only ? &address : NULL;
    w.list = json_array();
    walk(s, show_exporter, &w, &w.worker);
    for (uint32_t i = 0; i < s->crew->worker_count; i++) {
        count += exporter_table_count(worker_exporters(s->crew->workers[i]));
        evicted += exporter_table_evicted_count(worker_exporters(s->crew->workers[i]));
    }
    return json_pack("{s:I,s:I,s:o}", "count", (json_int_t)count, "evicted", (json_int_t)evicted,
                     "exporters", w.list);
}

/* ---- status ---- */

static bool has_session(const struct bgp_peers *peers, const struct ip_addr *address)
{
    for (uint32_t i = 0; i < peers->count; i++)
        if (peers->peers[i].state == BGP_PEER_ESTABLISHED &&
            ip_addr_equal(&peers->peers[i].address, address))
            return true;
    return false;
}

static json_t *json_expected_down(const struct bgp_peers *peers)
{
    json_t *list = json_array();

    for (size_t i = 0; peers && i < peers->expected_count && i < EXPECTED_MAX; i++)
        if (!has_session(peers, &peers->expected[i]))
            json_array_append_new(list, api_address(&peers->expected[i]));
    return list;
}

static json_t *json_bgp(const struct statistics_sources *s)
{
    const struct bgp_peers *peers = bgp_peers(s->crew->bgp);
    struct rib_statistics rib;
    uint32_t up = 0, count = peers ? peers->count : 0;

    for (uint32_t i = 0; i < count; i++)
        up += peers->peers[i].state == BGP_PEER_ESTABLISHED;
    rib_statistics(bgp_rib(s->crew->bgp), &rib);
    return json_pack("{s:i,s:i,s:o,s:I,s:I,s:I}", "peers", (int)count, "established", (int)up,
                     "expected_down", json_expected_down(peers), "prefixes",
                     (json_int_t)rib.prefixes, "paths", (json_int_t)rib.paths, "history_paths",
                     (json_int_t)rib.history_paths);
}

static uint64_t dropped_flows(const struct ledger_sum *sum)
{
    uint64_t dropped = 0;

    for (int i = 0; i < DROP_REASON_COUNT; i++)
        if (i != DROP_filtered)
            dropped += sum->drops[i].flows;
    return dropped;
}

static json_t *json_instances(struct api_call *call)
{
    const struct statistics_sources *s = call->api->sources;
    json_t *list = json_array();

    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct ledger_sum sum = instance_ledger(s->instances[i]);
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:s,s:s,s:I,s:o,s:I,s:I,s:I}", "name",
                      s->instances[i]->identity->name, "plugin", s->instances[i]->identity->type,
                      "state", api_plugin_state(call->facts, i), "unit",
                      instance_unit(s->instances[i]), "decoded", (json_int_t)sum.decoded.flows,
                      "per_second", api_per_second(call->api, i), "written",
                      (json_int_t)sum.written.flows, "behind",
                      (json_int_t)(sum.handed_over.flows + sum.spooled.flows), "dropped",
                      (json_int_t)dropped_flows(&sum)));
    }
    return list;
}

static json_t *json_lines(const struct text *lines)
{
    json_t *list = json_array();

    for (size_t at = 0; at < lines->len;) {
        const char *end = memchr(lines->data + at, '\n', lines->len - at);
        size_t len = end ? (size_t)(end - lines->data) - at : lines->len - at;
        json_array_append_new(list, api_string(lines->data + at, len));
        at += len + 1;
    }
    return list;
}

static json_t *json_datagrams(struct api_call *call, int64_t last_ns)
{
    const struct statistics_sources *s = call->api->sources;
    uint64_t taken = 0, overflow = 0, not_allowed = 0;

    if (!s->crew->decoder)
        return json_null();
    for (uint32_t i = 0; i < s->crew->worker_count; i++) {
        const struct worker_counters *c = worker_counters(s->crew->workers[i]);
        taken += counter_get(&c->datagrams);
        overflow += counter_get(&c->overflow);
        not_allowed += counter_get(&c->not_allowed);
    }
    return json_pack("{s:I,s:I,s:I,s:o,s:o}", "arrived", (json_int_t)(taken + overflow), "overflow",
                     (json_int_t)overflow, "not_allowed", (json_int_t)not_allowed, "per_second",
                     api_per_second(call->api, UINT32_MAX), "last", api_time(last_ns));
}

static json_t *json_progress(const struct progress *progress)
{
    json_t *list = json_array();

    for (uint32_t i = 0; progress && i < progress_count(progress); i++) {
        struct progress_view view = progress_at(progress, i);
        const struct progress_description *d = &progress_descriptions[view.id];
        struct text words = {0};
        if (!view.is_active)
            continue;
        progress_append(&view, &words);
        json_array_append_new(
            list,
            json_pack("{s:s,s:s?,s:o,s:s,s:I,s:o,s:I,s:o}", "what", d->what, "instance",
                      view.instance, "text", api_string(words.data, words.len), "unit", d->unit,
                      "done", (json_int_t)view.done, "total",
                      view.total > 0 ? api_uint(view.total) : json_null(), "per_second",
                      (json_int_t)view.per_second, "seconds_left",
                      view.seconds_left >= 0 ? json_integer(view.seconds_left) : json_null()));
        text_clear(&words);
    }
    return list;
}

json_t *api_page_status(struct api_call *call)
{
    const struct statistics_sources *s = call->api->sources;
    struct fault_exporters *exporters = mem_alloc(sizeof *exporters);
    const struct exporter_counters *sum = &exporters->sum;
    struct text reasons = {0}, faults = {0};
    bool is_well = health_is_well(call->api->health, s, &reasons);
    bool is_ready = health_is_ready(s, call->facts, &reasons);

    faults_look(call->api->faults, exporters);
    faults_append(call->api->faults, call->api->health, call->facts, exporters, &faults);
    json_t *root = json_pack(
        "{s:s,s:s,s:s,s:o,s:I,s:b,s:b,s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:I}", "daemon",
        s->daemon_name, "name", s->core_proc_name, "version", PATHACCT_VERSION, "started",
        api_time(s->started_ns), "uptime_s",
        (json_int_t)((clock_wall().ns - s->started_ns) / NS_PER_S), "is_well", is_well, "is_ready",
        is_ready, "reasons", json_lines(&reasons), "faults", json_lines(&faults), "datagrams",
        json_datagrams(call, (int64_t)counter_get(&sum->last_datagram_ns)), "exporters",
        (json_int_t)exporters->count, "flows", (json_int_t)counter_get(&sum->flows),
        "templates_missing", (json_int_t)counter_get(&sum->pending_sets), "path_match",
        json_verdicts(sum, true), "bgp", s->crew->bgp ? json_bgp(s) : json_null(), "bmp",
        api_bmp_status(s), "instances", json_instances(call), "progress",
        json_progress(s->progress), "log_lines_lost", (json_int_t)log_lost_count());
    text_clear(&reasons);
    text_clear(&faults);
    mem_free(exporters);
    return root;
}

/* ---- instances ---- */

static json_t *json_own_counters(const struct facts *facts, uint32_t plugin)
{
    json_t *counters = json_object();

    for (size_t i = 0; facts && i < facts->counter_count; i++)
        if (facts->counters[i].plugin == plugin)
            json_object_set_new(counters, facts->counters[i].name,
                                json_integer((json_int_t)facts->counters[i].value));
    return counters;
}

json_t *api_page_plugins(struct api_call *call)
{
    const struct statistics_sources *s = call->api->sources;
    json_t *list = json_array();

    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct supervisor_status none = {0};
        const struct supervisor_status *p =
            call->facts && i < call->facts->plugin_count ? &call->facts->plugins[i] : &none;
        struct ledger_sum sum = instance_ledger(s->instances[i]);
        struct handover_totals behind = {sum.handed_over.flows + sum.spooled.flows,
                                         sum.handed_over.packets + sum.spooled.packets,
                                         sum.handed_over.bytes + sum.spooled.bytes};
        json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:s,s:o,s:I,s:I,s:b,s:b,s:I,s:I,s:I,s:o,s:o}", "name",
                      s->instances[i]->identity->name, "plugin", s->instances[i]->identity->type,
                      "state", api_plugin_state(call->facts, i), "pid",
                      p->pid ? json_integer(p->pid) : json_null(), "restarts",
                      (json_int_t)p->restarts, "hung_kills", (json_int_t)p->hung_kills, "is_open",
                      p->is_open, "is_failing", p->is_failing, "commits", (json_int_t)p->commits,
                      "spooled_handovers", (json_int_t)p->spooled_count, "kept_handovers",
                      (json_int_t)p->kept_count, "behind", api_totals(&behind), "counters",
                      json_own_counters(call->facts, i)));
    }
    return json_pack("{s:o}", "plugins", list);
}

static json_t *json_ledger(const struct instance *instance)
{
    struct ledger_sum sum = instance_ledger(instance);
    struct handover_totals residual = ledger_sum_residual(&sum);
    json_t *drops = json_object();

    for (int i = 0; i < DROP_REASON_COUNT; i++)
        if (drop_reasons[i].level == DROP_LEVEL_FLOW && i != DROP_filtered &&
            (sum.drops[i].flows | sum.drops[i].packets | sum.drops[i].bytes) != 0)
            json_object_set_new(drops, drop_reasons[i].key, api_totals(&sum.drops[i]));
    return json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:{s:I,s:I,s:I}}",
                     "name", instance->identity->name, "plugin", instance->identity->type, "unit",
                     instance_unit(instance), "decoded", api_totals(&sum.decoded), "filtered",
                     api_totals(&sum.filtered), "written", api_totals(&sum.written), "open",
                     api_totals(&sum.open), "handed_over", api_totals(&sum.handed_over), "spooled",
                     api_totals(&sum.spooled), "drops", drops, "residual", api_totals(&residual),
                     "rows", (json_int_t)sum.rows, "handovers", (json_int_t)sum.handovers,
                     "option_records", "decoded", (json_int_t)sum.option_records, "filtered",
                     (json_int_t)sum.options_filtered, "dropped", (json_int_t)sum.options_dropped);
}

json_t *api_page_ledger(struct api_call *call)
{
    const struct statistics_sources *s = call->api->sources;
    json_t *list = json_array();

    for (uint32_t i = 0; i < s->instance_count; i++)
        json_array_append_new(list, json_ledger(s->instances[i]));
    return json_pack("{s:o}", "instances", list);
}
