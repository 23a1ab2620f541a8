/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that aggregation loses and invents nothing: random flows go in, rows are read back as a
 * plugin host reads them, and their sums must be those that the test made flow by flow. */
#include "base/poller.h"
#include "base/thread.h"
#include "flow/primitive.h"
#include "handover/dictionary.h"
#include "pipeline/aggregate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { BATCH = 200, SUMS_MAX = 20000 };

struct sum {
    int64_t bin_s;
    uint32_t in_iface;
    uint16_t port;
    char path[24];
    struct handover_totals totals;
    uint64_t tcp_flags;
    int64_t first_ns, last_ns;
};

struct rig {
    struct aggregate_plan *plan;
    struct outlet *outlet;
    int event, host_event;
    struct ledger *ledger;
    struct aggregate *aggregate;
    struct ring_view *ring;
    struct pool_view *pool;
    struct flow_batch batch;
    struct sum *expected, *got;
    size_t expected_count, got_count;
    uint64_t rows;
};

struct rig_settings {
    int64_t bin_s;
    const char *filter;
    uint64_t pool_bytes;
    bool is_unaggregated, is_replay, has_pro_rating, has_path, has_whole_seconds, has_arrival,
        has_tos, has_dscp;
};

static void add_column(struct aggregate_settings *settings, struct aggregate_column *columns,
                       enum primitive_index i)
{
    columns[settings->column_count++] = (struct aggregate_column){
        .column = primitive_column(&primitives[i]), .flow_offset = primitives[i].flow_offset};
}

static void rig_init(struct rig *rig, const struct rig_settings *s)
{
    struct aggregate_column columns[16];
    struct aggregate_settings settings = {.columns = columns,
                                          .filter = s->filter,
                                          .is_unaggregated = s->is_unaggregated,
                                          .is_replay = s->is_replay,
                                          .has_order = s->is_replay,
                                          .has_pro_rating = s->has_pro_rating,
                                          .has_whole_seconds = s->has_whole_seconds,
                                          .has_dscp = s->has_dscp};
    struct time_bins_settings bin_settings = {.length_s = s->bin_s, .is_utc = true};
    struct time_bins bins;
    struct text error = {0};
    int slots_fd, cursors_fd;

    memset(rig, 0, sizeof *rig);
    add_column(&settings, columns, PRIMITIVE_in_iface);
    add_column(&settings, columns, PRIMITIVE_dst_port);
    if (s->has_path)
        add_column(&settings, columns, PRIMITIVE_as_path);
    if (s->has_whole_seconds)
        add_column(&settings, columns, PRIMITIVE_timestamp_start);
    if (s->has_arrival)
        add_column(&settings, columns, PRIMITIVE_timestamp_arrival);
    if (s->has_tos)
        add_column(&settings, columns, PRIMITIVE_tos);
    add_column(&settings, columns, PRIMITIVE_tcpflags);
    add_column(&settings, columns, PRIMITIVE_timestamp_min);
    add_column(&settings, columns, PRIMITIVE_timestamp_max);
    add_column(&settings, columns, PRIMITIVE_flows);
    add_column(&settings, columns, PRIMITIVE_packets);
    add_column(&settings, columns, PRIMITIVE_bytes);
    if (s->bin_s) {
        assert_int_equal(time_bins_init(&bins, &bin_settings, &error), 0);
        settings.bins = &bins;
    }
    assert_int_equal(aggregate_plan_new(&settings, &error, &rig->plan), 0);
    rig->event = poller_event_new();
    assert_int_equal(
        outlet_new(1, &rig->event, s->pool_bytes ? s->pool_bytes : 256 << 20, &rig->outlet), 0);
    rig->ledger = mem_aligned_zalloc(CACHE_LINE, sizeof *rig->ledger);
    rig->batch = (struct flow_batch){.flows = mem_calloc(BATCH, sizeof(struct flow)),
                                     .stride = sizeof(struct flow),
                                     .capacity = BATCH};
    rig->aggregate = aggregate_new(rig->plan, rig->outlet, &rig->outlet->lanes[0],
                                   rig->batch.stride, rig->ledger);
    assert_int_equal(ring_open_for_host(rig->outlet->lanes[0].ring, &slots_fd, &cursors_fd), 0);
    assert_int_equal(ring_view_new(slots_fd, cursors_fd, rig->event, &rig->ring), 0);
    assert_int_equal(pool_view_new(pool_open_readonly(rig->outlet->lanes[0].pool),
                                   pool_max_count(rig->outlet->lanes[0].pool), &rig->pool),
                     0);
    rig->expected = mem_calloc(SUMS_MAX, sizeof *rig->expected);
    rig->got = mem_calloc(SUMS_MAX, sizeof *rig->got);
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
    mem_free(rig->batch.flows);
    mem_free(rig->expected);
    mem_free(rig->got);
}

static void sums_add(struct sum *sums, size_t *count, const struct sum *one)
{
    for (size_t i = 0; i < *count; i++) {
        struct sum *s = &sums[i];
        if (s->bin_s != one->bin_s || s->in_iface != one->in_iface || s->port != one->port ||
            strcmp(s->path, one->path) != 0)
            continue;
        s->totals.flows += one->totals.flows;
        s->totals.packets += one->totals.packets;
        s->totals.bytes += one->totals.bytes;
        s->tcp_flags |= one->tcp_flags;
        if (one->first_ns && (!s->first_ns || one->first_ns < s->first_ns))
            s->first_ns = one->first_ns;
        if (one->last_ns > s->last_ns)
            s->last_ns = one->last_ns;
        return;
    }
    assert_true(*count < SUMS_MAX);
    sums[(*count)++] = *one;
}

static uint64_t number(const struct rig *rig, const uint8_t *row, const char *name)
{
    const struct pa_column *c = schema_find(rig->plan->view, name);
    uint64_t value = 0;

    if (c)
        memcpy(&value, row + c->offset, c->width); /* little-endian machine */
    return value;
}

static void read_row(struct rig *rig, const uint8_t *row, const struct pa_bytes *dictionary)
{
    struct sum one = {.in_iface = (uint32_t)number(rig, row, "in_iface"),
                      .port = (uint16_t)number(rig, row, "dst_port"),
                      .totals = {number(rig, row, "flows"), number(rig, row, "packets"),
                                 number(rig, row, "bytes")},
                      .tcp_flags = number(rig, row, "tcpflags"),
                      .first_ns = (int64_t)number(rig, row, "timestamp_min"),
                      .last_ns = (int64_t)number(rig, row, "timestamp_max")};
    uint64_t path = number(rig, row, "as_path");

    if (rig->plan->view->bin_offset >= 0)
        memcpy(&one.bin_s, row + rig->plan->view->bin_offset, sizeof one.bin_s);
    if (path)
        memcpy(one.path, dictionary[path].data, dictionary[path].len);
    sums_add(rig->got, &rig->got_count, &one);
    rig->rows++;
}

/* Takes and acknowledges all hand-overs; returns how many there were. */
static unsigned host_take(struct rig *rig)
{
    struct handover h;
    unsigned count = 0;

    for (; ring_view_peek(rig->ring, 0, &h); count++) {
        struct pa_bytes *dictionary = mem_calloc(h.dictionary_count + 1, sizeof *dictionary);
        uint64_t rows = 0;
        assert_int_equal(
            dictionary_read(rig->pool, h.dictionary_segment, h.dictionary_count, dictionary), 0);
        for (uint32_t at = h.row_segment; at != SEGMENT_NONE;) {
            const struct segment *segment = pool_view_segment(rig->pool, at);
            assert_non_null(segment);
            for (uint32_t used = 0; used < segment->used; used += rig->plan->view->row_size, rows++)
                read_row(rig, segment->data + used, dictionary);
            at = segment->next;
        }
        assert_int_equal(rows, h.row_count);
        mem_free(dictionary);
        ring_view_take(rig->ring, h.seq);
        ring_view_set_outcome(rig->ring, h.seq,
                              &(struct handover_outcome){.fate = HANDOVER_WRITTEN});
        ring_view_ack(rig->ring, h.seq);
    }
    return count;
}

static void end_epoch(struct rig *rig, uint64_t number_of)
{
    assert_true(aggregate_end(
        rig->aggregate, &(struct aggregate_end){.group = number_of,
                                                .epoch = number_of,
                                                .flags = HANDOVER_MARKER | HANDOVER_ENDS_EPOCH}));
}

static struct flow *add_flow(struct rig *rig)
{
    struct flow *flow = flow_batch_next(&rig->batch);

    memset(flow, 0, sizeof *flow);
    flow->flows = 1;
    flow_batch_push(&rig->batch);
    return flow;
}

static void flush(struct rig *rig)
{
    aggregate_add(rig->aggregate, &rig->batch);
    rig->batch.count = 0;
}

/* Adds flows over few or many keys, and to the expected sums those that `is_kept` accepts. */
static void add_random(struct rig *rig, unsigned count, unsigned interfaces, unsigned ports,
                       int64_t bin_s)
{
    static char paths[50][24];

    for (unsigned n = 0; n < count; n++) {
        struct flow *flow = add_flow(rig);
        unsigned path = (unsigned)rand() % 50;
        struct sum one = {0};
        snprintf(paths[path], sizeof paths[path], "%u_789", path);
        flow->in_iface = (unsigned)rand() % interfaces;
        flow->dst_port = (uint16_t)((unsigned)rand() % ports);
        flow->packets = (uint64_t)rand() % 100 + 1;
        flow->bytes = flow->packets * 100;
        flow->tcp_flags = (uint16_t)(1U << rand() % 8);
        flow->start_ns = (1700000000 + rand() % 1000) * INT64_C(1000000000);
        flow->end_ns = flow->start_ns + rand() % 1000;
        flow->bin_ns = flow->start_ns;
        if (schema_find(rig->plan->view, "as_path")) {
            flow->as_path = (struct flow_bytes){
                (uint8_t *)paths[path], (uint32_t)strlen(paths[path]), path % 2 ? path + 1 : 0};
            strcpy(one.path, paths[path]);
        }
        one.bin_s = bin_s ? flow->start_ns / 1000000000 / bin_s * bin_s : 0;
        one.in_iface = flow->in_iface;
        one.port = flow->dst_port;
        one.totals = (struct handover_totals){1, flow->packets, flow->bytes};
        one.tcp_flags = flow->tcp_flags;
        one.first_ns = flow->start_ns;
        one.last_ns = flow->end_ns;
        sums_add(rig->expected, &rig->expected_count, &one);
        if (rig->batch.count == BATCH)
            flush(rig);
    }
    flush(rig);
}

static int compare(const void *a, const void *b)
{
    const struct sum *x = a, *y = b;

    if (x->bin_s != y->bin_s)
        return x->bin_s < y->bin_s ? -1 : 1;
    if (x->in_iface != y->in_iface)
        return x->in_iface < y->in_iface ? -1 : 1;
    if (x->port != y->port)
        return x->port < y->port ? -1 : 1;
    return strcmp(x->path, y->path);
}

static void check_sums(struct rig *rig)
{
    assert_int_equal(rig->got_count, rig->expected_count);
    qsort(rig->got, rig->got_count, sizeof *rig->got, compare);
    qsort(rig->expected, rig->expected_count, sizeof *rig->expected, compare);
    for (size_t i = 0; i < rig->got_count; i++)
        assert_memory_equal(&rig->got[i], &rig->expected[i], sizeof *rig->got);
}

static void check_ledger(const struct rig *rig, bool is_all_written)
{
    struct ledger_sum sum = {0};
    struct handover_totals residual, none = {0};

    ledger_sum_add(&sum, rig->ledger, &none, &none, &none);
    residual = ledger_sum_residual(&sum);
    assert_memory_equal(&residual, &none, sizeof none);
    if (is_all_written) {
        assert_memory_equal(&sum.open, &none, sizeof none);
        assert_memory_equal(&sum.handed_over, &none, sizeof none);
    }
}

static void rows_are_the_sums_of_their_flows(void **state)
{
    const struct rig_settings settings = {.bin_s = 60, .has_path = true};
    struct rig rig;

    (void)state;
    rig_init(&rig, &settings);
    for (uint64_t epoch = 1; epoch <= 5; epoch++) {
        add_random(&rig, 3000, 3, 5, 60);
        end_epoch(&rig, epoch);
        assert_int_equal(host_take(&rig), 1);
    }
    aggregate_recycle(rig.aggregate);
    check_sums(&rig);
    check_ledger(&rig, true);
    rig_clear(&rig);
}

static void a_table_grows_over_many_segments(void **state)
{
    const struct rig_settings settings = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, &settings);
    for (uint32_t n = 0; n < 200000; n++) {
        struct flow *flow = add_flow(&rig);
        flow->in_iface = n % 100000;
        flow->packets = flow->bytes = 1;
        if (rig.batch.count == BATCH)
            flush(&rig);
    }
    flush(&rig);
    assert_true(pool_used_count(rig.outlet->lanes[0].pool) > 15);
    assert_int_equal(counter_get(&rig.ledger->open.flows), 200000);
    end_epoch(&rig, 1);
    assert_int_equal(counter_get(&rig.ledger->rows), 100000);
    assert_int_equal(counter_get(&rig.ledger->handed_over.flows), 200000);
    rig_clear(&rig);
}

static void an_unaggregated_instance_keeps_every_flow_in_order(void **state)
{
    const struct rig_settings settings = {.is_unaggregated = true};
    struct rig rig;
    uint32_t n = 0;

    (void)state;
    rig_init(&rig, &settings);
    for (; n < 15000; n++) {
        struct flow *flow = add_flow(&rig);
        flow->in_iface = n;
        flow->packets = flow->bytes = 1;
        if (rig.batch.count == BATCH)
            flush(&rig);
    }
    flush(&rig);
    end_epoch(&rig, 1);
    assert_true(host_take(&rig) > 1); /* full segments did not wait for the end of the epoch */
    assert_int_equal(rig.rows, 15000);
    for (n = 0; n < 15000; n++)
        assert_int_equal(rig.got[n].in_iface, n);
    aggregate_recycle(rig.aggregate);
    check_ledger(&rig, true);
    rig_clear(&rig);
}

static void an_epoch_without_flows_sends_its_marker(void **state)
{
    const struct rig_settings settings = {0};
    struct rig rig;
    struct handover h;

    (void)state;
    rig_init(&rig, &settings);
    end_epoch(&rig, 7);
    assert_true(ring_view_peek(rig.ring, 0, &h));
    assert_int_equal(h.group, 7);
    assert_int_equal(h.row_count, 0);
    assert_int_equal(h.flags, HANDOVER_MARKER | HANDOVER_ENDS_EPOCH);
    rig_clear(&rig);
}

static void a_full_pool_drops_new_keys_and_still_adds_to_known_ones(void **state)
{
    const struct rig_settings settings = {.pool_bytes = 4 * SEGMENT_SIZE};
    struct rig rig;
    uint64_t dropped, open;

    (void)state;
    rig_init(&rig, &settings);
    for (int round = 0; round < 2; round++) {
        for (uint32_t n = 0; n < 50000; n++) {
            struct flow *flow = add_flow(&rig);
            flow->in_iface = n;
            flow->packets = flow->bytes = 1;
            if (rig.batch.count == BATCH)
                flush(&rig);
        }
        flush(&rig);
    }
    open = counter_get(&rig.ledger->open.flows);
    dropped = counter_get(&rig.ledger->drops[DROP_pool_full].flows);
    assert_true(open > 0 && dropped > 0);
    assert_int_equal(open + dropped, 100000);
    assert_int_equal(open % 2, 0); /* a flow that got in once got in twice */
    check_ledger(&rig, false);
    rig_clear(&rig);
}

/* Every other flow has a value of its own of 200 bytes, and a segment has room for only some of the
 * 2000. */
static void a_flow_whose_value_has_no_room_is_dropped_alone(void **state)
{
    const struct rig_settings settings = {.pool_bytes = 2 * SEGMENT_SIZE, .has_path = true};
    static char paths[BATCH][201];
    uint64_t open, dropped;
    struct rig rig;

    (void)state;
    rig_init(&rig, &settings);
    for (unsigned n = 0; n < 4000; n++) {
        struct flow *flow = add_flow(&rig);
        flow->packets = flow->bytes = n % 2 ? 1 : 1000000;
        if (n % 2) {
            snprintf(paths[n % BATCH], sizeof paths[0], "%0200u", n);
            flow->as_path = (struct flow_bytes){(const uint8_t *)paths[n % BATCH], 200, 0};
        }
        if (rig.batch.count == BATCH)
            flush(&rig);
    }
    open = counter_get(&rig.ledger->open.packets);
    dropped = counter_get(&rig.ledger->drops[DROP_pool_full].packets);
    assert_in_range(dropped, 500, 1500);
    assert_int_equal(open, UINT64_C(2000) * 1000000 + 2000 - dropped);
    assert_int_equal(counter_get(&rig.ledger->drops[DROP_pool_full].flows), dropped);
    rig_clear(&rig);
}

static void while_the_pool_is_tight_the_table_stays_open(void **state)
{
    const struct rig_settings settings = {.pool_bytes = 7 * SEGMENT_SIZE};
    struct rig rig;
    struct handover h;

    (void)state;
    rig_init(&rig, &settings);
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        for (uint32_t n = 0; n < 12000; n++) {
            struct flow *flow = add_flow(&rig);
            flow->in_iface = n;
            flow->packets = flow->bytes = 1;
            if (rig.batch.count == BATCH)
                flush(&rig);
        }
        flush(&rig);
        end_epoch(&rig, epoch);
    }
    /* The first epoch went out; its memory is not back yet, so the second one stays open behind its
     * marker. */
    assert_true(ring_view_peek(rig.ring, 0, &h));
    assert_int_equal(h.row_count, 12000);
    assert_true(ring_view_peek(rig.ring, 1, &h));
    assert_int_equal(h.group, 2);
    assert_int_equal(h.row_count, 0);
    assert_int_equal(counter_get(&rig.ledger->open.flows), 12000);
    host_take(&rig);
    end_epoch(&rig, 3);
    host_take(&rig);
    assert_int_equal(rig.rows, 24000);
    aggregate_recycle(rig.aggregate);
    check_ledger(&rig, true);
    rig_clear(&rig);
}

static void a_filter_keeps_what_it_accepts_and_counts_the_rest(void **state)
{
    const struct rig_settings settings = {.filter = "tcp and dst port 80, udp"};
    struct rig rig;

    (void)state;
    rig_init(&rig, &settings);
    for (int n = 0; n < 30; n++) {
        struct flow *flow = add_flow(&rig);
        flow->src_addr = flow->dst_addr = ip_addr_v4((const uint8_t[]){10, 0, 0, 1});
        flow->proto = n % 3 == 2 ? 17 : 6;
        flow->dst_port = n % 3 == 0 ? 80 : 443;
        flow->packets = 2;
        flow->bytes = 200;
    }
    flush(&rig);
    assert_int_equal(counter_get(&rig.ledger->decoded.flows), 30);
    assert_int_equal(counter_get(&rig.ledger->filtered.flows), 10);
    assert_int_equal(counter_get(&rig.ledger->open.bytes), 4000);
    check_ledger(&rig, false);
    rig_clear(&rig);
}

static void a_long_flow_is_spread_over_its_bins_to_the_last_byte(void **state)
{
    const struct rig_settings settings = {.bin_s = 60, .has_pro_rating = true};
    /* 100 seconds, begun 40 seconds into a bin: 20, 60 and 20 seconds; 1001 bytes, 7
     * packets by hand. */
    static const uint64_t bytes[] = {200, 600, 201}, packets[] = {1, 4, 2}, flows[] = {1, 0, 0};
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig, &settings);
    flow = add_flow(&rig);
    flow->packets = 7;
    flow->bytes = 1001;
    flow->start_ns = flow->bin_ns = INT64_C(1700000020) * 1000000000;
    flow->end_ns = INT64_C(1700000120) * 1000000000;
    flush(&rig);
    end_epoch(&rig, 1);
    host_take(&rig);
    assert_int_equal(rig.got_count, 3);
    qsort(rig.got, 3, sizeof *rig.got, compare);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig.got[i].bin_s, 1699999980 + 60 * i);
        assert_int_equal(rig.got[i].totals.bytes, bytes[i]);
        assert_int_equal(rig.got[i].totals.packets, packets[i]);
        assert_int_equal(rig.got[i].totals.flows, flows[i]);
    }
    rig_clear(&rig);
}

static void what_the_host_did_not_take_counts_as_dropped_at_shutdown(void **state)
{
    const struct rig_settings settings = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, &settings);
    add_random(&rig, 100, 5, 5, 0);
    end_epoch(&rig, 1);
    add_random(&rig, 50, 5, 5, 0);
    aggregate_abandon(rig.aggregate);
    assert_int_equal(counter_get(&rig.ledger->drops[DROP_shutdown].flows), 150);
    check_ledger(&rig, true);
    rig_clear(&rig);
}

static void flows_of_one_second_are_one_row_when_seconds_are_whole(void **state)
{
    static const int64_t starts_ms[] = {10100, 10900, 11000};
    struct rig rig;

    (void)state;
    rig_init(&rig, &(struct rig_settings){.has_whole_seconds = true});
    for (size_t i = 0; i < 3; i++) {
        struct flow *flow = add_flow(&rig);
        flow->start_ns = starts_ms[i] * 1000000;
        flow->packets = flow->bytes = 1;
    }
    flush(&rig);
    end_epoch(&rig, 1);
    host_take(&rig);
    assert_int_equal(rig.rows, 2);
    rig_clear(&rig);
}

/* Adds five equal flows: three of one datagram and two of another, which came in together. */
static uint64_t rows_of_two_datagrams(const struct rig_settings *settings)
{
    static const uint64_t orders[] = {7 << 20, (7 << 20) + 1, (7 << 20) + 2, 8 << 20,
                                      (8 << 20) + 1};
    struct rig rig;

    rig_init(&rig, settings);
    for (size_t i = 0; i < 5; i++) {
        struct flow *flow = add_flow(&rig);
        flow->order = orders[i];
        flow->arrival_ns = 20 * NS_PER_S;
        flow->packets = flow->bytes = 1;
    }
    flush(&rig);
    end_epoch(&rig, 1);
    host_take(&rig);
    uint64_t rows = rig.rows;
    rig_clear(&rig);
    return rows;
}

/* The records of a datagram have arrivals of their own; the first, second and third of each are
 * alike. */
static void arrivals_tell_the_records_of_a_datagram_apart(void **state)
{
    (void)state;
    assert_int_equal(rows_of_two_datagrams(&(struct rig_settings){.has_arrival = true}), 3);
    assert_int_equal(rows_of_two_datagrams(
                         &(struct rig_settings){.has_arrival = true, .has_whole_seconds = true}),
                     1);
    assert_int_equal(rows_of_two_datagrams(&(struct rig_settings){0}), 1);
}

/* Records of options data have counters of their own in the ledger, as they are no flows. */
static void options_data_is_counted_apart(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, &(struct rig_settings){.filter = "src net 10.0.0.0/8"});
    rig.batch.is_options = true;
    for (size_t i = 0; i < 3; i++) {
        struct flow *record = add_flow(&rig);
        record->is_option = 1;
        record->flows = record->packets = record->bytes = 0;
        if (i > 0)
            record->src_addr = ip_addr_v4((const uint8_t[4]){10, 0, 0, (uint8_t)i});
        record->ip_version = i > 0 ? 4 : 0;
    }
    flush(&rig);
    assert_int_equal(counter_get(&rig.ledger->option_records), 3);
    assert_int_equal(counter_get(&rig.ledger->options_filtered), 1);
    assert_int_equal(counter_get(&rig.ledger->options_dropped), 0);
    assert_int_equal(counter_get(&rig.ledger->decoded.flows), 0);
    end_epoch(&rig, 1);
    host_take(&rig);
    assert_int_equal(rig.rows, 1); /* both have the same key */
    rig_clear(&rig);
}

/* RFC 3168: the two lowest bits are ECN, which routers change along the way. */
static uint64_t rows_of_tos(bool has_dscp)
{
    static const uint8_t bytes[] = {0xb8, 0xb9, 0xbb, 0xbc};
    struct rig rig;

    rig_init(&rig, &(struct rig_settings){.has_tos = true, .has_dscp = has_dscp});
    for (size_t i = 0; i < sizeof bytes; i++) {
        struct flow *flow = add_flow(&rig);
        flow->tos = bytes[i];
        flow->packets = flow->bytes = 1;
    }
    flush(&rig);
    end_epoch(&rig, 1);
    host_take(&rig);
    uint64_t rows = rig.rows;
    rig_clear(&rig);
    return rows;
}

static void flows_of_one_dscp_are_one_row(void **state)
{
    (void)state;
    assert_int_equal(rows_of_tos(false), 4);
    assert_int_equal(rows_of_tos(true), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_of_one_second_are_one_row_when_seconds_are_whole),
        cmocka_unit_test(arrivals_tell_the_records_of_a_datagram_apart),
        cmocka_unit_test(flows_of_one_dscp_are_one_row),
        cmocka_unit_test(options_data_is_counted_apart),
        cmocka_unit_test(rows_are_the_sums_of_their_flows),
        cmocka_unit_test(a_table_grows_over_many_segments),
        cmocka_unit_test(an_unaggregated_instance_keeps_every_flow_in_order),
        cmocka_unit_test(an_epoch_without_flows_sends_its_marker),
        cmocka_unit_test(a_full_pool_drops_new_keys_and_still_adds_to_known_ones),
        cmocka_unit_test(a_flow_whose_value_has_no_room_is_dropped_alone),
        cmocka_unit_test(while_the_pool_is_tight_the_table_stays_open),
        cmocka_unit_test(a_filter_keeps_what_it_accepts_and_counts_the_rest),
        cmocka_unit_test(a_long_flow_is_spread_over_its_bins_to_the_last_byte),
        cmocka_unit_test(what_the_host_did_not_take_counts_as_dropped_at_shutdown),
    };

    thread_enter_role(&worker_thread); /* the tests play the worker */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
