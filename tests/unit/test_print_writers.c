/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the print plugin spoils no file that another instance, a link or a stranger has put in
 * its way, and that too few descriptors cost it nothing but time. */
#include "support/print_world.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- two writers, links ---- */

/* Another instance, with files in the folder of `first`. */
static struct world *second_world(struct world *first, const char *aggregate, const char *name)
{
    struct world *w = world_new(aggregate, 0);

    fake_host_set(&w->host, "print_output_file", at(first, name));
    fake_host_set(&w->host, "print_output_file_append", "true");
    w->host.core_id[0] ^= 1;
    start(w);
    return w;
}

static void a_file_has_one_writer_at_a_time(void **state)
{
    struct world *a = world_new("src_port", 0), *b;
    char command[512], *left;

    (void)state;
    set(a, "print_output_file", at(a, "all.csv"));
    set(a, "print_output_file_append", "true");
    start(a);
    add(a, 0, 1);
    purge(a);
    b = second_world(a, "src_port", "all.csv");
    add(b, 0, 7);
    assert_int_equal(try_purge(b, ENDS_EPOCH), -EAGAIN);
    assert_non_null(strstr(b->host.log, "all.csv: print["));
    assert_non_null(strstr(b->host.log, "two would spoil it"));
    assert_int_equal(try_purge(b, ENDS_EPOCH | IS_AGAIN), -EAGAIN);
    add(a, 0, 2);
    purge(a);
    stop(a);
    assert_int_equal(try_purge(b, ENDS_EPOCH | IS_AGAIN), 0);
    expect_file(a, "all.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n0,1,7\n");
    stop(b);
    snprintf(command, sizeof command, "ls -A %s | grep -c lock", a->folder.path);
    left = read_command(command);
    assert_string_equal(left, "0\n");
    free(left);
    world_free(b);
    world_free(a);
}

/* A file that each purge replaces is not left to another between two purges. */
static void a_replaced_file_keeps_its_writer(void **state)
{
    struct world *a = world_new("src_port", 0), *b;

    (void)state;
    set(a, "print_output_file", at(a, "now.csv"));
    start(a);
    b = second_world(a, "src_port", "now.csv");
    for (int i = 0; i < 3; i++) {
        add(a, 0, 1);
        purge(a);
        add(b, 0, 7);
        assert_int_equal(try_purge(b, ENDS_EPOCH), -EAGAIN);
        rows_reset(&b->rows);
    }
    world_free(b);
    world_free(a);
}

/* One file may be open, rows go to two: the first is closed within the transaction, and another
 * process takes it before the rows are committed. */
static void what_another_wrote_meanwhile_makes_the_transaction_come_again(void **state)
{
    struct world *a = world_new("peer_src_ip", 0), *b;
    struct pa_source source;
    struct pa_batch batch;

    (void)state;
    set(a, "print_output_file", at(a, "$peer_src_ip.csv"));
    set(a, "print_output_file_append", "true");
    set(a, "print_open_files", "1");
    start(a);
    rows_set_addr(&a->rows, add(a, 0, 1), "peer_src_ip", "10.0.0.1");
    rows_set_addr(&a->rows, add(a, 0, 2), "peer_src_ip", "10.0.0.2");
    batch = rows_batch(&a->rows);
    a->seq++;
    struct pa_transaction t = fake_host_transaction(&a->host, &source, 1, 1, a->now_s);
    assert_int_equal(print_begin(a->print, &t), 0);
    assert_int_equal(print_write(a->print, &batch), 0);
    b = second_world(a, "peer_src_ip", "10_0_0_1.csv");
    rows_set_addr(&b->rows, add(b, 0, 7), "peer_src_ip", "10.0.0.9");
    purge(b);
    stop(b);
    assert_int_equal(print_commit(a->print, &t), -EAGAIN);
    assert_non_null(strstr(a->host.log, "changed it meanwhile"));
    print_abort(a->print);
    assert_int_equal(try_purge(a, ENDS_EPOCH | IS_AGAIN), 0);
    stop(a);
    expect_file(a, "10_0_0_1.csv", "PEER_SRC_IP,PACKETS,BYTES\n10.0.0.9,1,7\n10.0.0.1,1,1\n");
    expect_file(a, "10_0_0_2.csv", "PEER_SRC_IP,PACKETS,BYTES\n10.0.0.2,1,2\n");
    world_free(b);
    world_free(a);
}

/* Rows go to what the link leads to, and so do NAME.part and NAME.state; a crash changes nothing. */
static void a_link_stays_and_its_target_is_written(void **state)
{
    struct world *w = world_new("src_port", 300);

    (void)state;
    assert_int_equal(mkdir(at(w, "disk"), 0755), 0);
    assert_int_equal(symlink("disk/real.csv", at(w, "2249.csv")), 0);
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    add(w, 0, 1);
    purge(w);
    expect_names(w, "2249.csv disk/real.csv.part disk/real.csv.state ");
    stop(w);
    int fd = open(at(w, "disk/real.csv.part"), O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "0,1,99", 6), 6);
    close(fd);
    start(w);
    w->now_s = BIN_S + 300;
    assert_int_equal(try_purge(w, ENDS_EPOCH | IS_LAST), 0);
    stop(w);
    expect_names(w, "2249.csv disk/real.csv ");
    expect_file(w, "disk/real.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    world_free(w);
}

/* The names that are derived from the operator's are put there by somebody else, as links. */
static void a_link_in_place_of_a_file_of_ours_is_not_followed(void **state)
{
    static const char *const names[] = {"2249.csv.part", "2249.csv.state", ".2249.csv.lock"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct world *w = world_new("src_port", 300);
        assert_int_equal(close(open(at(w, "victim"), O_WRONLY | O_CREAT, 0600)), 0);
        assert_int_equal(symlink("victim", at(w, names[i])), 0);
        set(w, "print_output_file", at(w, "%H%M.csv"));
        start(w);
        add(w, 0, 1);
        assert_int_equal(try_purge(w, ENDS_EPOCH | IS_LAST), -EAGAIN);
        assert_non_null(strstr(w->host.log, "link"));
        expect_file(w, "victim", "");
        world_free(w);
    }
}

static void a_pipe_among_the_files_is_not_replaced(void **state)
{
    struct world *w = world_new("src_port", 300);
    struct stat st;

    (void)state;
    assert_int_equal(mkfifo(at(w, "2249.csv"), 0600), 0);
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    add(w, 0, 1);
    assert_int_equal(try_purge(w, ENDS_EPOCH | IS_LAST), -EAGAIN);
    assert_non_null(strstr(w->host.log, "pipe or a device"));
    assert_int_equal(lstat(at(w, "2249.csv"), &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    world_free(w);
}

/* ---- descriptors ---- */

static void too_few_descriptors_close_files_and_lose_nothing(void **state)
{
    struct world *w = world_new("peer_src_ip, src_port", 60);
    struct rlimit before, few;
    int used[64], used_count = 0;

    (void)state;
    set(w, "print_output_file", at(w, "$peer_src_ip.csv"));
    set(w, "print_output_file_append", "true");
    start(w);
    for (int i = 0; i < 40; i++) {
        char address[32];
        snprintf(address, sizeof address, "10.0.0.%d", i);
        rows_set_addr(&w->rows, add(w, 0, (uint64_t)i), "peer_src_ip", address);
    }
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 40;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while (used_count < 20 && (used[used_count] = dup(0)) >= 0)
        used_count++;
    purge(w);
    while (used_count > 0)
        close(used[--used_count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < 40; i++) {
        char name[64], expected[128];
        snprintf(name, sizeof name, "10_0_0_%d.csv", i);
        snprintf(expected, sizeof expected,
                 "PEER_SRC_IP,SRC_PORT,PACKETS,BYTES\n10.0.0.%d,0,1,%d\n", i, i);
        expect_file(w, name, expected);
    }
    world_free(w);
}

static void more_files_than_descriptors_are_not_kept_open(void **state)
{
    struct world *w = world_new("peer_src_ip", 60);
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) { /* a hard limit cannot be raised again */
        const struct rlimit limit = {264, 264};
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            _exit(2);
        set(w, "print_output_file", at(w, "$peer_src_ip.csv"));
        set(w, "print_open_files", "256");
        start(w);
        _exit(strstr(w->host.log, "print_open_files: 100 instead of 256") ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_has_one_writer_at_a_time),
        cmocka_unit_test(a_replaced_file_keeps_its_writer),
        cmocka_unit_test(what_another_wrote_meanwhile_makes_the_transaction_come_again),
        cmocka_unit_test(a_link_stays_and_its_target_is_written),
        cmocka_unit_test(a_link_in_place_of_a_file_of_ours_is_not_followed),
        cmocka_unit_test(a_pipe_among_the_files_is_not_replaced),
        cmocka_unit_test(too_few_descriptors_close_files_and_lose_nothing),
        cmocka_unit_test(more_files_than_descriptors_are_not_kept_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
