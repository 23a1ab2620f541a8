/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures adding flows to a table of rows by itself, without a plugin process:
 *
 *   upsert_bench tuple|matrix KEYS FLOWS
 *
 * It prints nanoseconds of CPU a flow. Keys are drawn uniformly, and flows come in batches as a
 * worker makes them; making the flows is not timed.
 */
#include "base/memory.h"
#include "base/poller.h"
#include "flow/primitive.h"
#include "pipeline/aggregate.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH     256
#define POOL_SIZE (UINT64_C(2) << 30)

static const enum primitive_index tuple[] = {
    PRIMITIVE_src_host, PRIMITIVE_dst_host, PRIMITIVE_src_port, PRIMITIVE_dst_port,
    PRIMITIVE_proto,    PRIMITIVE_packets,  PRIMITIVE_bytes};
static const enum primitive_index matrix[] = {
    PRIMITIVE_peer_src_ip, PRIMITIVE_in_iface, PRIMITIVE_peer_dst_ip, PRIMITIVE_peer_dst_as,
    PRIMITIVE_dst_as,      PRIMITIVE_packets,  PRIMITIVE_bytes};
#define COLUMN_COUNT (sizeof tuple / sizeof *tuple)
_Static_assert(sizeof tuple == sizeof matrix, "one count serves both");

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct ip_addr addr_make(uint32_t number)
{
    uint8_t bytes[4];

    memcpy(bytes, &number, sizeof bytes);
    return ip_addr_v4(bytes);
}

static void flow_make(struct flow *flow, uint32_t key)
{
    memset(flow, 0, sizeof *flow);
    flow->flows = 1;
    flow->packets = 3;
    flow->bytes = 1000;
    flow->src_addr = flow->bgp_next_hop = addr_make(key);
    flow->dst_addr = addr_make(key * 7);
    flow->exporter_addr = addr_make(key & 3);
    flow->src_port = (uint16_t)key;
    flow->dst_port = 443;
    flow->proto = 6;
    flow->in_iface = key & 7;
    flow->dst_as = key >> 3;
}

static struct aggregate_plan *plan_make(const enum primitive_index *primitive)
{
    struct aggregate_column columns[COLUMN_COUNT];
    struct aggregate_settings settings = {.columns = columns, .column_count = COLUMN_COUNT};
    struct aggregate_plan *plan;
    struct text error = {0};

    for (size_t i = 0; i < COLUMN_COUNT; i++)
        columns[i] =
            (struct aggregate_column){.column = primitive_column(&primitives[primitive[i]]),
                                      .flow_offset = primitives[primitive[i]].flow_offset};
    if (aggregate_plan_new(&settings, &error, &plan) < 0) {
        fprintf(stderr, "upsert_bench: %s\n", text_cstr(&error));
        exit(1);
    }
    return plan;
}

/* bench/instructions counts what this function and its callees do, so it must stay a function of
 * its own. */
__attribute__((noinline)) static void measured_add(struct aggregate *aggregate,
                                                   const struct flow_batch *batch)
    ON_THREAD(worker_thread)
{
    aggregate_add(aggregate, batch);
}

static double run(const struct aggregate_plan *plan, uint32_t keys, uint64_t flows)
    ON_THREAD(worker_thread)
{
    struct flow_batch batch = {.flows = mem_calloc(BATCH, sizeof(struct flow)),
                               .stride = sizeof(struct flow),
                               .capacity = BATCH};
    struct ledger *ledger = mem_aligned_zalloc(CACHE_LINE, sizeof *ledger);
    int event = poller_event_new();
    uint64_t seed = 7;
    double spent = 0;
    struct outlet *outlet;

    if (event < 0 || outlet_new(1, &event, POOL_SIZE, &outlet) < 0) {
        fprintf(stderr, "upsert_bench: no memory for rows\n");
        exit(1);
    }
    struct aggregate *aggregate =
        aggregate_new(plan, outlet, &outlet->lanes[0], batch.stride, ledger);
    for (uint64_t done = 0; done < flows; done += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            flow_make(flow_batch_next(&batch), (uint32_t)(world_random(&seed) % keys));
            flow_batch_push(&batch);
        }
        double start = cpu_s();
        measured_add(aggregate, &batch);
        spent += cpu_s() - start;
        batch.count = 0;
    }
    aggregate_free(aggregate);
    outlet_free(outlet);
    close(event);
    mem_free(ledger);
    mem_free(batch.flows);
    return spent;
}

int main(int argc, char **argv)
{
    if (argc != 4 || (strcmp(argv[1], "tuple") != 0 && strcmp(argv[1], "matrix") != 0) ||
        atoi(argv[2]) < 1 || atoll(argv[3]) < 1) {
        fprintf(stderr, "upsert_bench: see the head of upsert_bench.c\n");
        return 2;
    }
    uint64_t flows = (uint64_t)atoll(argv[3]);
    struct aggregate_plan *plan = plan_make(argv[1][0] == 't' ? tuple : matrix);
    thread_enter_role(&worker_thread);
    double spent = run(plan, (uint32_t)atoi(argv[2]), flows);
    thread_leave_role(&worker_thread);
    printf("{\"flows\": %lu, \"ns\": %.1f}\n", flows, spent / (double)flows * 1e9);
    aggregate_plan_free(plan);
    return 0;
}
