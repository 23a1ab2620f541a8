/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that IP fragments are put together in any order, and that fragments which lie about their
 * place are refused (RFC 5722). */
#include "input/fragments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX 4

static const uint8_t *whole;
static uint32_t whole_len;

/* Adds a fragment of datagram `id`: `len` bytes of `fill` at `offset`. Returns whether the datagram
 * is whole. */
static bool put(struct fragments *f, uint32_t id, uint32_t offset, uint32_t len, bool is_last,
                uint8_t fill)
{
    uint8_t data[256];
    struct fragment piece = {
        .id = id, .offset = offset, .is_last = is_last, .data = data, .len = len};

    memset(data, fill, sizeof data);
    return fragments_add(f, &piece, &whole, &whole_len);
}

static void the_last_missing_one_delivers_whatever_the_order(void **state)
{
    static const uint8_t expected[20] = {1, 1, 1, 1, 1, 1, 1, 1, 2, 2,
                                         2, 2, 2, 2, 2, 2, 3, 3, 3, 3};
    struct fragments *f = fragments_new(MAX, 0);
    (void)state;

    assert_false(put(f, 1, 16, 4, true, 3));
    assert_false(put(f, 1, 0, 8, false, 1));
    assert_false(put(f, 1, 0, 8, false, 1)); /* twice the same */
    assert_true(put(f, 1, 8, 8, false, 2));
    assert_int_equal(whole_len, sizeof expected);
    assert_memory_equal(whole, expected, sizeof expected);
    fragments_free(f);
}

/* There are as many units as the last fragment announces, but one of them lies beyond it: bytes 0
 * to 7 belong to another datagram. */
static void what_lies_beyond_the_last_fragment_spoils_the_datagram(void **state)
{
    struct fragments *f = fragments_new(MAX, 0);
    (void)state;

    assert_false(put(f, 1, 40, 8, false, 1));
    assert_false(put(f, 1, 8, 8, true, 2));
    assert_false(put(f, 1, 0, 8, false, 3));
    assert_false(put(f, 2, 8, 8, true, 1)); /* and the other way round */
    assert_false(put(f, 2, 40, 8, false, 2));
    assert_false(put(f, 2, 0, 8, false, 3));
    assert_int_equal(fragments_lost(f), 2);
    fragments_free(f);
}

static void overlaps_spoil_the_datagram(void **state)
{
    struct fragments *f = fragments_new(MAX, 0);
    (void)state;

    assert_false(put(f, 1, 0, 16, false, 1));
    assert_false(put(f, 1, 8, 16, false, 1));
    assert_false(put(f, 1, 24, 8, true, 1));
    assert_false(put(f, 1, 16, 8, false, 1));
    fragments_free(f);
}

static void datagrams_beyond_the_maximum_push_out_the_oldest(void **state)
{
    struct fragments *f = fragments_new(MAX, 0);
    (void)state;

    for (uint32_t id = 1; id <= MAX + 1; id++)
        assert_false(put(f, id, 0, 8, false, 1));
    assert_true(put(f, 2, 8, 8, true, 1));
    assert_false(put(f, 1, 8, 8, true, 1));
    assert_int_equal(fragments_lost(f), MAX + 1); /* the first, and all that still wait */
    fragments_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_missing_one_delivers_whatever_the_order),
        cmocka_unit_test(what_lies_beyond_the_last_fragment_spoils_the_datagram),
        cmocka_unit_test(overlaps_spoil_the_datagram),
        cmocka_unit_test(datagrams_beyond_the_maximum_push_out_the_oldest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
