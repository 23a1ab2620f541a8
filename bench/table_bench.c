/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures, each by itself, the tables that are asked once for a datagram, a value or a row handed
 * over:
 *
 *   table_bench merge|dictionary|exporter ROUNDS
 *
 * It prints units of work a round and nanoseconds of CPU a unit. bench/instructions counts what the
 * function measured_round() does.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "flow/exporter.h"
#include "handover/dictionary.h"
#include "handover/schema.h"
#include "host/merge.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A stage sets up once, then does the same work in each round. */
struct stage {
    const char *name;
    void *(*begin)(void);
    void (*round)(void *state);
    unsigned units; /* in a round */
};

/* ---- merge: hand-overs of 4 workers with the same keys; a unit is a row ---- */

enum { SOURCES = 4, SOURCE_ROWS = 4096, KEYS = 6000, PATHS = 500, VALUE_LEN = 32 };

struct merge_row {
    uint32_t as, path;
    uint64_t packets;
};

struct merge_state {
    struct merge *merge;
    char values[PATHS][VALUE_LEN];
    struct pa_bytes dictionaries[SOURCES][PATHS + 1]; /* each in an order of its own */
    struct merge_row rows[SOURCES][SOURCE_ROWS];
};

static void values_make(char values[][VALUE_LEN], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        snprintf(values[i], VALUE_LEN, "64500_3320_%u_%u", i * 7919 % 65000, i);
}

static void *merge_begin(void)
{
    static const struct pa_column columns[] = {
        {.name = "dst_as", .kind = PA_KIND_U32, .combine = PA_COMBINE_KEY},
        {.name = "as_path", .kind = PA_KIND_BYTES, .combine = PA_COMBINE_KEY},
        {.name = "packets", .kind = PA_KIND_U64, .combine = PA_COMBINE_SUM},
    };
    struct merge_state *m = mem_zalloc(sizeof *m);
    struct schema *schema = schema_new();
    uint64_t seed = 7;

    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (schema_add(schema, &columns[i]) < 0)
            abort();
    if (schema_finish(schema) < 0 || schema_view(schema)->row_size != sizeof(struct merge_row))
        abort();
    m->merge = merge_new(schema_view(schema), true);
    values_make(m->values, PATHS);
    for (uint32_t source = 0; source < SOURCES; source++) {
        struct pa_bytes *dictionary = m->dictionaries[source];
        dictionary[0] = (struct pa_bytes){(const uint8_t *)"", 0};
        for (uint32_t id = 1; id <= PATHS; id++) {
            const char *value = m->values[(id + source * 100) % PATHS];
            dictionary[id] = (struct pa_bytes){(const uint8_t *)value, (uint32_t)strlen(value)};
        }
        for (uint32_t i = 0; i < SOURCE_ROWS; i++) {
            uint32_t key = (uint32_t)(world_random(&seed) % KEYS);
            uint32_t path = (key % PATHS + PATHS - source * 100 % PATHS) % PATHS;
            m->rows[source][i] = (struct merge_row){key, path > 0 ? path : PATHS, key};
        }
    }
    return m;
}

static void merge_round(void *state)
{
    struct merge_state *m = state;

    merge_reset(m->merge);
    for (uint32_t source = 0; source < SOURCES; source++) {
        merge_set_dictionary(m->merge, m->dictionaries[source], PATHS + 1);
        if (merge_add(m->merge, (const uint8_t *)m->rows[source], SOURCE_ROWS) < 0)
            abort();
    }
}

/* ---- dictionary: a hand-over of 1000 values that come three times each; a unit is a value ---- */

enum { VALUES = 1000, TIMES = 3 };

struct dictionary_state {
    struct pool_budget budget;
    struct pool *pool;
    struct dictionary *dictionary;
    char values[VALUES][VALUE_LEN];
};

static void *dictionary_begin(void)
{
    struct dictionary_state *d = mem_aligned_zalloc(CACHE_LINE, sizeof *d);

    pool_budget_init(&d->budget, UINT64_C(64) << 20);
    if (pool_new(&d->budget, &d->pool) < 0)
        abort();
    d->dictionary = dictionary_new(d->pool);
    values_make(d->values, VALUES);
    return d;
}

/* Finds values as a worker does, by handle and then by bytes. Every second value comes with a new
 * handle each time. */
static void dictionary_round(void *state) ON_THREAD(worker_thread)
{
    struct dictionary_state *d = state;
    uint32_t id, segment, count;

    for (unsigned time = 0; time < TIMES; time++) {
        for (unsigned i = 0; i < VALUES; i++) {
            uint64_t handle = 1 + i + (i % 2 ? 0 : (uint64_t)time * VALUES);
            if (dictionary_find(d->dictionary, handle) > 0)
                continue;
            if (dictionary_put(d->dictionary, d->values[i], strlen(d->values[i]), false, &id) < 0)
                abort();
            dictionary_remember(d->dictionary, handle, id);
        }
    }
    dictionary_finish(d->dictionary, &segment, &count);
    pool_release_chain(d->pool, segment);
}

/* ---- exporter: datagrams of 200 exporters in any order; a unit is a datagram ---- */

enum { EXPORTERS = 200, DATAGRAMS = 10000 };

struct exporter_state {
    struct exporter_table *table;
    struct ip_addr datagrams[DATAGRAMS];
};

static void *exporter_begin(void)
{
    struct exporter_state *e = mem_zalloc(sizeof *e);
    uint64_t seed = 7;

    e->table = exporter_table_new(1024, NULL, NULL);
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        uint8_t number = (uint8_t)(world_random(&seed) % EXPORTERS);
        e->datagrams[i] = ip_addr_v4((uint8_t[4]){192, 0, 2, number});
    }
    for (unsigned i = 0; i < DATAGRAMS; i++) /* all are known from here on */
        (void)exporter_table_get(e->table, &e->datagrams[i], 1);
    return e;
}

static void exporter_round(void *state)
{
    struct exporter_state *e = state;

    for (unsigned i = 0; i < DATAGRAMS; i++)
        (void)exporter_table_get(e->table, &e->datagrams[i], i);
}

static const struct stage stages[] = {
    {"merge", merge_begin, merge_round, SOURCES *SOURCE_ROWS},
    {"dictionary", dictionary_begin, dictionary_round, VALUES *TIMES},
    {"exporter", exporter_begin, exporter_round, DATAGRAMS},
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* bench/instructions counts what this function and its callees do. */
__attribute__((noinline)) static void measured_round(const struct stage *stage, void *state)
{
    stage->round(state);
}

int main(int argc, char **argv)
{
    const struct stage *stage = NULL;

    for (size_t i = 0; argc == 3 && i < sizeof stages / sizeof *stages; i++)
        if (!strcmp(argv[1], stages[i].name))
            stage = &stages[i];
    if (!stage || atoi(argv[2]) < 1) {
        fprintf(stderr, "table_bench: see the head of table_bench.c\n");
        return 2;
    }
    thread_enter_role(&worker_thread);
    void *state = stage->begin();
    int rounds = atoi(argv[2]);
    double start = cpu_s();
    for (int i = 0; i < rounds; i++)
        measured_round(stage, state);
    printf("{\"units\": %u, \"ns\": %.1f}\n", stage->units,
           (cpu_s() - start) / rounds / stage->units * 1e9);
    thread_leave_role(&worker_thread);
    return 0; /* the state goes with the process */
}
