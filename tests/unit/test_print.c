/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what an operator sees of the print plugin's files: their names and contents, and when they
 * appear. */
#include "plugins/text/format.h"
#include "support/print_world.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- names with time ---- */

static void a_file_gets_its_name_when_its_bin_is_over(void **state)
{
    struct world *w = world_new("src_port", 300);

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    add(w, 0, 1);
    purge(w); /* 22:50 */
    expect_names(w, "2249.csv.part 2249.csv.state ");
    add(w, 0, 2);
    w->now_s = BIN_S + 299;
    purge(w);
    expect_names(w, "2249.csv.part 2249.csv.state ");
    w->now_s = BIN_S + 300;
    purge(w);
    expect_names(w, "2249.csv 2249.csv.state ");
    expect_file(w, "2249.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
    purge(w); /* the one before is acknowledged */
    expect_names(w, "2249.csv ");
    world_free(w);
}

static void a_late_row_is_appended_to_the_finished_file(void **state)
{
    struct world *w = world_new("src_port", 60);

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    add(w, 0, 1);
    purge(w);
    purge(w);
    expect_names(w, "2249.csv ");
    add(w, 0, 2);
    add(w, 120, 3);
    purge(w);
    expect_file(w, "2249.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
    purge(w);
    expect_names(w, "2249.csv 2251.csv ");
    world_free(w);
}

static void without_bins_each_purge_has_a_file_of_its_own_time(void **state)
{
    struct world *w = world_new("src_port", 0);

    (void)state;
    set(w, "print_output_file", at(w, "%H%M%S.csv"));
    start(w);
    add(w, 0, 1);
    purge(w);
    add(w, 0, 2);
    purge(w);
    expect_file(w, "225000.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    expect_file(w, "225100.csv", "SRC_PORT,PACKETS,BYTES\n0,1,2\n");
    world_free(w);
}

static void the_last_purge_finishes_all_files(void **state)
{
    struct world *w = world_new("src_port", 3600);

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    add(w, 0, 1);
    assert_int_equal(try_purge(w, ENDS_EPOCH | IS_LAST), 0);
    expect_file(w, "2249.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    stop(w);
    expect_names(w, "2249.csv ");
    w->host.core_id[0]++; /* a new core; the bin goes on */
    w->seq = 0;
    start(w);
    add(w, 0, 2);
    purge(w);
    expect_file(w, "2249.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
    world_free(w);
}

static void an_abandoned_part_file_is_finished_after_a_restart(void **state)
{
    struct world *w = world_new("src_port", 60);

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    w->now_s = BIN_S + 30;
    add(w, 0, 1);
    purge(w);
    stop(w);
    start(w);
    w->now_s = BIN_S + 600;
    purge(w);
    expect_file(w, "2249.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    world_free(w);
}

/* ---- names without time ---- */

static void a_fixed_name_is_replaced_at_each_epoch(void **state)
{
    struct world *w = world_new("src_port", 0);

    (void)state;
    set(w, "print_output_file", at(w, "now.csv"));
    start(w);
    add(w, 0, 1);
    purge(w);
    add(w, 0, 2);
    assert_int_equal(try_purge(w, 0), 0); /* these rows are unaggregated, within an epoch */
    expect_file(w, "now.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    add(w, 0, 3);
    purge(w);
    expect_file(w, "now.csv", "SRC_PORT,PACKETS,BYTES\n0,1,2\n0,1,3\n");
    purge(w); /* nothing to write leaves it alone */
    expect_names(w, "now.csv ");
    world_free(w);
}

static void append_keeps_a_fixed_name_in_place(void **state)
{
    struct world *w = world_new("src_port", 0);

    (void)state;
    set(w, "print_output_file", at(w, "all.csv"));
    set(w, "print_output_file_append", "true");
    start(w);
    add(w, 0, 1);
    purge(w);
    expect_file(w, "all.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    stop(w);
    start(w);
    add(w, 0, 2);
    purge(w);
    expect_file(w, "all.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
    /* logrotate(8) renames the file like this. */
    assert_int_equal(rename(at(w, "all.csv"), at(w, "old.csv")), 0);
    add(w, 0, 3);
    purge(w);
    expect_file(w, "old.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
    expect_file(w, "all.csv", "SRC_PORT,PACKETS,BYTES\n0,1,3\n");
    world_free(w);
}

static void a_full_file_gets_a_number(void **state)
{
    struct world *w = world_new("src_port", 0);

    (void)state;
    set(w, "print_output_file", at(w, "raw.csv"));
    set(w, "print_rotate_size", "30");
    start(w);
    for (uint64_t i = 1; i <= 5; i++) {
        add(w, 0, i);
        assert_int_equal(try_purge(w, 0), 0);
    }
    /* The title has 23 bytes and a row 6, so a file with two rows has 35. */
    expect_names(w, "raw.csv raw.csv.1 raw.csv.2 raw.csv.state ");
    expect_file(w, "raw.csv.1", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
    expect_file(w, "raw.csv.2", "SRC_PORT,PACKETS,BYTES\n0,1,3\n0,1,4\n");
    expect_file(w, "raw.csv", "SRC_PORT,PACKETS,BYTES\n0,1,5\n");
    world_free(w);
}

static void values_make_a_file_each_and_few_are_open(void **state)
{
    struct world *w = world_new("peer_src_ip, src_port", 60);
    char expected[128], name[64], descriptors[64];
    char *text;

    (void)state;
    set(w, "print_output_file", at(w, "%H%M/$peer_src_ip.csv"));
    set(w, "print_open_files", "3");
    start(w);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 50; i++) {
            char address[32];
            snprintf(address, sizeof address, "10.0.0.%d", i);
            rows_set_addr(&w->rows, add(w, 0, (uint64_t)i), "peer_src_ip", address);
        }
    }
    purge(w);
    snprintf(descriptors, sizeof descriptors, "ls -l /proc/%d/fd | grep -c test_print", getpid());
    text = read_command(descriptors);
    assert_in_range(atoi(text), 0, 3);
    free(text);
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "2249/10_0_0_%d.csv", i);
        snprintf(expected, sizeof expected,
                 "PEER_SRC_IP,SRC_PORT,PACKETS,BYTES\n10.0.0.%d,0,1,%d\n10.0.0.%d,0,1,%d\n", i, i,
                 i, i);
        expect_file(w, name, expected);
    }
    world_free(w);
}

/* ---- delivery ---- */

static void a_transaction_that_comes_again_is_left_out(void **state)
{
    struct world *w = world_new("src_port", 300);

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    add(w, 0, 1);
    assert_int_equal(try_purge(w, ENDS_EPOCH), 0);
    stop(w); /* it died before the core knew */
    start(w);
    add(w, 0, 1);
    add(w, 300, 5); /* this file was not reached */
    assert_int_equal(try_purge(w, ENDS_EPOCH | IS_AGAIN), 0);
    assert_int_equal(try_purge(w, ENDS_EPOCH | IS_LAST), 0);
    expect_file(w, "2249.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    expect_file(w, "2254.csv", "SRC_PORT,PACKETS,BYTES\n0,1,5\n");
    world_free(w);
}

static void what_was_not_committed_is_cut_off(void **state)
{
    struct world *w = world_new("src_port", 300);
    int fd;

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    add(w, 0, 1);
    purge(w);
    stop(w);
    fd = open(at(w, "2249.csv.part"), O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "0,1,99", 6), 6);
    close(fd);
    start(w);
    add(w, 0, 2);
    assert_int_equal(try_purge(w, ENDS_EPOCH | IS_LAST), 0);
    expect_file(w, "2249.csv", "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
    world_free(w);
}

/* Gives out.csv's state another version. */
static void set_state_version(struct world *w, int version)
{
    char *command =
        mem_printf("sed -i '1s/.*/pathacct-print %d/' %s/out.csv.state", version, w->folder.path);

    free(read_command(command));
    mem_free(command);
}

static void a_state_of_a_later_version_stops_the_file_and_stays(void **state)
{
    struct world *w = world_new("src_port", 0);

    (void)state;
    set(w, "print_output_file", at(w, "out.csv"));
    set(w, "print_output_file_append", "true");
    start(w);
    add(w, 0, 100);
    assert_int_equal(try_purge(w, 0), 0);
    stop(w);
    char *show = mem_printf("cat %s/out.csv.state", w->folder.path);
    char *version_1 = read_command(show);
    assert_int_equal(strncmp(version_1, "pathacct-print 1\n", 17), 0);
    set_state_version(w, 2);
    char *version_2 = read_command(show);
    start(w);
    add(w, 0, 100);
    assert_int_equal(try_purge(w, 0), -EAGAIN);
    assert_non_null(
        strstr(w->host.log, "out.csv: its .state is of a later version of this program"));
    assert_non_null(strstr(w->host.log, "start that version again, or move the file"));
    char *after = read_command(show);
    assert_string_equal(after, version_2);
    set_state_version(w, 1);
    add(w, 0, 100);
    assert_int_equal(try_purge(w, 0), 0);
    mem_free(show);
    free(version_1);
    free(version_2);
    free(after);
    world_free(w);
}

static void a_file_that_is_not_ours_is_never_cut(void **state)
{
    struct world *w = world_new("src_port", 60);
    FILE *file;

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    file = fopen(at(w, "2249.csv"), "w");
    fputs("precious\n", file);
    fclose(file);
    start(w);
    add(w, 0, 1);
    purge(w);
    expect_file(w, "2249.csv", "precious\n0,1,1\n");
    world_free(w);
}

static void compressed_files_are_whole_after_each_commit(void **state)
{
    static const char *const names[][2] = {{"x.csv.gz", "gzip -dc"}, {"x.csv.zst", "zstd -dcq"}};

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct world *w = world_new("src_port", 0);
        char command[256];
        char *text;

        set(w, "print_output_file", at(w, names[i][0]));
        set(w, "print_output_file_append", "true");
        start(w);
        add(w, 0, 1);
        purge(w);
        add(w, 0, 2);
        purge(w);
        snprintf(command, sizeof command, "%s < %s", names[i][1], at(w, names[i][0]));
        text = read_command(command);
        assert_string_equal(text, "SRC_PORT,PACKETS,BYTES\n0,1,1\n0,1,2\n");
        free(text);
        world_free(w);
    }
}

/* ---- the rest ---- */

static void markers_and_titles_stand_as_in_pmacct(void **state)
{
    struct world *w = world_new("src_port", 0);
    char expected[256];
    int pid = getpid();

    (void)state;
    set(w, "print_output_file", at(w, "all.csv"));
    set(w, "print_output_file_append", "true");
    set(w, "print_markers", "true");
    start(w);
    add(w, 0, 1);
    purge(w);
    add(w, 0, 2);
    purge(w);
    snprintf(expected, sizeof expected,
             "--START (%d)--\nSRC_PORT,PACKETS,BYTES\n0,1,1\n--END (%d)--\n--START (%d)--\n0,1,2\n"
             "--END (%d)--\n",
             pid, pid, pid, pid);
    expect_file(w, "all.csv", expected);
    stop(w);
    set(w, "print_output", "json");
    set(w, "print_output_file", at(w, "all.json"));
    start(w);
    add(w, 0, 1);
    purge(w);
    snprintf(
        expected, sizeof expected,
        "{\"event_type\": \"purge_init\", \"writer_id\": \"test/%d\"}\n{\"event_type\": \"purge\", "
        "\"port_src\": 0, \"packets\": 1, \"bytes\": 1}\n{\"event_type\": \"purge_close\", "
        "\"writer_id\": \"test/%d\", \"purged_entries\": 1, \"total_entries\": 1, \"duration\": "
        "0}\n",
        pid, pid);
    expect_file(w, "all.json", expected);
    world_free(w);
}

static void purges_are_logged_in_the_words_that_tools_look_for(void **state)
{
    struct world *w = world_new("src_port", 0);
    char expected[128];

    (void)state;
    set(w, "print_output_file", at(w, "x.csv"));
    set(w, "log_purges", "true");
    start(w);
    add(w, 0, 1);
    purge(w);
    purge(w);
    snprintf(expected, sizeof expected, "*** Purging cache - START (PID: %d) ***\n", getpid());
    assert_non_null(strstr(w->host.log, expected));
    snprintf(expected, sizeof expected, "*** Purging cache - END (PID: %d, QN: 1/1, ET: 0) ***\n",
             getpid());
    assert_non_null(strstr(w->host.log, expected));
    snprintf(expected, sizeof expected, "*** Purging cache - END (PID: %d, QN: 0/0, ET: X) ***\n",
             getpid());
    assert_non_null(strstr(w->host.log, expected));
    world_free(w);
}

static void the_latest_file_is_linked_when_it_is_finished(void **state)
{
    struct world *w = world_new("src_port", 60);
    char target[256];
    ssize_t len;

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    set(w, "print_latest_file", at(w, "latest"));
    start(w);
    add(w, 0, 1);
    purge(w);
    add(w, 60, 2);
    purge(w);
    add(w, 0, 3); /* late: not the latest */
    purge(w);
    len = readlink(at(w, "latest"), target, sizeof target - 1);
    assert_true(len > 0);
    target[len] = 0;
    assert_string_equal(target, at(w, "2250.csv"));
    world_free(w);
}

static void empty_files_are_made_only_when_asked_for(void **state)
{
    struct world *w = world_new("src_port", 60);

    (void)state;
    set(w, "print_output_file", at(w, "%H%M.csv"));
    start(w);
    purge(w);
    expect_names(w, "");
    stop(w);
    set(w, "print_write_empty_file", "true");
    start(w);
    purge(w); /* 22:51: the bin of 22:50 is over */
    expect_file(w, "2250.csv", "SRC_PORT,PACKETS,BYTES\n");
    world_free(w);
}

static void files_have_the_permissions_that_were_asked_for(void **state)
{
    struct world *w = world_new("src_port", 60);
    struct stat st;

    (void)state;
    set(w, "print_output_file", at(w, "d/%H%M.csv"));
    set(w, "files_umask", "027");
    start(w);
    add(w, 0, 1);
    purge(w);
    assert_int_equal(stat(at(w, "d/2249.csv"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(stat(at(w, "d"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0750);
    world_free(w);
}

static void the_trigger_runs_with_its_facts_and_leaves_no_zombie(void **state)
{
    struct world *w = world_new("src_port", 60);
    const char *program;
    FILE *file;

    (void)state;
    program = at(w, "trigger");
    file = fopen(program, "w");
    fprintf(file, "#!/bin/sh\necho $INSTANCE_NAME $EFFECTIVE_ELEM_NUMBER >> %s/out\n",
            w->folder.path);
    fclose(file);
    chmod(program, 0700);
    set(w, "print_output_file", at(w, "%H%M.csv"));
    set(w, "print_trigger_exec", program);
    start(w);
    add(w, 0, 1);
    purge(w);
    expect_file(w, "out", "test 1\n");
    stop(w);
    set(w, "print_trigger_exec_async", "true");
    start(w);
    purge(w);
    stop(w);
    expect_file(w, "out", "test 1\ntest 0\n");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    world_free(w);
}

static void a_pipe_without_reader_is_waited_for(void **state)
{
    struct world *w = world_new("src_port", 0);
    char text[128] = "";
    int fd;

    (void)state;
    set(w, "print_output_file", at(w, "pipe"));
    assert_int_equal(mkfifo(at(w, "pipe"), 0600), 0);
    start(w);
    add(w, 0, 1);
    assert_int_equal(try_purge(w, ENDS_EPOCH), -EAGAIN);
    fd = open(at(w, "pipe"), O_RDONLY | O_NONBLOCK);
    assert_int_equal(try_purge(w, ENDS_EPOCH | IS_AGAIN), 0);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_string_equal(text, "SRC_PORT,PACKETS,BYTES\n0,1,1\n");
    close(fd);
    add(w, 0, 2);
    assert_int_equal(try_purge(w, ENDS_EPOCH), -EAGAIN); /* the reader went away */
    world_free(w);
}

static void each_output_is_written_in_its_format(void **state)
{
    static const struct {
        const char *word;
        const struct format_kind *kind;
        bool is_event;
    } outputs[] = {
        {"formatted", &format_table, false}, {"event_formatted", &format_table, true},
        {"csv", &format_csv, false},         {"event_csv", &format_csv, true},
        {"json", &format_json, false},       {"event_json", &format_json, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        struct world *w = world_new("src_port", 0);
        struct print_settings settings;
        char error[512] = "";
        set(w, "print_output", outputs[i].word);
        assert_int_equal(
            print_settings_read(&w->host.host, &w->rows.schema, error, sizeof error, &settings), 0);
        assert_ptr_equal(settings.kind, outputs[i].kind);
        assert_int_equal(settings.options.is_event, outputs[i].is_event);
        print_settings_clear(&settings);
        world_free(w);
    }
}

static void expect_refused(const char *key, const char *value, const char *says)
{
    struct world *w = world_new("src_port, as_path", 0);
    char error[512] = "";

    set(w, "print_output_file", "/tmp/x-%H");
    set(w, key, value);
    assert_int_equal(print_check(&w->host.host, &w->rows.schema, error, sizeof error), -EINVAL);
    if (!strstr(error, says))
        fail_msg("'%s' does not say '%s'", error, says);
    world_free(w);
}

static void what_cannot_be_honoured_is_refused_with_a_remedy(void **state)
{
    (void)state;
    expect_refused("print_output", "event_avro_json", "use json or csv");
    expect_refused("print_output", "formatted", "as_path");
    expect_refused("print_output_separator", "ab", "one printable character");
    expect_refused("print_output_file", "/x/$peer_src_ip", "print_output_file: $peer_src_ip");
    expect_refused("print_latest_file", "/x/%H", "no time");
    expect_refused("files_umask", "000", "077");
    expect_refused("files_uid", "no-such-user", "no user");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gets_its_name_when_its_bin_is_over),
        cmocka_unit_test(a_late_row_is_appended_to_the_finished_file),
        cmocka_unit_test(without_bins_each_purge_has_a_file_of_its_own_time),
        cmocka_unit_test(the_last_purge_finishes_all_files),
        cmocka_unit_test(an_abandoned_part_file_is_finished_after_a_restart),
        cmocka_unit_test(a_fixed_name_is_replaced_at_each_epoch),
        cmocka_unit_test(append_keeps_a_fixed_name_in_place),
        cmocka_unit_test(a_full_file_gets_a_number),
        cmocka_unit_test(values_make_a_file_each_and_few_are_open),
        cmocka_unit_test(a_transaction_that_comes_again_is_left_out),
        cmocka_unit_test(what_was_not_committed_is_cut_off),
        cmocka_unit_test(a_state_of_a_later_version_stops_the_file_and_stays),
        cmocka_unit_test(a_file_that_is_not_ours_is_never_cut),
        cmocka_unit_test(compressed_files_are_whole_after_each_commit),
        cmocka_unit_test(markers_and_titles_stand_as_in_pmacct),
        cmocka_unit_test(purges_are_logged_in_the_words_that_tools_look_for),
        cmocka_unit_test(the_latest_file_is_linked_when_it_is_finished),
        cmocka_unit_test(empty_files_are_made_only_when_asked_for),
        cmocka_unit_test(files_have_the_permissions_that_were_asked_for),
        cmocka_unit_test(the_trigger_runs_with_its_facts_and_leaves_no_zombie),
        cmocka_unit_test(a_pipe_without_reader_is_waited_for),
        cmocka_unit_test(each_output_is_written_in_its_format),
        cmocka_unit_test(what_cannot_be_honoured_is_refused_with_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
