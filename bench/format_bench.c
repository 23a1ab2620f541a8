/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format_bench [csv|json|avro ROUNDS]
 *
 * Measures how many rows a second one core writes as JSON, CSV, Avro and columns, beside the limit:
 * copying the same bytes. Rows are those of a 5-tuple dump with times and an AS path, all different, and the
 * best of several rounds counts. With arguments it only formats, that many times, so that
 * instructions can be counted.
 */
#include "base/clock.h"
#include "base/text.h"
#include "plugins/text/format.h"
#include "support/rows.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS   100000
#define ROUNDS 7

static void fill(struct rows *rows, bool has_path)
{
    unsigned seed = 1;

    for (int i = 0; i < ROWS; i++) {
        uint8_t *row = rows_add(rows);
        char address[32];
        int64_t start_ns = INT64_C(1795301340) * NS_PER_S + rand_r(&seed) % 300 * NS_PER_S;

        rows_set_bin(rows, row, 1795301340);
        snprintf(address, sizeof address, "10.%d.%d.%d", rand_r(&seed) % 256, i / 256 % 256,
                 i % 256);
        rows_set_addr(rows, row, "src_host", address);
        snprintf(address, sizeof address, "192.0.%d.%d", rand_r(&seed) % 256, rand_r(&seed) % 256);
        rows_set_addr(rows, row, "dst_host", address);
        rows_set_addr(rows, row, "peer_src_ip", "127.0.0.1");
        rows_set_addr(rows, row, "peer_dst_ip", "10.0.0.3");
        rows_set_uint(rows, row, "src_port", (uint64_t)rand_r(&seed) % 65536);
        rows_set_uint(rows, row, "dst_port", 443);
        rows_set_uint(rows, row, "proto", 6);
        rows_set_uint(rows, row, "tcpflags", 27);
        rows_set_uint(rows, row, "in_iface", 662);
        rows_set_uint(rows, row, "out_iface", 953);
        rows_set_uint(rows, row, "src_as", 2906);
        rows_set_uint(rows, row, "dst_as", 789);
        rows_set_uint(rows, row, "timestamp_start", (uint64_t)(start_ns + i * NS_PER_US));
        rows_set_uint(rows, row, "timestamp_end", (uint64_t)(start_ns + 5 * NS_PER_S));
        rows_set_uint(rows, row, "packets", (uint64_t)rand_r(&seed) % 1000 + 1);
        rows_set_uint(rows, row, "bytes", (uint64_t)rand_r(&seed));
        if (has_path && i % 100 == 0)
            rows_set_text(rows, row, "as_path", "64500_3356_174_2906");
        else if (has_path) /* many rows share a path, as within a hand-over */
            rows_set_uint(rows, row, "as_path", rows->dictionary_count - 1);
    }
}

static double seconds(struct mono_time begun)
{
    return (double)(clock_mono().ns - begun.ns) / (double)NS_PER_S;
}

static double time_format(struct format *format, const struct rows *rows, struct text *out)
{
    struct pa_batch batch = rows_batch(rows);
    struct mono_time begun = clock_mono();

    for (uint32_t i = 0; i < batch.row_count; i++) {
        if (out->len > (256u << 10))
            text_reset(out); /* where a backend would write(2) */
        format_append_row(format, &batch, batch.rows + (size_t)i * rows->schema.row_size, out);
    }
    return seconds(begun);
}

static const struct format_options options = {
    .is_utc = true, .has_event_type = true, .separator = ',', .has_quotes = true};

static void rows_make(struct rows *rows, bool has_path)
{
    rows_init(rows,
              has_path ? "src_host, dst_host, peer_src_ip, peer_dst_ip, src_port, dst_port, proto, "
                         "tcpflags, in_iface, out_iface, src_as, dst_as, timestamp_start, "
                         "timestamp_end, as_path"
                       : "src_host, dst_host, peer_src_ip, peer_dst_ip, src_port, dst_port, proto, "
                         "tcpflags, in_iface, out_iface, src_as, dst_as, timestamp_start, "
                         "timestamp_end",
              300);
    fill(rows, has_path);
}

/* Nothing but formatting, so that instructions can be counted. */
static int run_rounds(const struct format_kind *kind, int rounds)
{
    struct text out = {0};
    struct format *format;
    struct rows rows;

    rows_make(&rows, false);
    if (format_new(kind, &rows.schema, &options, &format) < 0)
        return 1;
    for (int round = 0; round < rounds; round++)
        time_format(format, &rows, &out);
    format_free(format);
    text_clear(&out);
    rows_clear(&rows);
    return 0;
}

static void run(const struct format_kind *kind, bool has_path)
{
    double best = 1e9, copy = 1e9, row_len = 0;
    struct text out = {0}, copied = {0};
    struct format *format;
    struct rows rows;

    rows_make(&rows, has_path);
    if (format_new(kind, &rows.schema, &options, &format) < 0)
        exit(1);
    format_set_written(format, INT64_C(1795301640) * NS_PER_S);
    for (int round = 0; round < ROUNDS; round++) {
        struct mono_time begun;
        struct pa_batch batch;
        double s = time_format(format, &rows, &out);
        best = s < best ? s : best;
        text_reset(&out);
        batch = rows_batch(&rows);
        format_append_row(format, &batch, batch.rows, &out);
        row_len = (double)out.len;
        begun = clock_mono();
        for (uint32_t i = 0; i < ROWS; i++) {
            if (copied.len > (256u << 10))
                text_reset(&copied);
            text_append(&copied, out.data, out.len);
        }
        s = seconds(begun);
        copy = s < copy ? s : copy;
        text_reset(&out);
    }
    printf("%-9s %2u columns %4.0f bytes a row: %5.2f M rows/s, %4.0f ns a row; copying alone "
           "%4.0f ns "
           "(%.0f %% of the limit)\n",
           kind->name, rows.schema.column_count, row_len, ROWS / best / 1e6, best / ROWS * 1e9,
           copy / ROWS * 1e9, 100 * copy / best);
    format_free(format);
    text_clear(&out);
    text_clear(&copied);
    rows_clear(&rows);
}

int main(int argc, char **argv)
{
    static const struct format_kind *const kinds[] = {&format_csv, &format_json, &format_avro};

    for (size_t i = 0; argc == 3 && i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(argv[1], kinds[i]->name))
            return run_rounds(kinds[i], atoi(argv[2]));
    if (argc > 1)
        return 2;
    run(&format_json, true);
    run(&format_csv, true);
    run(&format_avro, true);
    run(&format_table, false);
    return 0;
}
