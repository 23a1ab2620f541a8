/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes event records as JSON. See event_json.h. */
#include "daemon/event_json.h"
#include "base/clock.h"
#include "base/memory.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIME_TEXT_MAX = 48 };

struct named_member {
    char *before; /* `"name": ` */
    size_t before_len;
};

struct event_json {
    const struct event_table *table;
    struct event_json_settings settings;
    struct named_member members[EVENT_MEMBERS_MAX];
    int64_t second; /* the last one put as text; -1: none */
    char second_text[TIME_TEXT_MAX], zone_text[16];
};

struct event_json *event_json_new(const struct event_table *table,
                                  const struct event_json_settings *settings)
{
    struct event_json *json = mem_zalloc(sizeof *json);

    json->table = table;
    json->settings = *settings;
    json->second = -1;
    for (unsigned i = 0; i < table->member_count; i++) {
        struct named_member *member = &json->members[i];
        const char *name = table->members[i].json_name;
        member->before = *name ? mem_printf("\"%s\": ", name) : mem_strdup("");
        member->before_len = strlen(member->before);
    }
    return json;
}

void event_json_free(struct event_json *json)
{
    if (!json)
        return;
    for (unsigned i = 0; i < json->table->member_count; i++)
        mem_free(json->members[i].before);
    mem_free(json);
}

/* ---- values ---- */

static void render_second(struct event_json *json, int64_t second)
{
    bool has_zone = json->settings.style == EVENT_TIME_RFC9557;
    time_t time_s = (time_t)second;
    struct tm tm;

    json->second = second;
    json->zone_text[0] = '\0';
    if (json->settings.style == EVENT_TIME_EPOCH) {
        snprintf(json->second_text, sizeof json->second_text, "%lld", (long long)second);
        return;
    }
    if (json->settings.is_utc)
        gmtime_r(&time_s, &tm);
    else
        localtime_r(&time_s, &tm);
    strftime(json->second_text, sizeof json->second_text,
             has_zone ? "%Y-%m-%dT%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
    if (has_zone) {
        long minutes = labs(tm.tm_gmtoff) / 60;
        snprintf(json->zone_text, sizeof json->zone_text, "%c%02u:%02u",
                 tm.tm_gmtoff < 0 ? '-' : '+', (unsigned)(minutes / 60 % 100),
                 (unsigned)(minutes % 60));
    }
}

void event_json_append_time(struct event_json *json, int64_t ns, struct text *out)
{
    int64_t second = ns / NS_PER_S;

    if (second != json->second)
        render_second(json, second);
    text_append_string(out, json->second_text);
    if (json->settings.has_fractions)
        text_append_printf(out, ".%06d", (int)(ns % NS_PER_S / NS_PER_US));
    text_append_string(out, json->zone_text);
}

/* Appends one of the words of a list that '|' separates. */
static void append_word(const char *words, uint64_t number, struct text *out)
{
    while (number > 0 && *words) {
        words += strcspn(words, "|");
        words += *words == '|';
        number--;
    }
    text_append_json_string(out, words, strcspn(words, "|"));
}

/* Appends a route distinguisher with its type first, as base/route_distinguisher.h has it. */
static void append_rd(uint64_t rd, struct text *out)
{
    unsigned type = (unsigned)(rd >> 48) & 0xfff; /* above it is its origin */
    uint32_t address = (uint32_t)(rd >> 16);

    if (type == 1)
        text_append_printf(out, "\"1:%u.%u.%u.%u:%u\"", address >> 24, address >> 16 & 0xff,
                           address >> 8 & 0xff, address & 0xff, (unsigned)rd & 0xffff);
    else if (type == 2)
        text_append_printf(out, "\"2:%u:%u\"", address, (unsigned)rd & 0xffff);
    else
        text_append_printf(out, "\"%u:%u:%u\"", type, (unsigned)(rd >> 32) & 0xffff, (unsigned)rd);
}

static void append_number(struct event_json *json, const struct event_member *member,
                          uint64_t number, struct text *out)
{
    switch (member->format) {
    case PA_FORMAT_TIME:
        text_append_char(out, '"');
        event_json_append_time(json, (int64_t)number, out);
        text_append_char(out, '"');
        break;
    case PA_FORMAT_PATH_MATCH:
        append_word(member->value_names, number, out);
        break;
    case PA_FORMAT_RD:
        append_rd(number, out);
        break;
    default:
        text_append_uint(out, number);
    }
}

/* Appends what underscores join. */
static void append_list(const struct event_bytes *bytes, bool is_array, struct text *out)
{
    const char *at = (const char *)bytes->data, *end = at + bytes->len;
    size_t start = out->len + 1;

    if (!is_array) {
        text_append_json_string(out, at, bytes->len);
        for (size_t i = start; i < out->len; i++)
            if (out->data[i] == '_')
                out->data[i] = ' ';
        return;
    }
    text_append_char(out, '[');
    while (at < end) {
        const char *next = memchr(at, '_', (size_t)(end - at));
        text_append_json_string(out, at, (size_t)((next ? next : end) - at));
        if (next)
            text_append_string(out, ", ");
        at = next ? next + 1 : end;
    }
    text_append_char(out, ']');
}

static void append_bytes(const struct event_json *json, const struct event_member *member,
                         const struct event_bytes *bytes, struct text *out)
{
    if (member->format == PA_FORMAT_AS_PATH)
        append_list(bytes, json->settings.has_as_path_array, out);
    else if (member->format == PA_FORMAT_COMMUNITIES)
        append_list(bytes, json->settings.has_communities_array, out);
    else
        text_append_json_string(out, (const char *)bytes->data, bytes->len);
}

static void append_value(struct event_json *json, const struct event *event, unsigned index,
                         struct text *out)
{
    const struct event_member *member = &json->table->members[index];

    if (member->kind == PA_KIND_BYTES) {
        append_bytes(json, member, &event->values[index].bytes, out);
    } else if (member->kind == PA_KIND_ADDR) {
        char address[IP_TEXT_LEN];
        ip_addr_format(&event->values[index].addr, address);
        text_append_char(out, '"');
        text_append_string(out, address);
        text_append_char(out, '"');
    } else {
        append_number(json, member, event->values[index].number, out);
    }
}

void event_json_append(struct event_json *json, const struct event *event, struct text *out)
{
    const struct event_kind *kind = &json->table->kinds[event->kind];
    const char *before = "{";

    for (unsigned i = 0; i < kind->member_count; i++) {
        unsigned m = kind->members[i];
        if (!event_has(event, m))
            continue;
        const struct event_member *member = &json->table->members[m];
        bool has_own_names = member->kind == PA_KIND_BYTES && member->format == PA_FORMAT_MEMBERS;
        if (has_own_names && event->values[m].bytes.len == 0)
            continue;
        text_append_string(out, before);
        before = ", ";
        text_append(out, json->members[m].before, json->members[m].before_len);
        if (has_own_names)
            text_append(out, event->values[m].bytes.data, event->values[m].bytes.len);
        else
            append_value(json, event, m, out);
    }
    if (*before == '{')
        text_append_char(out, '{');
    text_append_string(out, "}\n");
}
