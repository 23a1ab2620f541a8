/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that messages cross the socketpair between the core and a plugin host whole, with their
 * descriptors, and that bytes which are no message are refused. */
#include "handover/host_message.h"

#include "base/text.h"
#include "handover/encoding.h"
#include "handover/setup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct host_message_buffer buffer;

static void make_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                     0);
}

static void message_carries_its_body_and_descriptors(void **state)
{
    (void)state;
    struct text body = {0};
    struct host_message m;
    int pair[2], pipe_fds[2];
    char c = 0;
    make_pair(pair);
    assert_int_equal(pipe(pipe_fds), 0);
    text_append_string(&body, "hello");
    assert_int_equal(host_message_send(pair[0], HOST_MESSAGE_LANE, &body, &pipe_fds[1], 1), 0);
    assert_int_equal(host_message_send(pair[0], HOST_MESSAGE_REOPEN, NULL, NULL, 0), 0);
    assert_int_equal(host_message_receive(pair[1], 0, &buffer, &m), 0);
    assert_int_equal(m.type, HOST_MESSAGE_LANE);
    assert_int_equal(m.body_len, 5);
    assert_memory_equal(m.body, "hello", 5);
    assert_int_equal(m.fd_count, 1);
    assert_int_equal(write(m.fds[0], "x", 1), 1);
    assert_int_equal(read(pipe_fds[0], &c, 1), 1);
    host_message_close_fds(&m);
    assert_int_equal(host_message_receive(pair[1], 0, &buffer, &m), 0);
    assert_int_equal(m.type, HOST_MESSAGE_REOPEN);
    assert_int_equal(m.body_len, 0);
    assert_int_equal(host_message_receive(pair[1], 0, &buffer, &m), -EAGAIN);
    text_clear(&body);
    close(pair[0]);
    assert_int_equal(host_message_receive(pair[1], 0, &buffer, &m), -ENOTCONN);
    assert_int_equal(host_message_send(pair[1], HOST_MESSAGE_REOPEN, NULL, NULL, 0), -EPIPE);
    close(pair[1]);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void last_words_arrive_from_an_end_that_had_not_read_all(void **state)
{
    (void)state;
    struct host_message m;
    int pair[2];
    make_pair(pair);
    assert_int_equal(host_message_send(pair[0], HOST_MESSAGE_SHUTDOWN, NULL, NULL, 0), 0);
    assert_int_equal(host_message_send(pair[1], HOST_MESSAGE_STATE, NULL, NULL, 0), 0);
    close(pair[1]);
    assert_int_equal(host_message_receive(pair[0], 0, &buffer, &m), 0);
    assert_int_equal(m.type, HOST_MESSAGE_STATE);
    assert_int_equal(host_message_receive(pair[0], 0, &buffer, &m), -ENOTCONN);
    close(pair[0]);
}

static void packet_that_is_no_message_is_refused(void **state)
{
    (void)state;
    static const char *const packets[] = {
        "pa",                           /* shorter than a header */
        "pa\x09\x03\x00\x00\x00\x00",   /* another version */
        "xy\x02\x03\x00\x00\x00\x00",   /* another magic */
        "pa\x02\x03\x00\x00\x00\x02x",  /* shorter than it says */
        "pa\x02\x03\x00\x00\x00\x01xy", /* longer */
    };
    static const size_t lens[] = {2, 8, 8, 9, 10};
    struct host_message m;
    int pair[2];
    make_pair(pair);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        assert_int_equal(send(pair[0], packets[i], lens[i], 0), lens[i]);
        assert_int_equal(host_message_receive(pair[1], 0, &buffer, &m), -EBADMSG);
    }
    close(pair[0]);
    close(pair[1]);
}

static void setup_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct setup_setting settings[] = {
        {"print_output", "json", 1}, {"print_output_file", NULL, 0}, {"print_history", "1M", -1}};
    struct setup setup = {.is_replay = true,
                          .is_tolerant = true,
                          .core_id = "0123456789abcde",
                          .lane_count = 3,
                          .last_signal = 9,
                          .daemon_name = "nfacctd",
                          .instance_name = "edge",
                          .plugin_name = "print",
                          .plugin_dir = "/usr/lib/pathacct",
                          .spool_dir = "/var/spool/pathacct",
                          .spool_size = UINT64_C(1) << 40,
                          .shutdown_timeout_s = 30,
                          .timeout_s = 120,
                          .spool_only_s = 240,
                          .settings = settings,
                          .setting_count = 3};
    struct pa_column column = {.name = "dst_as", .kind = PA_KIND_U32};
    struct schema *schema = schema_new(), *got_schema;
    struct setup *got;
    struct text body = {0};
    assert_int_equal(schema_add(schema, &column), 0);
    assert_int_equal(schema_finish(schema), 0);
    assert_int_equal(setup_encode(&setup, schema, &body), 0);
    for (size_t len = 0; len < body.len; len++)
        assert_int_equal(setup_decode(body.data, len, &got, &got_schema), -EBADMSG);
    assert_int_equal(setup_decode(body.data, body.len, &got, &got_schema), 0);
    assert_true(got->is_replay && got->is_tolerant && !got->is_check && !got->debug);
    assert_memory_equal(got->core_id, setup.core_id, 16);
    assert_int_equal(got->lane_count, 3);
    assert_int_equal(got->last_signal, 9);
    assert_int_equal(got->timeout_s, 120);
    assert_int_equal(got->spool_only_s, 240);
    assert_string_equal(got->plugin_name, "print");
    assert_string_equal(got->spool_dir, "/var/spool/pathacct");
    assert_null(got->lock_path);
    assert_int_equal(got->spool_size, UINT64_C(1) << 40);
    assert_int_equal(got->setting_count, 3);
    assert_string_equal(got->settings[0].value, "json");
    assert_null(got->settings[1].value);
    assert_int_equal(got->settings[2].number, -1);
    assert_string_equal(schema_view(got_schema)->columns[0].name, "dst_as");
    setup_free(got);
    schema_free(got_schema);
    schema_free(schema);
    text_clear(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_carries_its_body_and_descriptors),
        cmocka_unit_test(last_words_arrive_from_an_end_that_had_not_read_all),
        cmocka_unit_test(packet_that_is_no_message_is_refused),
        cmocka_unit_test(setup_comes_out_as_it_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
