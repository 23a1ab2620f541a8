/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how rows become lines of JSON, CSV and columns. The expected lines were printed by pmacct
 * 1.8.1 for the same flows. */
#include "base/clock.h"
#include "base/text.h"
#include "plugins/text/format.h"
#include "support/rows.h"
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* BIN_S is 2026-11-21 22:49:00 UTC. */
#define BIN_S INT64_C(1795301340)

static struct format_options plain_options(void)
{
    return (struct format_options){
        .is_utc = true, .has_event_type = true, .separator = ',', .has_quotes = true};
}

static char *render(const struct format_kind *kind, const struct rows *rows,
                    const struct format_options *options, bool with_title)
{
    struct pa_batch batch = rows_batch(rows);
    struct format *format;
    struct text out = {0};
    char *result;

    assert_int_equal(format_new(kind, &rows->schema, options, &format), 0);
    format_set_written(format, (BIN_S + 61) * NS_PER_S);
    if (with_title)
        format_append_title(format, &out);
    for (uint32_t i = 0; i < batch.row_count; i++)
        format_append_row(format, &batch, batch.rows + (size_t)i * rows->schema.row_size, &out);
    result = strdup(text_cstr(&out));
    text_clear(&out);
    format_free(format);
    return result;
}

static void expect(const struct format_kind *kind, const struct rows *rows,
                   const struct format_options *options, bool with_title, const char *expected)
{
    char *text = render(kind, rows, options, with_title);

    assert_string_equal(text, expected);
    free(text);
}

static int64_t time_ns(int64_t seconds_after_bin, int64_t us)
{
    return (BIN_S + seconds_after_bin) * NS_PER_S + us * NS_PER_US;
}

static void fill_matrix(struct rows *rows, uint8_t *row)
{
    rows_set_uint(rows, row, "peer_dst_as", 321);
    rows_set_addr(rows, row, "peer_src_ip", "127.0.0.1");
    rows_set_addr(rows, row, "peer_dst_ip", "10.0.0.3");
    rows_set_uint(rows, row, "in_iface", 662);
    rows_set_uint(rows, row, "packets", 2);
    rows_set_uint(rows, row, "bytes", 2908);
}

static void matrix_row_is_the_line_that_pmacct_prints(void **state)
{
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "peer_src_ip, in_iface, peer_dst_ip, peer_dst_as", 300);
    row = rows_add(&rows);
    rows_set_bin(&rows, row, BIN_S);
    fill_matrix(&rows, row);
    expect(&format_json, &rows, &options, true,
           "{\"event_type\": \"purge\", \"peer_as_dst\": 321, \"peer_ip_src\": \"127.0.0.1\", "
           "\"peer_ip_dst\": \"10.0.0.3\", \"iface_in\": 662, \"stamp_inserted\": "
           "\"2026-11-21 22:49:00\", \"stamp_updated\": \"2026-11-21 22:50:01\", \"packets\": 2, "
           "\"bytes\": 2908}\n");
    rows_clear(&rows);
}

static void fill_everything(struct rows *rows, uint8_t *row)
{
    rows_set_bin(rows, row, BIN_S);
    rows_set_mac(rows, row, "src_mac", "00:11:22:33:44:55");
    rows_set_mac(rows, row, "dst_mac", "66:77:88:99:aa:bb");
    rows_set_uint(rows, row, "vlan", 100);
    rows_set_uint(rows, row, "etype", 0x800);
    rows_set_uint(rows, row, "src_as", 2906);
    rows_set_uint(rows, row, "dst_as", 789);
    rows_set_text(rows, row, "as_path", "321_654_789");
    rows_set_uint(rows, row, "local_pref", 100);
    rows_set_uint(rows, row, "med", 100);
    rows_set_uint(rows, row, "out_iface", 953);
    rows_set_addr(rows, row, "src_host", "10.9.1.71");
    rows_set_addr(rows, row, "src_net", "10.9.1.64");
    rows_set_addr(rows, row, "dst_host", "192.0.2.148");
    rows_set_addr(rows, row, "dst_net", "192.0.2.0");
    rows_set_uint(rows, row, "src_mask", 26);
    rows_set_uint(rows, row, "dst_mask", 24);
    rows_set_uint(rows, row, "src_port", 50000);
    rows_set_uint(rows, row, "dst_port", 1);
    rows_set_uint(rows, row, "tcpflags", 27);
    rows_set_uint(rows, row, "fwd_status", 64);
    rows_set_uint(rows, row, "proto", 6);
    rows_set_uint(rows, row, "tos", 16);
    rows_set_uint(rows, row, "sampling_rate", 1000);
    rows_set_uint(rows, row, "timestamp_start", (uint64_t)time_ns(15, 938000));
    rows_set_uint(rows, row, "timestamp_end", (uint64_t)time_ns(21, 50000));
    rows_set_uint(rows, row, "timestamp_arrival", (uint64_t)time_ns(21, 50609));
    rows_set_uint(rows, row, "export_proto_version", 10);
    rows_set_uint(rows, row, "export_proto_sysid", 7);
    rows_set_uint(rows, row, "timestamp_export", (uint64_t)time_ns(21, 0));
    rows_set_uint(rows, row, "flows", 1);
    fill_matrix(rows, row);
}

static const char everything[] =
    "tag, label, src_mac, dst_mac, vlan, etype, src_as, dst_as, std_comm, lrg_comm, as_path, "
    "local_pref, med, peer_src_as, peer_dst_as, peer_src_ip, peer_dst_ip, src_as_path, in_iface, "
    "out_iface, src_host, src_net, dst_host, dst_net, src_mask, dst_mask, src_port, dst_port, "
    "tcpflags, fwd_status, proto, tos, flow_label, sampling_rate, sampling_direction, "
    "mpls_label_top, timestamp_start, timestamp_end, timestamp_arrival, export_proto_seqno, "
    "export_proto_version, export_proto_sysid, timestamp_export, flows";

static void wide_row_is_the_line_that_pmacct_prints(void **state)
{
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, everything, 60);
    row = rows_add(&rows);
    fill_everything(&rows, row);
    expect(&format_json, &rows, &options, true,
           "{\"event_type\": \"purge\", \"tag\": 0, \"label\": \"\", \"mac_src\": "
           "\"00:11:22:33:44:55\", \"mac_dst\": \"66:77:88:99:aa:bb\", \"vlan\": 100, \"etype\": "
           "\"800\", \"as_src\": 2906, \"as_dst\": 789, \"comms\": \"\", \"lcomms\": \"\", "
           "\"as_path\": \"321_654_789\", \"local_pref\": 100, \"med\": 100, \"peer_as_src\": 0, "
           "\"peer_as_dst\": 321, \"peer_ip_src\": \"127.0.0.1\", \"peer_ip_dst\": \"10.0.0.3\", "
           "\"as_path_src\": \"\", \"iface_in\": 662, \"iface_out\": 953, \"ip_src\": "
           "\"10.9.1.71\", \"net_src\": \"10.9.1.64\", \"ip_dst\": \"192.0.2.148\", \"net_dst\": "
           "\"192.0.2.0\", \"mask_src\": 26, \"mask_dst\": 24, \"port_src\": 50000, \"port_dst\": "
           "1, \"tcp_flags\": 27, \"fwd_status\": \"64\", \"ip_proto\": \"tcp\", \"tos\": 16, "
           "\"flow_label\": 0, \"sampling_rate\": 1000, \"sampling_direction\": \"i\", "
           "\"mpls_label_top\": 0, \"timestamp_start\": \"2026-11-21 22:49:15.938000\", "
           "\"timestamp_end\": \"2026-11-21 22:49:21.050000\", \"timestamp_arrival\": "
           "\"2026-11-21 22:49:21.050609\", \"export_proto_seqno\": 0, \"export_proto_version\": "
           "10, \"export_proto_sysid\": 7, \"timestamp_export\": \"2026-11-21 22:49:21.000000\", "
           "\"stamp_inserted\": \"2026-11-21 22:49:00\", \"stamp_updated\": \"2026-11-21 "
           "22:50:01\", \"flows\": 1, \"packets\": 2, \"bytes\": 2908}\n");
    rows_clear(&rows);
}

static void csv_rows_are_the_lines_that_pmacct_prints(void **state)
{
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows,
              "src_as, dst_as, peer_src_ip, peer_dst_ip, in_iface, out_iface, src_host, dst_host, "
              "src_mask, dst_mask, src_port, dst_port, tcpflags, proto, tos, timestamp_start, "
              "timestamp_end",
              0);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "src_as", 2906);
    rows_set_uint(&rows, row, "dst_as", 789);
    rows_set_addr(&rows, row, "peer_src_ip", "127.0.0.1");
    rows_set_addr(&rows, row, "peer_dst_ip", "10.0.0.1");
    rows_set_uint(&rows, row, "in_iface", 662);
    rows_set_uint(&rows, row, "out_iface", 953);
    rows_set_addr(&rows, row, "src_host", "10.0.0.0");
    rows_set_addr(&rows, row, "dst_host", "192.0.2.0");
    rows_set_uint(&rows, row, "src_mask", 24);
    rows_set_uint(&rows, row, "dst_mask", 24);
    rows_set_uint(&rows, row, "src_port", 1024);
    rows_set_uint(&rows, row, "dst_port", 443);
    rows_set_uint(&rows, row, "tcpflags", 24);
    rows_set_uint(&rows, row, "proto", 6);
    rows_set_uint(&rows, row, "timestamp_start", (uint64_t)time_ns(18 * 60 + 30, 0));
    rows_set_uint(&rows, row, "timestamp_end", (uint64_t)time_ns(18 * 60 + 35, 0));
    rows_set_uint(&rows, row, "packets", 3);
    rows_set_uint(&rows, row, "bytes", 1000);
    expect(&format_csv, &rows, &options, true,
           "SRC_AS,DST_AS,PEER_SRC_IP,PEER_DST_IP,IN_IFACE,OUT_IFACE,SRC_IP,DST_IP,SRC_MASK,"
           "DST_MASK,SRC_PORT,DST_PORT,TCP_FLAGS,PROTOCOL,TOS,TIMESTAMP_START,TIMESTAMP_END,"
           "PACKETS,BYTES\n"
           "2906,789,127.0.0.1,10.0.0.1,662,953,10.0.0.0,192.0.2.0,24,24,1024,443,24,tcp,0,"
           "2026-11-21 23:07:30.000000,2026-11-21 23:07:35.000000,3,1000\n");
    rows_clear(&rows);
}

static void csv_puts_flows_between_packets_and_bytes_and_has_no_stamps(void **state)
{
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "flows, vrf_name", 60);
    row = rows_add(&rows);
    rows_set_text(&rows, row, "vrf_name", "red");
    rows_set_uint(&rows, row, "packets", 1);
    rows_set_uint(&rows, row, "flows", 2);
    rows_set_uint(&rows, row, "bytes", 3);
    expect(&format_csv, &rows, &options, true, "VRF_NAME,PACKETS,FLOWS,BYTES\nred,1,2,3\n");
    rows_clear(&rows);
}

/* RFC 4180 section 2, rules 6 and 7. */
static void csv_quotes_only_where_needed(void **state)
{
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "as_path, label", 0);
    row = rows_add(&rows);
    rows_set_text(&rows, row, "label", "say \"hi\"");
    rows_set_text(&rows, row, "as_path", "1_{2,3}");
    row = rows_add(&rows);
    rows_set_text(&rows, row, "label", "plain");
    rows_set_text(&rows, row, "as_path", "1_2");
    expect(&format_csv, &rows, &options, false,
           "\"say \"\"hi\"\"\",\"1_{2,3}\",0,0\nplain,1_2,0,0\n");
    options.has_quotes = false;
    expect(&format_csv, &rows, &options, false, "say \"hi\",1_{2,3},0,0\nplain,1_2,0,0\n");
    options.has_quotes = true;
    options.separator = '\t';
    expect(&format_csv, &rows, &options, false,
           "\"say \"\"hi\"\"\"\t1_{2,3}\t0\t0\nplain\t1_2\t0\t0\n");
    rows_clear(&rows);
}

static void csv_quotes_times_when_the_separator_is_a_space(void **state)
{
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    options.separator = ' ';
    rows_init(&rows, "timestamp_end, src_port", 0);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "timestamp_end", (uint64_t)time_ns(1, 2));
    expect(&format_csv, &rows, &options, false, "0 \"2026-11-21 22:49:01.000002\" 0 0\n");
    rows_clear(&rows);
}

static void table_has_the_widths_of_pmacct(void **state)
{
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "dst_as, src_port, tcpflags, proto, tos, flows", 0);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "dst_as", 789);
    rows_set_uint(&rows, row, "src_port", 50000);
    rows_set_uint(&rows, row, "tcpflags", 27);
    rows_set_uint(&rows, row, "proto", 6);
    rows_set_uint(&rows, row, "tos", 16);
    rows_set_uint(&rows, row, "packets", 2);
    rows_set_uint(&rows, row, "flows", 1);
    rows_set_uint(&rows, row, "bytes", 2908);
    expect(&format_table, &rows, &options, true,
           "DST_AS      SRC_PORT  TCP_FLAGS  PROTOCOL    TOS    PACKETS               "
           "FLOWS                 BYTES\n"
           "789         50000     27         tcp         16     2                     "
           "1                     2908\n");
    rows_clear(&rows);
}

/* Columns are as wide as the widest value so far and their title: a later row may widen them, and none makes
 * them narrow again. Splitting by white space gives what fixed widths give. */
static void table_fits_its_values(void **state)
{
    struct format_options options = plain_options();
    struct format *format;
    struct text out = {0};
    struct pa_batch batch;
    struct rows rows;
    uint8_t *row;

    (void)state;
    options.fits_values = true;
    rows_init(&rows, "src_as, dst_as", 0);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "src_as", 4200000000);
    rows_set_uint(&rows, row, "bytes", 12);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "dst_as", 7);
    batch = rows_batch(&rows);
    assert_int_equal(format_new(&format_table, &rows.schema, &options, &format), 0);
    format_fit(format, &batch);
    format_append_title(format, &out);
    format_append_rows(format, &batch, 0, SIZE_MAX, &out);
    assert_string_equal(text_cstr(&out), "SRC_AS      DST_AS  PACKETS  BYTES\n"
                                         "4200000000  0       0        12\n"
                                         "0           7       0        0\n");
    text_reset(&out);
    batch.rows += rows.schema.row_size;
    batch.row_count = 1;
    format_fit(format, &batch);
    format_append_row(format, &batch, batch.rows, &out);
    assert_string_equal(text_cstr(&out), "0           7       0        0\n");
    text_clear(&out);
    format_free(format);
    rows_clear(&rows);
}

static void table_shows_unknown_addresses_and_refuses_variable_lengths(void **state)
{
    struct format_options options = plain_options();
    struct format *format;
    char error[256] = "";
    struct rows rows;

    (void)state;
    rows_init(&rows, "peer_dst_ip", 0);
    rows_add(&rows);
    expect(&format_table, &rows, &options, false,
           "::                                             0                     0\n");
    rows_clear(&rows);
    rows_init(&rows, "src_host, as_path", 0);
    assert_int_equal(format_table.check(&rows.schema, error, sizeof error), -EINVAL);
    assert_non_null(strstr(error, "as_path"));
    assert_non_null(strstr(error, "csv or json"));
    assert_int_equal(format_new(&format_table, &rows.schema, &options, &format), -EINVAL);
    rows_clear(&rows);
}

/* A column that output does not show says which rows are events; a row with 0 packets is something
 * else. */
static void events_have_no_counters(void **state)
{
    static const struct pa_column has_counters = {.name = "has_counters",
                                                  .json_name = "",
                                                  .csv_title = "",
                                                  .sql_name = "",
                                                  .kind = PA_KIND_U8,
                                                  .combine = PA_COMBINE_OR};
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "nat_event, vrf_name, flows", 60);
    rows_add_column(&rows, &has_counters);
    row = rows_add(&rows);
    rows_set_bin(&rows, row, BIN_S);
    rows_set_uint(&rows, row, "nat_event", 4);
    rows_set_uint(&rows, row, "flows", 1);
    expect(&format_json, &rows, &options, false,
           "{\"event_type\": \"purge\", \"nat_event\": 4, \"stamp_inserted\": \"2026-11-21 "
           "22:49:00\", \"stamp_updated\": \"2026-11-21 22:50:01\", \"vrf_name\": \"\"}\n");
    rows_clear(&rows);
    rows_init(&rows, "src_host", 0);
    rows_add_column(&rows, &has_counters);
    rows_add(&rows);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "has_counters", 1);
    expect(&format_json, &rows, &options, false,
           "{\"event_type\": \"purge\", \"ip_src\": \"\"}\n"
           "{\"event_type\": \"purge\", \"ip_src\": \"\", \"packets\": 0, \"bytes\": 0}\n");
    rows_clear(&rows);
    rows_init(&rows, "fw_event, flows", 0);
    row = rows_add(&rows);
    rows_set_uint(&rows, row, "fw_event", 2);
    rows_set_uint(&rows, row, "bytes", 7);
    options.is_event = true;
    expect(&format_csv, &rows, &options, true, "FW_EVENT\n2\n");
    expect(&format_json, &rows, &options, false, "{\"event_type\": \"purge\", \"fw_event\": 2}\n");
    rows_clear(&rows);
}

static void json_can_have_arrays_and_objects(void **state)
{
    static const uint32_t labels[] = {16, 1048575};
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    options.values.has_tcp_flags_array = options.values.has_label_map = true;
    options.values.has_label_stack_array = options.values.has_as_path_array = true;
    options.values.has_communities_array = options.values.has_fwd_status_text = true;
    rows_init(&rows, "label, std_comm, as_path, tcpflags, fwd_status, mpls_label_stack", 0);
    row = rows_add(&rows);
    rows_set_text(&rows, row, "label", "site%ams,role%edge");
    rows_set_text(&rows, row, "std_comm", "2906:1_no-export");
    rows_set_text(&rows, row, "as_path", "321_{1,2}");
    rows_set_uint(&rows, row, "tcpflags", 0x12);
    rows_set_uint(&rows, row, "fwd_status", 64);
    rows_set_bytes(&rows, row, "mpls_label_stack", labels, sizeof labels);
    rows_set_uint(&rows, row, "packets", 1);
    rows_add(&rows);
    rows_set_uint(&rows, rows.data + rows.schema.row_size, "packets", 1);
    expect(&format_json, &rows, &options, false,
           "{\"event_type\": \"purge\", \"label\": {\"site\": \"ams\", \"role\": \"edge\"}, "
           "\"comms\": [\"2906:1\", \"no-export\"], \"as_path\": [\"321\", \"{1,2}\"], "
           "\"tcp_flags\": [\"ACK\", \"SYN\"], \"fwd_status\": \"FORWARDED Unknown\", "
           "\"mpls_label_stack\": [\"0-16\", \"1-1048575\"], \"packets\": 1, \"bytes\": 0}\n"
           "{\"event_type\": \"purge\", \"label\": {}, \"comms\": [], \"as_path\": [], "
           "\"tcp_flags\": [], \"fwd_status\": \"UNKNOWN Unclassified\", \"mpls_label_stack\": [], "
           "\"packets\": 1, \"bytes\": 0}\n");
    rows_clear(&rows);
}

/* Whatever an exporter sends as text, the line parses, and valid UTF-8 comes back as it was. */
static void json_lines_parse_whatever_the_text(void **state)
{
    static const char *const valid[] = {"",
                                        "a\"b\\c/",
                                        "\x01\x1f\x7f\n\r\t\b\f",
                                        "\xc3\xa9\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80",
                                        "\xe2\x80\xa8"};
    struct format_options options = plain_options();
    struct rows rows;
    unsigned seed = 7;

    (void)state;
    rows_init(&rows, "vrf_name, class, src_host", 60);
    for (int i = 0; i < 20000; i++) {
        size_t known = (size_t)i;
        char bytes[24];
        uint32_t len;
        uint8_t *row;
        char *line;
        json_t *object;

        rows_reset(&rows);
        row = rows_add(&rows);
        for (len = 0; len < sizeof bytes && rand_r(&seed) % 16; len++) {
            int r = rand_r(&seed);
            bytes[len] = (char)(r % 3 ? r >> 8 : "\"\\\xed\xa0\x80\xc0\xf4\x90\xe2\n"[r / 7 % 10]);
        }
        if (known < sizeof valid / sizeof valid[0])
            len = (uint32_t)strlen(strcpy(bytes, valid[known]));
        rows_set_bytes(&rows, row, "vrf_name", bytes, len);
        rows_set_uint(&rows, row, "packets", 1);
        line = render(&format_json, &rows, &options, false);
        object = json_loads(line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        assert_non_null(object);
        assert_int_equal(strchr(line, '\n') - line, strlen(line) - 1);
        if (known < sizeof valid / sizeof valid[0])
            assert_string_equal(json_string_value(json_object_get(object, "vrf_name")), bytes);
        assert_string_equal(json_string_value(json_object_get(object, "class")), "unknown");
        json_decref(object);
        free(line);
    }
    rows_clear(&rows);
}

static void custom_primitives_are_text_after_the_others(void **state)
{
    static const struct pa_column column = {.name = "Probe",
                                            .json_name = "probe",
                                            .csv_title = "probe",
                                            .kind = PA_KIND_FIXED,
                                            .format = PA_FORMAT_CUSTOM_UINT,
                                            .width = 2,
                                            .json_place = 750,
                                            .csv_place = 1990};
    struct format_options options = plain_options();
    struct rows rows;
    uint8_t *row;

    (void)state;
    rows_init(&rows, "src_port, flows", 60);
    for (uint32_t i = 0; i < rows.schema.column_count; i++) /* the gap that the core keeps */
        rows.columns[i].json_place = i == 0 ? 700 : (uint16_t)(800 + i);
    rows_add_column(&rows, &column);
    row = rows_add(&rows);
    rows_set_bin(&rows, row, BIN_S);
    rows_set_bytes(&rows, row, "Probe", "\x01\x02", 2);
    rows_set_uint(&rows, row, "packets", 1);
    expect(&format_json, &rows, &options, false,
           "{\"event_type\": \"purge\", \"port_src\": 0, \"probe\": \"258\", \"stamp_inserted\": "
           "\"2026-11-21 22:49:00\", \"stamp_updated\": \"2026-11-21 22:50:01\", \"flows\": 0, "
           "\"packets\": 1, \"bytes\": 0}\n");
    rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matrix_row_is_the_line_that_pmacct_prints),
        cmocka_unit_test(wide_row_is_the_line_that_pmacct_prints),
        cmocka_unit_test(csv_rows_are_the_lines_that_pmacct_prints),
        cmocka_unit_test(csv_puts_flows_between_packets_and_bytes_and_has_no_stamps),
        cmocka_unit_test(csv_quotes_only_where_needed),
        cmocka_unit_test(csv_quotes_times_when_the_separator_is_a_space),
        cmocka_unit_test(table_has_the_widths_of_pmacct),
        cmocka_unit_test(table_fits_its_values),
        cmocka_unit_test(table_shows_unknown_addresses_and_refuses_variable_lengths),
        cmocka_unit_test(events_have_no_counters),
        cmocka_unit_test(json_can_have_arrays_and_objects),
        cmocka_unit_test(json_lines_parse_whatever_the_text),
        cmocka_unit_test(custom_primitives_are_text_after_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
