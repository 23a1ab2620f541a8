/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that counter samples of sFlow become lines of JSON with the names of their fields. Records
 * are written by hand from sFlow.org's structures; jansson reads the lines back. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/file.h"
#include "base/text.h"
#include "sfacctd/counter_events.h"
#include "sfacctd/counter_log.h"
#include "support/decode_rig.h"

static struct decode_rig rig;
static char dir[] = "/tmp/sflow-counters-XXXXXX";
static char path[64];

static int setup(void **state)
{
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/counters", dir);
    decode_rig_init_sflow(&rig);
    rig.sflow.counter_file = path;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    rmdir(dir);
    return 0;
}

/* Feeds a datagram with one counter sample of one record, whose bytes follow. */
static void feed(uint32_t format, const char *hex)
{
    char all[4096];

    snprintf(all, sizeof all,
             "00000005 00000001 0a000001 00000003 00000010 0000ea60 00000001"
             " 00000002 %08zx 00000009 00000007 00000001 %08x %08zx %s",
             strlen(hex) / 2 + 20, format, strlen(hex) / 2, hex);
    decode_rig_hex(&rig, all);
}

/* Has the decoder write its lines; returns the n-th one. */
static json_t *line(size_t n)
{
    char buffer[4096];
    FILE *file;
    json_t *object = NULL;

    rig.ops->tick(rig.decoder, rig.now_ns);
    file = fopen(path, "r");
    assert_non_null(file);
    for (size_t i = 0; i <= n; i++)
        assert_non_null(fgets(buffer, sizeof buffer, file));
    fclose(file);
    object = json_loads(buffer, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!object)
        print_error("not JSON: %s", buffer);
    assert_non_null(object);
    return object;
}

static void assert_string(const json_t *object, const char *key, const char *expected)
{
    const char *value = json_string_value(json_object_get(object, key));

    assert_non_null(value);
    assert_string_equal(value, expected);
}

static void a_record_is_a_line_with_its_fields_by_name(void **state)
{
    (void)state;
    decode_rig_start(&rig, 4);
    feed(
        1,
        "00000007000000060000000165a0bc000000000100000003000000003b9aca0000000002000000030000000400"
        "00000500000006000000070000000077359400000000080000000900"
        "00000a0000000b0000000c00000000");
    json_t *o = line(0);
    assert_string(o, "event_type", "log");
    assert_string(o, "peer_ip_src", "10.0.0.1");
    assert_string(o, "sf_cnt_type", "sflow_cnt_generic");
    assert_int_equal(json_integer_value(json_object_get(o, "source_id_index")), 7);
    assert_int_equal(json_integer_value(json_object_get(o, "ifIndex")), 7);
    assert_int_equal(json_integer_value(json_object_get(o, "ifSpeed")), 6000000000);
    assert_int_equal(json_integer_value(json_object_get(o, "ifInOctets")), 1000000000);
    assert_int_equal(json_integer_value(json_object_get(o, "ifOutOctets")), 2000000000);
    assert_int_equal(json_integer_value(json_object_get(o, "ifOutErrors")), 12);
    json_decref(o);
    decode_rig_clear(&rig);
}

static void texts_floats_addresses_and_lists_have_their_forms(void **state)
{
    (void)state;
    decode_rig_start(&rig, 4);
    feed(2000, "0000000568"
               "6f737431000000"
               "000102030405060708090a0b0c0d0e0f"
               "0000000300000002"
               "00000003"
               "362e3100");
    feed(2001, "00000002"
               "00000001"
               "00000001"
               "001122334455"
               "0000"
               "00000002"
               "00000000");
    feed(2003, "3f000000"
               "7fc00000"
               "40200000");
    feed(1001, "00000fa0"
               "ffffffff"
               "00000005"
               "0000000000000400"
               "0000000000000200");
    feed(3001, "fffffff6"
               "0000001e"
               "00000000");
    json_t *o = line(0);
    assert_string(o, "hostname", "host1");
    assert_string(o, "uuid", "000102030405060708090a0b0c0d0e0f");
    assert_string(o, "os_release", "6.1");
    json_decref(o);
    o = line(1);
    const json_t *adapters = json_object_get(o, "adapters");
    assert_int_equal(json_array_size(adapters), 2);
    const json_t *macs = json_object_get(json_array_get(adapters, 0), "mac_addresses");
    assert_string_equal(json_string_value(json_array_get(macs, 0)), "00:11:22:33:44:55");
    assert_int_equal(json_array_size(json_object_get(json_array_get(adapters, 1), "mac_addresses")),
                     0);
    json_decref(o);
    o = line(2);
    assert_true(json_real_value(json_object_get(o, "load_one")) == 0.5);
    assert_true(json_is_null(json_object_get(o, "load_five")));
    assert_true(json_real_value(json_object_get(o, "load_fifteen")) == 2.5);
    assert_null(json_object_get(o, "proc_run")); /* the record ended there */
    json_decref(o);
    o = line(3);
    assert_true(json_real_value(json_object_get(o, "cpu_5s")) == 40.0);
    assert_true(json_is_null(json_object_get(o, "cpu_1m")));
    json_decref(o);
    o = line(4);
    assert_int_equal(json_integer_value(json_object_get(o, "minimum")), -10);
    json_decref(o);
    decode_rig_clear(&rig);
}

/* Every row of the table, with as many bytes as it may want, gives JSON that reads back with each
 * name once. */
static void every_structure_gives_a_sound_line(void **state)
{
    static const struct {
        uint32_t format;
        const char *name, *fields;
    } rows[] = {
#define COUNTER_RECORD(enterprise, format, name, fields)                                           \
    {(uint32_t)(enterprise) << 12 | (format), #name, fields},
#include "sfacctd/structures.def"
    };
    struct text hex = {0};

    (void)state;
    decode_rig_start(&rig, 4);
    for (int i = 0; i < 80; i++)
        text_append_string(&hex, "00000001"); /* also a length, and a count of one */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t blanks = 0, brackets = 0;
        feed(rows[i].format, text_cstr(&hex));
        json_t *o = line(i);
        const char *type = json_string_value(json_object_get(o, "sf_cnt_type"));
        assert_non_null(type);
        assert_int_equal(strncmp(type, "sflow_cnt_", 10), 0);
        assert_true(i == 0 || strncmp(type + 10, rows[i].name, strlen(type) - 10) == 0);
        for (const char *c = rows[i].fields; *c; c++) {
            blanks += *c == ' ';
            brackets += *c == '[';
        }
        if (brackets == 0) /* "TYPE NAME TYPE NAME" has a blank between two words */
            assert_int_equal(json_object_size(o), 10 + (blanks + 1) / 2);
        json_decref(o);
    }
    text_clear(&hex);
    decode_rig_clear(&rig);
}

static void what_cannot_be_written_is_counted(void **state)
{
    (void)state;
    rig.sflow.counter_file = "/nonexistent/counters";
    decode_rig_start(&rig, 4);
    feed(5, "0000000a0000000000000400"
            "00000001000000020000000300000004");
    rig.ops->tick(rig.decoder, rig.now_ns);
    const struct ip_addr agent = ip_addr_v4((const uint8_t[]){10, 0, 0, 1});
    const struct exporter *exporter = exporter_table_find(rig.exporters, &agent);
    assert_int_equal(counter_get(&exporter->counters.counter_lines_lost), 1);
    assert_int_equal(counter_get(&exporter->counters.counter_samples), 1);
    decode_rig_clear(&rig);
}

static void the_agent_may_name_the_file(void **state)
{
    char pattern[80];

    (void)state;
    snprintf(pattern, sizeof pattern, "%s/$peer_src_ip", dir);
    snprintf(path, sizeof path, "%s/10_0_0_1", dir);
    rig.sflow.counter_file = pattern;
    decode_rig_start(&rig, 4);
    feed(5, "0000000a0000000000000400"
            "00000001000000020000000300000004");
    json_t *o = line(0);
    assert_int_equal(json_integer_value(json_object_get(o, "vlan")), 10);
    json_decref(o);
    decode_rig_clear(&rig);
}

/* An agent's address is what the datagram says: beyond the bound it makes no file. */
static void agents_beyond_the_bound_share_a_file(void **state)
{
    static struct exporter exporter;
    char folder[] = "/dev/shm/sflow-counters-XXXXXX", pattern[300]; /* in memory: there are many */

    (void)state;
    if (access("/dev/shm", W_OK) < 0 || !mkdtemp(folder))
        skip();
    snprintf(pattern, sizeof pattern, "%s/c-$peer_src_ip", folder);
    struct counter_log *log = counter_log_new(pattern, true);
    for (unsigned i = 0; i < 4096 + 20; i++) {
        const struct ip_addr agent =
            ip_addr_v4((const uint8_t[]){10, 0, (uint8_t)(i >> 8), (uint8_t)i});
        text_append_string(counter_log_begin(log, &agent), "line\n");
        counter_log_end(log, &exporter);
    }
    counter_log_free(log);
    struct text content = {0};
    snprintf(pattern, sizeof pattern, "%s/c-=other", folder);
    assert_int_equal(file_read(pattern, 10000, &content), 0);
    DIR *files = opendir(folder);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(files));) {
        count += entry->d_name[0] == 'c';
        unlinkat(dirfd(files), entry->d_name, 0);
    }
    closedir(files);
    rmdir(folder);
    assert_int_equal(count, 4097);
    assert_int_equal(content.len, 20 * strlen("line\n"));
    text_clear(&content);
}

static char seen[4096];
static unsigned seen_count;

/* Writes down what an event holds. */
static void note_event(struct flow_batch *batch, const struct event *event, int64_t time_ns)
{
    char agent[IP_TEXT_LEN];
    const struct event_bytes *type = &event->values[COUNTER_EVENT_TYPE].bytes;
    const struct event_bytes *fields = &event->values[COUNTER_EVENT_FIELDS].bytes;

    (void)batch;
    assert_int_equal(time_ns, (int64_t)event->values[COUNTER_EVENT_TIMESTAMP].number);
    ip_addr_format(&event->values[COUNTER_EVENT_AGENT].addr, agent);
    snprintf(seen, sizeof seen, "%u %s %.*s {%.*s} %u", (unsigned)event->values[0].number, agent,
             (int)type->len, (const char *)type->data, (int)fields->len, (const char *)fields->data,
             (unsigned)event->values[COUNTER_EVENT_SOURCE_INDEX].number);
    seen_count++;
}

static void a_record_is_an_event_too_with_the_number_of_its_line(void **state)
{
    (void)state;
    decode_rig_start(&rig, 4);
    rig.batch.put_event = note_event;
    feed(1005, "0000000365746800");
    feed(1005, "0000000365746800");
    assert_string_equal(seen, "1 10.0.0.1 sflow_cnt_port_name {\"name\": \"eth\"} 7");
    json_t *o = line(1);
    assert_int_equal(json_integer_value(json_object_get(o, "seq")), 1);
    assert_string(o, "name", "eth");
    json_decref(o);
    decode_rig_clear(&rig);
}

static void events_need_no_file(void **state)
{
    (void)state;
    rig.sflow.counter_file = NULL;
    decode_rig_start(&rig, 4);
    seen_count = 0;
    feed(1005, "0000000365746800"); /* nobody wants it: it has no number */
    assert_int_equal(seen_count, 0);
    rig.batch.put_event = note_event;
    feed(1005, "");
    assert_int_equal(seen_count, 1);
    assert_string_equal(seen, "0 10.0.0.1 sflow_cnt_port_name {} 7");
    decode_rig_clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_record_is_a_line_with_its_fields_by_name, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(texts_floats_addresses_and_lists_have_their_forms, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(every_structure_gives_a_sound_line, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(the_agent_may_name_the_file, setup, teardown),
        cmocka_unit_test(agents_beyond_the_bound_share_a_file),
        cmocka_unit_test_setup_teardown(a_record_is_an_event_too_with_the_number_of_its_line, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(events_need_no_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
