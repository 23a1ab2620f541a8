/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads values as people type them into the bytes that rows have: the inverse of
 * plugins/text/value. */
#include "base/address.h"
#include "base/clock.h"
#include "plugins/memory/query_private.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int append_number(const struct pa_column *c, uint64_t number, struct text *out)
{
    uint32_t u32 = (uint32_t)number;
    uint16_t u16 = (uint16_t)number;
    uint8_t u8 = (uint8_t)number;

    if (c->width < 8 && number >> (8 * c->width) != 0)
        return -ERANGE;
    switch (c->width) {
    case 1:
        text_append(out, &u8, sizeof u8);
        return 0;
    case 2:
        text_append(out, &u16, sizeof u16);
        return 0;
    case 4:
        text_append(out, &u32, sizeof u32);
        return 0;
    default:
        text_append(out, &number, sizeof number);
        return 0;
    }
}

static int parse_number(const struct pa_column *c, const char *text, int base, struct text *out)
{
    unsigned long long number;
    char *end;

    if (strchr("+- \t", *text)) /* refuses an empty text too */
        return -EINVAL;
    errno = 0;
    number = strtoull(text, &end, base);
    if (errno != 0)
        return -ERANGE;
    return *end != '\0' ? -EINVAL : append_number(c, number, out);
}

/* Tries all 256 values of a column whose numbers have names. */
static int parse_name(const struct query *q, const struct pa_column *c, const char *text,
                      struct text *out)
{
    struct pa_column alone = *c;
    struct text shown = {0}, scratch = {0};
    struct pa_batch none = {0};
    struct value value = {0};
    int err;

    alone.offset = 0;
    err = value_init(&value, &alone, &q->table.values, NULL);
    for (int i = 0; err == 0 && i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        text_reset(&shown);
        value_append(&value, &none, &byte, &scratch, &shown);
        if (!strcmp(text_cstr(&shown), text)) {
            text_append(out, &byte, 1);
            break;
        }
    }
    value_clear(&value);
    text_clear(&shown);
    text_clear(&scratch);
    return out->len > 0 ? 0 : -EINVAL;
}

static int parse_address(const char *text, struct text *out)
{
    struct ip_addr addr = {{0}, IP_NONE};
    struct ip_prefix prefix;

    if (strchr(text, '/')) {
        int err = ip_prefix_parse(text, &prefix);
        if (err == 0) {
            text_append(out, &prefix.addr, sizeof prefix.addr);
            text_append(out, &prefix.len, sizeof prefix.len);
        }
        return err;
    }
    if (*text && strcmp(text, "0") != 0 && ip_addr_parse(text, &addr) < 0)
        return -EINVAL;
    text_append(out, &addr, sizeof addr);
    return 0;
}

static int parse_mac(const char *text, struct text *out)
{
    struct mac_addr mac;
    int err = mac_addr_parse(text, &mac);

    if (err == 0)
        text_append(out, &mac, sizeof mac);
    return err;
}

/* Reads ".500000" and the like. */
static const char *parse_fraction(const char *at, int64_t *ns)
{
    int64_t unit = NS_PER_S / 10;

    if (*at != '.')
        return at;
    for (at++; *at >= '0' && *at <= '9'; at++, unit /= 10)
        *ns += (*at - '0') * unit;
    return at;
}

/* Reads seconds since 1970, or a date and a time with 'T' or a space, and an offset or local
 * time. */
static int parse_time(const char *text, struct text *out)
{
    struct tm tm = {.tm_isdst = -1};
    int64_t fraction = 0, ns;
    unsigned hours, minutes;
    const char *at;
    char sign, *end;
    time_t seconds;

    at = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!at)
        at = strptime(text, "%Y-%m-%d %H:%M:%S", &tm);
    if (!at) {
        errno = 0;
        seconds = (time_t)strtoll(text, &end, 10);
        at = parse_fraction(end, &fraction);
        if (errno != 0 || end == text || *at != '\0')
            return -EINVAL;
    } else {
        at = parse_fraction(at, &fraction);
        if (*at == '\0') {
            seconds = mktime(&tm);
        } else if (!strcmp(at, "Z")) {
            seconds = timegm(&tm);
        } else if (sscanf(at, "%c%2u:%2u", &sign, &hours, &minutes) == 3 && // NOLINT(cert-err34-c)
                   (sign == '+' || sign == '-') && strlen(at) == 6) {
            time_t offset = (time_t)hours * 3600 + (time_t)minutes * 60;
            seconds = timegm(&tm) - (sign == '+' ? offset : -offset);
        } else {
            return -EINVAL;
        }
    }
    if (seconds < 0 || seconds > INT64_MAX / NS_PER_S - 1)
        return -ERANGE;
    ns = (int64_t)seconds * NS_PER_S + fraction;
    text_append(out, &ns, sizeof ns);
    return 0;
}

/* True if the text is what an empty value reads as in some outputs. */
static bool is_empty_text(const struct pa_column *c, const char *text)
{
    switch (c->format) {
    case PA_FORMAT_AS_PATH:
        return !strcmp(text, "^$");
    case PA_FORMAT_COMMUNITIES:
        return !strcmp(text, "0");
    case PA_FORMAT_CLASS:
        return !strcmp(text, "unknown");
    default:
        return false;
    }
}

static bool is_text(const struct pa_column *c)
{
    return c->kind == PA_KIND_BYTES && c->format != PA_FORMAT_LABEL_STACK &&
           c->format != PA_FORMAT_IPV6_LIST;
}

/* A text that is padded with zeros. */
static int parse_padded(const struct pa_column *c, const char *text, struct text *out)
{
    size_t len = strlen(text);

    if (len > c->width)
        return -ERANGE;
    text_append(out, text, len);
    while (len++ < c->width)
        text_append_char(out, '\0');
    return 0;
}

static int parse_value(const struct query *q, const struct pa_column *c, const char *text,
                       struct text *out)
{
    if (is_text(c)) {
        if (!is_empty_text(c, text))
            text_append_string(out, text);
        return 0;
    }
    switch ((enum pa_kind)c->kind) {
    case PA_KIND_ADDR:
        return parse_address(text, out);
    case PA_KIND_MAC:
        return parse_mac(text, out);
    case PA_KIND_TIME:
        return parse_time(text, out);
    case PA_KIND_U8:
        if (c->format != PA_FORMAT_TOS || !q->table.values.has_dscp) {
            int err = parse_number(c, text, 10, out);
            if (err != -EINVAL)
                return err;
        }
        return parse_name(q, c, text, out);
    case PA_KIND_U16:
    case PA_KIND_U32:
    case PA_KIND_U64:
        if (c->format == PA_FORMAT_HEX)
            return parse_number(c, text, 16, out);
        return c->format == PA_FORMAT_RD || c->format == PA_FORMAT_REAL
                   ? -ENOTSUP
                   : parse_number(c, text, 10, out);
    case PA_KIND_FIXED:
        return c->format == PA_FORMAT_TEXT ? parse_padded(c, text, out) : -ENOTSUP;
    case PA_KIND_BYTES:
        break;
    }
    return -ENOTSUP;
}

int query_value_parse(const struct query *q, const struct pa_column *c, const char *text,
                      struct text *out, struct text *error)
{
    static const char *const expected[] = {
        [PA_KIND_ADDR] = "Invalid IP address",
        [PA_KIND_MAC] = "Invalid MAC address",
        [PA_KIND_TIME] = "no time like 2026-11-22T04:07:30.500000Z or 1795320450.5"};
    int err = parse_value(q, c, text, out);
    const char *what = "invalid value";

    if (err == 0)
        return 0;
    if (err == -ENOTSUP)
        what = "values of this primitive cannot be matched yet, only shown; leave it out of -c";
    else if (err == -ERANGE)
        what = c->kind == PA_KIND_ADDR ? "bits are set beyond the prefix's length" : "out of range";
    else if (c->format == PA_FORMAT_PROTO)
        what = "invalid protocol";
    else if (c->kind < sizeof expected / sizeof expected[0] && expected[c->kind])
        what = expected[c->kind];
    text_append_printf(error, "%s: %s: '%s'", c->name, what, text);
    return -EINVAL;
}
