/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the example backend keeps its promise: each row stands once in its file, however
 * often its process is killed. The test counts the lines of the file. */
#include "support/fake_core.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROWS 700

static void each_row_is_in_the_file_once_after_many_kills(void **state)
{
    (void)state;
    struct fake_core c;
    static unsigned seen[ROWS];
    uint32_t kills = 0;
    unsigned key, path_key, value;
    char line[128];

    fake_core_init(&c);
    c.plugin.plugin_name = "lines";
    c.settings[0].key = "lines_file";
    c.settings[2].key = "lines_refresh_time";
    fake_core_start(&c);
    for (uint32_t i = 0; i < ROWS; i++) {
        fake_core_push(&c, (int)(i % FAKE_CORE_LANES), i, 10 * i + 1, 0);
        if (i % 20 == 19)
            for (int lane = 0; lane < FAKE_CORE_LANES; lane++)
                fake_core_push(&c, lane, 0, 0, EPOCH_END);
        fake_core_pending(&c);
        poller_wait(c.poller, 0);
        if (i % 100 == 50 || i == 20) { /* also before the first commit */
            assert_true(fake_core_run_until(&c, host_is_open));
            usleep(3000 * (i / 100)); /* somewhere in its work */
            fake_core_kill_host(&c);
            kills++;
        }
    }
    fake_core_finish(&c);
    assert_int_equal(fake_core_status(&c).restarts, kills);
    FILE *f = fopen(c.file, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        assert_int_equal(
            sscanf(line, "dst_as=%u as_path=65000_%u packets=%u\n", &key, &path_key, &value), 3);
        assert_true(key < ROWS && path_key == key && value == 10 * key + 1);
        seen[key]++;
    }
    fclose(f);
    for (uint32_t i = 0; i < ROWS; i++)
        assert_int_equal(seen[i], 1);
    fake_core_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_in_the_file_once_after_many_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
