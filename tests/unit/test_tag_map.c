/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how rows of pre_tag_map follow each other, and what filters of tags take. Each key is proved
 * by integration/test_tags. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/text.h"
#include "maps/tag_filter.h"
#include "maps/tag_map.h"
#include "support/random_values.h"

static uint8_t memory[4096];

static struct tag_result walk(const char *rows, const struct flow *flow)
{
    struct arena labels = {.data = memory, .size = sizeof memory};
    struct text errors = {0};
    struct tag_returns returns = {0};
    struct tag_result result;
    struct tag_map *map;

    assert_int_equal(tag_map_parse("t", rows, strlen(rows), &errors, &map), 0);
    tag_map_walk(map,
                 &(struct flow_batch){
                     .flows = (uint8_t *)(uintptr_t)flow, .stride = sizeof *flow, .count = 1},
                 &labels, &result, &returns);
    mem_free(returns.items);
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
        struct tag_returns returns = {0};
        struct tag_result result;
        tag_map_walk(
            map, &(struct flow_batch){.flows = (uint8_t *)&flow, .stride = sizeof flow, .count = 1},
            &labels, &result, &returns);
        assert_int_equal(returns.count, 0);
        assert_int_equal(result.label.len, 60 * sizeof "label00" + 60 - 1 - 60);
        assert_memory_equal(result.label.data, "label00,label01,label02", 23);
        assert_memory_equal(result.label.data + result.label.len - 15, "label58,label59", 15);
    }
    tag_map_free(map);
    text_clear(&errors);
}

/* Keys of every kind, each with values of which flows have some. */
static const char *const random_cells[] = {
    "ip=192.0.2.1",
    "ip=192.0.2.0/24",
    "ip=2001:db8::/32",
    "ip=2001:db8::1",
    "ip=0.0.0.0/0",
    "ip=-192.0.2.1",
    "ip=::/0,192.0.2.1",
    "in=1",
    "in=2",
    "in=1,2",
    "in=1-3",
    "in=0-1000",
    "in=-1",
    "in=1,-2",
    "out=0",
    "out=2",
    "src_net=10.0.0.0/8",
    "src_net=10.64.0.0/10",
    "src_net=::/1",
    "dst_net=10.0.0.0/9",
    "dst_net=-10.0.0.0/10",
    "vlan=7",
    "engine_id=5",
    "engine_type=1",
    "tcp_flags=0x12",
    "tcp_flags=-0x12",
    "is_multicast=false",
    "is_nsel=true",
    "comms=65000:1",
    "comms=-65000:.",
    "filter='src net 10'",
    "filter='ip6'",
    "sample_type=event",
    "src_mac=0:0:0:0:0:1",
    "src_mac=-0:0:0:0:0:1",
    "direction=1",
};

static void append_random_row(struct text *t, uint32_t index, uint32_t count)
{
    size_t taken[4];
    uint32_t taken_count = 0;
    text_append_printf(t, "set_tag=%u", 1 + random_below(100));
    if (random_below(3) == 0)
        text_append_printf(t, " set_label=l%u", index);
    if (random_below(4) == 0)
        text_append_string(t, random_below(2) ? " stack=sum" : " stack=or");
    text_append_printf(t, " label=x%u", index);
    if (random_below(3) == 0 && index + 1 < count)
        text_append_printf(t, " jeq=x%u", index + 1 + random_below(count - index - 1));
    else if (random_below(4) == 0)
        text_append_printf(t, " jeq=next%s", random_below(3) == 0 ? " return=true" : "");
    for (uint32_t left = random_below(4); left > 0; left--) {
        size_t at = random_below(sizeof random_cells / sizeof *random_cells);
        size_t len = strcspn(random_cells[at], "=") + 1;
        bool stands = false; /* a key stands once in a row */
        for (uint32_t i = 0; i < taken_count; i++)
            stands = stands || strncmp(random_cells[taken[i]], random_cells[at], len) == 0;
        if (stands)
            continue;
        text_append_printf(t, " %s", random_cells[at]);
        taken[taken_count++] = at;
    }
    text_append_char(t, '\n');
}

static struct ip_addr random_flow_address(void)
{
    static const char *const texts[] = {"192.0.2.1",   "192.0.2.9",   "10.1.1.1",  "10.65.0.1",
                                        "2001:db8::1", "2001:db8::2", "224.0.0.1", "10.200.0.1"};
    struct ip_addr addr = {.family = IP_NONE};
    if (random_below(20))
        assert_int_equal(ip_addr_parse(texts[random_below(8)], &addr), 0);
    return addr;
}

static struct flow random_flow(void)
{
    static const uint8_t comms[] = "65000:1 65000:20";
    struct flow flow = {.exporter_addr = random_flow_address(),
                        .src_addr = random_flow_address(),
                        .dst_addr = random_flow_address(),
                        .in_iface = random_below(4),
                        .out_iface = random_below(3),
                        .in_vlan = (uint16_t)(random_below(2) * 7),
                        .export_version = random_below(2) ? 5 : 10,
                        .export_domain = random_below(2) ? 5 : 256 + 5,
                        .tcp_flags = random_below(2) ? 0x12 : 0,
                        .fw_event = (uint8_t)random_below(2),
                        .direction = (uint8_t)random_below(2),
                        .has_counters = (uint8_t)random_below(2),
                        .src_mac.bytes[5] = (uint8_t)random_below(2)};
    flow.ip_version = flow.src_addr.family;
    flow.std_comms = (struct flow_bytes){.data = comms, .len = random_below(2) ? 0 : 16};
    return flow;
}

static void assert_same_result(const struct tag_result *a, const struct tag_result *b,
                               const char *rows)
{
    if (a->tag == b->tag && a->label.len == b->label.len &&
        (a->label.len == 0 || memcmp(a->label.data, b->label.data, a->label.len) == 0))
        return;
    fail_msg("tag %lu or %lu, label %.*s or %.*s:\n%s", (unsigned long)a->tag,
             (unsigned long)b->tag, (int)a->label.len, (const char *)a->label.data,
             (int)b->label.len, (const char *)b->label.data, rows);
}

static void the_index_finds_what_a_scan_finds(void **state)
{
    enum { FLOWS = 70 };
    static struct flow flows[FLOWS];
    static uint8_t room[2][2 * FLOWS * TAG_LABEL_MAX];
    struct tag_returns returns = {0}, scanned_returns = {0};
    (void)state;
    for (int round = 0; round < 400; round++) {
        struct arena labels = {.data = room[0], .size = sizeof room[0]};
        struct arena scanned_labels = {.data = room[1], .size = sizeof room[1]};
        struct flow_batch batch = {
            .flows = (uint8_t *)flows, .stride = sizeof *flows, .count = FLOWS};
        struct tag_result results[FLOWS], scanned;
        struct text rows = {0}, errors = {0};
        uint32_t row_count = random_below(40);
        struct tag_map *map;
        for (uint32_t i = 0; i < row_count; i++)
            append_random_row(&rows, i, row_count);
        if (tag_map_parse("t", text_cstr(&rows), rows.len, &errors, &map) < 0)
            fail_msg("%s", text_cstr(&errors));
        for (int i = 0; i < FLOWS; i++)
            flows[i] = random_flow();
        tag_map_walk(map, &batch, &labels, results, &returns);
        for (uint32_t i = 0, at = 0; i < FLOWS; i++) {
            scanned_returns.count = 0;
            tag_map_scan(map, &flows[i], &scanned_labels, &scanned, &scanned_returns);
            assert_same_result(&results[i], &scanned, text_cstr(&rows));
            for (uint32_t k = 0; k < scanned_returns.count; k++, at++) {
                assert_true(at < returns.count && returns.items[at].flow == i);
                assert_same_result(&returns.items[at].result, &scanned_returns.items[k].result,
                                   text_cstr(&rows));
            }
            assert_true(at == returns.count || returns.items[at].flow > i);
        }
        tag_map_free(map);
        text_clear(&rows);
        text_clear(&errors);
    }
    mem_free(returns.items);
    mem_free(scanned_returns.items);
}

static void a_row_gives_a_flow_away_before_the_end(void **state)
{
    static const char *const wrong[] = {"set_tag=1 return=true\n", "set_tag=1 jeq=next return=x\n"};
    static const char rows[] = "set_tag=1 set_label=a jeq=next return=true\n"
                               "set_tag2=2 jeq=next return=true\n"
                               "set_label=b\n";
    struct arena labels = {.data = memory, .size = sizeof memory};
    struct tag_returns returns = {0};
    struct text errors = {0};
    struct tag_result result;
    struct tag_map *map;
    struct flow flow = {0};
    (void)state;

    assert_int_equal(tag_map_parse("t", rows, strlen(rows), &errors, &map), 0);
    tag_map_walk(map,
                 &(struct flow_batch){.flows = (uint8_t *)&flow, .stride = sizeof flow, .count = 1},
                 &labels, &result, &returns);
    assert_int_equal(returns.count, 2);
    assert_int_equal(returns.items[0].result.tag, 1);
    assert_int_equal(returns.items[0].result.label.len, 1);
    assert_int_equal(returns.items[1].result.tag, 0);
    assert_int_equal(returns.items[1].result.tag2, 2);
    assert_int_equal(returns.items[1].result.label.len, 0);
    assert_int_equal(result.tag + result.tag2, 0);
    assert_memory_equal(result.label.data, "b", 1);
    tag_map_free(map);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(tag_map_parse("t", wrong[i], strlen(wrong[i]), &errors, &map), -EINVAL);
        assert_non_null(strstr(text_cstr(&errors), "expected true, beside jeq="));
        text_reset(&errors);
    }
    mem_free(returns.items);
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
        cmocka_unit_test(the_index_finds_what_a_scan_finds),
        cmocka_unit_test(a_row_gives_a_flow_away_before_the_end),
        cmocka_unit_test(a_jump_that_leads_nowhere_is_an_error),
        cmocka_unit_test(filters_take_what_their_first_deciding_item_says),
        cmocka_unit_test(a_bad_list_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
