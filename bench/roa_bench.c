/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the validation of origins by itself: how fast a file of ROAs is read, and what a flow's route
 * costs.
 *
 *     roa_bench ROAS ROUTES
 *
 * Three of four prefixes have a ROA; of the routes, which are uniform over all prefixes, one in sixteen is
 * another AS's. All answers are checked. It prints one JSON object; times are CPU time.
 */
#include "base/memory.h"
#include "base/text.h"
#include "base/writer.h"
#include "maps/roa_file.h"
#include "rpki/roa_table.h"
#include "world.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 128, ROUTES = 1 << 20, WITHOUT_ROA = 4, WRONG = 16 };

struct bench {
    struct world world;
    struct roa_table *table;
    struct roa_query *routes; /* ROUTES of them */
    uint8_t *expected;        /* enum roa_validity */
};

static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct ip_addr address(uint32_t host_order)
{
    uint8_t bytes[4];

    wire_put_u32(bytes, host_order);
    return ip_addr_v4(bytes);
}

static void make_text(const struct world *world, struct text *text)
{
    text_append_string(text, "{\"roas\": [");
    for (uint32_t i = 0; i < world->prefix_count; i++) {
        struct ip_prefix prefix = {address(world->prefixes[i].network), world->prefixes[i].len};
        char shown[IP_PREFIX_TEXT_LEN];
        if (i % WITHOUT_ROA == 0)
            continue;
        ip_prefix_format(&prefix, shown);
        text_append_printf(text, "%s\n{\"asn\": %u, \"prefix\": \"%s\", \"maxLength\": %u}",
                           i > 1 ? "," : "", world_origin_as(i), shown, prefix.len);
    }
    text_append_string(text, "]}\n");
}

static double load(struct bench *b)
{
    struct text text = {0}, errors = {0}, warnings = {0};
    double start;

    make_text(&b->world, &text);
    start = cpu_s();
    if (roa_file_parse("roas", text_cstr(&text), text.len, &errors, &warnings, &b->table) < 0) {
        fputs(text_cstr(&errors), stderr);
        exit(1);
    }
    start = cpu_s() - start;
    text_clear(&text);
    text_clear(&errors);
    text_clear(&warnings);
    return start;
}

static void make_routes(struct bench *b)
{
    uint64_t seed = 7;

    b->routes = mem_calloc(ROUTES, sizeof *b->routes);
    b->expected = mem_calloc(ROUTES, sizeof *b->expected);
    for (uint32_t i = 0; i < ROUTES; i++) {
        uint32_t row = (uint32_t)(world_random(&seed) % b->world.prefix_count);
        const struct world_prefix *prefix = &b->world.prefixes[row];
        bool is_wrong = world_random(&seed) % WRONG == 0;
        b->routes[i] = (struct roa_query){.address = address(prefix->network),
                                          .len = prefix->len,
                                          .origin = world_origin_as(row) + is_wrong};
        b->expected[i] = row % WITHOUT_ROA == 0 ? ROA_UNKNOWN : is_wrong ? ROA_INVALID : ROA_VALID;
    }
}

/* bench/instructions counts what this function and its callees do. */
__attribute__((noinline)) static void measured_round(struct bench *b, uint32_t start)
{
    roa_validate(b->table, &b->routes[start], BATCH);
}

static uint64_t count_wrong(const struct bench *b)
{
    uint64_t wrong = 0;

    for (uint32_t i = 0; i < ROUTES; i++)
        wrong += b->routes[i].validity != (enum roa_validity)b->expected[i];
    return wrong;
}

int main(int argc, char **argv)
{
    struct bench *b = mem_zalloc(sizeof *b);
    uint32_t count = argc == 3 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    uint64_t route_count = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    double load_s, start;

    if (count == 0 || route_count == 0) {
        fputs("roa_bench ROAS ROUTES\n", stderr);
        return 2;
    }
    world_init(&b->world, count / (WITHOUT_ROA - 1) * WITHOUT_ROA, 1);
    load_s = load(b);
    make_routes(b);
    for (uint32_t at = 0; at < ROUTES; at += BATCH)
        measured_round(b, at);
    start = cpu_s();
    for (uint64_t done = 0; done < route_count; done += BATCH)
        measured_round(b, (uint32_t)(done % ROUTES));
    start = cpu_s() - start;
    printf("{\"roas\": %zu, \"load_s\": %.3f, \"validate_ns\": %.1f, \"is_right\": %s}\n",
           roa_table_count(b->table), load_s, start * 1e9 / (double)route_count,
           count_wrong(b) == 0 ? "true" : "false");
    return count_wrong(b) == 0 ? 0 : 1;
}
