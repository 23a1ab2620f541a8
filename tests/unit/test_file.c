/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that files are read and written whole or not at all: with disks that are full, pipes that
 * take little, signals, and an old file that somebody reads. */
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "support/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LARGE ((size_t)300 * 1000) /* more than a pipe holds */

static volatile sig_atomic_t signals_seen;

static void assert_content(const char *path, const char *expected)
{
    struct text content = {0};

    assert_int_equal(file_read(path, 1 << 20, &content), 0);
    assert_string_equal(text_cstr(&content), expected);
    text_clear(&content);
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 0777;
}

static void put(const char *path, const char *content)
{
    assert_int_equal(
        file_replace(path, content, strlen(content), FILE_MODE_PUBLIC, FILE_SYNC_CONTENT), 0);
}

/* Counts what is in the folder, so that a file that was left behind shows. */
static int entry_count(void)
{
    DIR *folder = opendir(".");
    int count = -2; /* "." and ".." */

    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static void note_signal(int number)
{
    (void)number;
    signals_seen++;
}

/* Calls that wait are interrupted every few milliseconds, by a handler that does not restart them. */
static void interrupt(bool is_on)
{
    struct sigaction action = {.sa_handler = is_on ? note_signal : SIG_DFL};
    suseconds_t period_us = is_on ? 3000 : 0;
    struct itimerval timer = {{0, period_us}, {0, period_us}};

    signals_seen = 0;
    assert_int_equal(setitimer(ITIMER_REAL, is_on ? &timer : &(struct itimerval){0}, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
}

/* A byte that depends on its place, so that a part that is lost or comes twice shows. */
static char byte_at(size_t place)
{
    return (char)(place * 31 % 251);
}

static char *large_new(void)
{
    char *data = malloc(LARGE);

    for (size_t i = 0; i < LARGE; i++)
        data[i] = byte_at(i);
    return data;
}

/* Reads a pipe slowly to its end; the status tells whether all bytes came in order. */
static void read_slowly(int fd)
{
    static char chunk[20000];
    size_t place = 0;
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            if (chunk[i] != byte_at(place++))
                _exit(1);
        usleep(8000);
    }
    _exit(n == 0 && place == LARGE ? 0 : 2);
}

static void a_slow_pipe_and_signals_get_all_bytes(void **state)
{
    char *data = large_new();
    int fds[2], status;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid_t reader = fork();
    if (reader == 0) {
        close(fds[1]);
        read_slowly(fds[0]);
    }
    close(fds[0]);
    interrupt(true);
    int err = file_write_all(fds[1], data, LARGE);
    assert_true(signals_seen > 0);
    interrupt(false);
    close(fds[1]);
    assert_int_equal(err, 0);
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    free(data);
}

static void what_comes_slowly_is_read_to_its_end(void **state)
{
    struct text content = {0};
    int fds[2], status;

    (void)state;
    text_append_string(&content, "before ");
    assert_int_equal(pipe(fds), 0);
    pid_t writer = fork();
    if (writer == 0) {
        for (int i = 0; i < 5; i++) {
            usleep(8000);
            if (write(fds[1], "part ", 5) != 5)
                _exit(1);
        }
        _exit(0);
    }
    close(fds[1]);
    interrupt(true);
    int err = file_read_all(fds[0], 25, &content);
    assert_true(signals_seen > 0);
    interrupt(false);
    close(fds[0]);
    assert_int_equal(err, 0);
    assert_string_equal(text_cstr(&content), "before part part part part part ");
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    text_clear(&content);
}

static void a_file_longer_than_its_limit_is_refused(void **state)
{
    struct text content = {0};

    (void)state;
    put("file", "123456");
    assert_int_equal(file_read("file", 6, &content), 0);
    assert_int_equal(content.len, 6);
    text_reset(&content);
    assert_int_equal(file_read("file", 5, &content), -EFBIG);
    text_reset(&content);
    assert_int_equal(file_read("/dev/zero", 100000, &content), -EFBIG); /* it has no size */
    assert_true(content.len < 1000000);
    text_clear(&content);
}

static void an_empty_file_is_read_and_written(void **state)
{
    struct text content = {0};

    (void)state;
    assert_int_equal(file_replace("file", NULL, 0, FILE_MODE_PUBLIC, FILE_SYNC_FOLDER), 0);
    assert_int_equal(file_read("file", 0, &content), 0);
    assert_int_equal(content.len, 0);
    text_clear(&content);
}

static void what_is_no_file_gives_its_error(void **state)
{
    struct text content = {0};

    (void)state;
    assert_int_equal(file_read("absent", 10, &content), -ENOENT);
    assert_int_equal(file_read("/", 10, &content), -EISDIR);
    assert_int_equal(file_read_all(-1, 10, &content), -EBADF);
    assert_int_equal(file_replace("absent/file", "x", 1, FILE_MODE_PUBLIC, FILE_SYNC_CONTENT),
                     -ENOENT);
    assert_int_equal(file_sync_folder("absent/file"), -ENOENT);
    assert_int_equal(file_sync_folder("file"), 0);
    text_clear(&content);
}

/* Another writer puts bytes behind the file's end while it is read. */
static void a_file_that_grows_is_read_to_its_end(void **state)
{
    struct text content = {0};
    int fd, end_fd;

    (void)state;
    put("file", "first ");
    fd = open("file", O_RDONLY | O_CLOEXEC);
    end_fd = open("file", O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(fd >= 0 && end_fd >= 0);
    assert_int_equal(file_read_all(fd, 100, &content), 0);
    assert_int_equal(file_write_all(end_fd, "second", 6), 0);
    assert_int_equal(file_read_all(fd, 100, &content), 0);
    assert_string_equal(text_cstr(&content), "first second");
    close(end_fd);
    close(fd);
    text_clear(&content);
    /* A file of /proc says that it has no bytes, and has some. */
    assert_int_equal(file_read("/proc/self/stat", 1 << 20, &content), 0);
    assert_true(content.len > 0);
    text_clear(&content);
}

static void the_start_of_a_file_is_a_string(void **state)
{
    char content[6];

    (void)state;
    put("file", "12345678");
    assert_int_equal(file_read_start("file", content, sizeof content), 5);
    assert_string_equal(content, "12345");
    put("file", "123");
    assert_int_equal(file_read_start("file", content, sizeof content), 3);
    assert_string_equal(content, "123");
    assert_int_equal(file_read_start("nowhere", content, sizeof content), -ENOENT);
    assert_string_equal(content, "");
    assert_int_equal(file_read_start(".", content, sizeof content), -EISDIR);
    assert_string_equal(content, "");
    assert_int_equal(symlink("file", "link"), 0);
    assert_int_equal(file_read_start("link", content, sizeof content), -ELOOP);
    assert_int_equal(mkfifo("pipe", 0600), 0); /* nobody writes */
    assert_int_equal(file_read_start("pipe", content, sizeof content), 0);
    char *name = mem_printf("/proc/%d/comm", (int)getpid());
    assert_true(file_read_start(name, content, sizeof content) > 0);
    assert_memory_equal(content, "test_", 5);
    mem_free(name);
    unlink("link");
    unlink("pipe");
}

static void a_replaced_file_has_the_mode_of_a_new_one(void **state)
{
    mode_t mask = umask(027);

    (void)state;
    put("file", "old");
    assert_int_equal(mode_of("file"), 0640);
    assert_int_equal(chmod("file", 0600), 0);
    put("file", "new content");
    assert_content("file", "new content");
    assert_int_equal(mode_of("file"), 0640);
    assert_int_equal(entry_count(), 1);
    umask(mask);
}

/* A reader who has the old file open goes on reading that one. */
static void a_reader_never_sees_a_part(void **state)
{
    struct text content = {0};
    int fd;

    (void)state;
    put("file", "old");
    fd = open("file", O_RDONLY | O_CLOEXEC);
    put("file", "new");
    assert_int_equal(file_read_all(fd, 10, &content), 0);
    assert_string_equal(text_cstr(&content), "old");
    assert_content("file", "new");
    close(fd);
    text_clear(&content);
}

/* Limits what files may grow to: a write up to there is short, the next one fails. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_disk_that_is_full_leaves_the_old_file(void **state)
{
    char *data = large_new();
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct stat status;

    (void)state;
    put("file", "old");
    limit_files(1000);
    int fd = open("other", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int write_err = file_write_all(fd, data, LARGE);
    int replace_err = file_replace("file", data, LARGE, FILE_MODE_PUBLIC, FILE_SYNC_CONTENT);
    limit_files(RLIM_INFINITY);
    assert_int_equal(write_err, -EFBIG);
    assert_int_equal(fstat(fd, &status), 0);
    assert_int_equal(status.st_size, 1000);
    close(fd);
    assert_int_equal(replace_err, -EFBIG);
    assert_content("file", "old");
    assert_int_equal(entry_count(), 2); /* "file" and "other" */
    assert_int_equal(file_write_all(full, data, 1), -ENOSPC);
    close(full);
    free(data);
}

static void a_file_of_the_caller_is_put_in_place(void **state)
{
    int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = open("other", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    (void)state;
    assert_true(folder >= 0 && fd >= 0);
    put("file", "old");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(file_replace_at(folder, "other", "file", fd, "new", 3, FILE_SYNC_FOLDER), 0);
    assert_int_equal(fchdir(folder), 0);
    assert_content("file", "new");
    assert_int_equal(mode_of("file"), 0600);
    assert_int_equal(access("other", F_OK), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1); /* it was taken */
    assert_int_equal(file_replace_at(folder, "other", "file", -EACCES, "x", 1, FILE_SYNC_FOLDER),
                     -EACCES);
    assert_content("file", "new");
    close(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_pipe_and_signals_get_all_bytes),
        cmocka_unit_test(what_comes_slowly_is_read_to_its_end),
        cmocka_unit_test(a_file_longer_than_its_limit_is_refused),
        cmocka_unit_test(an_empty_file_is_read_and_written),
        cmocka_unit_test(what_is_no_file_gives_its_error),
        cmocka_unit_test(a_file_that_grows_is_read_to_its_end),
        cmocka_unit_test(the_start_of_a_file_is_a_string),
        cmocka_unit_test(a_replaced_file_has_the_mode_of_a_new_one),
        cmocka_unit_test(a_reader_never_sees_a_part),
        cmocka_unit_test(a_disk_that_is_full_leaves_the_old_file),
        cmocka_unit_test(a_file_of_the_caller_is_put_in_place),
    };
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
