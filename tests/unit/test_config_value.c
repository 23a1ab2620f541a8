/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a value of every type arrives whole in a member of every width, beside neighbours
 * that stay untouched, and that what the range or the choices do not have is refused. */
#include "config/config_value.h"

#include "base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum plain { PLAIN_ZERO, PLAIN_ONE, PLAIN_TWO };
enum with_negative { NEGATIVE = -3, POSITIVE = 3 };

/* A neighbour on both sides of each member shows a write that is too wide. */
struct members {
    uint8_t before_flag;
    bool flag;
    uint8_t before_i16;
    int16_t i16;
    uint16_t between_16;
    uint16_t u16;
    uint32_t before_i32;
    int32_t i32;
    uint32_t between_32;
    uint32_t u32;
    uint32_t before_i64;
    int64_t i64;
    uint64_t between_64;
    uint64_t u64;
    uint64_t before_size;
    size_t size;
    uint32_t before_plain;
    enum plain plain;
    uint32_t between_enums;
    enum with_negative signed_enum;
    uint64_t before_string;
    const char *string;
    uint64_t last;
};

static const struct config_choice plain_words[] = {{"two", PLAIN_TWO}, {"one", PLAIN_ONE}, {0}};
static const struct config_choice signed_words[] = {{"below", NEGATIVE}, {"above", POSITIVE}, {0}};

#define INTEGER(TYPE, member, min, max)                                                            \
    {                                                                                              \
        .name = #member, KEY_##TYPE##_AT(struct members, member, min, max)                         \
    }
#define ROW(TYPE, member)                                                                          \
    {                                                                                              \
        .name = #member, KEY_##TYPE##_AT(struct members, member)                                   \
    }
#define CHOICE(member, words)                                                                      \
    {                                                                                              \
        .name = #member, KEY_CHOICE_AT(struct members, member), .choices = words                   \
    }
static const struct config_key flag_key = ROW(BOOL, flag);

/*
 * Each case is a value at an end of its row's range, and the bytes that it must leave at its place.
 */
static const struct end_case {
    struct config_key key;
    const char *value;
    union {
        int64_t number;
        bool flag;
        int16_t i16;
        uint16_t u16;
        int32_t i32;
        uint32_t u32;
        uint64_t u64;
    } wanted;
    size_t size;
} ends[] = {
    {INTEGER(INT, i16, INT16_MIN, INT16_MAX), "-32768", {.i16 = INT16_MIN}, 2},
    {INTEGER(INT, i16, INT16_MIN, INT16_MAX), "32767", {.i16 = INT16_MAX}, 2},
    {INTEGER(INT, u16, 0, UINT16_MAX), "65535", {.u16 = UINT16_MAX}, 2},
    {INTEGER(INT, i32, INT32_MIN, INT32_MAX), "-2147483648", {.i32 = INT32_MIN}, 4},
    {INTEGER(INT, i32, INT32_MIN, INT32_MAX), "2147483647", {.i32 = INT32_MAX}, 4},
    {INTEGER(INT, u32, 0, UINT32_MAX), "4294967295", {.u32 = UINT32_MAX}, 4},
    {INTEGER(DURATION, u32, 0, UINT32_MAX), "1193046h", {.u32 = UINT32_C(1193046) * 3600}, 4},
    {INTEGER(INT, i64, INT64_MIN, INT64_MAX), "-9223372036854775808", {.number = INT64_MIN}, 8},
    {INTEGER(INT, i64, INT64_MIN, INT64_MAX), "9223372036854775807", {.number = INT64_MAX}, 8},
    {INTEGER(SIZE, u64, 0, INT64_MAX), "9223372036854775807", {.u64 = INT64_MAX}, 8},
    {INTEGER(SIZE, size, 0, INT64_MAX), "8589934591G", {.u64 = UINT64_C(8589934591) << 30}, 8},
    {CHOICE(plain, plain_words), "TWO", {.u32 = PLAIN_TWO}, 4},
    {CHOICE(signed_enum, signed_words), "below", {.i32 = NEGATIVE}, 4},
    {ROW(BOOL, flag), "yes", {.flag = true}, 1},
};

static int parse(const struct config_key *key, const char *value, int64_t *ret_number)
{
    struct text expected = {0};
    int err = config_value_parse(key, value, false, &expected, ret_number);

    assert_int_equal(err != 0, expected.len > 0);
    text_clear(&expected);
    return err;
}

static void each_width_is_filled_whole_and_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const struct end_case *c = &ends[i];
        unsigned char bytes[sizeof(struct members)], untouched[sizeof bytes];
        struct members *members = (struct members *)(void *)bytes;
        size_t offset = c->key.place.offset;
        int64_t number;
        assert_int_equal(parse(&c->key, c->value, &number), 0);
        memset(untouched, 0xa5, sizeof untouched);
        memset(bytes, 0xa5, sizeof bytes);
        config_value_store(&c->key, c->value, number, members);
        if (memcmp(bytes + offset, &c->wanted, c->size) != 0)
            fail_msg("%s: %s", c->key.name, c->value);
        memcpy(bytes + offset, untouched + offset, c->size);
        assert_memory_equal(bytes, untouched, sizeof bytes);
    }
}

static void a_string_is_borrowed_and_unset_is_zero(void **state)
{
    static const struct config_key string = ROW(STRING, string),
                                   choice = CHOICE(plain, plain_words);
    static const char value[] = "word";
    struct members members = {.plain = PLAIN_TWO};
    (void)state;
    config_value_store(&string, value, 0, &members);
    assert_ptr_equal(members.string, value);
    config_value_store(&string, NULL, 0, &members);
    assert_null(members.string);
    config_value_store(&choice, NULL, -1, &members);
    assert_int_equal(members.plain, PLAIN_ZERO);
    config_value_store(&flag_key, "true", 1, &members);
    assert_true(members.flag);
}

static void what_is_out_of_range_is_refused(void **state)
{
    static const struct {
        struct config_key key;
        const char *value;
    } cases[] = {
        {INTEGER(INT, i16, INT16_MIN, INT16_MAX), "-32769"},
        {INTEGER(INT, i16, INT16_MIN, INT16_MAX), "32768"},
        {INTEGER(INT, u16, 0, UINT16_MAX), "-1"},
        {INTEGER(INT, u16, 0, UINT16_MAX), "65536"},
        {INTEGER(INT, i32, INT32_MIN, INT32_MAX), "-2147483649"},
        {INTEGER(INT, i32, INT32_MIN, INT32_MAX), "2147483648"},
        {INTEGER(INT, u32, 0, UINT32_MAX), "4294967296"},
        {INTEGER(DURATION, u32, 0, UINT32_MAX), "8000w"},
        {INTEGER(INT, i64, INT64_MIN, INT64_MAX), "9223372036854775808"},
        {INTEGER(INT, i64, INT64_MIN, INT64_MAX), "-9223372036854775809"},
        {INTEGER(SIZE, u64, 0, INT64_MAX), "-1"},
        {INTEGER(SIZE, u64, 0, INT64_MAX), "8589934592G"},
        {CHOICE(plain, plain_words), "zero"},
        {CHOICE(plain, plain_words), "on"},
        {CHOICE(plain, plain_words), "2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t number = 77;
        if (parse(&cases[i].key, cases[i].value, &number) == 0)
            fail_msg("%s: %s", cases[i].key.name, cases[i].value);
        assert_int_equal(number, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_width_is_filled_whole_and_alone),
        cmocka_unit_test(a_string_is_borrowed_and_unset_is_zero),
        cmocka_unit_test(what_is_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
