/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The world that the generators share: prefixes with the length mix of the default-free zone, and
 * the paths that a router has to each. All of it is a function of numbers, so that a BGP feeder and
 * a flow generator that never met agree, and the truth about each flow is known.
 */
#include <stdint.h>

#define WORLD_NEXT_HOPS 16 /* next hops of one path position */
#define WORLD_PATHS_MAX 64

struct world_prefix {
    uint32_t network; /* host order */
    uint8_t len;
};

struct world {
    uint32_t prefix_count, path_count;
    struct world_prefix *prefixes; /* ascending, not overlapping */
};

/* Makes a world of at most 1,100,000 prefixes and WORLD_PATHS_MAX paths; exits with a message beyond that. */
void world_init(struct world *world, uint32_t prefix_count, uint32_t path_count);
void world_clear(struct world *world);

/* Prefixes share their attributes in runs of eight, as announcements of one origin do. */
static inline uint32_t world_attrs(uint32_t prefix)
{
    return prefix / 8;
}
static inline uint32_t world_next_hop(uint32_t prefix, uint32_t path) /* 10.P.0.N */
{
    return UINT32_C(10) << 24 | (path + 1) << 16 | (world_attrs(prefix) % WORLD_NEXT_HOPS + 1);
}
static inline uint32_t world_peer_as(uint32_t prefix, uint32_t path)
{
    return 1000 * (path + 1) + world_attrs(prefix) % WORLD_NEXT_HOPS;
}
static inline uint32_t world_origin_as(uint32_t prefix)
{
    return 200000 + world_attrs(prefix) % 75000;
}

/* Returns the next random number, by xorshift64*, which gives the same ones on every machine. */
static inline uint64_t world_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545F4914F6CDD1D);
}
