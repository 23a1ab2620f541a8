/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the world of world.h. Prefixes are laid out one after the other from 11.0.0.0, each aligned
 * to its size. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * The per mille of the IPv4 table that each length has, rounded from the CIDR report's histogram.
 */
static const struct {
    uint8_t len;
    uint16_t per_mille;
} length_mix[] = {{24, 615}, {23, 105}, {22, 125}, {21, 55}, {20, 45},
                  {19, 25},  {18, 14},  {17, 8},   {16, 8}};

static uint8_t draw_length(uint64_t *seed)
{
    unsigned draw = world_random(seed) % 1000;

    for (size_t i = 0; i < sizeof length_mix / sizeof *length_mix; i++) {
        if (draw < length_mix[i].per_mille)
            return length_mix[i].len;
        draw -= length_mix[i].per_mille;
    }
    return 24;
}

void world_init(struct world *world, uint32_t prefix_count, uint32_t path_count)
{
    uint64_t seed = 42, next = UINT64_C(11) << 24;

    if (path_count < 1 || path_count > WORLD_PATHS_MAX) {
        fprintf(stderr, "paths: 1 to %d\n", WORLD_PATHS_MAX);
        exit(2);
    }
    world->prefix_count = prefix_count;
    world->path_count = path_count;
    world->prefixes = malloc((prefix_count ? prefix_count : 1) * sizeof *world->prefixes);
    if (!world->prefixes)
        abort();
    for (uint32_t i = 0; i < prefix_count; i++) {
        uint8_t len = draw_length(&seed);
        uint64_t size = UINT64_C(1) << (32 - len);
        next = (next + size - 1) & ~(size - 1);
        if (next + size > UINT64_C(224) << 24) {
            fprintf(stderr, "prefixes: no room for more than %u\n", i);
            exit(2);
        }
        world->prefixes[i] = (struct world_prefix){(uint32_t)next, len};
        next += size;
    }
}

void world_clear(struct world *world)
{
    free(world->prefixes);
}
