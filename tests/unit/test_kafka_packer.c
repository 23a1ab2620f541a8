/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which rows share a Kafka message, and that the same rows share the same messages each time
 * they are sent. */
#include "plugins/common/row_filter.h"
#include "plugins/kafka/kafka_settings.h"
#include "plugins/message/packer.h"
#include "plugins/message/row_hash.h"
#include "plugins/text/output_keys.h"
#include "support/fake_host.h"
#include "support/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include <cmocka.h>

#define ROWS 6000

struct world {
    struct fake_host host;
    struct rows rows;
    struct kafka_settings settings;
    rd_kafka_conf_t *conf;
    struct encoder *encoder;
    struct packer *packer;
    /* the messages that came out */
    struct text ranges; /* "topic key first-last;" */
    unsigned messages, row_count;
    size_t longest;
    uint8_t seen[ROWS];
};

static int note(void *arg, const struct packet *p)
{
    struct world *w = arg;
    unsigned lines = 0;

    for (size_t i = 0; i < p->payload->len; i++)
        lines += p->payload->data[i] == '\n';
    assert_int_equal(lines, p->row_count == 1 ? 0 : p->row_count);
    text_append_printf(&w->ranges, "%s %.*s %llu-%llu;", p->destination, (int)p->key_len,
                       p->key ? p->key : "", (unsigned long long)p->first_row,
                       (unsigned long long)p->last_row);
    w->messages++;
    w->row_count += p->row_count;
    if (p->payload->len > w->longest)
        w->longest = p->payload->len;
    if (p->last_row - p->first_row + 1 == p->row_count)
        for (uint64_t i = p->first_row; i <= p->last_row; i++)
            w->seen[i]++;
    return 0;
}

static void begin(struct world *w, const char *instance_name, const char *const settings[][2])
{
    char error[256] = "";

    memset(w, 0, sizeof *w);
    fake_host_init(&w->host, kafka_keys, output_keys);
    w->host.host.instance_name = instance_name;
    fake_host_set(&w->host, "writer_id_string", "$proc_name");
    for (; (*settings)[0]; settings++)
        fake_host_set(&w->host, (*settings)[0], (*settings)[1]);
    rows_init(&w->rows, "src_host, dst_host, as_path, src_port", 0);
    if (kafka_settings_read(&w->host.host, &w->rows.schema, error, sizeof error, &w->settings,
                            &w->conf) < 0)
        fail_msg("%s", error);
    assert_int_equal(encoder_new(&w->host.host, &w->rows.schema, &w->settings.messages, error,
                                 sizeof error, &w->encoder),
                     0);
    w->packer = packer_new(&w->settings.messages, &w->rows.schema, w->encoder,
                           &(struct packer_sink){.send = note, .arg = w});
}

static void end(struct world *w)
{
    packer_free(w->packer);
    encoder_free(w->encoder);
    rd_kafka_conf_destroy(w->conf);
    kafka_settings_clear(&w->settings);
    rows_clear(&w->rows);
    text_clear(&w->ranges);
}

/* Adds rows with addresses and paths of all lengths. */
static void add_rows(struct world *w, unsigned count)
{
    char text[64];

    for (unsigned i = 0; i < count; i++) {
        uint8_t *row = rows_add(&w->rows);
        snprintf(text, sizeof text, "10.%u.%u.%u", i % 251, i % 13, i % 7);
        rows_set_addr(&w->rows, row, "src_host", text);
        rows_set_addr(&w->rows, row, "dst_host", "192.0.2.1");
        rows_set_uint(&w->rows, row, "src_port", i);
        rows_set_uint(&w->rows, row, "bytes", i * 1000003ull);
        snprintf(text, sizeof text, "%.*s", (int)(i % 50),
                 "65000_65001_65002_65003_65004_65005_65006_65007_65008");
        rows_set_text(&w->rows, row, "as_path", text);
    }
}

/* Packs all rows in batches of `batch_rows`; places in `ranges` count over all batches. */
static void pack(struct world *w, uint32_t batch_rows)
{
    struct pa_batch all = rows_batch(&w->rows);

    packer_begin(w->packer, 7);
    for (uint32_t at = 0; at < all.row_count; at += batch_rows) {
        struct pa_batch batch = all;
        batch.rows += (size_t)at * w->rows.schema.row_size;
        batch.first_row = at;
        batch.row_count = all.row_count - at < batch_rows ? all.row_count - at : batch_rows;
        assert_int_equal(packer_add(w->packer, &batch), 0);
    }
    assert_int_equal(packer_flush(w->packer), 0);
}

static const char *const packed[][2] = {{"kafka_multi_values", "5000"}, {NULL, NULL}};

static bool keeps_large(void *arg, const uint8_t *row)
{
    struct world *w = arg;
    struct row_filter_sums left_out = {0};

    return row_filter_passes(w->settings.messages.filter, row, &left_out);
}

/* kafka_preprocess: rows keep their places in the hand-over, so that those which are left out are
 * no hole to a reader. The row of place i has i * 1000003 bytes. */
static void rows_that_are_left_out_move_no_others(void **state)
{
    static const char *const settings[][2] = {
        {"kafka_preprocess", "minb=1500000000"}, {"kafka_multi_values", "5000"}, {NULL, NULL}};
    struct world w;

    (void)state;
    begin(&w, "out", settings);
    packer_free(w.packer);
    w.packer = packer_new(&w.settings.messages, &w.rows.schema, w.encoder,
                          &(struct packer_sink){.send = note, .keeps = keeps_large, .arg = &w});
    add_rows(&w, ROWS);
    pack(&w, 1000);
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(w.seen[i], i >= 1500);
    end(&w);
}

static void a_message_holds_what_fits_and_every_row_is_in_one(void **state)
{
    struct world w;

    (void)state;
    begin(&w, "out", packed);
    add_rows(&w, ROWS);
    pack(&w, 1000);
    assert_int_equal(w.row_count, ROWS);
    assert_true(w.longest <= 5000 && w.longest > 3500);
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(w.seen[i], 1);
    end(&w);
}

static void rows_fall_into_the_same_messages_when_another_process_sends_them(void **state)
{
    static const char *const names[] = {"o", "an-instance-of-a-longer-name"};
    static const uint32_t sizes[] = {1000, 17};
    struct text ranges[2] = {{0}, {0}};
    struct world w;

    (void)state;
    for (int i = 0; i < 2; i++) {
        begin(&w, names[i], packed);
        add_rows(&w, 2000);
        encoder_set_written(w.encoder, i * 1000000000ll);
        pack(&w, sizes[i]);
        text_append(&ranges[i], w.ranges.data, w.ranges.len);
        end(&w);
    }
    assert_string_equal(text_cstr(&ranges[0]), text_cstr(&ranges[1]));
    text_clear(&ranges[0]);
    text_clear(&ranges[1]);
}

static void more_routes_than_are_kept_open_lose_nothing(void **state)
{
    static const char *const settings[][2] = {{"kafka_multi_values", "5000"},
                                              {"kafka_partition_dynamic", "true"},
                                              {"kafka_partition_key", "k-$src_port"},
                                              {NULL, NULL}};
    struct world w;

    (void)state;
    begin(&w, "out", settings);
    add_rows(&w, ROWS);
    pack(&w, 1000);
    assert_int_equal(w.messages, ROWS);
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(w.seen[i], 1);
    assert_non_null(strstr(text_cstr(&w.ranges), "pmacct.acct k-4711 4711-4711;"));
    end(&w);
}

static void topics_in_turn_begin_by_the_number_of_the_handover(void **state)
{
    static const char *const settings[][2] = {
        {"kafka_topic_rr", "3"}, {"kafka_topic", "t"}, {NULL, NULL}};
    struct world w;

    (void)state;
    begin(&w, "out", settings);
    add_rows(&w, 4);
    pack(&w, 4);
    assert_string_equal(text_cstr(&w.ranges), "t_1  0-0;t_2  1-1;t_0  2-2;t_1  3-3;");
    end(&w);
}

static void values_in_topics_become_legal(void **state)
{
    static const char *const settings[][2] = {{"kafka_topic", "t-$as_path.$dst_host"},
                                              {NULL, NULL}};
    struct world w;
    uint8_t *row;

    (void)state;
    begin(&w, "out", settings);
    row = rows_add(&w.rows);
    rows_set_text(&w.rows, row, "as_path", "{1,2}=+@/..\n\xff");
    rows_set_addr(&w.rows, row, "dst_host", "2001:db8::1");
    pack(&w, 1);
    assert_string_equal(text_cstr(&w.ranges), "t-_1_2_________.2001_db8__1  0-0;");
    end(&w);
}

/* Workers and collectors have other ids for the same text, and columns in another order; a key's
 * hash must not show it. */
static void hash_of_a_key_depends_on_its_values_alone(void **state)
{
    static const char *const aggregates[] = {"src_host, as_path, src_port",
                                             "src_port, as_path, src_host"};
    uint64_t hashes[2], expected;
    uint8_t bytes[256];
    size_t len = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct rows rows;
        rows_init(&rows, aggregates[i], i == 0 ? 0 : 300);
        for (int k = 0; k <= i; k++)
            rows_set_text(&rows, rows_add(&rows), "as_path", k == i ? "65000_65001" : "another");
        uint8_t *row = rows.data + (size_t)i * rows.schema.row_size;
        if (i == 1)
            rows_set_bin(&rows, row, 1700000100);
        rows_set_addr(&rows, row, "src_host", "10.0.0.1");
        rows_set_uint(&rows, row, "src_port", 443);
        rows_set_uint(&rows, row, "bytes", 1000 + (uint64_t)i);
        struct row_hash *hash = row_hash_new(&rows.schema);
        struct pa_batch batch = rows_batch(&rows);
        hashes[i] = row_hash_of(hash, &batch, row);
        row_hash_free(hash);
        rows_clear(&rows);
    }
    assert_int_equal(hashes[0], hashes[1]);
    /* Columns are hashed in the order of their names: as_path (length, text), src_host
     * (::ffff:10.0.0.1, 4), src_port (8 bytes). */
    memcpy(bytes,
           "\x0b\0\0\0"
           "65000_65001",
           15);
    len = 15;
    memcpy(bytes + len, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\1\4", 17);
    len += 17;
    memcpy(bytes + len, "\xbb\1\0\0\0\0\0\0", 8);
    len += 8;
    expected = XXH3_64bits(bytes, len);
    assert_int_equal(hashes[0], expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_are_left_out_move_no_others),
        cmocka_unit_test(a_message_holds_what_fits_and_every_row_is_in_one),
        cmocka_unit_test(rows_fall_into_the_same_messages_when_another_process_sends_them),
        cmocka_unit_test(more_routes_than_are_kept_open_lose_nothing),
        cmocka_unit_test(topics_in_turn_begin_by_the_number_of_the_handover),
        cmocka_unit_test(values_in_topics_become_legal),
        cmocka_unit_test(hash_of_a_key_depends_on_its_values_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
