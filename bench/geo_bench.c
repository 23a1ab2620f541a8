/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures geoipv2_file by itself: what saying where the source of a flow is takes.
 *
 *     geo_bench DATABASE NETWORKS HOSTS FLOWS
 *
 * The database has so many /24 from 16.0.0.0 on; the n-th is in the country of two letters whose number
 * is n modulo 676. So many hosts come in turn, each of another network as far as there are any: few of
 * them are remembered, many are looked up each time. It prints one JSON object; times are CPU time, from
 * which that of making the flows is taken off.
 */
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "base/writer.h"
#include "maps/geoip.h"
#include "maps/maps.h"
#include "pipeline/geo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 128, LETTERS = 26 };

struct bench {
    struct maps maps;
    struct geo *geo;
    struct flow_batch batch;
    uint32_t network_count, host_count, next_host;
    uint32_t networks[BATCH]; /* whose the sources of the batch are */
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_batch(struct bench *b)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        uint8_t bytes[4];
        uint32_t host = b->next_host;
        b->networks[i] = (uint32_t)((uint64_t)host * 2654435761u % b->network_count);
        wire_put_u32(bytes, (UINT32_C(16) << 24) + (b->networks[i] << 8 | (host / 7 & 0xff)));
        flow_batch_at(&b->batch, i)->src_addr = ip_addr_v4(bytes);
        b->next_host = host + 1 < b->host_count ? host + 1 : 0;
    }
    b->batch.count = BATCH;
}

__attribute__((noinline)) static void measured_batch(struct bench *b) ON_THREAD(worker_thread)
{
    geo_batch(b->geo, &b->maps, &b->batch);
}

/* Returns how many flows of the batch are said to be elsewhere. */
static uint64_t count_wrong(const struct bench *b)
{
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < BATCH; i++) {
        const struct flow *flow = flow_batch_at(&b->batch, i);
        uint32_t country = b->networks[i] % (LETTERS * LETTERS);
        wrong += flow->src_country.text[0] != (char)('A' + country / LETTERS) ||
                 flow->src_country.text[1] != (char)('A' + country % LETTERS);
    }
    return wrong;
}

static double run(struct bench *b, long flows, bool asks) ON_THREAD(worker_thread)
{
    double start = cpu_s();

    b->next_host = 0;
    for (long done = 0; done < flows; done += BATCH) {
        make_batch(b);
        if (asks)
            measured_batch(b);
    }
    return cpu_s() - start;
}

int main(int argc, char **argv)
{
    struct bench *b = mem_zalloc(sizeof *b);
    struct flow_needs needs = {0};
    struct text errors = {0};
    struct geoip *geoip;
    long flows = argc == 5 ? atol(argv[4]) : 0;

    b->network_count = argc == 5 ? (uint32_t)atol(argv[2]) : 0;
    b->host_count = argc == 5 ? (uint32_t)atol(argv[3]) : 0;
    if (flows < 1 || b->network_count < 1 || b->host_count < 1) {
        fprintf(stderr, "geo_bench: see the head of geo_bench.c\n");
        return 2;
    }
    if (geoip_read(argv[1], &errors, &geoip) < 0) {
        fprintf(stderr, "%s", text_cstr(&errors));
        return 1;
    }
    b->maps = (struct maps){.generation = 1, .geoip = geoip};
    flow_needs_add(&needs, FLOW_src_country);
    b->geo = geo_new(geo_settings_make(&needs));
    b->batch.stride = (sizeof(struct flow) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    b->batch.capacity = BATCH;
    b->batch.flows = mem_aligned_zalloc(CACHE_LINE, (size_t)BATCH * b->batch.stride);
    thread_enter_role(&worker_thread);
    run(b, b->host_count, true); /* what can be remembered is */
    uint64_t wrong = count_wrong(b);
    double ns = (run(b, flows, true) - run(b, flows, false)) * 1e9 / (double)flows;
    wrong += count_wrong(b);
    thread_leave_role(&worker_thread);
    printf("{\"hosts\": %u, \"host_ns\": %.1f, \"is_right\": %s}\n", b->host_count, ns,
           wrong ? "false" : "true");
    geo_free(b->geo);
    geoip_free(geoip);
    mem_free(b->batch.flows);
    mem_free(b);
    text_clear(&errors);
    return wrong > 0;
}
