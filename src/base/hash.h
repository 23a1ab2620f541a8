/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * 64-bit hashes of bytes for tables in memory; never stored, never sent. Where outsiders choose the
 * bytes each table takes a seed of its own, so that they cannot choose collisions.
 */
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

uint64_t hash_seed(void); /* another one each time */

static inline uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}
