/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how rows of pre_tag_map follow each other, and what filters of tags take. Each key is proved
 * by integration/test_tags. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "maps/tag_filter.h"
#include "maps/tag_map.h"

static uint8_t memory[4096];

static struct tag_result walk(const char *rows, const struct flow *flow)
{
    struct arena labels = {.data = memory, .size = sizeof memory};
    struct text errors = {0};
    struct tag_result result;
    struct tag_map *map;

    assert_int_equal(tag_map_parse("t", rows, strlen(rows), &errors, &map), 0);
    tag_map_walk(map, flow, &labels, &result);
    static char label[TAG_LABEL_MAX];
    if (result.label.len > 0)
        memcpy(label, result.label.data, result.label.len);
    result.label.data = (const uint8_t *)label;
    tag_map_free(map);
    text_clear(&errors);
    return result;
}

static void the_first_row_that_holds_decides(void **state)
{
    struct flow flow = {.in_iface = 5};
    (void)state;
    assert_int_equal(walk("set_tag=1 in=4\nset_tag=2 in=5\nset_tag=3\n", &flow).tag, 2);
    assert_int_equal(walk("set_tag=1 in=4\n", &flow).tag, 0);
    assert_int_equal(walk("! nothing\n", &flow).tag, 0);
}

static void jumps_go_on_further_down(void **state)
{
    struct flow flow = {0};
    (void)state;
    struct tag_result r =
        walk("set_tag=1 jeq=x\nset_tag=2\nset_tag2=3 label=x\nset_tag=4\n", &flow);
    assert_int_equal(r.tag, 1);
    assert_int_equal(r.tag2, 3);
    r = walk("set_tag=1 jeq=next\nset_tag=8 stack=sum jeq=next\nset_tag=6 stack=or\n", &flow);
    assert_int_equal(r.tag, 9 | 6);
    assert_int_equal(walk("set_tag=1 jeq=next\n", &flow).tag, 1);
}

static void labels_are_appended_up_to_a_bound(void **state)
{
    char rows[2 * TAG_LABEL_MAX + 100], word[600];
    struct flow flow = {0};
    (void)state;
    struct tag_result r = walk("set_label=a jeq=next\nset_label=b jeq=next\nset_label=c\n", &flow);
    assert_int_equal(r.label.len, 5);
    assert_memory_equal(r.label.data, "a,b,c", 5);
    memset(word, 'w', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    snprintf(rows, sizeof rows, "set_label=%s jeq=next\nset_label=%s jeq=next\nset_label=z\n", word,
             word);
    r = walk(rows, &flow);
    assert_int_equal(r.label.len, sizeof word - 1 + 2); /* the second one did not fit */
    assert_int_equal(r.label.data[r.label.len - 1], 'z');
}

/* Each flow of a batch has room for a whole label, however many rows it was joined from. */
static void many_labels_take_no_more_room_than_one(void **state)
{
    char rows[TAG_LABEL_MAX * 2];
    struct arena labels = {.data = memory, .size = 2 * TAG_LABEL_MAX};
    struct text errors = {0};
    struct flow flow = {0};
    struct tag_map *map;
    int used = 0;
    (void)state;
    for (int i = 0; i < 60; i++)
        used +=
            snprintf(rows + used, sizeof rows - (size_t)used, "set_label=label%02d jeq=next\n", i);
    assert_int_equal(tag_map_parse("t", rows, strlen(rows), &errors, &map), 0);
    for (int i = 0; i < 2; i++) {
        struct tag_result result;
        tag_map_walk(map, &flow, &labels, &result);
        assert_int_equal(result.label.len, 60 * sizeof "label00" + 60 - 1 - 60);
        assert_memory_equal(result.label.data, "label00,label01,label02", 23);
        assert_memory_equal(result.label.data + result.label.len - 15, "label58,label59", 15);
    }
    tag_map_free(map);
    text_clear(&errors);
}

static void a_jump_that_leads_nowhere_is_an_error(void **state)
{
    const char rows[] = "set_tag=1 label=up\nset_tag=2 jeq=up\n";
    struct text errors = {0};
    struct tag_map *map;
    (void)state;
    assert_int_equal(tag_map_parse("t", rows, strlen(rows), &errors, &map), -EINVAL);
    assert_string_equal(text_cstr(&errors), "t:2: jeq=up: no row further down has label=up\n");
    text_clear(&errors);
}

static bool takes(const struct tag_filter_settings *settings, uint64_t tag, const char *label)
{
    struct flow flow = {.tag = tag,
                        .label = {.data = (const uint8_t *)label, .len = (uint32_t)strlen(label)}};
    struct tag_filter *filter;
    struct text error = {0};

    assert_int_equal(tag_filter_new(settings, &error, &filter), 0);
    bool result = tag_filter_accepts(filter, &flow);
    tag_filter_free(filter);
    return result;
}

static void filters_take_what_their_first_deciding_item_says(void **state)
{
    static const struct {
        const char *list;
        uint64_t tag;
        bool is_taken;
    } cases[] = {
        {"0", 0, true},     {"0", 1, false},   {"10-20", 15, true},  {"10-20", 21, false},
        {"-5", 5, false},   {"-5", 6, true},   {"-5-7", 6, false},   {"1,-5", 1, true},
        {"-5,-6", 6, true}, {"1,2", 3, false}, {" 1 , 2 ", 2, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tag_filter_settings s = {.tag = cases[i].list};
        assert_int_equal(takes(&s, cases[i].tag, ""), cases[i].is_taken);
    }
    struct tag_filter_settings label = {.label = "web,mail"}, none = {.label = "null"},
                               not_web = {.label = "-web"};
    assert_true(takes(&label, 0, "dns,mail"));
    assert_false(takes(&label, 0, "webmail"));
    assert_false(takes(&label, 0, ""));
    assert_true(takes(&none, 0, ""));
    assert_false(takes(&none, 0, "null"));
    assert_false(takes(&not_web, 0, "a,web"));
    assert_true(takes(&not_web, 0, "a"));
}

static void a_bad_list_is_an_error(void **state)
{
    static const char *const lists[] = {
        "", "x", "1,", "5-", "9-3", "1-2-3", "99999999999999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct tag_filter_settings s = {.tag2 = lists[i]};
        struct tag_filter *filter;
        struct text error = {0};
        assert_int_equal(tag_filter_new(&s, &error, &filter), -EINVAL);
        assert_true(error.len > 0);
        text_clear(&error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_that_holds_decides),
        cmocka_unit_test(jumps_go_on_further_down),
        cmocka_unit_test(labels_are_appended_up_to_a_bound),
        cmocka_unit_test(many_labels_take_no_more_room_than_one),
        cmocka_unit_test(a_jump_that_leads_nowhere_is_an_error),
        cmocka_unit_test(filters_take_what_their_first_deciding_item_says),
        cmocka_unit_test(a_bad_list_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
