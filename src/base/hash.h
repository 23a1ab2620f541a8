/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * 64-bit hashes of bytes for tables in memory; never stored, never sent. Where outsiders choose the
 * bytes each table takes a seed of its own, so that they cannot choose collisions.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

uint64_t hash_seed(void); /* another one each time */

static inline uint64_t hash_bytes(const void *data, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, len, seed);
}

/*
 * The hash for keys of one length by the million: NH (RFC 4418 section 5.2, here of 64-bit words),
 * which takes far fewer instructions than XXH3. Keys that differ have the same sum by a chance of
 * 2^-64 for whoever does not know the secret.
 */
enum { KEY_HASH_MIN = 16, KEY_HASH_MAX = 128 }; /* bytes; XXH3 does the others */

struct key_hash {
    uint64_t seed, secret[KEY_HASH_MAX / sizeof(uint64_t)];
};

void key_hash_init(struct key_hash *hash); /* another one each time */

static inline unsigned __int128 key_hash_pair(const uint8_t *pair, const uint64_t *secret)
{
    uint64_t words[2];

    memcpy(words, pair, sizeof words);
    return (unsigned __int128)(words[0] + secret[0]) * (words[1] + secret[1]);
}

static inline uint32_t key_hash_of(const struct key_hash *hash, const uint8_t *key, size_t len)
{
    const size_t pair_len = 2 * sizeof(uint64_t);
    const uint64_t *secret = hash->secret;
    unsigned __int128 sum;
    uint64_t folded;

    if (len < KEY_HASH_MIN || len > KEY_HASH_MAX)
        return (uint32_t)hash_bytes(key, len, hash->seed);
    /* The last words overlap those before them where the key is no multiple of 16. */
    sum = key_hash_pair(key + len - pair_len, secret);
    for (const uint8_t *end = key + len - pair_len; key < end; key += pair_len)
        sum += key_hash_pair(key, secret += 2);
    folded = (uint64_t)sum ^ (uint64_t)(sum >> 64);
    return (uint32_t)((folded ^ folded >> 32) * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}
