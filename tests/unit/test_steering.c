/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that the kernel's program chooses the same worker as the function in C, on real sockets.
 */
#include "base/clock.h"
#include "base/thread.h"
#include "input/receive_udp.h"
#include "input/steering.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS = 7, SENDERS = 200 };

static void send_from(const char *source, const char *to, uint16_t port)
{
    struct ip_addr from, target;
    struct sockaddr_storage sa;
    socklen_t len;
    int fd;

    assert_int_equal(ip_addr_parse(source, &from), 0);
    assert_int_equal(ip_addr_parse(to, &target), 0);
    fd = socket(from.family == IP_V4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    len = ip_addr_to_sockaddr(&from, 0, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    len = ip_addr_to_sockaddr(&target, port, &sa);
    assert_int_equal(sendto(fd, source, strlen(source), 0, (struct sockaddr *)&sa, len),
                     (int)strlen(source));
    close(fd);
}

static void open_receivers(const char *ip, struct udp_receiver **receivers)
{
    struct udp_settings settings = {.listen_ip = ip, .worker_count = WORKERS};
    struct text error = {0};

    if (udp_receivers_open(&settings, NULL, &error, receivers) < 0)
        fail_msg("%s", text_cstr(&error));
}

/* Asserts that each datagram waits at the socket whose number steering_worker() says; returns how
 * many sockets got some. */
static unsigned check_all(struct udp_receiver **receivers, unsigned expected)
{
    unsigned seen = 0, used = 0;

    for (uint32_t worker = 0; worker < WORKERS; worker++) {
        struct datagram datagrams[UDP_BATCH_MAX];
        uint32_t n, of_this = 0;
        while ((n = udp_receiver_read(receivers[worker], datagrams, UDP_BATCH_MAX)) > 0) {
            for (uint32_t i = 0; i < n; i++) {
                char text[IP_TEXT_LEN];
                assert_int_equal(steering_worker(&datagrams[i].source, WORKERS), worker);
                assert_int_equal(ip_addr_format(&datagrams[i].source, text), datagrams[i].len);
                assert_memory_equal(text, datagrams[i].data, datagrams[i].len);
            }
            of_this += n;
        }
        seen += of_this;
        used += of_this > 0;
        udp_receiver_free(receivers[worker]);
    }
    assert_int_equal(seen, expected);
    return used;
}

static void ipv4_exporters_reach_the_worker_that_the_function_names(void **state)
{
    struct udp_receiver *receivers[WORKERS];

    (void)state;
    open_receivers("127.0.0.1", receivers);
    for (int i = 1; i <= SENDERS; i++) {
        char source[32];
        snprintf(source, sizeof source, "127.0.%d.%d", i / 100, i);
        send_from(source, "127.0.0.1", udp_receiver_port(receivers[0]));
    }
    assert_int_equal(check_all(receivers, SENDERS), WORKERS);
}

static void a_dual_stack_socket_steers_both_families(void **state)
{
    struct udp_receiver *receivers[WORKERS];

    (void)state;
    open_receivers(NULL, receivers);
    for (int i = 1; i <= SENDERS; i++) {
        char source[32];
        snprintf(source, sizeof source, "127.1.%d.%d", i, i);
        send_from(source, "127.0.0.1", udp_receiver_port(receivers[0]));
    }
    send_from("::1", "::1", udp_receiver_port(receivers[0]));
    check_all(receivers, SENDERS + 1);
}

static void drops_of_a_full_socket_are_counted(void **state)
{
    struct udp_settings settings = {
        .listen_ip = "127.0.0.1", .worker_count = 1, .receive_buffer = 4096};
    struct udp_receiver *r;
    struct datagram datagrams[UDP_BATCH_MAX];
    struct text error = {0};
    uint64_t read = 0;
    uint32_t n;

    (void)state;
    assert_int_equal(udp_receivers_open(&settings, NULL, &error, &r), 0);
    for (int i = 0; i < 100; i++)
        send_from("127.0.0.9", "127.0.0.1", udp_receiver_port(r));
    while ((n = udp_receiver_read(r, datagrams, UDP_BATCH_MAX)) > 0)
        read += n;
    assert_true(read < 100);
    assert_int_equal(read + udp_receiver_overflow(r), 100);
    udp_receiver_free(r);
}

static void a_taken_port_is_told_with_its_address(void **state)
{
    struct udp_settings settings = {.listen_ip = "192.0.2.1", .port = 2100, .worker_count = 1};
    struct udp_receiver *r;
    struct text error = {0};

    (void)state;
    assert_true(udp_receivers_open(&settings, NULL, &error, &r) < 0);
    assert_non_null(strstr(text_cstr(&error), "192.0.2.1 port 2100: bind"));
    text_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_exporters_reach_the_worker_that_the_function_names),
        cmocka_unit_test(a_dual_stack_socket_steers_both_families),
        cmocka_unit_test(drops_of_a_full_socket_are_counted),
        cmocka_unit_test(a_taken_port_is_told_with_its_address),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
