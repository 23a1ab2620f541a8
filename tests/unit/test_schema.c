/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the layout of rows is the one counted by hand from the contract in schema.h, and that
 * it crosses the socketpair unchanged. */
#include "handover/schema.h"

#include "base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void add(struct schema *schema, const char *name, uint8_t kind, uint8_t combine)
{
    struct pa_column c = {.name = name,
                          .json_name = name,
                          .csv_title = name,
                          .kind = kind,
                          .format = PA_FORMAT_UINT,
                          .combine = combine,
                          .json_place = 7,
                          .csv_place = 9};
    assert_int_equal(schema_add(schema, &c), 0);
}

/* Counted by hand: bin 8, dst_as 4, peer 17, path 4 make 33, padded to 40; packets 8, bytes 8,
 * tcpflags 2 make 58, padded to 64; order 8. */
static struct schema *matrix_schema(void)
{
    struct schema *schema = schema_new();
    add(schema, "packets", PA_KIND_U64, PA_COMBINE_SUM);
    add(schema, "dst_as", PA_KIND_U32, PA_COMBINE_KEY);
    add(schema, "tcpflags", PA_KIND_U16, PA_COMBINE_OR);
    add(schema, "peer_src_ip", PA_KIND_ADDR, PA_COMBINE_KEY);
    add(schema, "bytes", PA_KIND_U64, PA_COMBINE_SUM);
    add(schema, "as_path", PA_KIND_BYTES, PA_COMBINE_KEY);
    schema_set_bin(schema, 300);
    schema_set_order(schema);
    assert_int_equal(schema_finish(schema), 0);
    return schema;
}

static void row_has_bin_keys_narrow_counters_wide_ones_order(void **state)
{
    (void)state;
    struct schema *schema = matrix_schema();
    const struct pa_schema *view = schema_view(schema);
    static const struct {
        const char *name;
        uint32_t offset;
    } expected[] = {{"dst_as", 8},   {"peer_src_ip", 12}, {"as_path", 29},
                    {"packets", 40}, {"tcpflags", 33},    {"bytes", 48}};

    assert_int_equal(view->bin_offset, 0);
    assert_int_equal(view->key_size, 33);
    assert_int_equal(view->order_offset, 56);
    assert_int_equal(view->row_size, 64);
    assert_int_equal(view->column_count, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_string_equal(view->columns[i].name, expected[i].name);
        assert_int_equal(view->columns[i].offset, expected[i].offset);
    }
    schema_free(schema);
}

static void decoded_schema_equals_the_encoded_one(void **state)
{
    (void)state;
    struct schema *schema = matrix_schema(), *copy = NULL;
    struct text bytes = {0};
    schema_encode(schema, &bytes);
    assert_int_equal(schema_decode(bytes.data, bytes.len, &copy), 0);
    const struct pa_schema *a = schema_view(schema), *b = schema_view(copy);
    assert_int_equal(a->row_size, b->row_size);
    assert_int_equal(a->key_size, b->key_size);
    assert_int_equal(a->bin_seconds, b->bin_seconds);
    assert_int_equal(a->bin_offset, b->bin_offset);
    assert_int_equal(a->order_offset, b->order_offset);
    assert_int_equal(a->is_unaggregated, b->is_unaggregated);
    assert_int_equal(a->column_count, b->column_count);
    for (uint32_t i = 0; i < a->column_count; i++) {
        assert_string_equal(a->columns[i].name, b->columns[i].name);
        assert_string_equal(a->columns[i].csv_title, b->columns[i].csv_title);
        assert_null(b->columns[i].sql_name);
        assert_int_equal(a->columns[i].offset, b->columns[i].offset);
        assert_int_equal(a->columns[i].width, b->columns[i].width);
        assert_int_equal(a->columns[i].combine, b->columns[i].combine);
        assert_int_equal(b->columns[i].json_place, 7);
        assert_int_equal(b->columns[i].csv_place, 9);
    }
    schema_free(copy);
    schema_free(schema);
    text_clear(&bytes);
}

static void truncated_schema_is_refused_at_every_length(void **state)
{
    (void)state;
    struct schema *schema = matrix_schema(), *copy = NULL;
    struct text bytes = {0};
    schema_encode(schema, &bytes);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(schema_decode(bytes.data, len, &copy), -EBADMSG);
    text_append_char(&bytes, 'x');
    assert_int_equal(schema_decode(bytes.data, bytes.len, &copy), -EBADMSG);
    bytes.data[0] ^= 0x40; /* the version */
    assert_int_equal(schema_decode(bytes.data, bytes.len - 1, &copy), -EPROTONOSUPPORT);
    schema_free(schema);
    text_clear(&bytes);
}

static void counters_combine_by_their_rules(void **state)
{
    (void)state;
    struct schema *schema = schema_new();
    add(schema, "sum", PA_KIND_U64, PA_COMBINE_SUM);
    add(schema, "or", PA_KIND_U16, PA_COMBINE_OR);
    add(schema, "min", PA_KIND_TIME, PA_COMBINE_MIN);
    add(schema, "max", PA_KIND_U32, PA_COMBINE_MAX);
    schema_set_order(schema);
    assert_int_equal(schema_finish(schema), 0);
    const struct pa_schema *view = schema_view(schema);
    struct row { /* no key; 4 + 2, padded, 8 + 8 + 8 */
        uint32_t max;
        uint16_t or_bits, padding;
        uint64_t sum;
        int64_t min;
        uint64_t order;
    } a = {9, 0x12, 0, 5, 0, 44}, b = {3, 0x01, 0, 7, 100, 43}, c = {4, 0x20, 0, 1, 90, 99};
    assert_int_equal(view->row_size, sizeof a);
    schema_combine(view, (uint8_t *)&a, (uint8_t *)&b); /* an unknown time does not win */
    assert_int_equal(a.min, 100);
    schema_combine(view, (uint8_t *)&a, (uint8_t *)&c);
    assert_int_equal(a.sum, 13);
    assert_int_equal(a.min, 90);
    assert_int_equal(a.max, 9);
    assert_int_equal(a.or_bits, 0x33);
    assert_int_equal(a.order, 43);
    schema_free(schema);
}

static void impossible_columns_are_refused(void **state)
{
    (void)state;
    struct schema *schema = schema_new();
    struct pa_column c = {.name = "x", .kind = PA_KIND_ADDR, .combine = PA_COMBINE_SUM};
    assert_int_equal(schema_add(schema, &c), -EINVAL);
    c = (struct pa_column){.name = "x", .kind = PA_KIND_FIXED};
    assert_int_equal(schema_add(schema, &c), -EINVAL);
    c = (struct pa_column){.kind = PA_KIND_U8};
    assert_int_equal(schema_add(schema, &c), -EINVAL);
    c = (struct pa_column){.name = "x", .kind = PA_KIND_FIXED, .width = SCHEMA_ROW_SIZE_MAX};
    assert_int_equal(schema_add(schema, &c), 0);
    assert_int_equal(schema_add(schema, &c), 0);
    assert_int_equal(schema_finish(schema), -ENOSPC);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_has_bin_keys_narrow_counters_wide_ones_order),
        cmocka_unit_test(decoded_schema_equals_the_encoded_one),
        cmocka_unit_test(truncated_schema_is_refused_at_every_length),
        cmocka_unit_test(counters_combine_by_their_rules),
        cmocka_unit_test(impossible_columns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
