/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the reader gives the bytes 01 02 .. 0f as big-endian numbers (RFC 7011 section 6.1),
 * worked out by hand, and never reads beyond its end. */
#include "base/reader.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t wire[15] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static void integers_are_big_endian(void **state)
{
    (void)state;
    struct reader r = reader_make(wire, sizeof wire);
    assert_int_equal(reader_u8(&r), 0x01);
    assert_int_equal(reader_u16(&r), 0x0203);
    assert_int_equal(reader_u32(&r), 0x04050607);
    assert_true(reader_u64(&r) == UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);
}

static void reduced_size_integers_have_1_to_8_bytes(void **state)
{
    (void)state;
    static const uint64_t expected[9] = {0,
                                         0x01,
                                         0x0102,
                                         0x010203,
                                         0x01020304,
                                         0x0102030405,
                                         0x010203040506,
                                         0x01020304050607,
                                         0x0102030405060708};
    for (size_t len = 0; len <= 10; len++) {
        struct reader r = reader_make(wire, sizeof wire);
        uint64_t value = reader_uint(&r, len);
        assert_int_equal(r.failed, len < 1 || len > 8);
        assert_true(value == (len <= 8 ? expected[len] : 0));
    }
}

static void reader_that_ran_out_stays_failed_at_its_end(void **state)
{
    (void)state;
    struct reader r = reader_make(wire, 3);
    assert_int_equal(reader_u32(&r), 0);
    assert_true(r.failed);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(reader_u8(&r), 0); /* the three bytes are not given afterwards */
    assert_null(reader_bytes(&r, 1));
    assert_true(r.failed);
}

static void part_ends_where_it_says(void **state)
{
    (void)state;
    struct reader r = reader_make(wire, sizeof wire);
    struct reader part = reader_part(&r, 4);
    assert_int_equal(reader_u32(&part), 0x01020304);
    assert_int_equal(reader_u8(&part), 0);
    assert_true(part.failed);
    assert_false(r.failed);
    assert_int_equal(reader_u8(&r), 5);
    part = reader_part(&r, 100);
    assert_true(part.failed && r.failed);
    assert_int_equal(reader_left(&part), 0);
}

/* Each length is read from a buffer of just that size, so that AddressSanitizer sees a read beyond
 * it. */
static void no_read_goes_beyond_the_buffer(void **state)
{
    (void)state;
    for (size_t len = 0; len <= sizeof wire; len++) {
        uint8_t *exact = malloc(len ? len : 1);
        memcpy(exact, wire, len);
        for (size_t want = 1; want <= 8; want++) {
            struct reader r = reader_make(exact, len);
            size_t reads = 0;
            while (reader_left(&r) > 0) {
                reader_uint(&r, want);
                reads += !r.failed;
            }
            assert_int_equal(reads, len / want);
            assert_int_equal(r.failed, len % want != 0);
        }
        free(exact);
    }
}

/* clang's UBSan reports any step from NULL, even one of zero, so what is empty or missing needs a
 * place too. */
static void nothing_and_a_part_that_is_not_there_have_a_place(void **state)
{
    (void)state;
    struct reader empty = reader_make(NULL, 0), none = empty;
    assert_non_null(reader_bytes(&empty, 0));
    struct reader part = reader_part(&empty, 0);
    assert_false(part.failed || empty.failed);
    assert_int_equal(reader_u8(&empty), 0);
    assert_true(empty.failed);
    part = reader_part(&none, 1);
    assert_true(part.failed && none.failed);
    assert_non_null(reader_bytes(&part, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_big_endian),
        cmocka_unit_test(reduced_size_integers_have_1_to_8_bytes),
        cmocka_unit_test(reader_that_ran_out_stays_failed_at_its_end),
        cmocka_unit_test(part_ends_where_it_says),
        cmocka_unit_test(no_read_goes_beyond_the_buffer),
        cmocka_unit_test(nothing_and_a_part_that_is_not_there_have_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
