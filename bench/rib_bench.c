/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RIB by itself: how fast it loads, what a path costs in memory, how long a lookup takes.
 *
 *     rib_bench [PREFIXES [PATHS [PEERS [sorted|shuffled]]]]      1000000 4 1 shuffled
 *
 * Each peer announces the same prefixes, in runs of eight with common attributes. Lookups:
 * destinations uniform over prefixes, one of the next hops that the prefix has; each answer is
 * checked.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/rcu.h"
#include "bgp/rib.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LOOKUPS 4000000u
#define BATCH   256u

struct bench {
    struct world world;
    uint32_t peers;
    struct rib *rib;
    struct path_attrs *sets; /* of (peer, run, path) */
    uint32_t *runs;          /* in the order of announcement */
    uint32_t run_count;
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long rss_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * 4;
}

static struct ip_addr addr_make(uint32_t host_order)
{
    uint8_t bytes[4] = {(uint8_t)(host_order >> 24), (uint8_t)(host_order >> 16),
                        (uint8_t)(host_order >> 8), (uint8_t)host_order};
    return ip_addr_v4(bytes);
}

static void attrs_unref(void *arg, struct path_attrs *attrs)
{
    (void)arg;
    attrs->ref_count--;
}

static struct path_attrs *set_at(const struct bench *b, uint32_t peer, uint32_t run, uint32_t path)
{
    return &b->sets[((size_t)peer * b->run_count + run) * b->world.path_count + path];
}

static void sets_make(struct bench *b)
{
    size_t bytes = (size_t)b->peers * b->run_count * b->world.path_count * sizeof *b->sets;
    b->sets = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(b->sets, bytes, MADV_HUGEPAGE);
    for (uint32_t peer = 0; peer < b->peers; peer++) {
        for (uint32_t run = 0; run < b->run_count; run++) {
            for (uint32_t path = 0; path < b->world.path_count; path++) {
                struct path_attrs *set = set_at(b, peer, run, path);
                set->next_hop = addr_make(world_next_hop(run * 8, path));
                set->first_as = set->first_as_no_confed = world_peer_as(run * 8, path);
                set->as_path_len = (uint16_t)(3 + run % 3);
                set->agreement = (uint64_t)(set - b->sets) + 1;
            }
        }
    }
}

static void runs_make(struct bench *b, int is_shuffled)
{
    uint64_t seed = 1;

    b->run_count = (b->world.prefix_count + 7) / 8;
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

static void load(struct bench *b) ON_THREAD(bgp_thread);
static void load(struct bench *b)
{
    struct rib_session session = {.is_negotiated[RIB_UNICAST][RIB_IPV4] = true,
                                  .has_add_path[RIB_UNICAST][RIB_IPV4] = true};

    for (uint32_t peer = 0; peer < b->peers; peer++)
        rib_peer_up(b->rib, peer, &session, (struct mono_time){0});
    for (uint32_t i = 0; i < b->run_count; i++) {
        uint32_t first = b->runs[i] * 8;
        struct rib_nlri nlri[8] = {0};
        uint32_t count = b->world.prefix_count - first < 8 ? b->world.prefix_count - first : 8;
        for (uint32_t n = 0; n < count; n++) {
            nlri[n].prefix.addr = addr_make(b->world.prefixes[first + n].network);
            nlri[n].prefix.len = b->world.prefixes[first + n].len;
        }
        for (uint32_t peer = 0; peer < b->peers; peer++) {
            for (uint32_t path = 0; path < b->world.path_count; path++) {
                for (uint32_t n = 0; n < count; n++)
                    nlri[n].path_id = path + 1;
                rib_announce(b->rib, peer, RIB_UNICAST, nlri, count,
                             set_at(b, peer, b->runs[i], path), (struct wall_time){NS_PER_S});
            }
        }
    }
    for (uint32_t peer = 0; peer < b->peers; peer++)
        rib_end_of_rib(b->rib, peer, RIB_UNICAST, RIB_IPV4);
}

static void report_lookups(const struct bench *b, size_t batch)
{
    struct rib_query queries[BATCH] = {0};
    uint32_t expected[BATCH];
    uint64_t seed = 3;
    uint64_t wrong = 0;
    double spent = 0;
    uint32_t lookups = batch == 1 ? LOOKUPS / 4 : LOOKUPS;

    for (uint32_t done = 0; done < lookups; done += BATCH) {
        for (uint32_t i = 0; i < BATCH; i++) {
            uint32_t prefix = (uint32_t)(world_random(&seed) % b->world.prefix_count);
            uint32_t path = (uint32_t)(world_random(&seed) % b->world.path_count);
            queries[i].peer = (uint32_t)(world_random(&seed) % b->peers);
            queries[i].address = addr_make(b->world.prefixes[prefix].network + 1);
            queries[i].next_hop = addr_make(world_next_hop(prefix, path));
            queries[i].from_ns = 10 * NS_PER_S;
            queries[i].to_ns = 20 * NS_PER_S;
            expected[i] = path + 1;
        }
        double start = cpu_s();
        for (uint32_t i = 0; i < BATCH; i += batch)
            rib_lookup_batch(b->rib, RIB_POLICY_NORMAL, queries + i, batch);
        spent += cpu_s() - start;
        for (uint32_t i = 0; i < BATCH; i++)
            wrong += queries[i].match != PATH_MATCH_EXACT || queries[i].path.path_id != expected[i];
    }
    printf("lookup, %3zu at a time: %6.1f ns, %lu wrong\n", batch, spent / lookups * 1e9, wrong);
}

int main(int argc, char **argv)
{
    struct bench b = {.peers = argc > 3 ? (uint32_t)atoi(argv[3]) : 1};
    struct rcu *rcu = rcu_new(1);
    struct rib_statistics statistics;
    uint64_t changes;

    thread_enter_role(&bgp_thread);
    world_init(&b.world, argc > 1 ? (uint32_t)atoi(argv[1]) : 1000000,
               argc > 2 ? (uint32_t)atoi(argv[2]) : 4);
    runs_make(&b, argc > 4 ? strcmp(argv[4], "shuffled") == 0 : 1);
    sets_make(&b);
    b.rib = rib_new(rcu, &(struct rib_settings){.max_peers = b.peers,
                                                .history_s = 300,
                                                .history_max = 1000000,
                                                .attrs_unref = attrs_unref});
    long before_kb = rss_kb();
    double start = cpu_s();
    load(&b);
    double spent = cpu_s() - start;
    rib_tick(b.rib, (struct wall_time){NS_PER_S}, (struct mono_time){0}, &changes);
    long after_kb = rss_kb();
    rib_statistics(b.rib, &statistics);
    double paths = (double)statistics.paths;
    double set_bytes = (double)statistics.attribute_sets * sizeof(struct path_attrs);
    printf("%lu prefixes, %lu paths, %lu attribute sets\n", statistics.prefixes, statistics.paths,
           statistics.attribute_sets);
    printf("load: %.2f M paths/s\n", paths / spent / 1e6);
    printf("memory: %.1f bytes per path by RSS, %.1f by the RIB's count, and %.1f for attribute "
           "sets\n",
           (double)(after_kb - before_kb) * 1024 / paths, (double)statistics.bytes / paths,
           set_bytes / paths);
    report_lookups(&b, 1);
    report_lookups(&b, 32);
    report_lookups(&b, BATCH);
    start = cpu_s();
    for (uint32_t peer = 0; peer < b.peers; peer++)
        rib_peer_down(b.rib, peer, (struct mono_time){0});
    while (rib_tick(b.rib, (struct wall_time){NS_PER_S}, (struct mono_time){0}, &changes))
        continue;
    printf("sweep: %.1f M paths/s\n", paths / (cpu_s() - start) / 1e6);
    rib_free(b.rib);
    rcu_free(rcu);
    mem_free(b.runs);
    world_clear(&b.world);
    thread_leave_role(&bgp_thread);
    return 0;
}
