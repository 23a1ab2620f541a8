/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that every row is written exactly once, whatever step is the last. The system calls that
 * change files are defined here and counted: a writer is killed before, within or after each of
 * them in turn (or the call fails once) and started again as the plugin host would. The test then
 * counts the files' rows one by one.
 */
#include "base/memory.h"
#include "plugins/print/print.h"
#include "plugins/print/print_settings.h"
#include "plugins/text/output_keys.h"
#include "support/avro_file.h"
#include "support/fake_host.h"
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BIN_S        INT64_C(1795301340) /* 2026-11-21 22:49:00 UTC */
#define TRANSACTIONS 4
#define ROWS_EACH    6
#define ROW_ID(t, i) (1000 * (t) + (i))
#define FAULTS_MAX   100000

/* A kill after a call is the same as one before the next call, so only second kills do it. */
enum fault { FAULT_NONE, KILL_BEFORE, KILL_WITHIN, FAIL_ONCE, KILL_AFTER };

/* This memory is shared with the writer, which is a process of its own. */
struct shared {
    uint32_t acked; /* transactions that the core has forgotten */
    uint32_t step, fault_at;
    enum fault fault;
    enum fault first_fault; /* of this round, for messages */
    uint32_t first_at;
    bool is_armed; /* only the plugin's calls count */
};
static struct shared *shared;

/* ---- the calls ---- */

static bool is_at_fault(enum fault fault)
{
    return shared && shared->is_armed && shared->fault == fault && shared->step == shared->fault_at;
}

/* Counts the call and kills the writer if it is its turn. Returns false if the call is to fail. */
static bool before_call(void)
{
    if (shared && shared->is_armed)
        shared->step++;
    if (is_at_fault(KILL_BEFORE))
        raise(SIGKILL);
    if (is_at_fault(FAIL_ONCE)) {
        errno = ENOSPC;
        return false;
    }
    return true;
}

static void after_call(void)
{
    if (is_at_fault(KILL_AFTER))
        raise(SIGKILL);
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t n;

    if (!before_call())
        return -1;
    if (is_at_fault(KILL_WITHIN)) {
        (void)syscall(SYS_write, fd, data, len / 2);
        raise(SIGKILL);
    }
    n = syscall(SYS_write, fd, data, len);
    after_call();
    return n;
}

#define COUNTED(name, number, parameters, ...)                                                     \
    int name parameters                                                                            \
    {                                                                                              \
        int result;                                                                                \
        if (!before_call())                                                                        \
            return -1;                                                                             \
        result = (int)syscall(number, __VA_ARGS__);                                                \
        after_call();                                                                              \
        return result;                                                                             \
    }

COUNTED(fsync, SYS_fsync, (int fd), fd)
COUNTED(fdatasync, SYS_fdatasync, (int fd), fd)
COUNTED(rename, SYS_rename, (const char *from, const char *to), from, to)
COUNTED(renameat, SYS_renameat, (int from_folder, const char *from, int to_folder, const char *to),
        from_folder, from, to_folder, to)
COUNTED(ftruncate, SYS_ftruncate, (int fd, off_t len), fd, len)
COUNTED(truncate, SYS_truncate, (const char *path, off_t len), path, len)
COUNTED(unlink, SYS_unlink, (const char *path), path)

/* ---- the writer ---- */

struct plan {
    const char *file, *append, *rotate_size;
    uint32_t bin_seconds;
    bool is_avro; /* otherwise CSV */
};

static void fill(struct rows *rows, uint32_t t)
{
    static const char *const exporters[] = {"10.0.0.1", "10.0.0.2"};

    rows_reset(rows);
    for (uint32_t i = 0; i < ROWS_EACH; i++) {
        uint8_t *row = rows_add(rows);
        /* Rows are of this minute's bin, but each third one is two minutes late. */
        if (rows->schema.bin_offset >= 0)
            rows_set_bin(rows, row, BIN_S + 60 * (i % 3 == 2 && t >= 2 ? t - 2 : t));
        rows_set_addr(rows, row, "peer_src_ip", exporters[i % 2]);
        rows_set_uint(rows, row, "bytes", ROW_ID(t, i));
        rows_set_uint(rows, row, "packets", 1);
    }
}

/* Writes everything and ends the process, with 0 when all is acknowledged. */
static void write_all(const struct plan *plan, const char *directory)
{
    char *file = mem_printf("%s/%s", directory, plan->file);
    struct fake_host host;
    struct rows rows;
    void *print;

    fake_host_init(&host, print_keys, output_keys);
    fake_host_set(&host, "print_output", plan->is_avro ? "avro" : "csv");
    fake_host_set(&host, "print_output_file", file);
    fake_host_set(&host, "print_output_file_append", plan->append);
    fake_host_set(&host, "print_rotate_size", plan->rotate_size);
    fake_host_set(&host, "print_open_files", "2");
    rows_init(&rows, "peer_src_ip", plan->bin_seconds);
    shared->is_armed = true;
    for (int tries = 0; print_open(&host.host, &rows.schema, &print) < 0; tries++)
        if (tries > 1)
            _exit(2);
    for (int tries = 0; shared->acked < TRANSACTIONS && tries < TRANSACTIONS + 3; tries++) {
        uint32_t t = shared->acked;
        struct pa_source source;
        struct pa_transaction transaction =
            fake_host_transaction(&host, &source, t + 1, t + 1, BIN_S + 60 * (t + 1));
        struct pa_batch batch;
        int err;

        fill(&rows, t);
        batch = rows_batch(&rows);
        transaction.row_count = batch.row_count;
        transaction.is_last = t == TRANSACTIONS - 1;
        err = print_begin(print, &transaction);
        if (err == 0)
            err = print_write(print, &batch);
        if (err == 0)
            err = print_commit(print, &transaction);
        if (err < 0)
            print_abort(print);
        else
            shared->acked++;
    }
    shared->is_armed = false;
    print_close(print);
    rows_clear(&rows);
    mem_free(file);
    _exit(shared->acked == TRANSACTIONS ? 0 : 1);
}

static bool run_writer(const struct plan *plan, const char *directory, enum fault fault,
                       uint32_t fault_at)
{
    pid_t pid;
    int status;

    shared->fault = fault;
    shared->fault_at = fault_at;
    shared->step = 0;
    shared->is_armed = false;
    pid = fork();
    if (pid == 0)
        write_all(plan, directory);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    else
        assert_int_equal(WTERMSIG(status), SIGKILL);
    return WIFEXITED(status);
}

/* ---- what is there at the end ---- */

static void count_rows(const char *directory, const char *reader, uint8_t counts[8000],
                       uint32_t *ret_titles, uint32_t *ret_files)
{
    char *command = mem_printf("cd %s && for f in $(find . -type f ! -name '*.state' ! -name "
                               "'.*.lock'); do echo FILE; %s $f; done",
                               directory, reader);
    FILE *pipe = popen(command, "r");
    char line[256];

    assert_non_null(pipe);
    memset(counts, 0, 8000);
    *ret_titles = *ret_files = 0;
    while (fgets(line, sizeof line, pipe)) {
        unsigned a, b, c, d, packets, id;
        if (!strcmp(line, "FILE\n"))
            ++*ret_files;
        else if (!strcmp(line, "PEER_SRC_IP,PACKETS,BYTES\n"))
            ++*ret_titles;
        else if (sscanf(line, "%u.%u.%u.%u,%u,%u\n", &a, &b, &c, &d, &packets, &id) == 6 &&
                 id < 8000)
            counts[id]++;
        else
            fail_msg("a broken line: %s", line);
    }
    assert_int_equal(pclose(pipe), 0);
    mem_free(command);
}

/* The same; a file that has not one header and whole blocks fails the test. */
static void count_avro_rows(const char *directory, const char *reader, uint8_t counts[8000],
                            uint32_t *ret_titles, uint32_t *ret_files)
{
    struct avro_file file = {0};
    struct dirent *entry;
    DIR *folder = opendir(directory);

    assert_non_null(folder);
    *ret_titles = *ret_files = 0;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.' || strstr(entry->d_name, ".state"))
            continue;
        char *command = mem_printf("%s %s/%s", reader, directory, entry->d_name);
        avro_file_read(command, &file);
        mem_free(command);
        *ret_titles = ++*ret_files;
    }
    closedir(folder);
    memcpy(counts, file.counts, sizeof file.counts);
}

static void expect_each_row_once(const struct plan *plan, const char *directory, const char *reader,
                                 bool only_last)
{
    uint8_t counts[AVRO_FILE_IDS];
    uint32_t titles, files;
    char *command;

    (plan->is_avro ? count_avro_rows : count_rows)(directory, reader, counts, &titles, &files);
    for (uint32_t t = 0; t < TRANSACTIONS; t++)
        for (uint32_t i = 0; i < ROWS_EACH; i++)
            if (counts[ROW_ID(t, i)] != (!only_last || t == TRANSACTIONS - 1))
                fail_msg("%s: fault %d at step %u: row %u is there %u times", directory,
                         shared->first_fault, shared->first_at, ROW_ID(t, i), counts[ROW_ID(t, i)]);
    if (titles != files)
        fail_msg("%s: fault %d at step %u: %u titles in %u files", directory, shared->first_fault,
                 shared->first_at, titles, files);
    /* A lock that could not be removed stays until the next start. */
    command = mem_printf("! find %s -name '*.part' %s| grep -q .", directory,
                         shared->first_fault == FAIL_ONCE ? "" : "-o -name '*.lock' ");
    if (system(command) != 0)
        fail_msg("%s: fault %d at step %u: files were left", directory, shared->first_fault,
                 shared->first_at);
    mem_free(command);
}

/*
 * Makes the directory in memory if it can: hundreds of writers synchronise hundreds of files each.
 */
static char *new_directory(void)
{
    bool has_shm = access("/dev/shm", W_OK) == 0;
    char *directory = mem_printf("%s/test_print_crash.XXXXXX", has_shm ? "/dev/shm" : "/tmp");

    assert_non_null(mkdtemp(directory));
    return directory;
}

static void run_plan(const struct plan *plan, const char *reader, bool only_last)
{
    for (enum fault fault = KILL_BEFORE; fault <= FAIL_ONCE; fault++) {
        bool is_done = false;
        for (uint32_t at = 1; !is_done && at < FAULTS_MAX; at++) {
            char *directory = new_directory(), *command;
            uint32_t steps;

            shared->acked = 0;
            shared->first_fault = fault;
            shared->first_at = at;
            is_done = run_writer(plan, directory, fault, at);
            steps = shared->step;
            if (!is_done) /* and once more, somewhere else */
                (void)(run_writer(plan, directory, KILL_AFTER, at % 17 + 1) ||
                       run_writer(plan, directory, FAULT_NONE, 0));
            else
                is_done = at > steps; /* not each step is a write(2), which has a middle */
            expect_each_row_once(plan, directory, reader, only_last);
            command = mem_printf("rm -rf %s", directory);
            assert_int_equal(system(command), 0);
            mem_free(command);
            mem_free(directory);
            assert_true(!is_done || at > 20); /* there were that many steps */
        }
    }
}

static void a_name_with_time(void **state)
{
    static const struct plan plan = {"%H%M-$peer_src_ip.csv", "false", "0", 60, false};

    (void)state;
    run_plan(&plan, "cat", false);
}

static void compressed_files(void **state)
{
    static const struct plan plan = {"%H%M.csv.gz", "false", "0", 60, false};

    (void)state;
    run_plan(&plan, "gzip -dc", false);
}

static void avro_in_place(void **state)
{
    static const struct plan plan = {"$peer_src_ip.avro.gz", "true", "0", 60, .is_avro = true};

    (void)state;
    run_plan(&plan, "gzip -dc", false);
}

static void a_name_without_time_in_place(void **state)
{
    static const struct plan plan = {"$peer_src_ip.csv", "true", "0", 60, false};

    (void)state;
    run_plan(&plan, "cat", false);
}

static void a_name_without_time_in_pieces(void **state)
{
    static const struct plan plan = {"all.csv", "true", "150", 0, false};

    (void)state;
    run_plan(&plan, "cat", false);
}

static void a_name_that_is_replaced_at_each_epoch(void **state)
{
    static const struct plan plan = {"all.csv", "false", "0", 0, false};

    (void)state;
    run_plan(&plan, "cat", true);
}

static int set_up(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_with_time),
        cmocka_unit_test(compressed_files),
        cmocka_unit_test(avro_in_place),
        cmocka_unit_test(a_name_without_time_in_place),
        cmocka_unit_test(a_name_without_time_in_pieces),
        cmocka_unit_test(a_name_that_is_replaced_at_each_epoch),
    };
    return cmocka_run_group_tests_name("every row exactly once", tests, set_up, NULL);
}
