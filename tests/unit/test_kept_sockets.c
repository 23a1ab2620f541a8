/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves which descriptors of a service manager's store are taken for flow sockets: those that are just
 * what the settings ask for, in the order of their names; all others are closed. And that a group of
 * another number of sockets is steered by the new number, when what it had was read.
 */
#include "base/memory.h"
#include "base/thread.h"
#include "input/kept_sockets.h"
#include "input/receive_udp.h"
#include "input/steering.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { GROUP_MAX = 4, SENDERS = 60 };

static struct udp_settings settings;

static int set_up(void **state)
{
    (void)state;
    settings = (struct udp_settings){
        .daemon_name = "nfacctd", .listen_ip = "127.0.0.1", .worker_count = 3};
    return 0;
}

/* Opens a group and gives away its descriptors, as the manager has them; settings.port is its port. */
static void open_group(uint32_t count, int *fds)
{
    struct udp_receiver *receivers[GROUP_MAX];
    struct udp_settings s = settings;
    struct text error = {0};

    s.worker_count = count;
    assert_int_equal(udp_receivers_open(&s, NULL, &error, receivers), 0);
    settings.port = udp_receiver_port(receivers[0]);
    for (uint32_t i = 0; i < count; i++) {
        fds[i] = dup(udp_receiver_fd(receivers[i]));
        udp_receiver_free(receivers[i]);
    }
}

static void pass(struct passed_sockets *passed, int fd, const char *name)
{
    passed->items = mem_realloc(passed->items, (passed->count + 1) * sizeof *passed->items);
    passed->items[passed->count++] = (struct passed_socket){fd, mem_strdup(name)};
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void close_all(struct kept_sockets *kept, struct passed_sockets *passed)
{
    for (uint32_t i = 0; i < kept->count; i++)
        close(kept->fds[i]);
    kept_sockets_clear(kept);
    passed_sockets_clear(passed);
}

static void the_variables_are_read_as_sd_listen_fds_does(void **state)
{
    static const struct {
        const char *pid, *fds, *names;
        size_t count;
        const char *first, *last;
    } cases[] = {
        {"100", "2", "nfacctd.0:nfacctd.1", 2, "nfacctd.0", "nfacctd.1"},
        {"100", "2", "nfacctd.0", 2, "nfacctd.0", "unknown"},
        {"100", "2", "::", 2, "unknown", "unknown"},
        {"100", "1", NULL, 1, "unknown", "unknown"},
        {"100", "1", "a:b:c", 1, "a", "a"},
        {"101", "2", "a:b", 0, NULL, NULL}, /* another process */
        {NULL, "2", "a:b", 0, NULL, NULL},
        {"100", NULL, "a:b", 0, NULL, NULL},
        {"100", "0", "", 0, NULL, NULL},
        {"100", "-1", "a", 0, NULL, NULL},
        {"100", "2x", "a:b", 0, NULL, NULL},
        {" 100", "2", "a:b", 0, NULL, NULL},
        {"100", "1025", "a", 0, NULL, NULL},
        {"100", "99999999999999999999", "a", 0, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct passed_sockets passed;
        passed_sockets_parse(cases[i].pid, cases[i].fds, cases[i].names, 100, &passed);
        assert_int_equal(passed.count, cases[i].count);
        for (size_t k = 0; k < passed.count; k++)
            assert_int_equal(passed.items[k].fd, 3 + (int)k);
        if (passed.count > 0) {
            assert_string_equal(passed.items[0].name, cases[i].first);
            assert_string_equal(passed.items[passed.count - 1].name, cases[i].last);
        }
        passed_sockets_clear(&passed);
    }
}

static void names_tell_the_order(void **state)
{
    struct passed_sockets passed = {0};
    struct kept_sockets kept;
    int fds[3];

    (void)state;
    open_group(3, fds);
    pass(&passed, fds[2], "nfacctd.2");
    pass(&passed, fds[0], "nfacctd.0");
    pass(&passed, fds[1], "nfacctd.1");
    kept_sockets_take(&settings, &passed, &kept);
    assert_int_equal(kept.count, 3);
    assert_memory_equal(kept.fds, fds, sizeof fds);
    assert_true(kept.is_same_group);
    close_all(&kept, &passed);
}

static void what_is_none_of_ours_is_closed(void **state)
{
    struct passed_sockets passed = {0};
    struct kept_sockets kept;
    struct udp_settings other = settings;
    int group[3], elsewhere[1], v6[1];

    (void)state;
    open_group(1, elsewhere);
    settings.listen_ip = "::1";
    open_group(1, v6);
    settings = other;
    open_group(3, group);
    int stream = socket(AF_INET, SOCK_STREAM, 0), file = open("/dev/null", O_RDONLY),
        unbound = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_DGRAM, 0);
    const int wrong[] = {stream, file, unbound, local, elsewhere[0], v6[0], group[0], group[2]};
    pass(&passed, stream, "nfacctd.1");
    pass(&passed, file, "nfacctd.2");
    pass(&passed, unbound, "nfacctd.3");
    pass(&passed, local, "nfacctd.4");
    pass(&passed, elsewhere[0], "nfacctd.5");
    pass(&passed, v6[0], "nfacctd.6");
    pass(&passed, group[0], "sfacctd.0");
    pass(&passed, group[1], "nfacctd.0");
    pass(&passed, group[2], "nfacctd.99999999999999999999");
    kept_sockets_take(&settings, &passed, &kept);
    assert_int_equal(kept.count, 1);
    assert_int_equal(kept.fds[0], group[1]);
    assert_false(kept.is_same_group);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(is_open(wrong[i]));
    close_all(&kept, &passed);
}

static void nothing_is_taken_where_no_sockets_are_needed(void **state)
{
    struct passed_sockets passed = {0};
    struct kept_sockets kept;
    int fds[1];

    (void)state;
    open_group(1, fds);
    pass(&passed, fds[0], "nfacctd.0");
    kept_sockets_take(NULL, &passed, &kept);
    assert_int_equal(kept.count, 0);
    assert_false(is_open(fds[0]));
    close_all(&kept, &passed);
}

static void other_settings_make_it_another_socket(void **state)
{
    struct passed_sockets passed = {0};
    struct kept_sockets kept;
    int fds[3];

    (void)state;
    settings.listen_ip = "::";
    open_group(3, fds);
    pass(&passed, fds[0], "nfacctd.0");
    pass(&passed, fds[1], "nfacctd.0");
    settings.worker_count = 1;
    kept_sockets_take(&settings, &passed, &kept);
    assert_int_equal(kept.count, 1); /* there is one of a name */
    assert_false(is_open(fds[1]));
    close_all(&kept, &passed);
    pass(&passed, fds[2], "nfacctd.0");
    settings.ipv6_only = true;
    kept_sockets_take(&settings, &passed, &kept);
    assert_int_equal(kept.count, 0);
    assert_false(is_open(fds[2]));
    close_all(&kept, &passed);
}

static void the_first_name_tells_the_multicast_groups(void **state)
{
    char name[SERVICE_NAME_LEN];
    char many[2000];

    (void)state;
    settings.multicast_groups = "239.1.2.3, ff02::1";
    kept_socket_name(&settings, 0, name);
    assert_string_equal(name, "nfacctd.0.239.1.2.3,,ff02--1");
    kept_socket_name(&settings, 1, name);
    assert_string_equal(name, "nfacctd.1");
    memset(many, '1', sizeof many - 1);
    many[sizeof many - 1] = 0;
    settings.multicast_groups = many;
    kept_socket_name(&settings, 0, name);
    assert_int_equal(strlen(name), SERVICE_NAME_LEN - 1);
}

static void send_from(int number)
{
    char source[32];
    struct ip_addr from, target;
    struct sockaddr_storage sa;
    socklen_t len;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    snprintf(source, sizeof source, "127.0.1.%d", number);
    assert_int_equal(ip_addr_parse(source, &from), 0);
    assert_int_equal(ip_addr_parse("127.0.0.1", &target), 0);
    len = ip_addr_to_sockaddr(&from, 0, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    len = ip_addr_to_sockaddr(&target, settings.port, &sa);
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len), 1);
    close(fd);
}

/* Reads a socket; each datagram has to be one that `worker_count` workers give to this one, unless that
 * is 0. */
static uint32_t read_all(struct udp_receiver *receiver, uint32_t worker_count, uint32_t worker)
{
    struct datagram datagrams[UDP_BATCH_MAX];
    uint32_t n, count = 0;

    while ((n = udp_receiver_read(receiver, datagrams, UDP_BATCH_MAX)) > 0) {
        for (uint32_t i = 0; worker_count > 0 && i < n; i++)
            assert_int_equal(steering_worker(&datagrams[i].source, worker_count), worker);
        count += n;
    }
    return count;
}

/* Goes from one number of workers to another, with datagrams that wait before and after. */
static void regroup(uint32_t before, uint32_t after)
{
    struct passed_sockets passed = {0};
    struct kept_sockets kept;
    struct udp_receiver *receivers[GROUP_MAX], *surplus[GROUP_MAX], *funnel;
    struct text error = {0};
    uint32_t count = 0, common = before < after ? before : after;
    int fds[GROUP_MAX];

    settings.port = 0;
    settings.worker_count = after;
    open_group(before, fds);
    for (uint32_t i = 0; i < before; i++) {
        char name[SERVICE_NAME_LEN];
        kept_socket_name(&settings, i, name);
        pass(&passed, fds[i], name);
    }
    for (int i = 1; i <= SENDERS; i++)
        send_from(i);
    kept_sockets_take(&settings, &passed, &kept);
    assert_false(kept.is_same_group);
    assert_int_equal(udp_receivers_open(&settings, &kept, &error, receivers), 0);
    assert_int_equal(kept.count, before - common);
    for (int i = 1; i <= SENDERS; i++)
        send_from(i); /* the old number holds */
    for (uint32_t i = 0; i < common; i++)
        count += read_all(receivers[i], before, i);
    for (uint32_t i = common; i < before; i++) {
        surplus[i - common] = udp_receiver_adopt(kept.fds[i - common]);
        count += read_all(surplus[i - common], before, i);
    }
    assert_int_equal(count, 2 * SENDERS);
    kept.count = 0;
    funnel = udp_funnel_open(&settings, receivers[0], before > after ? before : after);
    assert_non_null(funnel);
    for (int i = 1; i <= SENDERS; i++)
        send_from(i);
    assert_int_equal(read_all(funnel, 0, 0), SENDERS);
    udp_receivers_steer(&settings, receivers);
    udp_receiver_free(funnel);
    for (uint32_t i = before - common; i-- > 0;)
        udp_receiver_free(surplus[i]);
    for (int i = 1; i <= SENDERS; i++)
        send_from(i);
    count = 0;
    for (uint32_t i = 0; i < after; i++) {
        count += read_all(receivers[i], after, i);
        udp_receiver_free(receivers[i]);
    }
    assert_int_equal(count, SENDERS);
    close_all(&kept, &passed);
}

static void another_number_of_workers_is_steered_anew(void **state)
{
    (void)state;
    regroup(1, 3);
    regroup(3, 2);
    regroup(2, 4);
    regroup(4, 1);
}

static void drops_count_from_where_a_receiver_began(void **state)
{
    struct udp_settings small = settings;
    struct udp_receiver *first;
    struct text error = {0};

    (void)state;
    small.worker_count = 1;
    small.receive_buffer = 4096;
    assert_int_equal(udp_receivers_open(&small, NULL, &error, &first), 0);
    settings.port = udp_receiver_port(first);
    for (int i = 0; i < 100; i++)
        send_from(1);
    uint64_t lost = udp_receiver_overflow(first);
    assert_true(lost > 0);
    int kept = dup(udp_receiver_fd(first));
    udp_receiver_free(first);
    for (int i = 0; i < 10; i++)
        send_from(1); /* while nobody reads */
    struct udp_receiver *second = udp_receiver_adopt(kept);
    assert_int_equal(udp_receiver_first_drops(second).drops, lost + 10);
    assert_int_equal(udp_receiver_overflow(second), 0);
    send_from(1);
    assert_int_equal(udp_receiver_overflow(second), 1);
    udp_receiver_free(second);
}

static void those_of_a_name_are_parted_from_the_others(void **state)
{
    struct passed_sockets passed = {0}, part;

    (void)state;
    pass(&passed, 3, "nfacctd.0");
    pass(&passed, 4, "nfacctd_templates.0");
    pass(&passed, 5, "nfacctd.1");
    pass(&passed, 6, "nfacctd_templates");
    passed_sockets_part(&passed, "nfacctd_templates.", &part);
    assert_int_equal(part.count, 1);
    assert_int_equal(part.items[0].fd, 4);
    assert_int_equal(passed.count, 3);
    assert_string_equal(passed.items[1].name, "nfacctd.1");
    assert_int_equal(passed.items[2].fd, 6);
    passed_sockets_clear(&part);
    passed_sockets_clear(&passed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_variables_are_read_as_sd_listen_fds_does),
        cmocka_unit_test(those_of_a_name_are_parted_from_the_others),
        cmocka_unit_test_setup(names_tell_the_order, set_up),
        cmocka_unit_test_setup(what_is_none_of_ours_is_closed, set_up),
        cmocka_unit_test_setup(nothing_is_taken_where_no_sockets_are_needed, set_up),
        cmocka_unit_test_setup(other_settings_make_it_another_socket, set_up),
        cmocka_unit_test_setup(the_first_name_tells_the_multicast_groups, set_up),
        cmocka_unit_test_setup(another_number_of_workers_is_steered_anew, set_up),
        cmocka_unit_test_setup(drops_count_from_where_a_receiver_began, set_up),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
