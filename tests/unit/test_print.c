/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what an operator sees of the print plugin's files: their names and contents, and when they
 * appear. */
#include "base/memory.h"
#include "plugins/print/print.h"
#include "plugins/print/print_settings.h"
#include "plugins/text/format.h"
#include "plugins/text/output_keys.h"
#include "support/fake_host.h"
#include "support/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BIN_S INT64_C(1795301340) /* 2026-11-21 22:49:00 UTC */

struct world {
    struct test_folder folder;
    char *paths[32];
    uint32_t path_count;
    struct fake_host host;
    struct rows rows;
    void *print;
    uint64_t seq;
    int64_t now_s;
};

static struct world *world_new(const char *aggregate, uint32_t bin_seconds)
{
    struct world *w = calloc(1, sizeof *w);

    test_folder_make(&w->folder);
    fake_host_init(&w->host, print_keys, output_keys);
    rows_init(&w->rows, aggregate, bin_seconds);
    w->now_s = BIN_S + 60;
    fake_host_set(&w->host, "print_output", "csv");
    return w;
}

/* Returns a path in the world's directory, which is kept until the world's end. */
static const char *at(struct world *w, const char *name)
{
    char *path = mem_printf("%s/%s", w->folder.path, name);

    assert_in_range(w->path_count, 0, 31);
    w->paths[w->path_count++] = path;
    return path;
}

static void set(struct world *w, const char *key, const char *value)
{
    fake_host_set(&w->host, key, value);
}

static void start(struct world *w)
{
    assert_int_equal(print_open(&w->host.host, &w->rows.schema, &w->print), 0);
}

static void stop(struct world *w)
{
    print_close(w->print);
    w->print = NULL;
}

static void world_free(struct world *w)
{
    stop(w);
    rows_clear(&w->rows);
    test_folder_remove(&w->folder);
    for (uint32_t i = 0; i < w->path_count; i++)
        mem_free(w->paths[i]);
    free(w);
}

/* Adds a row of that many bytes to the bin that begins `bin` seconds after BIN_S. */
static uint8_t *add(struct world *w, int64_t bin, uint64_t bytes)
{
    uint8_t *row = rows_add(&w->rows);

    if (w->rows.schema.bin_offset >= 0)
        rows_set_bin(&w->rows, row, BIN_S + bin);
    rows_set_uint(&w->rows, row, "bytes", bytes);
    rows_set_uint(&w->rows, row, "packets", 1);
    return row;
}

enum purge_flags { ENDS_EPOCH = 1, IS_LAST = 2, IS_AGAIN = 4 };

static int try_purge(struct world *w, int flags)
{
    struct pa_batch batch = rows_batch(&w->rows);
    struct pa_transaction t;
    struct pa_source source;
    int err;

    if (!(flags & IS_AGAIN))
        w->seq++;
    t = fake_host_transaction(&w->host, &source, w->seq, w->seq, w->now_s);
    t.row_count = batch.row_count;
    t.ends_epoch = flags & ENDS_EPOCH;
    t.is_last = (flags & IS_LAST) != 0;
    err = print_begin(w->print, &t);
    if (err == 0)
        err = print_write(w->print, &batch);
    if (err == 0)
        err = print_commit(w->print, &t);
    if (err < 0)
        print_abort(w->print);
    else
        rows_reset(&w->rows);
    return err;
}

static void purge(struct world *w)
{
    assert_int_equal(try_purge(w, ENDS_EPOCH), 0);
    w->now_s += 60;
}

static char *read_command(const char *command)
{
    FILE *pipe = popen(command, "r");
    char *text = calloc(1, 65536);

    assert_non_null(pipe);
    text[fread(text, 1, 65535, pipe)] = 0;
    pclose(pipe);
    return text;
}

static void expect_file(struct world *w, const char *name, const char *expected)
{
    char command[512];
    char *text;

    snprintf(command, sizeof command, "cat %s/%s 2>&1", w->folder.path, name);
    text = read_command(command);
    assert_string_equal(text, expected);
    free(text);
}

/* Asserts which names are in the directory, in order and without directories. */
static void expect_names(struct world *w, const char *expected)
{
    char command[512];
    char *text;

    snprintf(command, sizeof command,
             "cd %s && find . ! -type d ! -name '.*.lock' | sort | cut -c3- | tr '\\n' ' '",
             w->folder.path);
    text = read_command(command);
    assert_string_equal(text, expected);
    free(text);
}

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
    expect_refused("print_output", "avro", "use json or csv");
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
        cmocka_unit_test(a_file_that_is_not_ours_is_never_cut),
        cmocka_unit_test(compressed_files_are_whole_after_each_commit),
        cmocka_unit_test(markers_and_titles_stand_as_in_pmacct),
        cmocka_unit_test(purges_are_logged_in_the_words_that_tools_look_for),
        cmocka_unit_test(the_latest_file_is_linked_when_it_is_finished),
        cmocka_unit_test(empty_files_are_made_only_when_asked_for),
        cmocka_unit_test(files_have_the_permissions_that_were_asked_for),
        cmocka_unit_test(the_trigger_runs_with_its_facts_and_leaves_no_zombie),
        cmocka_unit_test(a_pipe_without_reader_is_waited_for),
        cmocka_unit_test(a_file_has_one_writer_at_a_time),
        cmocka_unit_test(a_replaced_file_keeps_its_writer),
        cmocka_unit_test(what_another_wrote_meanwhile_makes_the_transaction_come_again),
        cmocka_unit_test(a_link_stays_and_its_target_is_written),
        cmocka_unit_test(a_link_in_place_of_a_file_of_ours_is_not_followed),
        cmocka_unit_test(a_pipe_among_the_files_is_not_replaced),
        cmocka_unit_test(too_few_descriptors_close_files_and_lose_nothing),
        cmocka_unit_test(more_files_than_descriptors_are_not_kept_open),
        cmocka_unit_test(each_output_is_written_in_its_format),
        cmocka_unit_test(what_cannot_be_honoured_is_refused_with_a_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
