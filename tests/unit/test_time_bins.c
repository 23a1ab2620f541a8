/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves in which bin an instant lies, across zones and their changes of the clock. Expected
 * instants are from coreutils' `date -d ... +%s` in the zone named. */
#include "pipeline/time_bins.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static void zone(const char *name)
{
    setenv("TZ", name, 1);
    tzset();
}

static struct time_bin find(int64_t length_s, const char *roundoff, int64_t offset_s,
                            int64_t time_s)
{
    struct time_bins_settings settings = {
        .length_s = length_s, .roundoff = roundoff, .offset_s = offset_s};
    struct time_bins bins;
    struct text error = {0};

    assert_int_equal(time_bins_init(&bins, &settings, &error), 0);
    return time_bins_find(&bins, time_s);
}

static void check(struct time_bin bin, int64_t start_s, int64_t end_s)
{
    assert_int_equal(bin.start_s, start_s);
    assert_int_equal(bin.end_s, end_s);
}

static void five_minutes_start_at_the_hour(void **state)
{
    (void)state;
    zone("UTC");
    /* 2026-11-22 18:37:12 -> 18:35:00 */
    check(find(300, "m", 0, 1795372632), 1795372500, 1795372800);
    check(find(300, NULL, 0, 1795372500), 1795372500, 1795372800);
    check(find(300, NULL, 0, 1795372499), 1795372200, 1795372500);
}

static void an_offset_moves_every_bin(void **state)
{
    (void)state;
    zone("UTC");
    /* Half hours begin at quarter past and quarter to: 18:37:12 -> 18:15:00. */
    check(find(1800, "m", 900, 1795372632), 1795371300, 1795373100);
}

static void hours_follow_a_zone_of_half_an_hour(void **state)
{
    (void)state;
    zone("Asia/Kolkata"); /* UTC+5:30 */
    /* 2026-11-23 00:07:12 local -> 00:00 local */
    check(find(3600, "m", 0, 1795372632), 1795372200, 1795375800);
}

static void days_are_calendar_days_at_both_changes_of_summer_time(void **state)
{
    (void)state;
    zone("Europe/Berlin");
    /* 2026-03-29 has 23 hours: 00:00 CET 1774738800, next day 00:00 CEST 1774821600 */
    check(find(86400, "h", 0, 1774780000), 1774738800, 1774821600);
    /* 2026-10-25 has 25 hours: 00:00 CEST 1792879200, next day 00:00 CET 1792969200 */
    check(find(86400, "h", 0, 1792969199), 1792879200, 1792969200);
}

static void six_hours_start_anew_at_midnight_of_a_long_day(void **state)
{
    (void)state;
    zone("Europe/Berlin");
    /* The 25th hour of 2026-10-25 is a bin of its own. */
    check(find(6 * 3600, NULL, 0, 1792969199), 1792879200 + 24 * 3600, 1792969200);
}

static void weeks_start_on_monday(void **state)
{
    (void)state;
    zone("UTC");
    /* Sunday 2026-11-22 belongs to the week from Monday 2026-11-16. */
    check(find(7 * 86400, "w", 0, 1795372632), 1794787200, 1795392000);
}

static void months_have_their_own_lengths(void **state)
{
    (void)state;
    zone("UTC");
    check(find(-1, NULL, 0, 1795372632), 1793491200, 1796083200); /* November 2026 */
    check(find(-1, "d", 0, 1709164800), 1706745600,
          1709251200); /* 2024-02-29 lies in February of a leap year */
    check(find(-3, NULL, 0, 1795372632), 1790812800, 1798761600); /* October to December */
}

static void days_counted_from_the_first_end_with_the_month(void **state)
{
    (void)state;
    zone("UTC");
    /* Bins of 5 days with roundoff d: 2026-10-31 is alone, then November begins. */
    check(find(5 * 86400, "d", 0, 1793404800), 1793404800, 1793491200);
}

static void bins_tile_a_year_without_gap_or_overlap(void **state)
{
    static const int64_t lengths[] = {60,    300,       420,       3600, 7200, 25200,
                                      86400, 3 * 86400, 7 * 86400, -1,   -2};
    static const char *const zones[] = {"UTC", "Europe/Berlin", "America/Sao_Paulo",
                                        "Asia/Kathmandu"};

    (void)state;
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        zone(zones[z]);
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            struct time_bin bin = find(lengths[i], NULL, 0, 1540000000);
            for (int n = 0; n < 1000; n++) {
                struct time_bin next = find(lengths[i], NULL, 0, bin.end_s);
                struct time_bin last = find(lengths[i], NULL, 0, bin.end_s - 1);
                assert_true(bin.end_s > bin.start_s);
                assert_int_equal(last.start_s, bin.start_s);
                assert_int_equal(next.start_s, bin.end_s);
                bin = next;
            }
        }
    }
}

static void letters_outside_mhdwM_are_refused(void **state)
{
    struct time_bins_settings settings = {.length_s = 60, .roundoff = "mx"};
    struct time_bins bins;
    struct text error = {0};

    (void)state;
    assert_true(time_bins_init(&bins, &settings, &error) < 0);
    text_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_minutes_start_at_the_hour),
        cmocka_unit_test(an_offset_moves_every_bin),
        cmocka_unit_test(hours_follow_a_zone_of_half_an_hour),
        cmocka_unit_test(days_are_calendar_days_at_both_changes_of_summer_time),
        cmocka_unit_test(six_hours_start_anew_at_midnight_of_a_long_day),
        cmocka_unit_test(weeks_start_on_monday),
        cmocka_unit_test(months_have_their_own_lengths),
        cmocka_unit_test(days_counted_from_the_first_end_with_the_month),
        cmocka_unit_test(bins_tile_a_year_without_gap_or_overlap),
        cmocka_unit_test(letters_outside_mhdwM_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
