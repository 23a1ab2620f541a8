/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what the watch of each minute says, and how often. */
#include "bgp/path_match.h"
#include "daemon/statistics.h"
#include "pipeline/worker_private.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs the watch so often and returns how many lines on stderr hold `text`. */
static size_t lines_of_watch(const struct statistics_sources *sources,
                             struct statistics_watch *watch, int minutes, const char *text)
{
    FILE *log = tmpfile();
    int stderr_fd = dup(STDERR_FILENO);
    char line[1024];
    size_t count = 0;

    dup2(fileno(log), STDERR_FILENO);
    while (minutes-- > 0)
        statistics_watch(sources, watch);
    dup2(stderr_fd, STDERR_FILENO);
    close(stderr_fd);
    rewind(log);
    while (fgets(line, sizeof line, log))
        count += strstr(line, text) != NULL;
    fclose(log);
    return count;
}

static void exporter_add(struct exporter_table *table, uint8_t last_byte, enum path_match verdict)
{
    struct ip_addr addr = ip_addr_v4((const uint8_t[]){192, 0, 2, last_byte});
    struct exporter *exporter = exporter_table_get(table, &addr, 1);

    counter_add(&exporter->counters.path_match[verdict], 5);
}

static void exporters_without_a_peer_are_told_once(void **state)
{
    struct worker worker = {.exporters = exporter_table_new(100, NULL, NULL)};
    struct crew crew = {.workers = {&worker}, .worker_count = 1};
    struct statistics_sources sources = {.crew = &crew};
    struct statistics_watch watch = {0};
    (void)state;

    crew.correlate.is_enabled = true;
    assert_int_equal(lines_of_watch(&sources, &watch, 1, "no BGP peer has its address"), 0);
    atomic_store(&crew.asks_destination, true);
    for (uint8_t i = 1; i <= 12; i++)
        exporter_add(worker.exporters, i, PATH_MATCH_NO_RIB);
    exporter_add(worker.exporters, 100, PATH_MATCH_EXACT);
    assert_int_equal(lines_of_watch(&sources, &watch, 1, "no BGP peer has its address"), 10);
    assert_int_equal(lines_of_watch(&sources, &watch, 3, "no BGP peer"), 0);
    exporter_add(worker.exporters, 200, PATH_MATCH_NO_RIB);
    assert_int_equal(lines_of_watch(&sources, &watch, 3, "exporter 192.0.2.200: no BGP peer"), 1);
    exporter_table_free(worker.exporters);
}

static void exporters_beyond_a_hundred_are_told_as_a_sum(void **state)
{
    struct worker worker = {.exporters = exporter_table_new(200, NULL, NULL)};
    struct crew crew = {.workers = {&worker}, .worker_count = 1};
    struct statistics_sources sources = {.crew = &crew};
    struct statistics_watch watch = {0};
    (void)state;

    exporter_table_set_news(worker.exporters, &crew.news);
    for (uint8_t i = 1; i <= 105; i++) {
        struct ip_addr addr = ip_addr_v4((const uint8_t[]){192, 0, 2, i});
        struct exporter *exporter = exporter_table_get(worker.exporters, &addr, 1);
        for (int times = 0; times < 2; times++)
            exporter_greet_once(exporter, 10, 1, 4739);
    }
    assert_int_equal(lines_of_watch(&sources, &watch, 3, "more exporters sent their first"), 1);
    crew.news.unsaid = 7;
    assert_int_equal(lines_of_watch(&sources, &watch, 3, "( core/test_statistics ): 7 more"), 1);
    exporter_table_free(worker.exporters);
}

static void silence_is_told_once_until_it_ends(void **state)
{
    struct worker worker = {.exporters = exporter_table_new(100, NULL, NULL)};
    struct crew crew = {.workers = {&worker}, .worker_count = 1};
    struct statistics_sources sources = {.crew = &crew};
    struct statistics_watch watch = {0};
    (void)state;

    assert_int_equal(lines_of_watch(&sources, &watch, 3, "no datagram for a minute"), 1);
    counter_add(&worker.counters.datagrams, 1);
    assert_int_equal(lines_of_watch(&sources, &watch, 3, "no datagram for a minute"), 1);
    exporter_table_free(worker.exporters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exporters_without_a_peer_are_told_once),
        cmocka_unit_test(exporters_beyond_a_hundred_are_told_as_a_sum),
        cmocka_unit_test(silence_is_told_once_until_it_ends),
    };
    thread_enter_role(&main_thread);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
