/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the maps that say something of each flow:
 *
 *   map_bench NAME ROWS ROUNDS
 *
 * NAME is a map of one kind (see `kinds`), a pre_tag_map or one of the maps of BGP's source side; the
 * map has so many rows, and each round looks up a batch of random flows, each of which hits one. It prints lines of name, value and unit: how long the map took
 * to load, nanoseconds of CPU a flow, and how many answers were wrong. bench/instructions counts what
 * the function measured_round() does.
 */
#include "base/memory.h"
#include "base/text.h"
#include "flow/exporter.h"
#include "maps/ingress_map.h"
#include "maps/tag_map.h"
#include "world.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 256, NUMBERS = 1 << 16, SHAPES = 16, CHECKED = 16, EXPORTERS = 100 };

struct bench {
    const struct kind *kind;
    struct tag_map *map;         /* or */
    struct ingress_map *ingress; /* of the kinds that are such a map */
    uint32_t numbers[NUMBERS];   /* rows that flows hit, one after the other */
    struct flow_batch batch;     /* which is in the cache, as after decoding */
    struct arena labels;
    struct tag_returns returns;
    struct tag_result results[BATCH];
    struct exporter *exporters;
    struct source_facts facts[BATCH]; /* of the paths back to the flows' sources */
    struct ingress_answer answers[BATCH];
    uint64_t sum; /* of tags and answers, so that nothing is left out */
};

/* ---- rows of each kind; `n` is their number ---- */

static void v4(char *out, size_t size, uint32_t n)
{
    snprintf(out, size, "10.%u.%u.%u", n >> 16 & 255, n >> 8 & 255, n & 255);
}

/* Two keys: 100 exporters with their interfaces. */
static void two_keys_row(struct text *t, uint32_t n)
{
    text_append_printf(t, "set_tag=%u ip=192.0.2.%u in=%u\n", n + 1, n % 100, n / 100);
}

static void two_keys_flow(struct flow *flow, uint32_t n)
{
    flow->exporter_addr = ip_addr_v4((uint8_t[]){192, 0, 2, (uint8_t)(n % 100)});
    flow->in_iface = n / 100;
}

/* Customers by prefix: 16 shapes, the lengths /17 to /32. */
static unsigned shape_len(uint32_t n)
{
    return 32 - n % SHAPES;
}

static struct ip_addr shape_address(uint32_t n)
{
    uint32_t place = n / SHAPES, len = shape_len(n);
    uint32_t bits = (place * 2654435761u) >> (32 - len) << (32 - len); /* spread over all space */
    uint8_t bytes[4] = {(uint8_t)(bits >> 24), (uint8_t)(bits >> 16), (uint8_t)(bits >> 8),
                        (uint8_t)bits};

    return ip_addr_v4(bytes);
}

static void shapes_row(struct text *t, uint32_t n)
{
    struct ip_addr addr = shape_address(n);
    char out[IP_TEXT_LEN];

    ip_addr_format(&addr, out);
    text_append_printf(t, "set_tag=%u src_net=%s/%u\n", n + 1, out, shape_len(n));
}

static void shapes_flow(struct flow *flow, uint32_t n)
{
    flow->src_addr = shape_address(n);
}

/* Each customer has a filter, which is reached by its address. */
static void filters_row(struct text *t, uint32_t n)
{
    char addr[IP_TEXT_LEN];

    v4(addr, sizeof addr, n);
    text_append_printf(t, "set_tag=%u src_net=%s filter='tcp'\n", n + 1, addr);
}

static void filters_flow(struct flow *flow, uint32_t n)
{
    flow->src_addr = ip_addr_v4((uint8_t[]){10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n});
}

/* Two walks: the exporter's tag, then a customer's. */
static void jumps_row(struct text *t, uint32_t n)
{
    if (n == 0)
        text_append_string(t, "set_tag=1 ip=192.0.2.0/24 jeq=next\n");
    else
        text_append_printf(t, "set_tag2=%u in=%u\n", n + 1, n);
}

static void jumps_flow(struct flow *flow, uint32_t n)
{
    two_keys_flow(flow, n);
    flow->in_iface = n;
}

/* bgp_peer_src_as_map by exporter and interface. */
static void ingress_row(struct text *t, uint32_t n)
{
    text_append_printf(t, "id=%u ip=192.0.2.%u in=%u\n", n + 1, n % EXPORTERS, n / EXPORTERS);
}

/* The same by what the path back to the source says. */
static void ingress_path_row(struct text *t, uint32_t n)
{
    char addr[IP_TEXT_LEN];

    v4(addr, sizeof addr, n);
    text_append_printf(t, "id=%u ip=192.0.2.0/24 bgp_nexthop=%s peer_dst_as=%u\n", n + 1, addr,
                       64512 + n % 500);
}

static void ingress_facts(struct source_facts *facts, uint32_t n)
{
    facts->next_hop =
        ip_addr_v4((uint8_t[]){10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n});
    facts->neighbour_as = 64512 + n % 500;
}

static const struct kind {
    const char *name;
    void (*row)(struct text *t, uint32_t n);
    void (*flow)(struct flow *flow, uint32_t n);
    bool is_ingress;
    void (*facts)(struct source_facts *facts, uint32_t n); /* NULL: rows do not ask for paths */
} kinds[] = {
    {"two_keys", two_keys_row, two_keys_flow, false, NULL},
    {"shapes", shapes_row, shapes_flow, false, NULL},
    {"filters", filters_row, filters_flow, false, NULL},
    {"jumps", jumps_row, jumps_flow, false, NULL},
    {"ingress", ingress_row, two_keys_flow, true, NULL},
    {"ingress_path", ingress_path_row, two_keys_flow, true, ingress_facts},
};

/* ---- measuring ---- */

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double load(struct bench *b, const struct kind *kind, uint32_t row_count)
{
    struct text rows = {0}, errors = {0};
    double start;
    int err;

    for (uint32_t i = 0; i < row_count; i++)
        kind->row(&rows, i);
    start = cpu_seconds();
    if (kind->is_ingress)
        err = ingress_map_parse("map", text_cstr(&rows), rows.len, &errors, &b->ingress);
    else
        err = tag_map_parse("map", text_cstr(&rows), rows.len, &errors, &b->map);
    if (err < 0) {
        fputs(text_cstr(&errors), stderr);
        exit(1);
    }
    start = cpu_seconds() - start;
    text_clear(&rows);
    text_clear(&errors);
    return start;
}

static void make_flows(struct bench *b, uint32_t row_count)
{
    uint32_t stride = (sizeof(struct flow) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    uint64_t seed = 7;

    for (int i = 0; i < NUMBERS; i++)
        b->numbers[i] = (uint32_t)(world_random(&seed) % row_count);
    b->batch = (struct flow_batch){.flows = mem_aligned_zalloc(CACHE_LINE, (size_t)BATCH * stride),
                                   .stride = stride,
                                   .count = BATCH,
                                   .capacity = BATCH};
    for (uint32_t i = 0; i < BATCH; i++) {
        struct flow *flow = flow_batch_at(&b->batch, i);
        flow->exporter_addr = ip_addr_v4((uint8_t[]){192, 0, 2, 1});
        flow->proto = 6;
        flow->ip_version = 4;
        flow->has_counters = 1;
        flow->dst_addr = ip_addr_v4((uint8_t[]){198, 51, 100, 1});
    }
    b->labels.size = (size_t)BATCH * TAG_LABEL_MAX;
    b->labels.data = mem_alloc(b->labels.size);
    b->exporters = mem_calloc(EXPORTERS, sizeof *b->exporters);
    for (uint8_t i = 0; i < EXPORTERS; i++)
        b->exporters[i].addr = ip_addr_v4((uint8_t[]){192, 0, 2, i});
}

/* Gives the flows of the batch what the rows ask for; its own cost is taken off. */
static void set_flows(struct bench *b, int round)
{
    const uint32_t *numbers = &b->numbers[(size_t)round * BATCH % NUMBERS];

    for (uint32_t i = 0; i < BATCH; i++) {
        struct flow *flow = flow_batch_at(&b->batch, i);
        b->kind->flow(flow, numbers[i]);
        flow->exporter = &b->exporters[numbers[i] % EXPORTERS];
        if (b->kind->facts)
            b->kind->facts(&b->facts[i], numbers[i]);
    }
}

static void find_ingress(struct bench *b)
{
    for (uint32_t start = 0; start < BATCH; start += INGRESS_MAP_TOGETHER)
        ingress_map_find(b->ingress, &b->batch, start, INGRESS_MAP_TOGETHER,
                         b->kind->facts ? &b->facts[start] : NULL, &b->answers[start]);
    for (int i = 0; i < BATCH; i++)
        b->sum += b->answers[i].value;
}

/* bench/instructions counts what this function and its callees do. */
__attribute__((noinline)) static void measured_round(struct bench *b)
{
    if (b->kind->is_ingress) {
        find_ingress(b);
        return;
    }
    b->labels.used = 0;
    tag_map_walk(b->map, &b->batch, &b->labels, b->results, &b->returns);
    for (int i = 0; i < BATCH; i++)
        b->sum += b->results[i].tag + b->results[i].tag2;
}

/* Compares some answers with those of a plain scan, and of the maps that have none with the row that
 * the flow was made for. */
static unsigned count_wrong(struct bench *b)
{
    unsigned wrong = 0;

    set_flows(b, 0);
    measured_round(b);
    for (uint32_t i = 0; i < BATCH && b->kind->is_ingress; i++)
        wrong += b->answers[i].value != b->numbers[i] + 1;
    for (uint32_t i = 0; i < CHECKED && !b->kind->is_ingress; i++) {
        struct tag_result scanned;
        tag_map_scan(b->map, flow_batch_at(&b->batch, i), &b->labels, &scanned, &b->returns);
        wrong += scanned.tag != b->results[i].tag || scanned.tag2 != b->results[i].tag2;
    }
    return wrong;
}

static double run(struct bench *b, int rounds, bool walks)
{
    double start = cpu_seconds();

    for (int i = 0; i < rounds; i++) {
        set_flows(b, i);
        if (walks)
            measured_round(b);
    }
    return cpu_seconds() - start;
}

int main(int argc, char **argv)
{
    struct bench *b = mem_zalloc(sizeof *b);
    const struct kind *kind = NULL;

    for (size_t i = 0; argc == 4 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, argv[1]) == 0)
            kind = &kinds[i];
    uint32_t row_count = argc == 4 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
    int rounds = argc == 4 ? atoi(argv[3]) : 0;
    if (!kind || row_count == 0 || rounds <= 0) {
        fputs("map_bench two_keys|shapes|filters|jumps|ingress|ingress_path ROWS ROUNDS\n", stderr);
        return 2;
    }
    b->kind = kind;
    double seconds = load(b, kind, row_count);
    make_flows(b, row_count);
    run(b, NUMBERS / BATCH, true);
    double ns = (run(b, rounds, true) - run(b, rounds, false)) * 1e9 / ((double)rounds * BATCH);
    printf("load %.4f s\nwalk %.1f ns/flow\nwrong %u answers\n", seconds, ns, count_wrong(b));
    tag_map_free(b->map);
    ingress_map_free(b->ingress);
    mem_free(b->exporters);
    mem_free(b->batch.flows);
    mem_free(b->labels.data);
    mem_free(b->returns.items);
    mem_free(b);
    return 0;
}
