/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that every row of the table of primitives fits rows and flows, and that lists of names and
 * custom primitives are read. Orders and names are those of pmacct's output. */
#include "base/text.h"
#include "flow/primitive.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* pathacct_plugin.h states these widths; struct flow holds BYTES as struct flow_bytes. */
static size_t flow_size_of_kind(uint8_t kind)
{
    static const size_t sizes[] = {
        [PA_KIND_U8] = 1,    [PA_KIND_U16] = 2,
        [PA_KIND_U32] = 4,   [PA_KIND_U64] = 8,
        [PA_KIND_ADDR] = 17, [PA_KIND_MAC] = 6,
        [PA_KIND_TIME] = 8,  [PA_KIND_BYTES] = sizeof(struct flow_bytes),
    };
    return sizes[kind];
}

static bool is_sum(size_t index)
{
    return primitive_other_end(&primitives[index]) >= 0;
}

static void every_row_fits_its_member_and_has_names_and_places_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < PRIMITIVE_COUNT; i++) {
        const struct primitive *p = &primitives[i];
        assert_int_equal(p->kind == PA_KIND_FIXED ? p->width : flow_size_of_kind(p->kind),
                         flow_member_places[p->member].size);
        assert_int_equal(p->flow_offset, flow_member_places[p->member].offset);
        assert_true(*p->help && *p->json_name && *p->sql_name);
        for (size_t k = i + 1; k < PRIMITIVE_COUNT; k++) {
            assert_string_not_equal(p->name, primitives[k].name);
            if (is_sum(i) || is_sum(k)) /* it has the names of the source's primitive */
                continue;
            assert_string_not_equal(p->json_name, primitives[k].json_name);
            assert_string_not_equal(p->csv_title, primitives[k].csv_title);
            assert_string_not_equal(p->sql_name, primitives[k].sql_name);
            assert_int_not_equal(p->json_place, primitives[k].json_place);
            assert_int_not_equal(p->csv_place, primitives[k].csv_place);
        }
    }
}

static void json_order_is_that_of_the_table(void **state)
{
    (void)state;
    /* pmacct's order: peers after AS paths, custom ones after timestamp_export, counters last */
    assert_true(primitives[PRIMITIVE_as_path].json_place <
                primitives[PRIMITIVE_peer_src_as].json_place);
    assert_true(primitives[PRIMITIVE_mpls_vpn_rd].json_place <
                primitives[PRIMITIVE_mpls_vpn_rd_origin].json_place);
    assert_true(primitives[PRIMITIVE_mpls_vpn_rd_origin].json_place <
                primitives[PRIMITIVE_mpls_pw_id].json_place);
    assert_true(primitives[PRIMITIVE_packets].json_place < primitives[PRIMITIVE_bytes].json_place);
}

static void assert_list(struct primitive_table *table, const char *text, const char *expected)
{
    struct primitive_list list;
    struct text error = {0}, names = {0};
    if (primitive_list_parse(table, text, &error, &list) < 0)
        fail_msg("%s", text_cstr(&error));
    for (size_t i = 0; i < list.count; i++)
        text_append_printf(&names, "%s%s", i ? " " : "", list.items[i]->name);
    assert_string_equal(text_cstr(&names), expected);
    primitive_list_clear(&list);
    text_clear(&names);
    text_clear(&error);
}

static void a_list_names_each_primitive_once_in_its_order(void **state)
{
    struct primitive_table *table = primitive_table_new();
    (void)state;
    assert_list(table, "dst_as, src_host ,dst_as,Proto", "dst_as src_host proto");
    assert_list(table, "none", "");
    assert_list(table, "none, flows", "flows");
    assert_list(table, "mpls_vpn_rd", "mpls_vpn_rd mpls_vpn_rd_origin");
    assert_list(table, "src_host_coords,dst_host_coords",
                "src_host_coords src_host_lon dst_host_coords dst_host_lon");
    primitive_table_free(table);
}

static void every_wrong_name_of_a_list_is_reported(void **state)
{
    struct primitive_table *table = primitive_table_new();
    struct primitive_list list;
    struct text error = {0};
    (void)state;
    assert_int_equal(primitive_list_parse(table, "src_hots, dst_as, cvlan, xyzzy", &error, &list),
                     -EINVAL);
    assert_non_null(strstr(text_cstr(&error), "'src_hots', did you mean src_host?"));
    assert_non_null(strstr(text_cstr(&error), "'cvlan': use in_cvlan or out_cvlan"));
    assert_non_null(strstr(text_cstr(&error), "'xyzzy', `nfacctd -a` lists them"));
    assert_null(strstr(text_cstr(&error), "dst_as'"));
    text_clear(&error);
    primitive_table_free(table);
}

static void beside_a_sum_stands_only_what_is_the_same_from_either_end(void **state)
{
    struct primitive_table *table = primitive_table_new();
    struct primitive_list list;
    struct text left_out = {0};
    (void)state;
    assert_int_equal(primitive_list_parse(table, "src_host, proto", &left_out, &list), 0);
    assert_null(primitive_list_sum(&list, &left_out));
    assert_int_equal(list.count, 2);
    primitive_list_clear(&list);
    assert_int_equal(
        primitive_list_parse(table, "tag, proto, sum_port, flows, sum_host", &left_out, &list), 0);
    assert_string_equal(primitive_list_sum(&list, &left_out)->name, "sum_port");
    assert_string_equal(text_cstr(&left_out), "proto, sum_host");
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[2]->name, "flows");
    assert_int_equal(primitive_other_end(list.items[1]), FLOW_dst_port);
    primitive_list_clear(&list);
    text_clear(&left_out);
    primitive_table_free(table);
}

/* True if a list with this name is refused with the answer that `wanted` is meant. */
static bool is_answered(const struct primitive_table *table, const char *name, const char *wanted)
{
    struct primitive_list list;
    struct text error = {0};
    char expected[256];

    assert_int_equal(primitive_list_parse(table, name, &error, &list), -EINVAL);
    snprintf(expected, sizeof expected, "unknown primitive '%s', did you mean %s?", name, wanted);
    bool is_so = strcmp(text_cstr(&error), expected) == 0;
    if (!is_so)
        print_error("%s: %s\n", name, text_cstr(&error));
    text_clear(&error);
    return is_so;
}

static void names_of_outputs_are_answered_with_the_primitive(void **state)
{
    struct primitive_table *table = primitive_table_new();
    size_t told = 0;
    (void)state;

    assert_true(is_answered(table, "peer_as_dst", "peer_dst_as"));
    assert_true(is_answered(table, "src_ip", "src_host"));
    assert_true(is_answered(table, "ip_src", "src_host"));
    assert_true(is_answered(table, "DST_IP", "dst_host"));
    assert_true(is_answered(table, "Class_Id", "class"));
    for (size_t i = 0; i < PRIMITIVE_COUNT; i++) {
        const struct primitive *p = &primitives[i];
        const char *names[] = {p->json_name, p->csv_title, p->sql_name};
        for (size_t k = 0; k < 3 && !primitive_refusal(p->name) && !is_sum(i); k++) {
            if (primitive_table_find(table, names[k]) || !*names[k])
                continue;
            assert_true(is_answered(table, names[k], p->name));
            told++;
        }
    }
    assert_true(told > 50);
    primitive_table_free(table);
}

static void refused_primitives_are_none_that_a_list_can_hold(void **state)
{
    static const enum primitive_index never_named[] = {
        PRIMITIVE_timestamp_min, PRIMITIVE_timestamp_max, PRIMITIVE_mpls_vpn_rd_origin,
        PRIMITIVE_src_host_lon, PRIMITIVE_dst_host_lon};
    (void)state;
    size_t refused = 0;
    for (size_t i = 0; i < PRIMITIVE_COUNT; i++)
        refused += primitive_refusal(primitives[i].name) != NULL;
    assert_int_equal(refused, sizeof never_named / sizeof never_named[0]);
}

static void custom_primitives_get_places_behind_the_flow(void **state)
{
    struct primitive_table *table = primitive_table_new();
    struct text error = {0};
    uint32_t count, flow_end = (sizeof(struct flow) + 7) / 8 * 8;
    (void)state;
    const struct custom_primitive number = {"MyCount", 9, 12232, false, 5, CUSTOM_UINT};
    const struct custom_primitive text = {"user_name", 0, 371, false, 0, CUSTOM_TEXT};
    const struct custom_primitive addr = {"relay", 0, 130, true, 16, CUSTOM_IP};
    assert_int_equal(primitive_table_flow_stride(table), flow_end);
    assert_int_equal(primitive_table_add(table, &number, &error), 0);
    assert_int_equal(primitive_table_add(table, &text, &error), 0);
    assert_int_equal(primitive_table_add(table, &addr, &error), 0);
    const struct custom_field *fields = primitive_table_custom_fields(table, &count);
    assert_int_equal(count, 3);
    assert_int_equal(fields[0].flow_offset, flow_end);
    assert_true(fields[0].is_number);
    assert_int_equal(fields[1].flow_offset, flow_end + 8);
    assert_int_equal(fields[1].len, 0);
    assert_int_equal(fields[2].flow_offset, flow_end + 8 + sizeof(struct flow_bytes));
    assert_true(fields[2].is_reverse);
    assert_int_equal(primitive_table_flow_stride(table),
                     flow_end + 8 + sizeof(struct flow_bytes) + 16);

    const struct primitive *p = primitive_table_find(table, "mycount");
    assert_non_null(p);
    assert_string_equal(p->json_name, "mycount"); /* lower-cased, as pmacct does */
    assert_string_equal(p->csv_title, "mycount"); /* there too */
    assert_int_equal(p->width, 5);
    assert_int_equal(p->member, PRIMITIVE_CUSTOM);
    assert_true(p->json_place > primitives[PRIMITIVE_timestamp_export].json_place);
    assert_true(p->json_place < primitives[PRIMITIVE_vrf_name].json_place);
    assert_true(p->csv_place > primitives[PRIMITIVE_path_delay_max_usec].csv_place);
    assert_true(p->csv_place < primitives[PRIMITIVE_packets].csv_place);
    assert_list(table, "src_host, user_name", "src_host user_name");
    primitive_table_free(table);
    text_clear(&error);
}

/* pmacct has no primitive `url`, so that its users may have made one. */
static void a_custom_primitive_takes_the_name_of_one_that_pmacct_lacks(void **state)
{
    struct primitive_table *table = primitive_table_new();
    const struct custom_primitive url = {"url", 0, 461, false, 0, CUSTOM_TEXT};
    struct text error = {0};

    (void)state;
    assert_int_equal(primitive_table_find(table, "url")->member, FLOW_url);
    assert_int_equal(primitive_table_add(table, &url, &error), 0);
    assert_int_equal(primitive_table_find(table, "url")->member, PRIMITIVE_CUSTOM);
    assert_int_equal(primitive_table_find(table, "url_host")->member, FLOW_url_host);
    text_clear(&error);
    primitive_table_free(table);
}

static void custom_primitives_that_cannot_be_are_refused(void **state)
{
    static const struct {
        struct custom_primitive custom;
        int err;
    } cases[] = {
        {{"src_host", 0, 1, false, 4, CUSTOM_UINT}, 1},
        {{"VRF_name", 0, 1, false, 4, CUSTOM_UINT}, 1},
        {{"ip_src", 0, 1, false, 4, CUSTOM_UINT}, -EEXIST},
        {{"stamp_inserted", 0, 1, false, 4, CUSTOM_UINT}, -EEXIST},
        {{"9lives", 0, 1, false, 4, CUSTOM_UINT}, -EINVAL},
        {{"a b", 0, 1, false, 4, CUSTOM_UINT}, -EINVAL},
        {{"", 0, 1, false, 4, CUSTOM_UINT}, -EINVAL},
        {{"a", 0, 1, false, 9, CUSTOM_UINT}, -EINVAL},
        {{"a", 0, 1, false, 0, CUSTOM_UINT}, -EINVAL},
        {{"a", 0, 1, false, 5, CUSTOM_IP}, -EINVAL},
        {{"a", 0, 1, false, 8, CUSTOM_MAC}, -EINVAL},
        {{"a", 0, 1, false, 1025, CUSTOM_RAW}, -EINVAL},
    };
    struct primitive_table *table = primitive_table_new();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text error = {0};
        assert_int_equal(primitive_table_add(table, &cases[i].custom, &error), cases[i].err);
        assert_true(error.len > 0);
        text_clear(&error);
    }
    struct text error = {0};
    char name[16];
    for (int i = 0; i < PRIMITIVE_CUSTOM_MAX; i++) {
        snprintf(name, sizeof name, "c%d", i);
        const struct custom_primitive c = {name, 0, 1, false, 4, CUSTOM_HEX};
        assert_int_equal(primitive_table_add(table, &c, &error), 0);
    }
    const struct custom_primitive one_more = {"more", 0, 1, false, 4, CUSTOM_HEX};
    assert_int_equal(primitive_table_add(table, &one_more, &error), -ENOSPC);
    text_clear(&error);
    primitive_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_fits_its_member_and_has_names_and_places_of_its_own),
        cmocka_unit_test(json_order_is_that_of_the_table),
        cmocka_unit_test(a_list_names_each_primitive_once_in_its_order),
        cmocka_unit_test(every_wrong_name_of_a_list_is_reported),
        cmocka_unit_test(beside_a_sum_stands_only_what_is_the_same_from_either_end),
        cmocka_unit_test(names_of_outputs_are_answered_with_the_primitive),
        cmocka_unit_test(refused_primitives_are_none_that_a_list_can_hold),
        cmocka_unit_test(custom_primitives_get_places_behind_the_flow),
        cmocka_unit_test(a_custom_primitive_takes_the_name_of_one_that_pmacct_lacks),
        cmocka_unit_test(custom_primitives_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
