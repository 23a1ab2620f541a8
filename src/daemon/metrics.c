/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks what is counted and writes it, family by family: each stands in one table, from which name,
 * type and help come. */
#include "daemon/metrics.h"
#include "base/clock.h"
#include "base/keyed_table.h"
#include "base/memory.h"
#include "bgp/bgp.h"
#include "bmp/bmp_station.h"
#include "bmp/bmp_tables.h"
#include "control/exposition.h"
#include "daemon/api_bmp.h"
#include "daemon/progress.h"
#include "pipeline/worker.h"
#include "rpki/rtr.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { WALK_PART = 256 }; /* exporters between two rests of the walk */

/* Holds what an exporter has counted: before it was evicted, if it was, and since. */
struct series {
    struct keyed_entry keyed; /* by address */
    struct ip_addr address;
    uint32_t worker;
    uint64_t generation; /* of the exporter that `now` is of */
    bool is_here;        /* the last walk met it */
    struct exporter_counters before, now, sum;
};

struct metrics {
    uint32_t exporters_max;
    struct keyed_table exporters; /* of struct series */
    struct exporter_counters all, other;
};

static void series_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

struct metrics *metrics_new(uint32_t exporters_max)
{
    struct metrics *m = mem_zalloc(sizeof *m);

    m->exporters_max = exporters_max;
    keyed_table_init(&m->exporters, (size_t)exporters_max + 1, series_discard, NULL);
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    keyed_table_clear(&m->exporters);
    mem_free(m);
}

/* ---- exporters ---- */

struct series_walk {
    struct metrics *metrics;
    uint32_t worker;
    bool
        takes_all; /* gives a series to any exporter with flows, not only to those that are known */
};

static struct series *series_of(struct metrics *m, const struct ip_addr *address)
{
    uint64_t key[2];

    memcpy(key, address->bytes, sizeof key);
    return (struct series *)keyed_table_find(&m->exporters, key[0], key[1]);
}

static void give_series(void *arg, struct exporter *exporter)
{
    struct series_walk *walk = arg;
    struct metrics *m = walk->metrics;
    uint64_t key[2];

    if (m->exporters.count >= m->exporters_max ||
        (counter_get(&exporter->counters.known) == 0 &&
         !(walk->takes_all && counter_get(&exporter->counters.flows) > 0)) ||
        series_of(m, &exporter->addr))
        return;
    struct series *s = mem_zalloc(sizeof *s);
    s->address = exporter->addr;
    memcpy(key, exporter->addr.bytes, sizeof key);
    keyed_table_add(&m->exporters, &s->keyed, key[0], key[1]);
}

static void fold_exporter(void *arg, struct exporter *exporter)
{
    struct series_walk *walk = arg;
    struct metrics *m = walk->metrics;
    struct series *s = series_of(m, &exporter->addr);

    exporter_counters_fold(&m->all, &exporter->counters);
    if (!s)
        return;
    if (s->generation != exporter->generation || s->worker != walk->worker) {
        exporter_counters_fold(&s->before, &s->now);
        s->generation = exporter->generation;
        s->worker = walk->worker;
    }
    memset(&s->now, 0, sizeof s->now);
    exporter_counters_fold(&s->now, &exporter->counters);
    s->is_here = true;
}

/* Walks all exporters in parts, between which those that went may be freed. */
static void walk_exporters(struct metrics *m, const struct statistics_sources *sources,
                           void (*fn)(void *arg, struct exporter *exporter), bool takes_all)
{
    struct series_walk walk = {.metrics = m, .takes_all = takes_all};

    for (; walk.worker < sources->crew->worker_count; walk.worker++) {
        const struct exporter_table *table = worker_exporters(sources->crew->workers[walk.worker]);
        for (uint32_t index = 0; exporter_table_some(table, &index, WALK_PART, fn, &walk);)
            rcu_quiescent(sources->reader);
    }
}

/* Subtracts what has series of its own, and never falls: an exporter that was evicted during the
 * walk may have been met twice. */
static void take_other(struct counter *other, const struct counter *all, const struct counter *own)
{
    uint64_t rest = counter_get(all) > counter_get(own) ? counter_get(all) - counter_get(own) : 0;

    if (rest > counter_get(other))
        counter_set(other, rest);
}

static void collect_exporters(struct metrics *m, const struct statistics_sources *sources)
{
    struct exporter_counters own = {0};
    const size_t counter_count = sizeof own / sizeof(struct counter);

    memset(&m->all, 0, sizeof m->all);
    for (struct keyed_entry *e = NULL; (e = keyed_table_walk(&m->exporters, e));)
        ((struct series *)e)->is_here = false;
    walk_exporters(m, sources, give_series, false);
    walk_exporters(m, sources, give_series, true);
    walk_exporters(m, sources, fold_exporter, false);
    for (uint32_t i = 0; i < sources->crew->worker_count; i++)
        exporter_counters_fold(&m->all,
                               exporter_table_evicted(worker_exporters(sources->crew->workers[i])));
    for (struct keyed_entry *e = NULL; (e = keyed_table_walk(&m->exporters, e));) {
        struct series *s = (struct series *)e;
        memset(&s->sum, 0, sizeof s->sum);
        exporter_counters_fold(&s->sum, &s->before);
        exporter_counters_fold(&s->sum, &s->now);
        exporter_counters_fold(&own, &s->sum);
    }
    static_assert(sizeof own % sizeof(struct counter) == 0, "nothing but counters");
    for (size_t i = 0; i < counter_count; i++)
        take_other((struct counter *)&m->other + i, (const struct counter *)&m->all + i,
                   (const struct counter *)&own + i);
}

/* Writes a number of a counter's unit: names that end in _ns or _ms are told in seconds. */
static void write_counter(struct exposition *e, const struct exporter_counter_info *info,
                          const char *exporter, const struct exporter_counters *counters)
{
    const struct exposition_label labels[] = {{"exporter", exporter}, {0}};
    uint64_t value = exporter_counter_get(counters, info);
    const char *unit = strrchr(info->name, '_');

    if (unit && strcmp(unit, "_ns") == 0)
        exposition_seconds(e, labels, (int64_t)value);
    else if (unit && strcmp(unit, "_ms") == 0)
        exposition_seconds(e, labels, (int64_t)value * NS_PER_MS);
    else
        exposition_uint(e, labels, value);
}

/* Writes the name of a family: datagrams_read is exporter_datagrams_read, last_template_ns
 * exporter_last_template_timestamp_seconds. sFlow's counter samples are of interfaces; names of
 * metrics may not hold the word counter. */
static void family_name(char *out, size_t size, const struct exporter_counter_info *info)
{
    size_t len = strlen(info->name), word = strlen("counter_");
    bool is_sample = strncmp(info->name, "counter_", word) == 0;
    const char *unit = len > 3 ? info->name + len - 3 : "";
    bool is_instant = strcmp(unit, "_ns") == 0, is_span = strcmp(unit, "_ms") == 0;

    if (is_instant || is_span)
        len -= 3;
    if (is_sample)
        len -= word;
    snprintf(out, size, "pathacct_exporter_%s%.*s%s", is_sample ? "interface_" : "", (int)len,
             info->name + (is_sample ? word : 0),
             is_instant ? "_timestamp_seconds"
             : is_span  ? "_seconds"
                        : "");
}

static void write_counters(struct metrics *m, struct exposition *e)
{
    for (size_t i = 0; i < exporter_counter_info_count; i++) {
        const struct exporter_counter_info *info = &exporter_counter_infos[i];
        bool is_count = !info->is_gauge;
        char name[80], address[IP_TEXT_LEN];
        family_name(name, sizeof name, info);
        exposition_family(e, is_count ? EXPOSITION_COUNTER : EXPOSITION_GAUGE, name, info->help);
        for (struct keyed_entry *k = NULL; (k = keyed_table_walk(&m->exporters, k));) {
            const struct series *s = (const struct series *)k;
            ip_addr_format(&s->address, address);
            if (is_count || s->is_here)
                write_counter(e, info, address, is_count ? &s->sum : &s->now);
        }
        if (is_count)
            write_counter(e, info, "other", &m->other);
    }
}

/* Writes one array of counters of all exporters: drops, or verdicts. */
struct part {
    const char *label;              /* beside exporter */
    const char *(*name)(int index); /* NULL: it has no series */
    int count;
    size_t offset; /* in struct exporter_counters */
};

static void write_part_of(struct exposition *e, const struct part *part, const char *exporter,
                          const struct exporter_counters *counters, bool has_zeros)
{
    const struct counter *values =
        (const struct counter *)(const void *)((const uint8_t *)counters + part->offset);

    for (int i = 0; i < part->count; i++) {
        const char *name = part->name(i);
        const struct exposition_label labels[] = {{"exporter", exporter}, {part->label, name}, {0}};
        if (name && (has_zeros || counter_get(&values[i]) > 0))
            exposition_uint(e, labels, counter_get(&values[i]));
    }
}

static void write_part(struct metrics *m, struct exposition *e, const struct part *part)
{
    char address[IP_TEXT_LEN];

    for (struct keyed_entry *k = NULL; (k = keyed_table_walk(&m->exporters, k));) {
        const struct series *s = (const struct series *)k;
        ip_addr_format(&s->address, address);
        write_part_of(e, part, address, &s->sum, false);
    }
    write_part_of(e, part, "other", &m->other, true);
}

static const char *verdict_name(int index)
{
    return index > 0 ? path_matches[index].text : NULL;
}

static const char *input_drop_name(int index)
{
    return drop_reasons[index].level != DROP_LEVEL_FLOW ? drop_reasons[index].key : NULL;
}

static void write_exporters(struct metrics *m, const struct statistics_sources *sources,
                            struct exposition *e)
{
    static const struct part verdicts = {"verdict", verdict_name, PATH_MATCH_COUNT,
                                         offsetof(struct exporter_counters, path_match)};
    static const struct part drops = {"reason", input_drop_name, DROP_REASON_COUNT,
                                      offsetof(struct exporter_counters, drops)};
    uint64_t here = 0, evicted = 0;

    collect_exporters(m, sources);
    write_counters(m, e);
    exposition_family(e, EXPOSITION_COUNTER, "pathacct_exporter_path_match_flows",
                      "flows by how sure their path is (path_match)");
    write_part(m, e, &verdicts);
    exposition_family(e, EXPOSITION_COUNTER, "pathacct_exporter_drops",
                      "datagrams, sets and records that were not used, by reason");
    write_part(m, e, &drops);
    for (uint32_t i = 0; i < sources->crew->worker_count; i++)
        here += exporter_table_count(worker_exporters(sources->crew->workers[i]));
    for (uint32_t i = 0; i < sources->crew->worker_count; i++)
        evicted += exporter_table_evicted_count(worker_exporters(sources->crew->workers[i]));
    exposition_family(e, EXPOSITION_GAUGE, "pathacct_exporters", "exporters that are in memory");
    exposition_uint(e, NULL, here);
    exposition_family(e, EXPOSITION_COUNTER, "pathacct_exporters_evicted",
                      "exporters that made room for others (exporters_max)");
    exposition_uint(e, NULL, evicted);
}

/* ---- workers ---- */

static void write_templates(const struct statistics_sources *sources, struct exposition *e)
{
    char number[16];

    exposition_family(e, EXPOSITION_COUNTER, "pathacct_worker_templates_sent",
                      "messages of templates for nfacctd_templates_receiver, by outcome");
    for (uint32_t w = 0; w < sources->crew->worker_count; w++) {
        const struct worker_counters *counters = worker_counters(sources->crew->workers[w]);
        snprintf(number, sizeof number, "%u", w);
        for (int i = 0; i < TEMPLATE_OUTCOME_COUNT; i++) {
            const struct exposition_label labels[] = {
                {"worker", number}, {"outcome", template_outcomes[i].key}, {0}};
            exposition_uint(e, labels, counter_get(&counters->templates_sent[i]));
        }
    }
}

static void write_workers(const struct statistics_sources *sources, struct exposition *e)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
#define ROW(member, help)                                                                          \
    {"pathacct_worker_" #member, help, offsetof(struct worker_counters, member)}
        ROW(datagrams, "datagrams taken from the socket or file"),
        ROW(overflow, "datagrams that the socket's buffer had no room for"),
        ROW(not_allowed, "datagrams from sources that are not in the allow file"),
        ROW(passed_on, "datagrams given to the worker that owns the exporter"),
        ROW(passing_lost, "datagrams lost as that worker's inbox was full"),
        ROW(held, "datagrams that waited for the RIB"),
        ROW(hold_overflow, "datagrams that went on without the RIB: no room to wait"),
        ROW(template_datagrams, "datagrams taken from the socket of nfacctd_templates_port"),
        ROW(template_overflow, "datagrams that that socket's buffer had no room for"),
        ROW(unsplit,
            "datagrams that tee passed on whole, as they could not be taken apart by tags"),
        ROW(unread_parts,
            "sets and samples that tee passed on by their header, as nobody could read them"),
        ROW(batches, "batches of flows"),
        ROW(waits, "times that the worker had nothing to do"),
#undef ROW
    };
    char number[16];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        exposition_family(e, EXPOSITION_COUNTER, rows[i].name, rows[i].help);
        for (uint32_t w = 0; w < sources->crew->worker_count; w++) {
            const struct worker_counters *counters = worker_counters(sources->crew->workers[w]);
            const struct exposition_label labels[] = {{"worker", number}, {0}};
            snprintf(number, sizeof number, "%u", w);
            exposition_uint(
                e, labels,
                counter_get((const struct counter *)(const void *)((const uint8_t *)counters +
                                                                   rows[i].offset)));
        }
    }
    write_templates(sources, e);
    exposition_family(e, EXPOSITION_HISTOGRAM, "pathacct_worker_batch_seconds",
                      "time for a batch of flows, from the decoder to the tables of all instances");
    for (uint32_t w = 0; w < sources->crew->worker_count; w++) {
        const struct exposition_label labels[] = {{"worker", number}, {0}};
        struct histogram_sum sum = {0};
        snprintf(number, sizeof number, "%u", w);
        histogram_sum_read(&sum, &worker_counters(sources->crew->workers[w])->batch_time);
        exposition_histogram(e, labels, &sum);
    }
}

/* ---- instances ---- */

/* The three numbers of struct handover_totals. */
static const struct {
    const char *name;
    size_t offset;
} totals_parts[] = {{"flows", offsetof(struct handover_totals, flows)},
                    {"packets", offsetof(struct handover_totals, packets)},
                    {"bytes", offsetof(struct handover_totals, bytes)}};
enum { TOTALS_PARTS = sizeof totals_parts / sizeof totals_parts[0] };

static uint64_t part_of(const struct handover_totals *totals, int part)
{
    return *(const uint64_t *)(const void *)((const uint8_t *)totals + totals_parts[part].offset);
}

static const struct {
    const char *name, *help;
    size_t offset; /* in struct ledger_sum */
    bool is_gauge;
} ledger_rows[] = {
#define ROW(member, is_gauge, help)                                                                \
    {                                                                                              \
#member, help, offsetof(struct ledger_sum, member), is_gauge                               \
    }
    ROW(decoded, false, "what the instance was offered"),
    ROW(filtered, false, "what its filters left out"),
    ROW(written, false, "what its backend has taken"),
    ROW(open, true, "what is in rows that are not handed over yet"),
    ROW(handed_over, true, "what the plugin process has and its backend has not taken yet"),
    ROW(spooled, true, "what lies in plugin_spool_dir"),
#undef ROW
};

struct instance_labels {
    struct exposition_label labels[4];
};

static struct instance_labels labels_of(const struct instance *instance, const char *reason)
{
    return (struct instance_labels){{{"plugin_instance", instance->identity->name},
                                     {"plugin", instance->identity->type},
                                     {reason ? "reason" : NULL, reason},
                                     {0}}};
}

static void write_ledger(const struct statistics_sources *s, const struct ledger_sum *sums,
                         struct exposition *e)
{
    char name[80], help[160];

    for (size_t row = 0; row < sizeof ledger_rows / sizeof ledger_rows[0]; row++)
        for (int part = 0; part < TOTALS_PARTS; part++) {
            snprintf(name, sizeof name, "pathacct_instance_%s_%s", ledger_rows[row].name,
                     totals_parts[part].name);
            snprintf(help, sizeof help, "%s: %s", totals_parts[part].name, ledger_rows[row].help);
            exposition_family(e, ledger_rows[row].is_gauge ? EXPOSITION_GAUGE : EXPOSITION_COUNTER,
                              name, help);
            for (uint32_t i = 0; i < s->instance_count; i++)
                exposition_uint(
                    e, labels_of(s->instances[i], NULL).labels,
                    part_of(
                        (const struct handover_totals *)(const void *)((const uint8_t *)&sums[i] +
                                                                       ledger_rows[row].offset),
                        part));
        }
}

static void write_ledger_drops(const struct statistics_sources *s, const struct ledger_sum *sums,
                               struct exposition *e)
{
    char name[80], help[160];

    for (int part = 0; part < TOTALS_PARTS; part++) {
        snprintf(name, sizeof name, "pathacct_instance_dropped_%s", totals_parts[part].name);
        snprintf(help, sizeof help, "%s that did not arrive, by reason", totals_parts[part].name);
        exposition_family(e, EXPOSITION_COUNTER, name, help);
        for (uint32_t i = 0; i < s->instance_count; i++)
            for (int reason = 0; reason < DROP_REASON_COUNT; reason++)
                if (drop_reasons[reason].level == DROP_LEVEL_FLOW && reason != DROP_filtered)
                    exposition_uint(e, labels_of(s->instances[i], drop_reasons[reason].key).labels,
                                    part_of(&sums[i].drops[reason], part));
    }
    exposition_family(e, EXPOSITION_GAUGE, "pathacct_instance_residual_flows",
                      "flows of which the ledger does not know what became; 0 when nothing moves");
    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct handover_totals residual = ledger_sum_residual(&sums[i]);
        exposition_int(e, labels_of(s->instances[i], NULL).labels, (int64_t)residual.flows);
    }
}

/* Writes the sums that are no flows, packets or bytes. */
static void write_ledger_rows(const struct statistics_sources *s, const struct ledger_sum *sums,
                              struct exposition *e)
{
    static const struct {
        const char *name, *help;
        size_t offset;
    } rows[] = {
        {"pathacct_instance_rows", "rows handed over", offsetof(struct ledger_sum, rows)},
        {"pathacct_instance_handovers", "hand-overs made, with rows or without",
         offsetof(struct ledger_sum, handovers)},
        {"pathacct_instance_option_records", "records of options data that came in",
         offsetof(struct ledger_sum, option_records)},
        {"pathacct_instance_option_records_filtered", "of these, left out by filters",
         offsetof(struct ledger_sum, options_filtered)},
        {"pathacct_instance_option_records_dropped", "of these, that there was no room for",
         offsetof(struct ledger_sum, options_dropped)},
    };

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        exposition_family(e, EXPOSITION_COUNTER, rows[row].name, rows[row].help);
        for (uint32_t i = 0; i < s->instance_count; i++)
            exposition_uint(
                e, labels_of(s->instances[i], NULL).labels,
                *(const uint64_t *)(const void *)((const uint8_t *)&sums[i] + rows[row].offset));
    }
}

static void write_instances(const struct statistics_sources *s, struct exposition *e)
{
    struct ledger_sum *sums = mem_calloc(s->instance_count + 1, sizeof *sums);

    for (uint32_t i = 0; i < s->instance_count; i++)
        sums[i] = instance_ledger(s->instances[i]);
    write_ledger(s, sums, e);
    write_ledger_drops(s, sums, e);
    write_ledger_rows(s, sums, e);
    mem_free(sums);
}

/* ---- plugin processes ---- */

static uint64_t is_up(const struct supervisor_status *p)
{
    return p->pid != 0;
}
static uint64_t is_open(const struct supervisor_status *p)
{
    return p->is_open;
}
static uint64_t is_failing(const struct supervisor_status *p)
{
    return p->is_failing;
}
static uint64_t restarts(const struct supervisor_status *p)
{
    return p->restarts;
}
static uint64_t hung_kills(const struct supervisor_status *p)
{
    return p->hung_kills;
}
static uint64_t commits(const struct supervisor_status *p)
{
    return p->commits;
}
static uint64_t spooled(const struct supervisor_status *p)
{
    return p->spooled_count;
}
static uint64_t spooled_bytes(const struct supervisor_status *p)
{
    return p->spooled_bytes;
}
static uint64_t kept(const struct supervisor_status *p)
{
    return p->kept_count;
}
static uint64_t failures(const struct supervisor_status *p)
{
    return p->failures;
}

static void write_plugins(const struct statistics_sources *s, const struct facts *facts,
                          struct exposition *e)
{
    static const struct {
        const char *name, *help;
        uint64_t (*value)(const struct supervisor_status *plugin);
        enum exposition_type type;
    } rows[] = {
        {"pathacct_plugin_up", "1: the plugin process runs", is_up, EXPOSITION_GAUGE},
        {"pathacct_plugin_open", "1: its backend is open", is_open, EXPOSITION_GAUGE},
        {"pathacct_plugin_failing", "1: its last try to write failed", is_failing,
         EXPOSITION_GAUGE},
        {"pathacct_plugin_restarts", "times that the process was started again", restarts,
         EXPOSITION_COUNTER},
        {"pathacct_plugin_hung_kills", "times that it was killed as it hung", hung_kills,
         EXPOSITION_COUNTER},
        {"pathacct_plugin_commits", "times that its backend has taken rows for good", commits,
         EXPOSITION_COUNTER},
        {"pathacct_plugin_failures",
         "times that its backend did not open or take rows; each is "
         "tried again",
         failures, EXPOSITION_COUNTER},
        {"pathacct_plugin_spooled_bytes", "bytes in plugin_spool_dir", spooled_bytes,
         EXPOSITION_GAUGE},
        {"pathacct_plugin_spooled_handovers", "hand-overs in plugin_spool_dir", spooled,
         EXPOSITION_GAUGE},
        {"pathacct_plugin_kept_handovers", "hand-overs there that the backend does not take", kept,
         EXPOSITION_GAUGE},
    };

    for (size_t row = 0; facts && row < sizeof rows / sizeof rows[0]; row++) {
        exposition_family(e, rows[row].type, rows[row].name, rows[row].help);
        for (uint32_t i = 0; i < facts->plugin_count; i++)
            exposition_uint(e, labels_of(s->instances[i], NULL).labels,
                            rows[row].value(&facts->plugins[i]));
    }
    exposition_family(e, EXPOSITION_HISTOGRAM, "pathacct_plugin_commit_seconds",
                      "time that the backend took for rows, from the begin to the commit");
    for (uint32_t i = 0; facts && i < facts->plugin_count; i++)
        exposition_histogram(e, labels_of(s->instances[i], NULL).labels,
                             &facts->plugins[i].commit_time);
}

static bool has_tee(const struct statistics_sources *s)
{
    for (uint32_t i = 0; i < s->instance_count; i++)
        if (s->instances[i]->takes_datagrams)
            return true;
    return false;
}

/* Writes what a tee did with datagrams. Its counters are named POOL RECEIVER OUTCOME, or by one word where
 * there was no pool. */
static void write_receivers(const struct statistics_sources *s, const struct facts *facts,
                            struct exposition *e)
{
    exposition_family(e, EXPOSITION_COUNTER, "pathacct_tee_datagrams",
                      "datagrams that a tee passed on, by receiver and outcome; refused ones were "
                      "sent");
    for (size_t i = 0; facts && i < facts->counter_count; i++) {
        const struct plugin_counter *c = &facts->counters[i];
        const struct instance *instance = s->instances[c->plugin];
        char *name = mem_strdup(c->name), *rest = name, *pool = strsep(&rest, " "),
             *receiver = rest ? strsep(&rest, " ") : NULL;
        const struct exposition_label labels[] = {{"plugin_instance", instance->identity->name},
                                                  {"outcome", rest ? rest : c->name},
                                                  {rest ? "pool" : NULL, pool},
                                                  {"receiver", receiver},
                                                  {0}};
        if (instance->takes_datagrams)
            exposition_uint(e, labels, c->value);
        mem_free(name);
    }
}

/* ---- what waits for plugins ---- */

/* Returns for how long the oldest rows of the instance have been waiting for its backend. */
static int64_t lag_ns(const struct instance *instance, const struct supervisor_status *plugin)
{
    int64_t mono_ns = clock_mono().ns, lag = 0;

    for (uint32_t i = 0; i < instance->outlet->lane_count; i++) {
        int64_t oldest_ns = ring_oldest_ns(instance->outlet->lanes[i].ring);
        if (oldest_ns != 0 && mono_ns - oldest_ns > lag)
            lag = mono_ns - oldest_ns;
    }
    if (plugin && plugin->spooled_since_ns != 0) {
        int64_t spooled_ns = clock_wall().ns - plugin->spooled_since_ns;
        lag = spooled_ns > lag ? spooled_ns : lag;
    }
    return lag;
}

static uint64_t queue_handovers(const struct instance *instance)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < instance->outlet->lane_count; i++)
        count += ring_waiting_count(instance->outlet->lanes[i].ring);
    return count;
}

static uint64_t queue_bytes(const struct instance *instance)
{
    return (uint64_t)atomic_load_explicit(&instance->outlet->budget.used_count,
                                          memory_order_relaxed) *
           SEGMENT_SIZE;
}

static uint64_t queue_limit(const struct instance *instance)
{
    return (uint64_t)instance->outlet->budget.max_count * SEGMENT_SIZE;
}

static void write_queues(const struct statistics_sources *s, const struct facts *facts,
                         struct exposition *e)
{
    static const struct {
        const char *name, *help;
        uint64_t (*value)(const struct instance *instance);
    } rows[] = {
        {"pathacct_plugin_queue_handovers", "hand-overs that wait for the plugin process",
         queue_handovers},
        {"pathacct_plugin_queue_bytes", "memory of rows that are open or wait for the process",
         queue_bytes},
        {"pathacct_plugin_queue_limit_bytes", "what of it there may be (plugin_pool_size)",
         queue_limit},
    };

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        exposition_family(e, EXPOSITION_GAUGE, rows[row].name, rows[row].help);
        for (uint32_t i = 0; i < s->instance_count; i++)
            exposition_uint(e, labels_of(s->instances[i], NULL).labels,
                            rows[row].value(s->instances[i]));
    }
    exposition_family(e, EXPOSITION_GAUGE, "pathacct_plugin_lag_seconds",
                      "how long the oldest rows have waited for the backend, in memory or spooled");
    for (uint32_t i = 0; i < s->instance_count; i++)
        exposition_seconds(e, labels_of(s->instances[i], NULL).labels,
                           lag_ns(s->instances[i], facts ? &facts->plugins[i] : NULL));
}

static void write_progress(const struct statistics_sources *s, struct exposition *e)
{
    exposition_family(e, EXPOSITION_GAUGE, "pathacct_progress_ratio",
                      "how far it is, from 0 to 1, which is also what is not under way");
    for (uint32_t i = 0; s->progress && i < progress_count(s->progress); i++) {
        struct progress_view view = progress_at(s->progress, i);
        const struct exposition_label labels[] = {
            {"what", progress_descriptions[view.id].what},
            {view.instance ? "plugin_instance" : NULL, view.instance},
            {0}};
        /* A decimal number, as seconds are: 1 is a second. */
        exposition_seconds(e, labels, (int64_t)(progress_ratio(&view) * NS_PER_S));
    }
}

/* ---- BGP ---- */

static void write_bgp_statistic(void *arg, const struct bgp_statistic *statistic, uint64_t value)
{
    struct exposition *e = arg;
    char name[80];

    snprintf(name, sizeof name, "pathacct_bgp_%s", statistic->name);
    exposition_family(e, statistic->is_gauge ? EXPOSITION_GAUGE : EXPOSITION_COUNTER, name,
                      statistic->help);
    exposition_uint(e, NULL, value);
}

static uint64_t peer_is_up(const struct bgp_peer_info *p)
{
    return p->state == BGP_PEER_ESTABLISHED;
}
static uint64_t peer_paths(const struct bgp_peer_info *p)
{
    return p->paths;
}
static uint64_t peer_history(const struct bgp_peer_info *p)
{
    return p->history_paths;
}
static uint64_t peer_updates(const struct bgp_peer_info *p)
{
    return p->updates;
}

static void write_bgp(const struct statistics_sources *s, struct exposition *e)
{
    static const struct {
        const char *name, *help;
        uint64_t (*value)(const struct bgp_peer_info *peer);
    } rows[] = {
        {"pathacct_bgp_peer_up", "1: the session is established", peer_is_up},
        {"pathacct_bgp_peer_paths", "paths that the peer has announced", peer_paths},
        {"pathacct_bgp_peer_history_paths", "paths of before, kept for a while", peer_history},
        {"pathacct_bgp_peer_updates", "UPDATE messages of the session", peer_updates},
    };
    const struct bgp_peers *peers = bgp_peers(s->crew->bgp);

    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        exposition_family(e, EXPOSITION_GAUGE, rows[row].name, rows[row].help);
        for (uint32_t i = 0; peers && i < peers->count; i++) {
            const struct bgp_peer_info *peer = &peers->peers[i];
            char address[IP_TEXT_LEN], router_id[IP_TEXT_LEN], as[16];
            struct ip_addr id = ip_addr_v4((const uint8_t[]){
                (uint8_t)(peer->router_id >> 24), (uint8_t)(peer->router_id >> 16),
                (uint8_t)(peer->router_id >> 8), (uint8_t)peer->router_id});
            const struct exposition_label labels[] = {
                {"peer", address}, {"router_id", router_id}, {"as", as}, {0}};
            ip_addr_format(&peer->address, address);
            ip_addr_format(&id, router_id);
            snprintf(as, sizeof as, "%u", peer->as);
            exposition_uint(e, labels, rows[row].value(peer));
        }
    }
    bgp_statistics_each(s->crew->bgp, write_bgp_statistic, e);
}

/* ---- BMP ---- */

static void write_bmp_statistic(void *arg, const struct bgp_statistic *statistic, uint64_t value)
{
    struct exposition *e = arg;
    char name[80];

    snprintf(name, sizeof name, "pathacct_bmp_%s", statistic->name);
    exposition_family(e, statistic->is_gauge ? EXPOSITION_GAUGE : EXPOSITION_COUNTER, name,
                      statistic->help);
    exposition_uint(e, NULL, value);
}

static void write_routers(const struct bmp_views *views, struct exposition *e)
{
    static const char *const names[][2] = {
        {"pathacct_bmp_router_up", "1: the BMP router is connected"},
        {"pathacct_bmp_router_peers", "monitored peers that the BMP router says are up"},
        {"pathacct_bmp_router_paths_refused",
         "paths of the BMP router that were not taken, for a bound or for memory"},
    };

    for (size_t row = 0; row < sizeof names / sizeof names[0]; row++) {
        exposition_family(e, EXPOSITION_GAUGE, names[row][0], names[row][1]);
        for (uint32_t i = 0; i < views->count; i++) {
            const struct bmp_router_view *router = views->routers[i];
            const uint64_t values[] = {router->is_connected, router->peer_count,
                                       router->paths_refused};
            char address[IP_TEXT_LEN];
            const struct exposition_label labels[] = {
                {"router", address}, {"name", router->sys_name}, {0}};
            ip_addr_format(&router->address, address);
            exposition_uint(e, labels, values[row]);
        }
    }
}

static void write_views(const struct bmp_views *views, struct exposition *e)
{
    static const char *const names[][2] = {
        {"pathacct_bmp_view_paths", "paths of a table that a BMP router tells of"},
        {"pathacct_bmp_view_history_paths", "paths of before, kept for a while"},
    };

    for (size_t row = 0; row < sizeof names / sizeof names[0]; row++) {
        exposition_family(e, EXPOSITION_GAUGE, names[row][0], names[row][1]);
        for (uint32_t i = 0; i < views->count; i++) {
            const struct bmp_router_view *router = views->routers[i];
            for (uint32_t k = 0; k < router->view_count; k++) {
                const struct bmp_view *view = &router->views[k];
                char address[IP_TEXT_LEN], distinguisher[API_DISTINGUISHER_LEN];
                const struct exposition_label labels[] = {{"router", address},
                                                          {"table", bmp_view_kind_name(view->kind)},
                                                          {"distinguisher", distinguisher},
                                                          {0}};
                ip_addr_format(&router->address, address);
                api_bmp_distinguisher(view->distinguisher, distinguisher);
                exposition_uint(e, labels, row == 0 ? view->paths : view->history_paths);
            }
        }
    }
}

static void write_bmp(const struct statistics_sources *s, struct exposition *e)
{
    const struct bmp_views *views = bmp_tables_views(bmp_station_tables(s->bmp));

    write_routers(views, e);
    write_views(views, e);
    bmp_station_statistics_each(s->bmp, write_bmp_statistic, e);
}

/* ---- RPKI ---- */

static void write_rtr_statistic(void *arg, const struct rtr_statistic *statistic, uint64_t value)
{
    struct exposition *e = arg;
    char name[80];

    snprintf(name, sizeof name, "pathacct_rpki_%s", statistic->name);
    exposition_family(e, statistic->is_gauge ? EXPOSITION_GAUGE : EXPOSITION_COUNTER, name,
                      statistic->help);
    exposition_uint(e, NULL, value);
}

/* ---- all ---- */

void metrics_write(struct metrics *m, const struct statistics_sources *s, const struct facts *facts,
                   bool is_openmetrics, struct text *out)
{
    struct exposition e = {.out = out, .is_openmetrics = is_openmetrics};
    const struct exposition_label build[] = {{"daemon", s->daemon_name},
                                             {"name", s->core_proc_name},
                                             {"version", PATHACCT_VERSION},
                                             {0}};

    THREAD_ASSERT(control_thread);
    exposition_family(&e, EXPOSITION_GAUGE, "pathacct_build_info", "what runs: always 1");
    exposition_uint(&e, build, 1);
    exposition_family(&e, EXPOSITION_GAUGE, "pathacct_start_timestamp_seconds",
                      "when the daemon started");
    exposition_seconds(&e, NULL, s->started_ns);
    if (s->crew->decoder) {
        write_workers(s, &e);
        write_exporters(m, s, &e);
    }
    write_instances(s, &e);
    write_plugins(s, facts, &e);
    if (has_tee(s))
        write_receivers(s, facts, &e);
    write_queues(s, facts, &e);
    write_progress(s, &e);
    if (s->crew->rtr)
        rtr_statistics_each(s->crew->rtr, write_rtr_statistic, &e);
    if (s->crew->bgp)
        write_bgp(s, &e);
    if (s->bmp)
        write_bmp(s, &e);
    exposition_family(&e, EXPOSITION_COUNTER, "pathacct_log_lines_lost",
                      "lines that the log could not take");
    exposition_uint(&e, NULL, log_lost_count());
    exposition_end(&e);
}
