/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that event records come out as they went in: from the worker's table over shared memory to
 * lines of JSON, whose text is written here by hand; and that the ledger has every one. */
#include "base/event.h"
#include "base/poller.h"
#include "handover/dictionary.h"
#include "pipeline/aggregate.h"
#include "plugins/text/format.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { SEQ, WHEN, PEER, TYPE, METRIC, PATH, TEXT, REST };
enum { UPDATE, GONE };

static const struct event_member members[] = {
    {"seq", "seq", PA_KIND_U64, PA_FORMAT_UINT, NULL},
    {"when", "timestamp", PA_KIND_TIME, PA_FORMAT_TIME, NULL},
    {"peer_src_ip", "peer_ip_src", PA_KIND_ADDR, PA_FORMAT_IP, NULL},
    {"type", "log_type", PA_KIND_U8, PA_FORMAT_PATH_MATCH, "update|delete"},
    {"med", "med", PA_KIND_U32, PA_FORMAT_UINT, NULL},
    {"as_path", "as_path", PA_KIND_BYTES, PA_FORMAT_AS_PATH, NULL},
    {"text", "text", PA_KIND_BYTES, PA_FORMAT_TEXT, NULL},
    {"rest", "", PA_KIND_BYTES, PA_FORMAT_MEMBERS, NULL},
};
/* A kind has its members in an order of its own. */
static const uint8_t of_update[] = {SEQ, WHEN, PEER, TYPE, PATH, METRIC, TEXT, REST};
static const uint8_t of_gone[] = {TYPE, PEER, SEQ};
static const struct event_kind kinds[] = {{"update", of_update, sizeof of_update},
                                          {"gone", of_gone, sizeof of_gone}};
static const struct event_table table = {members, kinds, 8, 2};

struct rig {
    struct aggregate_plan *plan;
    struct outlet *outlet;
    int event;
    struct ledger *ledger;
    struct aggregate *aggregate;
    struct ring_view *ring;
    struct pool_view *pool;
    struct text lines;
};

static void rig_init(struct rig *rig, uint64_t pool_bytes)
{
    int slots_fd, cursors_fd;

    memset(rig, 0, sizeof *rig);
    assert_int_equal(aggregate_plan_new_events(&table, false, &rig->plan), 0);
    rig->event = poller_event_new();
    assert_int_equal(outlet_new(1, &rig->event, pool_bytes, &rig->outlet), 0);
    rig->ledger = mem_aligned_zalloc(CACHE_LINE, sizeof *rig->ledger);
    rig->aggregate = aggregate_new(rig->plan, rig->outlet, &rig->outlet->lanes[0], 8, rig->ledger);
    assert_int_equal(ring_open_for_host(rig->outlet->lanes[0].ring, &slots_fd, &cursors_fd), 0);
    assert_int_equal(ring_view_new(slots_fd, cursors_fd, rig->event, &rig->ring), 0);
    assert_int_equal(pool_view_new(pool_open_readonly(rig->outlet->lanes[0].pool),
                                   pool_max_count(rig->outlet->lanes[0].pool), &rig->pool),
                     0);
}

static void rig_clear(struct rig *rig)
{
    ring_view_free(rig->ring);
    pool_view_free(rig->pool);
    aggregate_free(rig->aggregate);
    outlet_free(rig->outlet);
    aggregate_plan_free(rig->plan);
    close(rig->event);
    mem_free(rig->ledger);
    text_clear(&rig->lines);
}

/* Takes all hand-overs, and appends the lines of their rows by a schema that has crossed the
 * socketpair. */
static void host_take(struct rig *rig)
{
    const struct format_options options = {.is_utc = true, .has_whole_seconds = true};
    struct text bytes = {0};
    struct schema *schema;
    struct format *format;
    struct handover h;

    schema_encode(rig->plan->schema, &bytes);
    assert_int_equal(schema_decode(bytes.data, bytes.len, &schema), 0);
    text_clear(&bytes);
    assert_int_equal(format_new(&format_event, schema_view(schema), &options, &format), 0);
    while (ring_view_peek(rig->ring, 0, &h)) {
        struct pa_bytes *dictionary = mem_calloc(h.dictionary_count + 1, sizeof *dictionary);
        assert_int_equal(
            dictionary_read(rig->pool, h.dictionary_segment, h.dictionary_count, dictionary), 0);
        for (uint32_t at = h.row_segment; at != SEGMENT_NONE;) {
            const struct segment *segment = pool_view_segment(rig->pool, at);
            const struct pa_batch batch = {.rows = segment->data,
                                           .row_count = segment->used / rig->plan->view->row_size,
                                           .dictionary = dictionary,
                                           .dictionary_count = h.dictionary_count + 1};
            for (uint32_t i = 0; i < batch.row_count;)
                i = format_append_rows(format, &batch, i, SIZE_MAX, &rig->lines);
            at = segment->next;
        }
        mem_free(dictionary);
        ring_view_take(rig->ring, h.seq);
        ring_view_set_outcome(rig->ring, h.seq,
                              &(struct handover_outcome){.fate = HANDOVER_WRITTEN});
        ring_view_ack(rig->ring, h.seq);
    }
    format_free(format);
    schema_free(schema);
    aggregate_recycle(rig->aggregate);
}

static struct event update(uint64_t seq)
{
    const uint8_t peer[4] = {192, 0, 2, 1};
    struct ip_addr addr = ip_addr_v4(peer);
    struct event e;

    event_begin(&e, UPDATE);
    event_set_number(&e, SEQ, seq);
    event_set_number(&e, WHEN, UINT64_C(1700000000123456000));
    event_set_addr(&e, PEER, &addr);
    event_set_number(&e, TYPE, 0);
    return e;
}

static void each_kind_shows_what_a_record_has_in_its_order(void **state)
{
    (void)state;
    struct rig rig;
    struct event e;

    rig_init(&rig, 64 << 20);
    e = update(7);
    event_set_bytes(&e, PATH, "789_654", 7);
    event_set_number(&e, METRIC, 0); /* present, though 0 */
    event_set_bytes(&e, TEXT, "a \"b\"", 5);
    event_set_bytes(&e, REST, "\"x\": 1, \"y\": \"z\"", 16);
    aggregate_add_event(rig.aggregate, &e, 1);
    e = update(8);
    event_set_bytes(&e, PATH, "", 0); /* present, though empty */
    event_set_bytes(&e, REST, "", 0);
    aggregate_add_event(rig.aggregate, &e, 1);
    e = update(9);
    e.kind = GONE;
    event_set_number(&e, TYPE, 1);
    event_set_number(&e, METRIC, 5); /* this kind does not show it */
    aggregate_add_event(rig.aggregate, &e, 1);
    aggregate_hand_over_early(rig.aggregate, 1);
    host_take(&rig);
    assert_string_equal(
        text_cstr(&rig.lines),
        "{\"seq\": 7, \"timestamp\": \"2023-11-14 22:13:20.123456\", \"peer_ip_src\": "
        "\"192.0.2.1\", \"log_type\": \"update\", \"as_path\": \"789 654\", \"med\": 0, "
        "\"text\": \"a \\\"b\\\"\", \"x\": 1, \"y\": \"z\"}\n"
        "{\"seq\": 8, \"timestamp\": \"2023-11-14 22:13:20.123456\", \"peer_ip_src\": "
        "\"192.0.2.1\", \"log_type\": \"update\", \"as_path\": \"\"}\n"
        "{\"log_type\": \"delete\", \"peer_ip_src\": \"192.0.2.1\", \"seq\": 9}\n");
    assert_int_equal(counter_get(&rig.ledger->written.flows), 3);
    assert_int_equal(counter_get(&rig.ledger->written.packets), 0);
    rig_clear(&rig);
}

static void order_and_number_survive_many_handovers(void **state)
{
    (void)state;
    struct rig rig;
    struct text expected = {0};
    char path[32];

    rig_init(&rig, 64 << 20);
    for (unsigned i = 0; i < 20000; i++) {
        struct event e;
        event_begin(&e, UPDATE);
        event_set_number(&e, SEQ, i);
        snprintf(path, sizeof path, "%u", i % 700);
        event_set_bytes(&e, PATH, path, strlen(path));
        /* A value with a handle is found by it. */
        e.values[PATH].bytes.handle = i % 2 ? i % 700 + 1 : 0;
        aggregate_add_event(rig.aggregate, &e, i);
        if (i % 1777 == 0)
            aggregate_hand_over_early(rig.aggregate, i);
        if (i % 5000 == 0)
            host_take(&rig);
        text_append_printf(&expected, "{\"seq\": %u, \"as_path\": \"%s\"}\n", i, path);
    }
    aggregate_hand_over_early(rig.aggregate, 0);
    host_take(&rig);
    assert_string_equal(text_cstr(&rig.lines), text_cstr(&expected));
    assert_int_equal(counter_get(&rig.ledger->written.flows), 20000);
    text_clear(&expected);
    rig_clear(&rig);
}

static void what_has_no_room_is_dropped_and_counted(void **state)
{
    (void)state;
    struct rig rig;
    size_t len = DICTIONARY_VALUE_MAX + 1;
    char *large = mem_zalloc(len);
    struct event e;

    rig_init(&rig, 1 << 20);
    e = update(1);
    event_set_bytes(&e, TEXT, large, len);
    aggregate_add_event(rig.aggregate, &e, 1);
    assert_int_equal(counter_get(&rig.ledger->drops[DROP_event_too_large].flows), 1);
    for (unsigned i = 0; i < 2000; i++) {
        memset(large, 'x', 1000);
        snprintf(large, 20, "%u", i);
        event_begin(&e, UPDATE);
        event_set_bytes(&e, TEXT, large, 1000);
        aggregate_add_event(rig.aggregate, &e, 1);
    }
    struct ledger_sum sum = {0};
    const struct handover_totals none = {0};
    ledger_sum_add(&sum, rig.ledger, &none, &none, &none);
    assert_int_equal(sum.decoded.flows, 2001);
    assert_true(sum.drops[DROP_pool_full].flows > 0);
    assert_int_equal(ledger_sum_residual(&sum).flows, 0);
    host_take(&rig);
    aggregate_hand_over_early(rig.aggregate, 1);
    host_take(&rig);
    assert_int_equal(counter_get(&rig.ledger->written.flows),
                     2000 - sum.drops[DROP_pool_full].flows);
    mem_free(large);
    rig_clear(&rig);
}

/* A spool file may be damaged: its schema must not lead outside. */
static void no_damaged_schema_is_believed(void **state)
{
    (void)state;
    struct schema *schema = schema_new(), *copy;
    struct text bytes = {0};

    assert_int_equal(schema_add_events(schema, &table), 0);
    assert_int_equal(schema_finish(schema), 0);
    schema_encode(schema, &bytes);
    for (size_t len = 0; len < bytes.len; len++)
        assert_int_equal(schema_decode(bytes.data, len, &copy), -EBADMSG);
    for (size_t at = 0; at < bytes.len; at++) {
        char was = bytes.data[at];
        bytes.data[at] = (char)(was ^ 0x55);
        if (schema_decode(bytes.data, bytes.len, &copy) == 0) {
            const struct pa_schema *view = schema_view(copy);
            for (uint32_t i = 0; i < view->event_kind_count; i++)
                for (uint32_t m = 0; m < view->event_kinds[i].member_count; m++)
                    assert_true(view->event_kinds[i].members[m] < view->column_count - 2);
            schema_free(copy);
        }
        bytes.data[at] = was;
    }
    text_clear(&bytes);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_shows_what_a_record_has_in_its_order),
        cmocka_unit_test(order_and_number_survive_many_handovers),
        cmocka_unit_test(what_has_no_room_is_dropped_and_counted),
        cmocka_unit_test(no_damaged_schema_is_believed),
    };

    thread_enter_role(&worker_thread);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
