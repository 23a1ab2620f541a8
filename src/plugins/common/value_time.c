/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instants as text: pmacct's forms, the one with an offset as in RFC 3339 section 5.6 and RFC 9557.
 */
#include "plugins/common/value_time.h"
#include "base/clock.h"
#include "base/digits.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

void value_time_init(struct value_time *t, enum value_time_style style, bool is_utc,
                     bool has_whole_seconds)
{
    memset(t, 0, sizeof *t);
    t->style = style;
    t->is_utc = is_utc;
    t->has_whole_seconds = has_whole_seconds;
}

static char *put_two(char *out, unsigned value)
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

static char *put_fraction(char *out, int64_t ns)
{
    *out = '.';
    return digits_put_fixed(out + 1, (uint32_t)(ns / NS_PER_US), 6);
}

/* "+hh:mm" of an offset in seconds east of UTC. */
static void render_zone(char zone[8], long offset_s)
{
    unsigned minutes = (unsigned)(labs(offset_s) / 60);
    char *end = zone;

    *end++ = offset_s < 0 ? '-' : '+';
    end = put_two(end, minutes / 60);
    *end++ = ':';
    end = put_two(end, minutes % 60);
    *end = 0;
}

static bool has_zone(const struct value_time *t)
{
    return t->style == VALUE_TIME_RFC9557 || t->style == VALUE_TIME_RFC3339;
}

static char *put_zone(const struct value_time *t, char *out, const char *zone)
{
    if (t->style == VALUE_TIME_RFC3339 && memcmp(zone, "+00:00", 6) == 0) {
        *out = 'Z';
        return out + 1;
    }
    memcpy(out, zone, 6);
    return out + 6;
}

static void render_minute(const struct value_time *t, struct value_time_minute *m, time_t seconds,
                          struct tm *ret_tm)
{
    if (t->is_utc)
        gmtime_r(&seconds, ret_tm);
    else
        localtime_r(&seconds, ret_tm);
    m->len = (uint8_t)strftime(m->text, sizeof m->text,
                               has_zone(t) ? "%Y-%m-%dT%H:%M:" : "%Y-%m-%d %H:%M:", ret_tm);
    render_zone(m->zone, ret_tm->tm_gmtoff);
}

static char *put_unknown(const struct value_time *t, char *out, bool with_fraction)
{
    static const char plain[] = "0000-00-00 00:00:00";

    if (t->style == VALUE_TIME_EPOCH) {
        *out++ = '0';
    } else {
        memcpy(out, plain, sizeof plain - 1);
        if (has_zone(t))
            out[10] = 'T';
        out += sizeof plain - 1;
    }
    if (with_fraction)
        out = put_fraction(out, 0);
    return has_zone(t) ? put_zone(t, out, "+00:00") : out;
}

/* Out of line, as it is rare and its struct tm would make every call check its stack. */
__attribute__((noinline)) static unsigned
render_new_minute(const struct value_time *t, struct value_time_minute *m, uint64_t seconds)
{
    struct tm tm;

    render_minute(t, m, (time_t)seconds, &tm);
    m->minute = (int64_t)(seconds / 60);
    /* An offset that is no whole number of minutes (local mean times) cannot be kept by the
     * minute. */
    if ((unsigned)tm.tm_sec != seconds % 60)
        m->minute = -1;
    return (unsigned)tm.tm_sec;
}

char *value_time_put(struct value_time *t, char *out, int64_t ns, bool with_fraction)
{
    uint64_t seconds = (uint64_t)ns / NS_PER_S, minute = seconds / 60;
    int64_t fraction = t->has_whole_seconds ? 0 : (int64_t)((uint64_t)ns - seconds * NS_PER_S);
    unsigned second = (unsigned)(seconds - minute * 60);
    struct value_time_minute *m = &t->minutes[minute & (VALUE_TIME_MINUTES - 1)];

    if (ns <= 0) /* no exporter has flows of before 1970 */
        return put_unknown(t, out, with_fraction);
    if (t->style == VALUE_TIME_EPOCH) {
        out = digits_put(out, seconds);
        return with_fraction ? put_fraction(out, fraction) : out;
    }
    if (m->len == 0 || m->minute != (int64_t)minute)
        second = render_new_minute(t, m, seconds);
    memcpy(out, m->text, sizeof m->text);
    out = put_two(out + m->len, second);
    if (with_fraction)
        out = put_fraction(out, fraction);
    return has_zone(t) ? put_zone(t, out, m->zone) : out;
}
