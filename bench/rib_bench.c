/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the RIB by itself: how fast it loads, what a path costs in memory, how long a lookup
 * takes, how soon an UPDATE is seen.
 *
 *     rib_bench [own] [withdraw] [PREFIXES [PATHS [PEERS [sorted|shuffled [LOOKUPS [unmatched]]]]]]
 *                                 1000000 4 1 shuffled
 *
 * `own`: no peer has attributes that another one has, as those of a route server's members; else all have the same.
 * `withdraw`: lookups are measured while another thread withdraws all paths, in place of changes to them.
 * With LOOKUPS it makes that many, of flows whose next hop no path has if `unmatched`, and measures
 * nothing with several threads, so that instructions can be counted.
 *
 * Each peer announces the same prefixes in UPDATE messages with runs of eight that share their
 * attributes; messages are parsed as those of a session are. Destinations of lookups are uniform
 * over prefixes, with one of the next hops that the prefix has, or one that none has, and each
 * answer is checked. Times are CPU time of the thread that does the work. Each line of output is
 * `name value unit`; the status is 1 if an answer was wrong.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/rcu.h"
#include "base/thread.h"
#include "base/writer.h"
#include "bgp/attr_store.h"
#include "bgp/rib.h"
#include "bgp/update.h"
#include "world.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LOOKUPS        4000000u
#define BATCH          256u
#define RUN            8u   /* prefixes with common attributes, as in world.h */
#define RUNS_TOGETHER  256u /* messages made, then applied and timed */
#define MESSAGE_BYTES  256u
#define UPDATES_PER_MS 20 /* 20,000 a second */
#define LATENCIES      2000u
#define NO_NEXT_HOP    0xcb007100u /* 203.0.113.0/24: no path is behind those */

struct bench {
    struct world world;
    uint32_t peers, lookups;
    bool is_own, is_withdrawn;
    struct rcu *rcu;
    struct attr_store *store;
    struct rib *rib;
    struct attr_context context;
    uint32_t *runs; /* in the order of announcement */
    uint32_t run_count;
    uint64_t wrong;
    /* The thread that updates and the one that looks up share these. */
    atomic_bool is_ended;
    _Atomic uint32_t wanted_med; /* 0: nothing is awaited */
    _Atomic int64_t seen_ns;
};

/* The bodies of some UPDATEs that are made, then applied and timed together. */
struct messages {
    uint32_t count;
    struct {
        uint32_t peer;
        size_t len;
        uint8_t body[MESSAGE_BYTES];
    } items[RUNS_TOGETHER];
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double rss_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (double)pages * 4096;
}

static void report(const char *name, double value, const char *unit)
{
    printf("%s %.2f %s\n", name, value, unit);
    fflush(stdout);
}

static struct ip_addr addr_make(uint32_t host_order)
{
    uint8_t bytes[4];

    wire_put_u32(bytes, host_order);
    return ip_addr_v4(bytes);
}

/* The number by which world.h gives a path its attributes. */
static uint32_t attrs_of(const struct bench *b, uint32_t peer, uint32_t path)
{
    return b->is_own ? peer * b->world.path_count + path : path;
}

static void nlri_add(struct writer *w, const struct bench *b, uint32_t first, uint32_t last,
                     uint32_t path)
{
    for (uint32_t i = first; i < last; i++) {
        uint8_t network[4];
        wire_put_u32(network, b->world.prefixes[i].network);
        writer_u32(w, path + 1);
        writer_u8(w, b->world.prefixes[i].len);
        writer_bytes(w, network, (b->world.prefixes[i].len + 7u) / 8);
    }
}

static void message_end(struct messages *m, const struct writer *w, uint32_t peer)
{
    m->items[m->count].len = w->failed ? 0 : writer_len(w);
    m->items[m->count++].peer = peer;
}

/* Appends the UPDATE that withdraws them. */
static void withdrawal_add(struct messages *m, const struct bench *b, uint32_t peer, uint32_t first,
                           uint32_t last, uint32_t path)
{
    struct writer w = writer_make(m->items[m->count].body, MESSAGE_BYTES);

    writer_u16(&w, 0);
    nlri_add(&w, b, first, last, path);
    wire_put_u16(m->items[m->count].body, (uint16_t)(writer_len(&w) - 2));
    writer_u16(&w, 0);
    message_end(m, &w, peer);
}

/* Appends the UPDATE that announces path number `path` of the prefixes [first, last), as
 * bench/bgpfeed.c does. */
static void message_add(struct messages *m, const struct bench *b, uint32_t peer, uint32_t first,
                        uint32_t last, uint32_t path, uint32_t med)
{
    uint32_t attrs = attrs_of(b, peer, path);
    struct writer w = writer_make(m->items[m->count].body, MESSAGE_BYTES);
    unsigned hops = 2 + world_attrs(first) % 3;

    writer_u16(&w, 0);
    writer_u16(&w, (uint16_t)(4 + 3 + 2 + 4 * hops + 7 + 7 + 7 + 11));
    writer_u32(&w, 0x40010100); /* ORIGIN IGP */
    writer_u16(&w, 0x4002);     /* AS_PATH, one sequence */
    writer_u8(&w, (uint8_t)(2 + 4 * hops));
    writer_u8(&w, 2);
    writer_u8(&w, (uint8_t)hops);
    writer_u32(&w, world_peer_as(first, attrs));
    for (unsigned i = 2; i < hops; i++)
        writer_u32(&w, 3000 + (world_attrs(first) + path + i) % 500);
    writer_u32(&w, world_origin_as(first));
    writer_bytes(&w, "\x40\x03\x04", 3); /* NEXT_HOP */
    writer_u32(&w, world_next_hop(first, attrs));
    writer_bytes(&w, "\x80\x04\x04", 3); /* MED */
    writer_u32(&w, med);
    writer_bytes(&w, "\x40\x05\x04", 3); /* LOCAL_PREF */
    writer_u32(&w, 100 + path);
    writer_bytes(&w, "\xc0\x08\x08", 3); /* COMMUNITIES */
    writer_u32(&w, 65000u << 16 | (path + 1));
    writer_u32(&w, 65000u << 16 | world_attrs(first) % 100);
    nlri_add(&w, b, first, last, path);
    message_end(m, &w, peer);
}

struct apply {
    struct bench *bench;
    uint32_t peer;
    struct wall_time now;
};

static void apply_announce(void *arg, enum address_family family, const struct rib_nlri *nlri,
                           size_t count, struct path_attrs *attrs) ON_THREAD(bgp_thread)
{
    struct apply *apply = arg;

    rib_announce(apply->bench->rib, apply->peer, address_families[family].rib_safi, nlri, count,
                 attrs, apply->now);
}

static void apply_withdraw(void *arg, enum address_family family, const struct rib_nlri *nlri,
                           size_t count) ON_THREAD(bgp_thread)
{
    struct apply *apply = arg;

    rib_withdraw(apply->bench->rib, apply->peer, address_families[family].rib_safi, nlri, count,
                 apply->now);
}

static void apply_end_of_rib(void *arg, enum address_family family)
{
    (void)arg, (void)family;
}

/* bench/instructions counts what this function and its callees do, so it must stay a function of
 * its own. */
__attribute__((noinline)) static void
measured_update(struct reader body, const struct attr_context *context, struct attr_store *store,
                const struct update_sink *sink, struct update_result *result)
{
    update_apply(body, context, store, sink, result);
}

__attribute__((noinline)) static void measured_lookup(const struct rib *rib,
                                                      struct rib_query *queries, size_t count)
{
    rib_lookup_batch(rib, RIB_POLICY_NORMAL, queries, count);
}

static void messages_apply(struct bench *b, const struct messages *m)
{
    struct apply apply = {.bench = b, .now = {NS_PER_S}};
    const struct update_sink sink = {apply_announce, apply_withdraw, apply_end_of_rib, &apply};
    struct update_result result;

    for (uint32_t i = 0; i < m->count; i++) {
        apply.peer = m->items[i].peer;
        measured_update(reader_make(m->items[i].body, m->items[i].len), &b->context, b->store,
                        &sink, &result);
        b->wrong += result.outcome != ATTR_OUTCOME_OK;
    }
}

static void runs_make(struct bench *b, int is_shuffled)
{
    uint64_t seed = 1;

    b->run_count = (b->world.prefix_count + RUN - 1) / RUN;
    b->runs = mem_calloc(b->run_count, sizeof *b->runs);
    for (uint32_t i = 0; i < b->run_count; i++)
        b->runs[i] = i;
    for (uint32_t i = b->run_count; is_shuffled && i > 1; i--) {
        uint32_t other = (uint32_t)(world_random(&seed) % i);
        uint32_t swap = b->runs[i - 1];
        b->runs[i - 1] = b->runs[other];
        b->runs[other] = swap;
    }
}

/* Returns the CPU seconds of parsing and storing. */
static double load(struct bench *b) ON_THREAD(bgp_thread);
static double load(struct bench *b)
{
    static struct messages m;
    struct rib_session session = {.is_negotiated[RIB_UNICAST][RIB_IPV4] = true,
                                  .has_add_path[RIB_UNICAST][RIB_IPV4] = true};
    double spent = 0;
    uint64_t changes;

    for (uint32_t peer = 0; peer < b->peers; peer++)
        rib_peer_up(b->rib, peer, &session, (struct mono_time){0});
    for (uint32_t i = 0; i < b->run_count; i++) {
        uint32_t first = b->runs[i] * RUN, last = first + RUN;
        if (last > b->world.prefix_count)
            last = b->world.prefix_count;
        for (uint32_t at = 0; at < b->peers * b->world.path_count; at++) {
            message_add(&m, b, at / b->world.path_count, first, last, at % b->world.path_count, 1);
            if (m.count < RUNS_TOGETHER &&
                (i + 1 < b->run_count || at + 1 < b->peers * b->world.path_count))
                continue;
            double start = cpu_s();
            messages_apply(b, &m);
            attr_store_poll(b->store);
            spent += cpu_s() - start;
            m.count = 0;
        }
    }
    for (uint32_t peer = 0; peer < b->peers; peer++)
        rib_end_of_rib(b->rib, peer, RIB_UNICAST, RIB_IPV4, (struct wall_time){NS_PER_S});
    while (rib_tick(b->rib, (struct wall_time){NS_PER_S}, (struct mono_time){0}, &changes))
        continue;
    return spent;
}

/* Returns whether this is the answer that was to come: the path of this id or, unmatched, any one of
 * its prefix. */
static bool is_right(const struct rib_query *query, uint32_t path_id, bool is_unmatched)
{
    if (is_unmatched)
        return query->match == PATH_MATCH_UNMATCHED && query->path.attrs;
    return query->match == PATH_MATCH_EXACT && query->path.path_id == path_id &&
           ip_addr_equal(&query->path.attrs->next_hop, &query->next_hop);
}

/* Fills BATCH queries; `expected` gets the path id of each answer. */
static void queries_make(const struct bench *b, uint64_t *seed, bool is_unmatched,
                         struct rib_query *queries, uint32_t *expected)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        uint32_t prefix = (uint32_t)(world_random(seed) % b->world.prefix_count);
        uint32_t path = (uint32_t)(world_random(seed) % b->world.path_count);
        queries[i].peer = (uint32_t)(world_random(seed) % b->peers);
        queries[i].address = addr_make(b->world.prefixes[prefix].network + 1);
        queries[i].next_hop =
            addr_make(is_unmatched ? NO_NEXT_HOP + prefix % 256
                                   : world_next_hop(prefix, attrs_of(b, queries[i].peer, path)));
        queries[i].from_ns = 10 * NS_PER_S;
        queries[i].to_ns = 20 * NS_PER_S;
        queries[i].late_ns = 60 * NS_PER_S;
        expected[i] = path + 1;
    }
}

/* Returns the nanoseconds that a lookup takes; with `is_unmatched` no path has its next hop. */
static double lookups_time(struct bench *b, struct rcu_reader *reader, size_t batch,
                           bool is_unmatched)
{
    struct rib_query queries[BATCH] = {0};
    uint32_t expected[BATCH];
    uint64_t seed = 3;
    double spent = 0;
    uint32_t lookups = batch == 1 ? b->lookups / 4 : b->lookups;

    for (uint32_t done = 0; done < lookups; done += BATCH) {
        queries_make(b, &seed, is_unmatched, queries, expected);
        double start = cpu_s();
        for (uint32_t i = 0; i < BATCH; i += batch)
            measured_lookup(b->rib, queries + i, batch);
        spent += cpu_s() - start;
        for (uint32_t i = 0; i < BATCH; i++)
            b->wrong += !is_right(&queries[i], expected[i], is_unmatched);
        rcu_quiescent(reader);
    }
    return spent / lookups * 1e9;
}

static void sleep_until(int64_t mono_ns)
{
    struct timespec t = {mono_ns / NS_PER_S, mono_ns % NS_PER_S};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* Applies UPDATES_PER_MS UPDATEs of one prefix each, every millisecond. */
static void updates_main(void *arg)
{
    static struct messages m;
    struct bench *b = arg;
    uint64_t seed = 5, changes;
    int64_t next = clock_mono().ns;

    thread_enter_role(&bgp_thread);
    while (!atomic_load(&b->is_ended)) {
        for (m.count = 0; m.count < UPDATES_PER_MS;) {
            uint32_t prefix = (uint32_t)(world_random(&seed) % b->world.prefix_count);
            message_add(&m, b, (uint32_t)(world_random(&seed) % b->peers), prefix, prefix + 1,
                        (uint32_t)(world_random(&seed) % b->world.path_count),
                        (uint32_t)(world_random(&seed) % 1000));
        }
        messages_apply(b, &m);
        rib_tick(b->rib, (struct wall_time){NS_PER_S}, (struct mono_time){0}, &changes);
        attr_store_poll(b->store);
        sleep_until(next += NS_PER_S / 1000);
    }
    thread_leave_role(&bgp_thread);
}

/* Applies one UPDATE at a time and measures how long it takes until the other thread's lookups see
 * it. */
static void latency_main(void *arg)
{
    static struct messages m;
    struct bench *b = arg;
    uint64_t changes;

    thread_enter_role(&bgp_thread);
    for (uint32_t med = 2; !atomic_load(&b->is_ended); med++) {
        m.count = 0;
        message_add(&m, b, 0, 0, 1, 0, med);
        atomic_store(&b->seen_ns, -clock_mono().ns); /* when it arrived */
        atomic_store(&b->wanted_med, med);
        messages_apply(b, &m);
        rib_tick(b->rib, (struct wall_time){NS_PER_S}, (struct mono_time){0}, &changes);
        attr_store_poll(b->store);
        while (atomic_load(&b->wanted_med) != 0 && !atomic_load(&b->is_ended))
            continue;
    }
    thread_leave_role(&bgp_thread);
}

static int compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void latency_report(struct bench *b, struct rcu_reader *reader)
{
    static int64_t latencies[LATENCIES];
    struct rib_query query = {.address = addr_make(b->world.prefixes[0].network + 1),
                              .next_hop = addr_make(world_next_hop(0, 0))};

    for (uint32_t i = 0; i < LATENCIES;) {
        measured_lookup(b->rib, &query, 1);
        uint32_t wanted = atomic_load(&b->wanted_med);
        if (wanted != 0 && query.path.attrs && query.path.attrs->med == wanted) {
            latencies[i++] = clock_mono().ns + atomic_load(&b->seen_ns);
            atomic_store(&b->wanted_med, 0);
        }
        rcu_quiescent(reader);
    }
    qsort(latencies, LATENCIES, sizeof latencies[0], compare_ns);
    int64_t median_ns = latencies[LATENCIES / 2], p99_ns = latencies[LATENCIES * 99 / 100];
    report("update_latency_median", (double)median_ns / 1e3, "us");
    report("update_latency_p99", (double)p99_ns / 1e3, "us");
}

/* Measures lookups beside a thread that changes the RIB. */
static void report_with_updates(struct bench *b, struct rcu_reader *reader)
{
    struct thread thread;

    if (thread_start(&thread, "updates", updates_main, b) < 0)
        exit(2);
    report("lookup_batched_while_updating", lookups_time(b, reader, BATCH, false), "ns");
    atomic_store(&b->is_ended, true);
    thread_join(&thread);
    atomic_store(&b->is_ended, false);
    if (thread_start(&thread, "latency", latency_main, b) < 0)
        exit(2);
    latency_report(b, reader);
    atomic_store(&b->is_ended, true);
    thread_join(&thread);
}

static void set_keep(void *arg, enum address_family family, const struct rib_nlri *nlri,
                     size_t count, struct path_attrs *attrs)
{
    (void)arg, (void)family, (void)nlri, (void)count;
    attrs->ref_count++;
}

static void set_pass_over(void *arg, enum address_family family, const struct rib_nlri *nlri,
                          size_t count)
{
    (void)arg, (void)family, (void)nlri, (void)count;
}

/* Says what a set takes in a store that keeps attributes as they were received, or does not. */
static void report_set(struct bench *b, const char *name, bool keeps_received)
{
    const struct attr_text_settings settings = {.keeps_received = keeps_received};
    const struct update_sink sink = {set_keep, set_pass_over, apply_end_of_rib, NULL};
    struct attr_store *store = attr_store_new(b->rcu, &settings);
    static struct messages m;
    struct update_result result;

    for (uint32_t first = 0; first < b->world.prefix_count; first += RUN) {
        m.count = 0;
        message_add(&m, b, 0, first, first + 1, 0, 1);
        update_apply(reader_make(m.items[0].body, m.items[0].len), &b->context, store, &sink,
                     &result);
    }
    struct attr_store_statistics sets = attr_store_statistics(store);
    report(name, (double)sets.bytes / (double)sets.sets, "B/set");
    attr_store_free(store);
}

/* Withdraws all paths as fast as it can. */
static void withdraw_main(void *arg)
{
    static struct messages m;
    struct bench *b = arg;
    uint64_t changes;
    double spent = 0, paths = (double)b->peers * b->world.prefix_count * b->world.path_count;

    thread_enter_role(&bgp_thread);
    for (uint32_t i = 0; i < b->run_count; i++) {
        uint32_t first = b->runs[i] * RUN, last = first + RUN;
        if (last > b->world.prefix_count)
            last = b->world.prefix_count;
        for (uint32_t at = 0; at < b->peers * b->world.path_count; at++) {
            withdrawal_add(&m, b, at / b->world.path_count, first, last, at % b->world.path_count);
            if (m.count < RUNS_TOGETHER &&
                (i + 1 < b->run_count || at + 1 < b->peers * b->world.path_count))
                continue;
            double start = cpu_s();
            messages_apply(b, &m);
            rib_tick(b->rib, (struct wall_time){NS_PER_S}, (struct mono_time){0}, &changes);
            attr_store_poll(b->store);
            spent += cpu_s() - start;
            m.count = 0;
        }
    }
    report("withdraw", paths / spent / 1e6, "Mpaths/s");
    atomic_store(&b->is_ended, true);
    thread_leave_role(&bgp_thread);
}

/* Measures lookups while all goes. What they find depends on the moment, so nothing is compared. */
static void report_with_withdrawal(struct bench *b, struct rcu_reader *reader)
{
    struct rib_query queries[BATCH] = {0};
    uint32_t expected[BATCH], batches = 0;
    uint64_t seed = 7;
    double spent = 0, longest = 0;
    struct thread thread;
    struct rib_statistics statistics;

    if (thread_start(&thread, "withdraw", withdraw_main, b) < 0)
        exit(2);
    for (; !atomic_load(&b->is_ended); batches++) {
        queries_make(b, &seed, false, queries, expected);
        double start = cpu_s();
        measured_lookup(b->rib, queries, BATCH);
        double took = cpu_s() - start;
        spent += took;
        longest = took > longest ? took : longest;
        rcu_quiescent(reader);
    }
    thread_join(&thread);
    atomic_store(&b->is_ended, false);
    report("lookup_batched_while_withdrawing", spent / batches / BATCH * 1e9, "ns");
    report("longest_batch_while_withdrawing", longest * 1e6, "us");
    rib_statistics(b->rib, &statistics);
    b->wrong += statistics.paths;
}

static void report_memory(const struct bench *b, double rss)
{
    struct rib_statistics statistics;

    rib_statistics(b->rib, &statistics);
    double paths = (double)statistics.paths;
    struct attr_store_statistics sets = attr_store_statistics(b->store);
    report("prefixes", (double)statistics.prefixes, "count");
    report("paths", paths, "count");
    report("attribute_sets", (double)sets.sets, "count");
    report("memory_rss", rss / paths, "B/path");
    report("memory_rib", (double)statistics.bytes / paths, "B/path");
    report("memory_attributes", (double)sets.bytes / paths, "B/path");
}

int main(int argc, char **argv)
{
    static const struct attr_text_settings texts = {0};
    struct bench b = {0};
    struct rib_statistics statistics;
    struct rcu_reader *reader;
    uint64_t changes;

    thread_enter_role(&bgp_thread);
    for (; argc > 1 && (strcmp(argv[1], "own") == 0 || strcmp(argv[1], "withdraw") == 0);
         argc--, argv++) {
        b.is_own |= argv[1][0] == 'o';
        b.is_withdrawn |= argv[1][0] == 'w';
    }
    b.peers = argc > 3 ? (uint32_t)atoi(argv[3]) : 1;
    b.lookups = argc > 5 ? (uint32_t)atoi(argv[5]) : LOOKUPS;
    b.rcu = rcu_new(1);
    b.context = (struct attr_context){.is_internal = true,
                                      .features = {.families = 1u << FAMILY_IPV4_UNICAST,
                                                   .add_path = 1u << FAMILY_IPV4_UNICAST,
                                                   .has_four_octet_as = true}};
    world_init(&b.world, argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000,
               argc > 2 ? (uint32_t)atoi(argv[2]) : 4);
    runs_make(&b, argc > 4 ? strcmp(argv[4], "shuffled") == 0 : 1);
    double before = rss_bytes();
    b.store = attr_store_new(b.rcu, &texts);
    b.rib = rib_new(b.rcu, &(struct rib_settings){.max_peers = b.peers,
                                                  .history_s = 300,
                                                  .history_max = 1000000,
                                                  .attrs_pool = attr_store_pool(b.store),
                                                  .attrs_unref = attr_store_unref,
                                                  .attrs_arg = b.store});
    double spent = load(&b);
    report_memory(&b, rss_bytes() - before);
    report_set(&b, "memory_set", false);
    report_set(&b, "memory_set_as_received", true);
    rib_statistics(b.rib, &statistics);
    report("load", (double)statistics.paths / spent / 1e6, "Mpaths/s");
    if (rcu_reader_register(b.rcu, &reader) < 0)
        exit(2);
    rcu_online(reader);
    if (argc <= 6) {
        report("lookup_single", lookups_time(&b, reader, 1, false), "ns");
        report("lookup_batched_32", lookups_time(&b, reader, 32, false), "ns");
        report("lookup_batched", lookups_time(&b, reader, BATCH, false), "ns");
    }
    if (argc != 6)
        report("lookup_unmatched", lookups_time(&b, reader, BATCH, true), "ns");
    if (b.is_withdrawn)
        report_with_withdrawal(&b, reader);
    else if (argc <= 5)
        report_with_updates(&b, reader);
    rcu_offline(reader);
    rcu_reader_unregister(reader);
    double start = cpu_s();
    for (uint32_t peer = 0; peer < b.peers; peer++)
        rib_peer_down(b.rib, peer, false, (struct wall_time){NS_PER_S}, (struct mono_time){0});
    while (rib_tick(b.rib, (struct wall_time){NS_PER_S}, (struct mono_time){0}, &changes))
        attr_store_poll(b.store);
    report("sweep", (double)statistics.paths / (cpu_s() - start) / 1e6, "Mpaths/s");
    report("wrong", (double)b.wrong, "count");
    rib_free(b.rib);
    attr_store_free(b.store);
    rcu_free(b.rcu);
    mem_free(b.runs);
    world_clear(&b.world);
    thread_leave_role(&bgp_thread);
    return b.wrong > 0;
}
