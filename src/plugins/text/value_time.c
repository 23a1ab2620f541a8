/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instants as text in pmacct's forms; the one with an offset is as in RFC 3339 section 5.6 and RFC
 * 9557. */
#include "plugins/text/value_time.h"
#include <stdlib.h>
#include <time.h>

void value_time_init(struct value_time *t, enum value_time_style style, bool is_utc,
                     bool has_whole_seconds)
{
    memset(t, 0, sizeof *t);
    t->style = style;
    t->is_utc = is_utc;
    t->has_whole_seconds = has_whole_seconds;
    for (unsigned i = 0; i < VALUE_TIME_MINUTES; i++)
        t->minutes[i].minute = VALUE_TIME_NOT_RENDERED;
}

static char *put_fraction(char *out, int64_t ns)
{
    *out = '.';
    return digits_put_fixed(out + 1, (uint32_t)(ns / NS_PER_US), 6);
}

static bool has_zone(const struct value_time *t)
{
    return t->style == VALUE_TIME_RFC9557 || t->style == VALUE_TIME_RFC3339;
}

/* Writes "+hh:mm" for an offset in seconds east of UTC; up to 8 bytes behind `out` may change. */
static char *put_zone(const struct value_time *t, char *out, long offset_s)
{
    uint32_t minutes = (uint32_t)(labs(offset_s) / 60);

    if (t->style == VALUE_TIME_RFC3339 && offset_s >= 0 && minutes == 0) {
        *out = 'Z';
        return out + 1;
    }
    *out = offset_s < 0 ? '-' : '+';
    out = digits_put_fixed(out + 1, minutes / 60, 2);
    *out = ':';
    return digits_put_fixed(out + 1, minutes % 60, 2);
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
    return has_zone(t) ? put_zone(t, out, 0) : out;
}

static void render_minute(const struct value_time *t, struct value_time_minute *m,
                          const struct tm *tm)
{
    char text[VALUE_TIME_TEXT_MAX] = "", *end;

    strftime(text, sizeof text, has_zone(t) ? "%Y-%m-%dT%H:%M" : "%Y-%m-%d %H:%M", tm);
    memcpy(m->text, text, sizeof m->text);
    end = has_zone(t) ? put_zone(t, text, tm->tm_gmtoff) : text;
    memcpy(m->zone, text, sizeof m->zone);
    m->zone[VALUE_TIME_ZONE_LEN] = (char)(end - text);
}

char *value_time_put_other(struct value_time *t, char *out, int64_t ns, bool with_fraction)
{
    time_t seconds = (time_t)(ns / NS_PER_S);
    uint64_t minute = (uint64_t)seconds / 60;
    struct value_time_minute *m = &t->minutes[minute & (VALUE_TIME_MINUTES - 1)];
    struct tm tm;

    if (ns <= 0) /* no exporter has flows from before 1970 */
        return put_unknown(t, out, with_fraction);
    if (t->style == VALUE_TIME_EPOCH) {
        out = digits_put(out, (uint64_t)seconds);
        return with_fraction ? put_fraction(out, t->has_whole_seconds ? 0 : ns % NS_PER_S) : out;
    }
    if (t->is_utc)
        gmtime_r(&seconds, &tm);
    else
        localtime_r(&seconds, &tm);
    render_minute(t, m, &tm);
    /* An offset that is no whole number of minutes (local mean times) cannot be kept by the
     * minute. */
    m->minute = tm.tm_sec == seconds % 60 ? minute : VALUE_TIME_NOT_RENDERED;
    return value_time_put_within(t, m, out, tm.tm_sec * NS_PER_S + ns % NS_PER_S, with_fraction);
}
