/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares what is with what should be, row by row of the tables below. See faults.h. */
#include "daemon/faults.h"
#include "base/clock.h"
#include "base/memory.h"
#include "bgp/bgp.h"
#include "bmp/bmp_station.h"
#include "bmp/bmp_tables.h"
#include "pipeline/exporter_evidence.h"
#include "rpki/rtr.h"
#include <inttypes.h>
#include <string.h>

enum {
    WALK_PART = 256,
    NAMED_MAX = 8, /* sessions; the others are counted */
    SILENT_S = 10, /* of a plugin process that has work */
    NOTHING_ARRIVES_S = 60,
    ENDS_S = 600,        /* so many ends of a process within that time are no accident */
    CLOCK_OFF_MS = 5000, /* as the decoders say so in the log */
};

/* ---- what grows ---- */

/* A number that only grows, of all workers and exporters. */
struct growing {
    enum { FROM_DROPS, FROM_WORKERS, FROM_SHARING, FROM_EXPORTERS, FROM_BGP, FROM_LOG } source;
    int reason;       /* FROM_DROPS */
    const char *name; /* FROM_EXPORTERS, FROM_BGP: of the counter */
    const char *text; /* behind the number */
};

static const struct growing growing[] = {
    {FROM_WORKERS, 0, NULL,
     "datagrams found the socket's buffer full: raise nfacctd_pipe_size (sfacctd_pipe_size) and "
     "net.core.rmem_max, or workers"},
    {FROM_SHARING, 0, NULL,
     "messages of templates did not get to nfacctd_templates_receiver: `pathacct log` says why"},
    {FROM_DROPS, DROP_shared_data, NULL,
     "sets of data came at nfacctd_templates_port, which takes templates alone: let exporters send "
     "to nfacctd_port"},
    {FROM_DROPS, DROP_not_allowed, NULL,
     "datagrams came from sources that nfacctd_allow_file (sfacctd_allow_file) does not name: "
     "name those that may send; `pathacct log` has addresses"},
    {FROM_DROPS, DROP_too_many_exporters, NULL,
     "exporters made room for others: raise exporters_max, or let only yours in "
     "(nfacctd_allow_file, sfacctd_allow_file)"},
    {FROM_DROPS, DROP_rate_limited, NULL,
     "datagrams were beyond exporter_rate_max: see `pathacct exporters`; raise it, or stop them"},
    {FROM_DROPS, DROP_bad_version, NULL,
     "datagrams are of a version that this daemon does not read: see `pathacct log` for who sends "
     "them, and send sFlow to sfacctd, NetFlow and IPFIX to nfacctd"},
    {FROM_DROPS, DROP_no_template, NULL,
     "sets of data were dropped, as their template did not come: shorten the template timeout at "
     "the exporter (`pathacct exporters` names it), or raise pending_sets_age"},
    {FROM_DROPS, DROP_template_gone, NULL,
     "sets of data were dropped, as their template had expired: shorten the template timeout at "
     "the exporter, or raise template_lifetime"},
    {FROM_DROPS, DROP_pending_full, NULL,
     "sets of data before their template were dropped: raise pending_sets_size"},
    {FROM_DROPS, DROP_too_many_templates, NULL, "templates pushed out others: raise templates_max"},
    {FROM_DROPS, DROP_too_many_domains, NULL,
     "observation domains or sub-agents pushed out others: raise domains_max (agents_max)"},
    {FROM_DROPS, DROP_too_many_options, NULL,
     "sampling rates or names pushed out others: raise options_max"},
    {FROM_DROPS, DROP_refused_template, NULL,
     "sets of data are of templates that cannot be read: see `pathacct templates`, and have the "
     "exporter mended"},
    {FROM_EXPORTERS, 0, "rate_unknown",
     "flows have an unknown sampling rate and count as they are: let the exporter send its "
     "sampling options, or set sampling_map"},
    {FROM_EXPORTERS, 0, "bad_time",
     "flows have times out of reach and went into the bin of their arrival: set the exporter's "
     "clock, or this machine's (NTP)"},
    {FROM_BGP, 0, "connections_refused_address",
     "BGP connections came from addresses that bgp_daemon_allow_file does not name: name them "
     "there and send SIGUSR2, or have them stopped"},
    {FROM_BGP, 0, "connections_refused_limit",
     "BGP connections were refused: raise bgp_daemon_max_peers; `pathacct log` has addresses"},
    {FROM_BGP, 0, "opens_failed",
     "BGP connections ended before they were established: `pathacct log` says whose and why"},
    {FROM_BGP, 0, "accept_pauses",
     "times no BGP connection could be taken: let the process have more descriptors "
     "(LimitNOFILE=)"},
    {FROM_BGP, 0, "rib_paths_refused",
     "BGP paths were not taken: raise bgp_peer_paths_max or bgp_daemon_max_memory, whichever "
     "`pathacct log` names, and reset the sessions"},
    {FROM_LOG, 0, NULL,
     "lines did not get into the log: make room where logfile is, or find what floods it"},
};
enum { GROWING_COUNT = sizeof growing / sizeof growing[0] };

/* Flows that an instance has lost. */
static const struct {
    int reason;
    const char *text;
} losing[] = {
    {DROP_pool_full, "flows were dropped, as plugin_pool_size is used up: mend its backend, raise "
                     "plugin_pool_size, or set plugin_spool_dir"},
    {DROP_rejected, "flows were dropped, as the backend refused their rows: `pathacct log` says "
                    "why; make the table fit the rows, or the rows the table"},
    {DROP_poison, "flows were dropped, as they killed the process three times: keep the lines of "
                  "`pathacct log` and report the fault"},
    {DROP_table_lost, "flows were in a memory table whose process ended: `pathacct log` says why"},
    {DROP_write_failed, "flows were lost by the backend for good: `pathacct log` says why"},
};
enum { LOSING_COUNT = sizeof losing / sizeof losing[0] };

struct named_value {
    const char *name;
    uint64_t value;
};

/* Tells of a cache of the RPKI that is away. */
static void match_connection(void *arg, const struct rtr_statistic *statistic, uint64_t value)
{
    struct text *lines = arg;

    if (strcmp(statistic->name, "is_connected") == 0 && value == 0)
        text_append_string(
            lines, "RPKI: there is no connection to the cache of rpki_rtr_cache; ROAs hold "
                   "until they expire, then origins are unknown: `pathacct log` says why\n");
}

static void match_statistic(void *arg, const struct bgp_statistic *statistic, uint64_t value)
{
    struct named_value *v = arg;

    if (strcmp(statistic->name, v->name) == 0)
        v->value = value;
}

static uint64_t exporter_value(const struct exporter_counters *c, const char *name)
{
    for (size_t i = 0; i < exporter_counter_info_count; i++)
        if (strcmp(exporter_counter_infos[i].name, name) == 0)
            return exporter_counter_get(c, &exporter_counter_infos[i]);
    return 0;
}

static uint64_t drops_of(const struct statistics_sources *s, const struct exporter_counters *sum,
                         int reason)
{
    uint64_t count = counter_get(&sum->drops[reason]);

    for (uint32_t i = 0; reason == DROP_not_allowed && i < s->crew->worker_count; i++)
        count += counter_get(&worker_counters(s->crew->workers[i])->not_allowed);
    return count;
}

static uint64_t growing_value(const struct statistics_sources *s, const struct growing *g,
                              const struct exporter_counters *sum)
{
    struct named_value of_bgp = {.name = g->name};
    uint64_t overflow = 0, dropped = 0;

    switch (g->source) {
    case FROM_DROPS:
        return drops_of(s, sum, g->reason);
    case FROM_WORKERS:
        for (uint32_t i = 0; i < s->crew->worker_count; i++)
            overflow += counter_get(&worker_counters(s->crew->workers[i])->overflow);
        return overflow;
    case FROM_SHARING:
        for (uint32_t i = 0; i < s->crew->worker_count; i++)
            for (int k = TEMPLATE_SENT + 1; k < TEMPLATE_OUTCOME_COUNT; k++)
                dropped += counter_get(&worker_counters(s->crew->workers[i])->templates_sent[k]);
        return dropped;
    case FROM_EXPORTERS:
        return exporter_value(sum, g->name);
    case FROM_BGP:
        if (s->crew->bgp)
            bgp_statistics_each(s->crew->bgp, match_statistic, &of_bgp);
        return of_bgp.value;
    default:
        return log_lost_count();
    }
}

/* Numbers in the order of growing[], then verdicts without a table of routes, then losing[] of each
 * instance. */
static size_t value_count(const struct statistics_sources *s)
{
    return GROWING_COUNT + 1 + (size_t)s->instance_count * LOSING_COUNT;
}

static void take_values(const struct statistics_sources *s, const struct exporter_counters *sum,
                        uint64_t *values)
{
    for (size_t i = 0; i < GROWING_COUNT; i++)
        values[i] = growing_value(s, &growing[i], sum);
    values[GROWING_COUNT] = counter_get(&sum->path_match[PATH_MATCH_NO_RIB]);
    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct ledger_sum ledger = instance_ledger(s->instances[i]);
        for (size_t k = 0; k < LOSING_COUNT; k++)
            values[GROWING_COUNT + 1 + i * LOSING_COUNT + k] = ledger.drops[losing[k].reason].flows;
    }
}

void faults_init(struct faults *f, const struct statistics_sources *sources)
{
    f->sources = sources;
    recent_init(&f->recent, value_count(sources), clock_mono().ns);
}

void faults_clear(struct faults *f)
{
    recent_clear(&f->recent);
}

/* ---- exporters ---- */

static void group_add(struct fault_group *group, const struct exporter *exporter, uint64_t value)
{
    if (group->count++ == 0)
        group->first = exporter->addr;
    if (value > group->most)
        group->most = value;
}

static void look_at(void *arg, struct exporter *exporter)
{
    struct fault_exporters *e = arg;
    const struct exporter_counters *c = &exporter->counters;
    uint64_t verdicts = 0, no_rib = counter_get(&c->path_match[PATH_MATCH_NO_RIB]);
    uint64_t behind_ms = counter_get(&c->clock_behind_ms),
             ahead_ms = counter_get(&c->clock_ahead_ms);

    exporter_counters_fold(&e->sum, c);
    if (counter_get(&c->pending_sets) > 0)
        group_add(&e->wait_for_template, exporter, counter_get(&c->pending_sets));
    if (behind_ms > CLOCK_OFF_MS)
        group_add(&e->clock_behind, exporter, behind_ms);
    if (ahead_ms > CLOCK_OFF_MS)
        group_add(&e->clock_ahead, exporter, ahead_ms);
    for (int i = 1; i < PATH_MATCH_COUNT; i++)
        verdicts += counter_get(&c->path_match[i]);
    if (no_rib > 0 && no_rib == verdicts)
        group_add(&e->without_peer, exporter, no_rib);
    if (exporter_evidence_is_dishonest(c))
        group_add(&e->dishonest, exporter, 0);
}

void faults_look(const struct faults *f, struct fault_exporters *e)
{
    const struct crew *crew = f->sources->crew;

    THREAD_ASSERT(control_thread);
    memset(e, 0, sizeof *e);
    for (uint32_t worker = 0; worker < crew->worker_count; worker++) {
        const struct exporter_table *table = worker_exporters(crew->workers[worker]);
        for (uint32_t index = 0; exporter_table_some(table, &index, WALK_PART, look_at, e);)
            rcu_quiescent(f->sources->reader);
        e->count += exporter_table_count(table);
    }
}

void faults_tick(struct faults *f)
{
    int64_t now_ns = clock_mono().ns;

    THREAD_ASSERT(control_thread);
    if (!recent_is_due(&f->recent, now_ns))
        return;
    struct fault_exporters *exporters = mem_zalloc(sizeof *exporters);
    uint64_t *values = mem_calloc(f->recent.count, sizeof *values);
    faults_look(f, exporters);
    take_values(f->sources, &exporters->sum, values);
    recent_note(&f->recent, values, now_ns);
    mem_free(values);
    mem_free(exporters);
}

/* Appends "exporter ADDRESS" and how many more there are. */
static void append_group(const struct fault_group *group, struct text *lines)
{
    char address[IP_TEXT_LEN];

    ip_addr_format(&group->first, address);
    text_append_printf(lines, "exporter %s", address);
    if (group->count > 1)
        text_append_printf(lines, " and %" PRIu64 " more", group->count - 1);
    text_append_string(lines, ": ");
}

static void append_clock(const struct fault_group *group, const char *direction, struct text *lines)
{
    if (group->count == 0)
        return;
    append_group(group, lines);
    text_append_printf(lines,
                       "the clock is up to %" PRIu64 " s %s: set it there (NTP), or here if many "
                       "are off alike\n",
                       group->most / 1000, direction);
}

static void append_exporters(const struct faults *f, const struct fault_exporters *e,
                             struct text *lines)
{
    const struct crew *crew = f->sources->crew;
    uint64_t no_rib = recent_growth(&f->recent, GROWING_COUNT,
                                    counter_get(&e->sum.path_match[PATH_MATCH_NO_RIB]));
    bool asks = crew->correlate.is_enabled &&
                atomic_load_explicit(&crew->asks_destination, memory_order_relaxed);

    if (e->wait_for_template.count > 0) {
        append_group(&e->wait_for_template, lines);
        text_append_printf(lines,
                           "%" PRIu64 " sets of data wait for their template: it comes with the "
                           "exporter's next template refresh; shorten that there\n",
                           counter_get(&e->sum.pending_sets));
    }
    append_clock(&e->clock_behind, "behind", lines);
    append_clock(&e->clock_ahead, "ahead", lines);
    if (asks && no_rib > 0 && e->without_peer.count > 0) {
        append_group(&e->without_peer, lines);
        text_append_printf(lines,
                           "%" PRIu64 " flows in the last two minutes had no table of routes: let "
                           "that router have a BGP session here, or name its session in "
                           "bgp_agent_map\n",
                           no_rib);
    }
    if (e->dishonest.count > 0) {
        append_group(&e->dishonest, lines);
        text_append_string(lines, "one next hop is named for every multipath destination: turn "
                                  "next-hop learning on there\n");
    }
}

static void append_growing(const struct faults *f, const struct exporter_counters *sum,
                           struct text *lines)
{
    const struct statistics_sources *s = f->sources;
    uint64_t *values = mem_calloc(f->recent.count, sizeof *values), growth;

    take_values(s, sum, values);
    for (size_t i = 0; i < GROWING_COUNT; i++)
        if ((growth = recent_growth(&f->recent, i, values[i])) > 0)
            text_append_printf(lines, "in the last two minutes %" PRIu64 " %s\n", growth,
                               growing[i].text);
    for (uint32_t i = 0; i < s->instance_count; i++)
        for (size_t k = 0; k < LOSING_COUNT; k++) {
            size_t index = GROWING_COUNT + 1 + i * LOSING_COUNT + k;
            if ((growth = recent_growth(&f->recent, index, values[index])) == 0)
                continue;
            const struct config_instance *identity = s->instances[i]->identity;
            text_append_printf(lines, "plugin %s[%s]: in the last two minutes %" PRIu64 " %s\n",
                               identity->type, identity->name, growth, losing[k].text);
        }
    mem_free(values);
}

static void append_silence(const struct faults *f, const struct exporter_counters *sum,
                           struct text *lines)
{
    int64_t last_ns = (int64_t)counter_get(&sum->last_datagram_ns), now_ns = clock_wall().ns;
    int64_t since_ns = last_ns > f->sources->started_ns ? last_ns : f->sources->started_ns;

    if (!f->sources->crew->replay.path && now_ns - since_ns >= NOTHING_ARRIVES_S * NS_PER_S)
        text_append_printf(lines,
                           "nothing arrives, for %" PRId64 " s: do the exporters send here, and "
                           "does a firewall let them?\n",
                           (now_ns - since_ns) / NS_PER_S);
}

/* ---- plugins ---- */

/* Appends what the plugin said last, or `otherwise`. */
static void append_said(const struct supervisor_status *p, const char *otherwise,
                        struct text *lines)
{
    text_append_printf(lines, "%s\n", p->said[0] ? p->said : otherwise);
}

static bool keeps_ending(const struct supervisor_status *p)
{
    return p->third_last_end_ns != 0 && clock_mono().ns - p->third_last_end_ns < ENDS_S * NS_PER_S;
}

/* Says how the process and its backend are; nothing if they are well. */
static void append_state(const struct supervisor_status *p, const char *name, struct text *lines)
{
    if (p->pid == 0) {
        text_append_printf(lines, "plugin %s: its process %s and is started again: ", name,
                           p->ended[0] ? p->ended : "does not run");
        append_said(p, "see `pathacct log`", lines);
    } else if (p->silent_s >= SILENT_S || p->hung_count > 0) {
        text_append_printf(lines, "plugin %s: its backend hangs: ", name);
        if (p->silent_s >= SILENT_S)
            text_append_printf(lines, "no sign of life for %" PRId64 " s", p->silent_s);
        else
            text_append_printf(lines, "%u processes in a row were killed for that", p->hung_count);
        text_append_string(lines, "; look after its server or disk, the rows wait "
                                  "(plugin_timeout, plugin_spool_dir)\n");
    } else if (!p->is_open) {
        text_append_printf(lines, "plugin %s: its backend is not open: ", name);
        append_said(p, "it has not answered yet; see `pathacct log`", lines);
    } else if (p->is_failing) {
        text_append_printf(lines, "plugin %s: its backend does not take rows: ", name);
        append_said(p, "see `pathacct log`", lines);
    } else if (keeps_ending(p)) {
        text_append_printf(
            lines,
            "plugin %s: its process ends again and again, %u times so far; the last one %s: ", name,
            p->restarts, p->ended);
        append_said(p, "see `pathacct log`", lines);
    } else if (p->slow_s > 0) {
        text_append_printf(lines,
                           "plugin %s: its backend is slow: nothing was written for %" PRId64
                           " s; look after its server or disk, the rows wait\n",
                           name, p->slow_s);
    }
}

static void append_spool(const struct supervisor_status *p, const struct instance_settings *s,
                         const char *name, const char *instance, struct text *lines)
{
    if (!s->spool_dir)
        return;
    if (p->is_spool_full)
        text_append_printf(lines,
                           "plugin %s: plugin_spool_dir %s takes no more (plugin_spool_size, or "
                           "its disk): rows wait in memory; mend the backend, or give it room\n",
                           name, s->spool_dir);
    if (p->kept_count > 0)
        text_append_printf(lines,
                           "plugin %s: %" PRIu64 " hand-overs in plugin_spool_dir %s/%s are kept "
                           "and not written (damaged or refused, `pathacct log` at the start says "
                           "which): move them away once you have looked at them\n",
                           name, p->kept_count, s->spool_dir, instance);
}

static void append_plugins(const struct faults *f, const struct facts *facts, struct text *lines)
{
    for (uint32_t i = 0; i < facts->plugin_count; i++) {
        const struct supervisor_status *p = &facts->plugins[i];
        const struct instance *instance = f->sources->instances[i];
        if (p->is_finished)
            continue;
        char *name = mem_printf("%s[%s]", instance->identity->type, instance->identity->name);
        append_state(p, name, lines);
        append_spool(p, instance->settings, name, instance->identity->name, lines);
        mem_free(name);
    }
}

/* ---- BGP ---- */

static bool has_session(const struct bgp_peers *peers, const struct ip_addr *address)
{
    for (uint32_t i = 0; i < peers->count; i++)
        if (ip_addr_equal(&peers->peers[i].address, address))
            return true;
    return false;
}

static void append_sessions(const struct bgp_peers *peers, struct text *lines)
{
    char address[IP_TEXT_LEN];
    size_t told = 0, count = 0;

    for (uint32_t i = 0; i < peers->count; i++) {
        const struct bgp_peer_info *peer = &peers->peers[i];
        if (peer->state == BGP_PEER_ESTABLISHED || ++count > NAMED_MAX)
            continue;
        told++;
        ip_addr_format(&peer->address, address);
        text_append_printf(lines,
                           "BGP: the session with %s is down%s%s; its paths are kept for a while "
                           "(bgp_peer_down_keep): see to it at that router\n",
                           address, peer->last_error[0] ? ": " : "", peer->last_error);
    }
    for (size_t i = 0; i < peers->expected_count; i++) {
        if (has_session(peers, &peers->expected[i]) || ++count > NAMED_MAX)
            continue; /* one that is down was told */
        told++;
        ip_addr_format(&peers->expected[i], address);
        text_append_printf(lines,
                           "BGP: no session with %s, which the configuration names: see to it at "
                           "that router, or take the name out\n",
                           address);
    }
    if (count > told)
        text_append_printf(lines, "BGP: %zu more sessions are down: see `pathacct peers`\n",
                           count - told);
}

/* ---- BMP ---- */

static void append_routers(const struct bmp_views *views, struct text *lines)
{
    char address[IP_TEXT_LEN];
    size_t count = 0;

    for (uint32_t i = 0; i < views->count; i++) {
        const struct bmp_router_view *router = views->routers[i];
        if (router->is_connected || ++count > NAMED_MAX)
            continue;
        ip_addr_format(&router->address, address);
        text_append_printf(lines,
                           "BMP: the connection of router %s is gone; its paths are kept for a "
                           "while (bgp_peer_down_keep): see to it at that router\n",
                           address);
    }
    if (count > NAMED_MAX)
        text_append_printf(lines, "BMP: %zu more routers are gone: see `pathacct peers`\n",
                           count - NAMED_MAX);
}

void faults_append(const struct faults *f, const struct health *health, const struct facts *facts,
                   const struct fault_exporters *exporters, struct text *lines)
{
    const struct statistics_sources *s = f->sources;
    const struct bgp_peers *peers = s->crew->bgp ? bgp_peers(s->crew->bgp) : NULL;

    THREAD_ASSERT(control_thread);
    health_is_well(health, s, lines);
    health_append_waits(s, facts, lines);
    for (int i = 0; facts && i < TROUBLE_KINDS; i++)
        if (facts->troubles.lines[i][0])
            text_append_printf(lines, "%s\n", facts->troubles.lines[i]);
    if (facts)
        append_plugins(f, facts, lines);
    if (s->crew->bgp && bgp_keeps_old_lists(s->crew->bgp))
        text_append_string(lines,
                           "BGP: a file of addresses is wrong since the last reload, and its "
                           "old list is in force: `pathacct log` says which; mend it and "
                           "send SIGUSR2\n");
    if (peers)
        append_sessions(peers, lines);
    if (s->bmp)
        append_routers(bmp_tables_views(bmp_station_tables(s->bmp)), lines);
    if (s->crew->rtr)
        rtr_statistics_each(s->crew->rtr, match_connection, lines);
    append_silence(f, &exporters->sum, lines);
    append_growing(f, &exporters->sum, lines);
    append_exporters(f, exporters, lines);
}
