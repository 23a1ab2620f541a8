/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Sums by which two large sets of rows are compared without sorting or keeping either: each row's
 * key, as text, is hashed, and the hash is multiplied by the row's counters. The sums do not depend
 * on the order of rows nor on whether a key's counters arrive in one row or in several, and a
 * packet booked to the wrong key changes them. flowgen makes them of what it sends, tally of an
 * output.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct digest {
    uint64_t rows, packets, bytes;
    uint64_t by_packets, by_bytes; /* sums of hash * packets and hash * bytes, modulo 2^64 */
};

static inline uint64_t digest_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t digest_hash(const char *key, size_t len)
{
    uint64_t hash = len, word;

    for (; len >= 8; key += 8, len -= 8) {
        memcpy(&word, key, 8);
        hash = digest_mix(hash ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    }
    word = 0;
    memcpy(&word, key, len);
    return digest_mix(hash ^ word);
}

static inline void digest_add(struct digest *digest, uint64_t hash, uint64_t packets,
                              uint64_t bytes)
{
    digest->rows++;
    digest->packets += packets;
    digest->bytes += bytes;
    digest->by_packets += hash * packets;
    digest->by_bytes += hash * bytes;
}

/* Prints the members as JSON, without braces. */
static inline void digest_print(const struct digest *digest)
{
    printf("\"packets\": %lu, \"bytes\": %lu, \"by_packets\": %lu, \"by_bytes\": %lu",
           digest->packets, digest->bytes, digest->by_packets, digest->by_bytes);
}
