/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures networks_file by itself: how fast it is read, what a row costs in memory, and what filling a
 * flow from it takes: AS numbers, network and next hop of its destination, then its source's too.
 *
 *     networks_bench ROWS FLOWS
 *
 * Addresses are uniform over the prefixes of the file; an eighth of the answers is checked. It prints one
 * JSON object; times are CPU time, from which that of making the flows is taken off. bench/instructions counts what measured_fill() does.
 */
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/writer.h"
#include "maps/networks.h"
#include "pipeline/network_fill.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 128, CHECKED_PART = 8, QUESTIONS = 1 << 20 };
enum kind { KIND_DESTINATION, KIND_BOTH, KIND_COUNT }; /* what is asked of flows */

struct bench {
    struct world world;
    struct networks *networks;
    struct network_fill fills[KIND_COUNT];
    struct flow_batch batch;
    struct prefix_match matches[2 * BATCH];
    struct question {
        uint32_t address, row;
    } questions[QUESTIONS]; /* sources and destinations, one after the other */
    uint32_t next_question;
    const struct question *asked; /* by the flows of the batch */
    double fill_s[KIND_COUNT];
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
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static struct ip_addr address(uint32_t host_order)
{
    uint8_t bytes[4];

    wire_put_u32(bytes, host_order);
    return ip_addr_v4(bytes);
}

static void make_text(const struct world *world, struct text *text)
{
    for (uint32_t i = 0; i < world->prefix_count; i++) {
        struct ip_prefix prefix = {address(world->prefixes[i].network), world->prefixes[i].len};
        struct ip_addr next_hop = address(world_next_hop(i, 0));
        char shown[IP_PREFIX_TEXT_LEN], hop[IP_TEXT_LEN];
        ip_addr_format(&prefix.addr, shown);
        ip_addr_format(&next_hop, hop);
        text_append_printf(text, "%s,%u_%u,%s/%u\n", hop, world_peer_as(i, 0), world_origin_as(i),
                           shown, prefix.len);
    }
}

/* Chooses rows, and one of the addresses of each. */
static void make_questions(struct bench *b)
{
    uint64_t seed = 7;

    for (uint32_t i = 0; i < QUESTIONS; i++) {
        uint32_t row = (uint32_t)(world_random(&seed) % b->world.prefix_count);
        const struct world_prefix *prefix = &b->world.prefixes[row];
        uint32_t host = prefix->len == 32 ? 0 : (uint32_t)world_random(&seed) >> prefix->len;
        b->questions[i] = (struct question){prefix->network | host, row};
    }
}

static void make_batch(struct bench *b)
{
    b->asked = &b->questions[b->next_question];
    b->next_question = (b->next_question + 2 * BATCH) % QUESTIONS;
    for (uint32_t i = 0; i < BATCH; i++) {
        struct flow *flow = flow_batch_at(&b->batch, i);
        flow->src_addr = address(b->asked[(size_t)2 * i].address);
        flow->dst_addr = address(b->asked[(size_t)2 * i + 1].address);
        flow->src_mask = flow->dst_mask = 0;
    }
    b->batch.count = BATCH;
}

__attribute__((noinline)) static void measured_fill(struct bench *b, enum kind kind)
    ON_THREAD(worker_thread)
{
    network_fill_batch(&b->fills[kind], b->networks, b->matches, &b->batch);
}

/* Returns how many flows of the batch got something that their rows do not say. */
static uint64_t check_batch(const struct bench *b, enum kind kind)
{
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < BATCH; i++) {
        const struct flow *flow = flow_batch_at(&b->batch, i);
        uint32_t src = b->asked[(size_t)2 * i].row, dst = b->asked[(size_t)2 * i + 1].row;
        struct ip_addr next_hop = address(world_next_hop(dst, 0));
        wrong += flow->dst_as != world_origin_as(dst) ||
                 flow->peer_dst_as != world_peer_as(dst, 0) ||
                 flow->dst_mask != b->world.prefixes[dst].len ||
                 !ip_addr_equal(&flow->bgp_next_hop, &next_hop) ||
                 (kind == KIND_BOTH && (flow->src_as != world_origin_as(src) ||
                                        flow->src_mask != b->world.prefixes[src].len));
    }
    return wrong;
}

static void fill_init(struct bench *b)
{
    static const enum flow_member members[] = {FLOW_dst_as,  FLOW_peer_dst_as, FLOW_bgp_next_hop,
                                               FLOW_dst_net, FLOW_src_as,      FLOW_src_net};
    static const size_t counts[] = {[KIND_DESTINATION] = 4, [KIND_BOTH] = 6};
    const struct network_fill_settings settings = {
        .file = 0, .as_method = ROUTE_LONGEST, .net_method = ROUTE_LONGEST};

    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct flow_needs needs = {0};
        for (size_t i = 0; i < counts[kind]; i++)
            flow_needs_add(&needs, members[i]);
        network_fill_init(&b->fills[kind], &settings, &needs);
    }
    b->batch.stride = (sizeof(struct flow) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    b->batch.capacity = BATCH;
    b->batch.flows = mem_aligned_zalloc(CACHE_LINE, (size_t)BATCH * b->batch.stride);
}

/* Returns how many flows are filled wrong. */
static uint64_t check(struct bench *b, enum kind kind, long flows) ON_THREAD(worker_thread)
{
    uint64_t wrong = 0;

    for (long done = 0; done < flows; done += BATCH) {
        make_batch(b);
        measured_fill(b, kind);
        wrong += check_batch(b, kind);
    }
    return wrong;
}

/* Times flows that are made batch by batch, and filled or not. The clock is read twice in all, as in
 * many virtual machines that takes as long as filling a hundred flows. */
static double run(struct bench *b, enum kind kind, long flows, bool fills) ON_THREAD(worker_thread)
{
    double start = cpu_s();

    b->next_question = 0;
    for (long done = 0; done < flows; done += BATCH) {
        make_batch(b);
        if (fills)
            measured_fill(b, kind);
    }
    return cpu_s() - start;
}

int main(int argc, char **argv)
{
    struct bench *b = mem_zalloc(sizeof *b);
    struct text text = {0}, errors = {0};
    long rows = argc == 3 ? atol(argv[1]) : 0, flows = argc == 3 ? atol(argv[2]) : 0;
    uint64_t wrong = 0;

    if (rows < 1 || flows < 1) {
        fprintf(stderr, "networks_bench: see the head of networks_bench.c\n");
        return 2;
    }
    world_init(&b->world, (uint32_t)rows, 1);
    make_questions(b);
    make_text(&b->world, &text);
    double bytes = rss_bytes(), start = cpu_s();
    if (networks_parse("bench", text_cstr(&text), text.len, &errors, &b->networks) < 0) {
        fprintf(stderr, "%s", text_cstr(&errors));
        return 1;
    }
    double load_s = cpu_s() - start;
    bytes = rss_bytes() - bytes;
    thread_enter_role(&worker_thread);
    fill_init(b);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        wrong += check(b, (enum kind)kind, flows / CHECKED_PART);
        b->fill_s[kind] =
            run(b, (enum kind)kind, flows, true) - run(b, (enum kind)kind, flows, false);
    }
    thread_leave_role(&worker_thread);
    flows = (flows + BATCH - 1) / BATCH * BATCH;
    printf("{\"rows\": %zu, \"load_s\": %.3f, \"row_bytes\": %.1f, \"flows\": %ld, "
           "\"destination_ns\": %.1f, \"both_ns\": %.1f, \"is_right\": %s}\n",
           networks_count(b->networks), load_s, bytes / (double)rows, flows,
           b->fill_s[KIND_DESTINATION] / (double)flows * 1e9,
           b->fill_s[KIND_BOTH] / (double)flows * 1e9, wrong ? "false" : "true");
    return wrong > 0;
}
