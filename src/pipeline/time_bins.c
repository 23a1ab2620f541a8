/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Time bins by calendar arithmetic with localtime_r() and mktime(), which know the zone's summer
 * times. */
#include "pipeline/time_bins.h"
#include <errno.h>
#include <string.h>
#include <time.h>

enum calendar_unit { UNIT_SECOND, UNIT_HOUR, UNIT_DAY, UNIT_WEEK, UNIT_MONTH, UNIT_YEAR };

#define HOUR_S INT64_C(3600)
#define DAY_S  INT64_C(86400)

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static struct tm calendar_of(const struct time_bins *bins, int64_t time_s)
{
    time_t t = (time_t)time_s;
    struct tm tm = {0};

    if (bins->settings.is_utc)
        gmtime_r(&t, &tm);
    else
        localtime_r(&t, &tm);
    return tm;
}

static int64_t instant_of(const struct time_bins *bins, struct tm tm)
{
    tm.tm_isdst = -1;
    return bins->settings.is_utc ? timegm(&tm) : mktime(&tm);
}

/* Returns where the calendar unit began that `time_s` lies in. */
static int64_t unit_start(const struct time_bins *bins, int64_t time_s, int unit)
{
    struct tm tm = calendar_of(bins, time_s);
    int64_t start;

    if (unit == UNIT_SECOND)
        return time_s;
    if (unit == UNIT_HOUR)
        return time_s - (int64_t)tm.tm_min * 60 - tm.tm_sec;
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    if (unit == UNIT_WEEK)
        tm.tm_mday -= (tm.tm_wday + 6) % 7; /* Monday */
    if (unit == UNIT_MONTH || unit == UNIT_YEAR)
        tm.tm_mday = 1;
    if (unit == UNIT_YEAR)
        tm.tm_mon = 0;
    start = instant_of(bins, tm);
    /* There is no midnight on a day when summer time begins at midnight. */
    return start <= time_s ? start : unit_start(bins, time_s, UNIT_HOUR);
}

/* Returns midnight `days` days and `months` months after that of `time_s`. */
static int64_t midnight_after(const struct time_bins *bins, int64_t time_s, int64_t months,
                              int64_t days)
{
    struct tm tm = calendar_of(bins, time_s);

    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_mon += (int)months;
    tm.tm_mday += (int)days;
    return instant_of(bins, tm);
}

/* Returns the days since 1970-01-01 of the calendar date that `time_s` has in the zone. */
static int64_t day_number(const struct time_bins *bins, int64_t time_s)
{
    struct tm tm = calendar_of(bins, time_s);

    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = 0;
    return floor_div(timegm(&tm), DAY_S);
}

static struct time_bin find_seconds(const struct time_bins *bins, int64_t time_s)
{
    int64_t base = unit_start(bins, time_s, bins->start);
    int64_t start = base + floor_div(time_s - base, bins->count) * bins->count;
    int64_t next = bins->start == UNIT_HOUR  ? base + HOUR_S
                   : bins->start == UNIT_DAY ? midnight_after(bins, time_s, 0, 1)
                                             : start + bins->count;
    int64_t end = start + bins->count;

    return (struct time_bin){start, end > next && next > time_s ? next : end};
}

static struct time_bin find_days(const struct time_bins *bins, int64_t time_s)
{
    int64_t today = day_number(bins, time_s);
    int64_t base = 0; /* 1970-01-01 */
    int64_t first, limit = INT64_MAX;

    if (bins->start == UNIT_WEEK) {
        base = 4; /* the Monday after it */
    } else if (bins->start == UNIT_MONTH || bins->start == UNIT_YEAR) {
        base = day_number(bins, unit_start(bins, time_s, bins->start));
        limit = day_number(bins, midnight_after(bins, unit_start(bins, time_s, bins->start),
                                                bins->start == UNIT_MONTH ? 1 : 12, 0));
    }
    first = base + floor_div(today - base, bins->count) * bins->count;
    int64_t end = first + bins->count < limit ? first + bins->count : limit;
    return (struct time_bin){midnight_after(bins, time_s, 0, first - today),
                             midnight_after(bins, time_s, 0, end - today)};
}

static struct time_bin find_months(const struct time_bins *bins, int64_t time_s)
{
    struct tm tm = calendar_of(bins, time_s);
    int64_t month = (tm.tm_year + INT64_C(1900)) * 12 + tm.tm_mon;
    int64_t first = floor_div(month, bins->count) * bins->count;
    int64_t base = unit_start(bins, time_s, UNIT_MONTH);

    return (struct time_bin){midnight_after(bins, base, first - month, 0),
                             midnight_after(bins, base, first - month + bins->count, 0)};
}

static int letter_unit(char letter)
{
    switch (letter) {
    case 'm':
        return UNIT_HOUR;
    case 'h':
        return UNIT_DAY;
    case 'w':
        return UNIT_WEEK;
    case 'd':
        return UNIT_MONTH;
    case 'M':
        return UNIT_YEAR;
    default:
        return -1;
    }
}

int time_bins_init(struct time_bins *bins, const struct time_bins_settings *settings,
                   struct text *error)
{
    int64_t length = settings->length_s;

    memset(bins, 0, sizeof *bins);
    bins->settings = *settings;
    if (length == 0) {
        text_append_printf(
            error, "a time bin of no length; give a number of seconds, or of m, h, d, w, M");
        return -EINVAL;
    }
    if (length < 0) {
        bins->unit = UNIT_MONTH;
        bins->start = UNIT_YEAR;
        bins->count = -length;
    } else if (length % DAY_S == 0) {
        bins->unit = UNIT_DAY;
        bins->start = length % (7 * DAY_S) == 0 ? UNIT_WEEK : UNIT_DAY;
        bins->count = length / DAY_S;
    } else {
        bins->unit = UNIT_SECOND;
        bins->start = HOUR_S % length == 0 ? UNIT_HOUR : UNIT_DAY;
        bins->count = length;
    }
    for (const char *l = settings->roundoff; l && *l; l++) {
        int unit = letter_unit(*l);
        if (unit < 0 && *l != ' ' && *l != ',') {
            text_append_printf(error, "'%c' is none of the letters m, h, d, w, M", *l);
            return -EINVAL;
        }
        if (unit > bins->start)
            bins->start = unit;
    }
    bins->settings.roundoff = NULL; /* not ours to keep */
    return 0;
}

bool time_bins_roundoff_is_valid(const char *letters)
{
    return !letters || letters[strspn(letters, "mhdwM ,")] == '\0';
}

struct time_bin time_bins_find(const struct time_bins *bins, int64_t time_s)
{
    int64_t offset = bins->settings.offset_s;
    struct time_bin bin;

    time_s -= offset;
    if (bins->unit == UNIT_MONTH)
        bin = find_months(bins, time_s);
    else if (bins->unit == UNIT_DAY)
        bin = find_days(bins, time_s);
    else
        bin = find_seconds(bins, time_s);
    bin.start_s += offset;
    bin.end_s += offset;
    return bin;
}

uint32_t time_bins_seconds(const struct time_bins *bins)
{
    return bins->settings.length_s > 0 ? (uint32_t)bins->settings.length_s : 0;
}
