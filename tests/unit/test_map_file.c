/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves the grammar of maps and of the file of custom primitives, which uses it: the lines are
 * those that pmacct reads, and one of each kind that it refuses. */
#include "base/text.h"
#include "flow/primitive.h"
#include "maps/custom_primitives.h"
#include "maps/map_file.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEY_ID, KEY_IP, KEY_IN, KEY_FILTER, KEY_PEER };
static const struct map_key keys[] = {
    [KEY_ID] = {.name = "id",
                .type = MAP_NUMBER,
                .is_required = true,
                .min = 1,
                .max = 1000,
                .alias = "set_tag"},
    [KEY_IP] = {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    [KEY_IN] = {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = 100},
    [KEY_FILTER] = {.name = "filter", .type = MAP_TEXT, .is_match = true},
    [KEY_PEER] = {.name = "peer", .type = MAP_ADDRESS},
    {.name = NULL},
};
static const struct map_refusal refusals[] = {{"engine_id", "it is not known; write ip"},
                                              {NULL, NULL}};

static struct map_file *parsed(const char *text)
{
    struct map_file *file;
    struct text errors = {0};
    if (map_file_parse("m", text, strlen(text), keys, refusals, &errors, &file) < 0)
        fail_msg("%s", text_cstr(&errors));
    return file;
}

static void rows_are_read_whatever_the_order_and_space(void **state)
{
    (void)state;
    struct map_file *file =
        parsed("! comment\n"
               "\t# another\r\n"
               "\n"
               "id=7 \t ip=10.0.0.0/8   in=5\r\n"
               "   filter='src net 10.0.0.0/8 and tcp'  set_tag=8\tpeer=2001:db8::1");
    assert_int_equal(file->row_count, 2);
    assert_int_equal(file->rows[0].line, 4);
    assert_int_equal(file->rows[0].cells[KEY_ID]->items[0].low, 7);
    assert_null(file->rows[0].cells[KEY_FILTER]);
    assert_int_equal(file->rows[1].line, 5);
    assert_int_equal(file->rows[1].cells[KEY_ID]->items[0].low, 8);
    assert_string_equal(file->rows[1].cells[KEY_FILTER]->text, "src net 10.0.0.0/8 and tcp");
    assert_int_equal(file->rows[1].cells[KEY_PEER]->items[0].prefix.addr.family, IP_V6);
    map_file_free(file);
}

static void lists_ranges_and_negation_hold_as_the_header_says(void **state)
{
    (void)state;
    struct map_file *file = parsed("id=1 in=3,10-20,-15,-17-18\n"
                                   "id=1 in=-5\n"
                                   "id=1 ip=10.0.0.0/8,-10.1.0.0/16,192.0.2.1\n");
    const struct map_cell *mixed = file->rows[0].cells[KEY_IN],
                          *negated = file->rows[1].cells[KEY_IN];
    for (uint64_t n = 0; n < 30; n++) {
        bool expected = n == 3 || (n >= 10 && n <= 20 && n != 15 && n != 17 && n != 18);
        assert_int_equal(map_cell_has_number(mixed, n), expected);
        assert_int_equal(map_cell_has_number(negated, n), n != 5);
        assert_true(map_cell_has_number(NULL, n));
    }
    static const struct {
        const char *text;
        bool expected;
    } addresses[] = {{"10.2.3.4", true},   {"10.1.3.4", false},        {"192.0.2.1", true},
                     {"192.0.2.2", false}, {"::ffff:10.2.3.4", false}, {"2001:db8::", false}};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        struct ip_addr addr;
        assert_int_equal(ip_addr_parse(addresses[i].text, &addr), 0);
        assert_int_equal(map_cell_has_address(file->rows[2].cells[KEY_IP], &addr),
                         addresses[i].expected);
    }
    map_file_free(file);
}

static void all_errors_of_a_map_are_reported_with_their_lines(void **state)
{
    static const char map[] = "id=1 ip=10.0.0.0/8\n"
                              "ip=10.0.0.0/8\n"       /* 2: no id */
                              "id=1 iq=10.0.0.0/8\n"  /* 3: unknown */
                              "id=0\n"                /* 4: out of range */
                              "id=1 ip=10.0.0.1/33\n" /* 5: too long */
                              "id=1 ip=10.0.0\n"      /* 6 */
                              "id=1 in=20-10\n"       /* 7: upside down */
                              "id=1 in=1 in=2\n"      /* 8: twice */
                              "id = 1\n"              /* 9: blanks */
                              "id=1 filter='ip\n"     /* 10: no closing quote */
                              "id=1 jeq=x\n"          /* 11: flow control */
                              "id=1 engine_id=4\n"    /* 12: refused */
                              "id=1,2\n"              /* 13: a set key takes one value */
                              "id=1 in=-\n"           /* 14 */
                              "id=1 zzzzzzzz=1\n"     /* 15: nothing is near */
                              "id=1 filter=''\n";     /* 16: empty */
    static const char *const expected[] = {
        "m:2: the row does not say id=",
        "m:3: unknown key 'iq'; did you mean i",
        "m:4: id=0: expected a number from 1 to 1000",
        "m:5: ip=10.0.0.1/33: expected an address or prefix",
        "m:6: ip=10.0.0: expected an address or prefix",
        "m:7: in=20-10: ",
        "m:8: in stands twice",
        "m:9: expected key=value",
        "m:10: no closing quote",
        "m:11: jeq: not supported here: ",
        "m:12: engine_id: not supported here: it is not known; write ip",
        "m:13: id=1,2: ",
        "m:14: in=-: ",
        "m:15: unknown key 'zzzzzzzz'; this map has id ip in filter peer",
        "m:16: filter=: expected a value",
    };
    struct map_file *file;
    struct text errors = {0};
    (void)state;
    assert_int_equal(map_file_parse("m", map, strlen(map), keys, refusals, &errors, &file),
                     -EINVAL);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!strstr(text_cstr(&errors), expected[i]))
            fail_msg("no '%s' in:\n%s", expected[i], text_cstr(&errors));
    assert_null(strstr(text_cstr(&errors), "m:1:"));
    text_clear(&errors);
}

static int parse_primitives(struct primitive_table *table, const char *text, struct text *errors)
{
    return custom_primitives_parse(table, "p", text, strlen(text), errors);
}

/* The rows have the forms that pmacct's aggregate_primitives reads. */
static void custom_primitives_become_fields_of_the_decoder(void **state)
{
    struct primitive_table *table = primitive_table_new();
    struct text errors = {0};
    uint32_t count;
    (void)state;
    assert_int_equal(parse_primitives(table,
                                      "name=mtla\tfield_type=47\tlen=4\tsemantics=ip\n"
                                      "name=alu field_type=637:91 len=2 semantics=hex\n"
                                      "name=user field_type=371 len=vlen semantics=str\n"
                                      "name=back field_type=29305:1 len=8 semantics=u_int\n",
                                      &errors),
                     0);
    const struct custom_field *fields = primitive_table_custom_fields(table, &count);
    assert_int_equal(count, 4);
    assert_int_equal(fields[0].element, 47);
    assert_int_equal(fields[0].enterprise, 0);
    assert_int_equal(fields[1].enterprise, 637);
    assert_int_equal(fields[1].element, 91);
    assert_int_equal(fields[2].len, 0);
    assert_true(fields[3].is_reverse);
    assert_int_equal(fields[3].enterprise,
                     0); /* the reverse of IANA's element 1, RFC 5103 section 6.1 */
    assert_int_equal(primitive_table_find(table, "mtla")->format, PA_FORMAT_CUSTOM_IP);
    text_clear(&errors);
    primitive_table_free(table);
}

static void wrong_custom_primitives_are_reported_all_at_once(void **state)
{
    static const char *const expected[] = {"p:1: field_type=x47", "p:2: len=many",
                                           "p:3: semantics=int", "p:4: name=ip_src",
                                           "p:5: field_type=637:40000"};
    struct primitive_table *table = primitive_table_new();
    struct text errors = {0};
    (void)state;
    assert_int_equal(parse_primitives(table,
                                      "name=a field_type=x47 len=4 semantics=ip\n"
                                      "name=a field_type=47 len=many semantics=ip\n"
                                      "name=a field_type=47 len=4 semantics=int\n"
                                      "name=ip_src field_type=47 len=4 semantics=ip\n"
                                      "name=a field_type=637:40000 len=4 semantics=ip\n",
                                      &errors),
                     -EINVAL);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        if (!strstr(text_cstr(&errors), expected[i]))
            fail_msg("no '%s' in:\n%s", expected[i], text_cstr(&errors));
    text_reset(&errors);
    assert_int_equal(
        parse_primitives(table, "name=a packet_ptr=l3:0x800+8 len=1 semantics=u_int\n", &errors),
        -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "p:1: packet_ptr: bytes of sampled packets "));
    text_reset(&errors);
    assert_int_equal(parse_primitives(table, "name=a len=1 semantics=u_int\n", &errors), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "p:1: the row does not say field_type="));
    text_reset(&errors);
    assert_int_equal(parse_primitives(table,
                                      "name=both packet_ptr=l3:0x800+8 field_type=47 len=4 "
                                      "semantics=ip\n",
                                      &errors),
                     0);
    text_clear(&errors);
    primitive_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_whatever_the_order_and_space),
        cmocka_unit_test(lists_ranges_and_negation_hold_as_the_header_says),
        cmocka_unit_test(all_errors_of_a_map_are_reported_with_their_lines),
        cmocka_unit_test(custom_primitives_become_fields_of_the_decoder),
        cmocka_unit_test(wrong_custom_primitives_are_reported_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
