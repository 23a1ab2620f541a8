/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that log lines arrive whole and in order, in a file that may be replaced meanwhile or at a
 * reader who does not read, and that repeated lines are limited. */
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[32], file[64], rotated[64];
    int real_stderr;
};

static int fixture_set_up(void **state)
{
    static struct fixture f;
    strcpy(f.dir, "/tmp/test_log.XXXXXX");
    if (!mkdtemp(f.dir))
        return -1;
    snprintf(f.file, sizeof f.file, "%s/log", f.dir);
    snprintf(f.rotated, sizeof f.rotated, "%s/log.1", f.dir);
    f.real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    *state = &f;
    return 0;
}

static int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    log_stop();
    dup2(f->real_stderr, STDERR_FILENO);
    close(f->real_stderr);
    unlink(f->file);
    unlink(f->rotated);
    rmdir(f->dir);
    return 0;
}

/* Returns the whole file as a string that the caller frees. */
static char *file_text(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long len = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)len + 1);
    assert_int_equal(fread(text, 1, (size_t)len, file), len);
    fclose(file);
    return text;
}

static void assert_matches(const char *text, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    if (regexec(&regex, text, 0, NULL, 0) != 0)
        fail_msg("'%s' does not match '%s'", text, pattern);
    regfree(&regex);
}

static struct log_settings to_file(const struct fixture *f)
{
    return (struct log_settings){.name = "core", .type = "nfacctd", .file = f->file};
}

static void file_line_has_time_level_and_name(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    assert_int_equal(log_start(&settings), 0);
    log_warning("exporter %s: %d", "192.0.2.1", 7);
    log_debug("not shown");
    log_forward(LOG_LEVEL_ERROR, "edge", "print", "disk full");
    log_stop();
    char *text = file_text(f->file);
    assert_matches(text, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z WARN "
                         "\\( core/nfacctd \\): exporter 192\\.0\\.2\\.1: 7\n"
                         "[0-9TZ:-]{20} ERROR \\( edge/print \\): disk full\n$");
    free(text);
}

static void debug_lines_come_only_when_asked_for(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    settings.debug = true;
    assert_int_equal(log_start(&settings), 0);
    assert_true(log_level_is_on(LOG_LEVEL_DEBUG));
    log_debug("shown");
    settings.debug = false;
    assert_int_equal(log_start(&settings), 0); /* a second start, which writes what the first had */
    assert_false(log_level_is_on(LOG_LEVEL_DEBUG));
    log_debug("not shown");
    log_stop();
    char *text = file_text(f->file);
    assert_matches(text, "^[^\n]* DEBUG [^\n]*: shown\n$");
    free(text);
}

static void text_of_a_peer_cannot_begin_a_line(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    assert_int_equal(log_start(&settings), 0);
    log_info("%s", "bye\n2026-01-01T00:00:00Z ERROR\x1b[2J");
    log_stop();
    char *text = file_text(f->file);
    assert_matches(text, "^[^\n]*: bye\\?2026-01-01T00:00:00Z ERROR\\?\\[2J\n$");
    free(text);
}

static void long_line_is_cut_and_the_next_is_whole(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    assert_int_equal(log_start(&settings), 0);
    log_info("%05000d", 1);
    log_info("next");
    log_stop();
    char *text = file_text(f->file);
    assert_matches(text, "^[^\n]*: 0{3000,}[^\n]*\n[^\n]*: next\n$");
    assert_true(strchr(text, '\n') - text < 4096);
    free(text);
}

static void reopen_follows_rotation(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    struct stat status;
    assert_int_equal(log_start(&settings), 0);
    log_info("before");
    log_stop(); /* so that the line is in the old file for sure */
    assert_int_equal(log_start(&settings), 0);
    assert_int_equal(rename(f->file, f->rotated), 0);
    log_reopen();
    for (int i = 0; stat(f->file, &status) < 0 && i < 5000; i++)
        usleep(1000);
    log_info("after");
    log_stop();
    char *old = file_text(f->rotated), *new = file_text(f->file);
    assert_matches(old, "^[^\n]*: before\n$");
    assert_matches(new, "^[^\n]*: after\n$");
    free(old);
    free(new);
}

static void file_is_appended_to(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(log_start(&settings), 0);
        log_info("run %d", i);
        log_stop();
    }
    char *text = file_text(f->file);
    assert_matches(text, "^[^\n]*: run 0\n[^\n]*: run 1\n$");
    free(text);
}

static void bad_settings_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f), bad = settings;
    assert_int_equal(log_start(&settings), 0);
    bad.file = "/nonexistent/log";
    assert_int_equal(log_start(&bad), -ENOENT);
    bad.file = NULL;
    bad.syslog_facility = "nonsense";
    assert_int_equal(log_start(&bad), -EINVAL);
    log_info("still here");
    log_stop();
    char *text = file_text(f->file);
    assert_matches(text, ": still here\n$");
    free(text);
}

/* Puts a full pipe in the place of stderr; returns its reading end. */
static int stderr_to_full_pipe(void)
{
    int pipe_fds[2];
    char junk[4096] = {0};
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(pipe_fds[1], junk, sizeof junk) > 0)
        ;
    fcntl(pipe_fds[1], F_SETFL, 0); /* blocking from here on, as a daemon's stderr is */
    dup2(pipe_fds[1], STDERR_FILENO);
    close(pipe_fds[1]);
    return pipe_fds[0];
}

#define FLOOD 50000
static void full_pipe_on_stderr_blocks_nobody_and_losses_are_told(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = {.name = "core", .type = "nfacctd"};
    char *seen = calloc(1, 4 * 1024 * 1024);
    size_t seen_len = 0;
    int fd = stderr_to_full_pipe();
    uint64_t lost_before = log_lost_count();
    assert_int_equal(log_start(&settings), 0);
    struct mono_time start = clock_mono();
    for (int i = 0; i < FLOOD; i++)
        log_info("line %d of a flood that nobody reads", i);
    int64_t flood_ns = clock_mono().ns - start.ns;
    uint64_t lost_count = log_lost_count() - lost_before;
    /* Now somebody reads: the lines that were kept come, and the number of those that were not. */
    for (int i = 0;
         i < 5000 && !strstr(seen + (seen_len > 8192 ? seen_len - 8192 : 0), "lines lost"); i++) {
        ssize_t len = read(fd, seen + seen_len, 65536);
        if (len > 0) {
            for (ssize_t j = 0; j < len; j++)
                seen[seen_len + (size_t)j] |=
                    seen[seen_len + (size_t)j] == 0 ? ' ' : 0; /* the pipe's zeros */
            seen_len += (size_t)len;
        } else {
            usleep(1000);
        }
        log_info("more");
    }
    log_stop();
    dup2(f->real_stderr, STDERR_FILENO);
    close(fd);
    assert_true(flood_ns < 5 * NS_PER_S);
    assert_true(lost_count > FLOOD / 2); /* 1 MiB holds some 10000 of them */
    assert_true(lost_count < FLOOD);
    assert_non_null(strstr(seen, "line 0 of a flood"));
    assert_non_null(strstr(seen, "WARN ( core/nfacctd ): "));
    free(seen);
}

static void stop_gives_up_on_a_full_pipe(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = {.name = "core", .type = "nfacctd"};
    int fd = stderr_to_full_pipe();
    assert_int_equal(log_start(&settings), 0);
    for (int i = 0; i < 1000; i++)
        log_info("line %d", i);
    struct mono_time start = clock_mono();
    log_stop();
    int64_t stop_ns = clock_mono().ns - start.ns;
    dup2(f->real_stderr, STDERR_FILENO);
    close(fd);
    assert_true(stop_ns >= NS_PER_S);
    assert_true(stop_ns < 2900 * NS_PER_MS); /* after 3 s the thread would have been left behind */
}

static void full_pipe_on_stderr_does_not_hold_up_the_file(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    settings.stderr_too = true;
    int fd = stderr_to_full_pipe();
    assert_int_equal(log_start(&settings), 0);
    for (int i = 0; i < 2000; i++)
        log_info("line %d", i);
    log_stop();
    dup2(f->real_stderr, STDERR_FILENO);
    close(fd);
    char *text = file_text(f->file);
    assert_non_null(strstr(text, ": line 0\n"));
    assert_non_null(strstr(text, ": line 1999\n"));
    free(text);
}

static void log_from_thread(void *arg)
{
    for (int i = 0; i < 1000; i++)
        log_info("thread %d line %d", *(int *)arg, i);
}

static void lines_of_threads_stay_whole_and_in_order(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = to_file(f);
    struct thread threads[3] = {{0}};
    int numbers[3] = {0, 1, 2}, next[3] = {0}, count = 0;
    assert_int_equal(log_start(&settings), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(thread_start(&threads[i], "talker", log_from_thread, &numbers[i]), 0);
    for (int i = 0; i < 3; i++)
        thread_join(&threads[i]);
    log_stop();
    char *text = file_text(f->file), *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        int thread, number;
        const char *message = strstr(line, "): thread ");
        assert_non_null(message);
        assert_int_equal(sscanf(message, "): thread %d line %d", &thread, &number), 2);
        assert_in_range(thread, 0, 2);
        assert_int_equal(number, next[thread]++);
        count++;
    }
    assert_int_equal(count, 3000);
    free(text);
}

static void last_lines_are_kept_and_found_by_number(void **state)
{
    struct fixture *f = *state;
    struct log_settings settings = {.name = "core", .type = "t", .file = f->file};
    struct log_line *line = malloc(sizeof *line);
    int number = 0;

    assert_int_equal(log_kept_next(), 0);
    assert_false(log_kept(0, line));
    log_keep();
    assert_int_equal(log_start(&settings), 0);
    assert_false(log_kept(0, line));
    for (int i = 1; i <= 20000; i++) /* far more than there is room for, of all lengths */
        log_warning("line %d %.*s", i, i % 90,
                    "----------------------------------------------------"
                    "--------------------------------------");
    assert_int_equal(log_kept_next(), 20001);
    assert_true(log_kept(0, line));
    uint64_t first = line->number;
    assert_in_range(first, 15000, 19000);
    for (uint64_t n = first; n <= 20000; n++) {
        assert_true(log_kept(n, line));
        assert_int_equal(line->number, n);
        assert_int_equal(line->level, LOG_LEVEL_WARNING);
        line->text[line->len] = 0;
        assert_int_equal(sscanf(line->text, "( core/t ): line %d ", &number), 1);
        assert_int_equal(number, n);
    }
    assert_false(log_kept(20001, line));
    free(line);
}

static void limit_allows_five_then_one_in_thirty_seconds(void **state)
{
    struct log_limit limit = {0};
    uint64_t suppressed = 99;
    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_true(log_limit_allow(&limit, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (int i = 0; i < 10; i++)
        assert_false(log_limit_allow(&limit, &suppressed));
    limit.window_start_ns -= 30 * NS_PER_S;
    assert_true(log_limit_allow(&limit, &suppressed));
    assert_int_equal(suppressed, 10);
    assert_false(log_limit_allow(&limit, &suppressed));
    limit.window_start_ns -= 30 * NS_PER_S;
    assert_true(log_limit_allow(&limit, &suppressed));
    assert_int_equal(suppressed, 1);
    limit.window_start_ns -= 30 * NS_PER_S; /* nothing was held back meanwhile: it is as new */
    for (int i = 0; i < 5; i++)
        assert_true(log_limit_allow(&limit, &suppressed));
    assert_false(log_limit_allow(&limit, &suppressed));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(file_line_has_time_level_and_name),
        TEST(debug_lines_come_only_when_asked_for),
        TEST(text_of_a_peer_cannot_begin_a_line),
        TEST(long_line_is_cut_and_the_next_is_whole),
        TEST(reopen_follows_rotation),
        TEST(file_is_appended_to),
        TEST(bad_settings_change_nothing),
        TEST(full_pipe_on_stderr_blocks_nobody_and_losses_are_told),
        TEST(stop_gives_up_on_a_full_pipe),
        TEST(full_pipe_on_stderr_does_not_hold_up_the_file),
        TEST(lines_of_threads_stay_whole_and_in_order),
        TEST(last_lines_are_kept_and_found_by_number),
        cmocka_unit_test(limit_allows_five_then_one_in_thirty_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
