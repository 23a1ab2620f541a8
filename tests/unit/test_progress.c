/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what is said of things that last, and when: nothing of what is over soon, then a line each
 * ten seconds and one at the end; and how rows read. */
#include "base/log.h"
#include "daemon/progress.h"
#include "pipeline/worker_private.h"
#include "support/fake_clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
    struct worker worker;
    struct crew crew;
    char path[64];
    struct progress *progress;
    uint64_t next_line;
};

/* A replay of a file of 4000 bytes, twice, whose only worker never runs. */
static void world_init(struct world *w)
{
    static char bytes[4000];

    *w = (struct world){.crew = {.worker_count = 1}};
    strcpy(w->path, "/tmp/pathacct-test-XXXXXX");
    int fd = mkstemp(w->path);
    assert_int_equal(write(fd, bytes, sizeof bytes), sizeof bytes);
    close(fd);
    w->crew.replay.path = w->path;
    w->crew.replay.rounds = 2;
    w->crew.workers[0] = &w->worker;
    struct statistics_sources sources = {.crew = &w->crew};
    w->progress = progress_new(&sources, false);
    log_keep();
    w->next_line = log_kept_next();
}

static void world_clear(struct world *w)
{
    progress_free(w->progress);
    unlink(w->path);
}

/* A second goes by, in which so many bytes were read. Returns the line that was logged, or "". */
static const char *second(struct world *w, uint64_t bytes, struct text *status)
{
    static struct log_line line;

    fake_now_ns += NS_PER_S;
    counter_add(&w->worker.counters.replayed, bytes);
    text_reset(status);
    progress_tick(w->progress, status);
    if (!log_kept(w->next_line, &line))
        return "";
    w->next_line = line.number + 1;
    line.text[line.len] = 0;
    return strstr(line.text, "): ") + 3;
}

static void a_line_comes_each_ten_seconds_and_at_the_end(void **state)
{
    struct world w;
    struct text status = {0};

    (void)state;
    world_init(&w);
    for (int i = 0; i < 10; i++)
        assert_string_equal(second(&w, 100, &status), "");
    assert_string_equal(text_cstr(&status),
                        "reading the capture file: 1.00kB of 8.00kB, 100B/s, 70 s left");
    assert_string_equal(second(&w, 100, &status),
                        "reading the capture file: 1.10kB of 8.00kB, 100B/s, 69 s left");
    for (int i = 0; i < 9; i++)
        assert_string_equal(second(&w, 200, &status), "");
    assert_string_equal(second(&w, 200, &status),
                        "reading the capture file: 3.10kB of 8.00kB, 200B/s, 24 s left");
    struct progress_view view = progress_at(w.progress, PROGRESS_CAPTURE);
    assert_true(view.is_active && view.done == 3100 && view.total == 8000 &&
                view.per_second == 200 && view.seconds_left == 24);
    assert_true(progress_ratio(&view) > 0.387 && progress_ratio(&view) < 0.388);
    atomic_store(&w.worker.is_at_end, true);
    assert_string_equal(second(&w, 4900, &status),
                        "reading the capture file: 8.00kB of 8.00kB; ended after 21 s");
    assert_int_equal(status.len, 0);
    for (int i = 0; i < 30; i++)
        assert_string_equal(second(&w, 0, &status), "");
    view = progress_at(w.progress, PROGRESS_CAPTURE);
    assert_true(!view.is_active && progress_ratio(&view) == 1);
    text_clear(&status);
    world_clear(&w);
}

static void what_is_over_soon_is_not_told(void **state)
{
    struct world w;
    struct text status = {0};

    (void)state;
    world_init(&w);
    for (int i = 0; i < 9; i++)
        assert_string_equal(second(&w, 800, &status), "");
    atomic_store(&w.worker.is_at_end, true);
    for (int i = 0; i < 30; i++)
        assert_string_equal(second(&w, 0, &status), "");
    text_clear(&status);
    world_clear(&w);
}

static void a_total_that_is_not_known_is_left_out(void **state)
{
    struct progress_view view = {
        .id = PROGRESS_CAPTURE, .is_active = true, .done = 1234567, .seconds_left = -1};
    struct text words = {0};

    (void)state;
    progress_append(&view, &words);
    assert_string_equal(text_cstr(&words), "reading the capture file: 1.23MB");
    assert_true(progress_ratio(&view) == 0);
    view = (struct progress_view){.id = PROGRESS_ROUTES,
                                  .done = 2,
                                  .total = 4,
                                  .amount = 1200000,
                                  .per_second = 40000,
                                  .seconds_left = -1};
    text_reset(&words);
    progress_append(&view, &words);
    assert_string_equal(text_cstr(&words),
                        "loading routes: 2 of 4 peers, 1.20M paths, 40.0k paths/s");
    view = (struct progress_view){
        .id = PROGRESS_SPOOL, .instance = "edge", .done = 5, .total = 10, .seconds_left = 5};
    text_reset(&words);
    progress_append(&view, &words);
    assert_string_equal(text_cstr(&words), "writing the spool of edge: 5B of 10B, 5 s left");
    text_clear(&words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_comes_each_ten_seconds_and_at_the_end),
        cmocka_unit_test(what_is_over_soon_is_not_told),
        cmocka_unit_test(a_total_that_is_not_known_is_left_out),
    };
    thread_enter_role(&main_thread);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
