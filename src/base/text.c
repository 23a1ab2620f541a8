/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows of output go through here by the million: runs of plain bytes are found with a table and
 * copied whole. */
#include "base/text.h"
#include "base/digits.h"
#include "base/memory.h"
#include <stdio.h>
#include <string.h>

#define UINT64_DIGITS 20

/* Bytes that end a plain run in a JSON string: controls, quote, backslash, and all beyond ASCII. */
static bool json_is_plain(uint8_t c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void text_clear(struct text *t)
{
    mem_free(t->data);
    *t = (struct text){0};
}

void text_grow(struct text *t, size_t more)
{
    size_t capacity = t->capacity < 32 ? 64 : t->capacity * 2;
    if (capacity - t->len < more)
        capacity = t->len + more;
    t->data = mem_realloc(t->data, capacity);
    t->capacity = capacity;
}

void text_append(struct text *t, const void *data, size_t len)
{
    if (len == 0)
        return;
    text_reserve(t, len);
    memcpy(t->data + t->len, data, len);
    t->len += len;
}

void text_append_string(struct text *t, const char *string)
{
    text_append(t, string, strlen(string));
}

void text_append_char(struct text *t, char c)
{
    text_reserve(t, 1);
    t->data[t->len++] = c;
}

void text_append_uint(struct text *t, uint64_t value)
{
    text_reserve(t, UINT64_DIGITS);
    t->len += text_format_uint(t->data + t->len, value);
}

void text_append_int(struct text *t, int64_t value)
{
    if (value < 0)
        text_append_char(t, '-');
    text_append_uint(t, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_append_printf(struct text *t, const char *format, ...)
{
    va_list args, again;

    text_reserve(t, 64);
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(t->data + t->len, t->capacity - t->len, format, args);
    if (len > 0 && (size_t)len >= t->capacity - t->len) {
        text_reserve(t, (size_t)len + 1);
        len = vsnprintf(t->data + t->len, t->capacity - t->len, format, again);
    }
    if (len > 0)
        t->len += (size_t)len;
    va_end(again);
    va_end(args);
}

const char *text_cstr(struct text *t)
{
    text_reserve(t, 1);
    t->data[t->len] = '\0';
    return t->data;
}

size_t text_format_uint(char *out, uint64_t value)
{
    char digits[DIGITS_ROOM];
    size_t len = (size_t)(digits_put(digits, value) - digits);

    memcpy(out, digits, len);
    return len;
}

size_t text_utf8_len(const uint8_t *p, size_t left)
{
    uint8_t second_min = 0x80, second_max = 0xbf;
    size_t len;

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        len = 2;
    else if ((p[0] & 0xf0) == 0xe0)
        len = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        len = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        second_min = 0xa0;
    else if (p[0] == 0xed)
        second_max = 0x9f;
    else if (p[0] == 0xf0)
        second_min = 0x90;
    else if (p[0] == 0xf4)
        second_max = 0x8f;
    if (left < len || p[1] < second_min || p[1] > second_max)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

static void json_append_escaped(struct text *t, uint8_t c)
{
    static const char short_escapes[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

    if (c >= 0x80)
        text_append(t, "\xef\xbf\xbd", 3); /* U+FFFD */
    else if (c == '"' || c == '\\')
        text_append(t, (char[]){'\\', (char)c}, 2);
    else if (short_escapes[c])
        text_append(t, (char[]){'\\', short_escapes[c]}, 2);
    else
        text_append_printf(t, "\\u%04x", c);
}

void text_append_json_string(struct text *t, const char *data, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)data;
    size_t pos = 0;

    text_reserve(t, len + 2);
    text_append_char(t, '"');
    while (pos < len) {
        size_t start = pos;
        while (pos < len) {
            size_t step = json_is_plain(bytes[pos]) ? 1
                          : bytes[pos] < 0x80       ? 0
                                                    : text_utf8_len(bytes + pos, len - pos);
            if (step == 0)
                break;
            pos += step;
        }
        text_append(t, bytes + start, pos - start);
        if (pos < len)
            json_append_escaped(t, bytes[pos++]);
    }
    text_append_char(t, '"');
}

/* Length of the character at `p` that may be shown as it is; 0: it is a control character, also one of
 * C1, which are two bytes in UTF-8, or no UTF-8. */
static size_t shown_len(const uint8_t *p, size_t left)
{
    if (*p < 0x80)
        return *p >= 0x20 && *p != 0x7f;
    return p[0] == 0xc2 && left > 1 && p[1] < 0xa0 ? 0 : text_utf8_len(p, left);
}

/* Appends what stands for a character that must not be shown; returns how many bytes that had. */
static size_t append_unshown(struct text *t, const uint8_t *p, size_t left)
{
    bool is_c1 = p[0] == 0xc2 && text_utf8_len(p, left) == 2;
    char escape[8];

    snprintf(escape, sizeof escape, "\\u%04x", is_c1 ? p[1] : p[0] < 0x80 ? p[0] : 0xfffdu);
    text_append_string(t, escape);
    return is_c1 ? 2 : 1;
}

void text_append_shown(struct text *t, const char *data, size_t len)
{
    const uint8_t *p = (const uint8_t *)data, *end = p + len;

    text_reserve(t, len);
    while (p < end) {
        const uint8_t *start = p;
        for (size_t step = 1; p < end && step > 0; p += step)
            step = *p >= 0x20 && *p < 0x7f ? 1 : shown_len(p, (size_t)(end - p));
        text_append(t, start, (size_t)(p - start));
        if (p < end)
            p += append_unshown(t, p, (size_t)(end - p));
    }
}

/* Puts the text from `start` on between quotes, and doubles those in it. */
static void quote_from(struct text *t, size_t start)
{
    size_t len = t->len - start;
    char *inner = len > 0 ? mem_dup(t->data + start, len) : NULL;

    t->len = start;
    text_append_char(t, '"');
    for (size_t i = 0; i < len; i++) {
        if (inner[i] == '"')
            text_append_char(t, '"');
        text_append_char(t, inner[i]);
    }
    text_append_char(t, '"');
    mem_free(inner);
}

/* True for what nearly all values are: printable ASCII that needs no quotes. */
static bool csv_is_plain(const char *data, size_t len, char separator)
{
    unsigned others = 0;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)data[i];
        others |= (unsigned)((uint8_t)(c - 0x20) > 0x7e - 0x20) |
                  (unsigned)(c == (uint8_t)separator) | (unsigned)(c == '"');
    }
    return others == 0;
}

void text_append_csv_string(struct text *t, const char *data, size_t len, char separator)
{
    size_t start = t->len;

    if (csv_is_plain(data, len, separator)) {
        text_append(t, data, len);
        return;
    }
    text_append_shown(t, data, len);
    for (size_t i = start; i < t->len; i++) {
        if (t->data[i] == separator || t->data[i] == '"') {
            quote_from(t, start);
            return;
        }
    }
}
