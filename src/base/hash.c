/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seeds and secrets from the kernel. */
#include "base/hash.h"

#include <sys/random.h>

uint64_t hash_seed(void)
{
    uint64_t seed;

    /* Early at boot there may be no entropy yet; the address space's layout is random, too. */
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uint64_t)(uintptr_t)&seed * UINT64_C(0x9e3779b97f4a7c15);
    return seed;
}

void key_hash_init(struct key_hash *hash)
{
    hash->seed = hash_seed();
    for (size_t i = 0; i < sizeof hash->secret / sizeof *hash->secret; i++)
        hash->secret[i] = hash_bytes(&i, sizeof i, hash_seed());
}
