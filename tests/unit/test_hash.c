/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that hashes depend on every byte of a key, differ between two tables, and are evenly
 * spread. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { LEN_MAX = KEY_HASH_MAX + 16, KEYS = 1 << 16, SLOTS = 1 << 16 };

/* Two keys that differ in a bit have the same hash by a chance of 2^-32, which 9000 pairs do not
 * meet. */
static void each_bit_of_a_key_changes_its_hash(void **state)
{
    struct key_hash hash;
    uint8_t key[LEN_MAX];

    (void)state;
    key_hash_init(&hash);
    for (size_t len = 1; len <= LEN_MAX; len++) {
        memset(key, 0x5a, sizeof key);
        uint32_t plain = key_hash_of(&hash, key, len);
        for (size_t bit = 0; bit<len * 8; bit += len> 32 ? 7 : 1) {
            key[bit / 8] ^= (uint8_t)(1U << bit % 8);
            assert_int_not_equal(key_hash_of(&hash, key, len), plain);
            key[bit / 8] ^= (uint8_t)(1U << bit % 8);
        }
        if (len < LEN_MAX) { /* bytes beyond the length do not count */
            key[len] ^= 0xff;
            assert_int_equal(key_hash_of(&hash, key, len), plain);
        }
    }
}

/* Keys are numbers in sequence, the same number twice, and only high bits. Of 65536 random keys in
 * as many slots 63.2 % of the slots are taken (1 - 1/e); the margin here is 1 %, eight standard
 * deviations. */
static void keys_in_sequence_spread_evenly(void **state)
{
    static const size_t lens[] = {16, 18, 24, 34, 39, 46, 47, 64, 100, 128};
    static uint8_t is_taken[SLOTS];

    (void)state;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        for (uint32_t shape = 0; shape < 3; shape++) {
            struct key_hash hash;
            uint32_t taken = 0;
            key_hash_init(&hash);
            memset(is_taken, 0, sizeof is_taken);
            for (uint32_t n = 0; n < KEYS; n++) {
                uint8_t key[KEY_HASH_MAX] = {0};
                uint32_t number = shape == 2 ? n << 16 : n;
                memcpy(key + lens[i] - sizeof number, &number, sizeof number);
                if (shape == 1)
                    memcpy(key, &number, sizeof number);
                uint8_t *slot = &is_taken[key_hash_of(&hash, key, lens[i]) % SLOTS];
                taken += *slot == 0;
                *slot = 1;
            }
            assert_in_range(taken, SLOTS * 62.2 / 100, SLOTS * 64.2 / 100);
        }
    }
}

static void two_tables_hash_differently(void **state)
{
    struct key_hash a, b;
    uint8_t key[LEN_MAX] = {0};

    (void)state;
    key_hash_init(&a);
    key_hash_init(&b);
    for (size_t len = 1; len <= LEN_MAX; len++)
        assert_int_not_equal(key_hash_of(&a, key, len), key_hash_of(&b, key, len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bit_of_a_key_changes_its_hash),
        cmocka_unit_test(keys_in_sequence_spread_evenly),
        cmocka_unit_test(two_tables_hash_differently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
