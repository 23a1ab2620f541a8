/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Longs and strings of Avro. See avro_datum.h. */
#include "plugins/text/avro_datum.h"
#include "base/text.h"

#define REPLACEMENT     "\xef\xbf\xbd" /* U+FFFD */
#define REPLACEMENT_LEN 3

void avro_append_long(struct text *out, int64_t value)
{
    text_reserve(out, AVRO_LONG_LEN);
    out->len = (size_t)(avro_put_long(out->data + out->len, value) - out->data);
}

/* Returns how many bytes from `at` on are whole characters. */
static size_t valid_len(const uint8_t *bytes, size_t at, size_t len)
{
    size_t end = at, step;

    while (end < len) {
        step = bytes[end] < 0x80 ? 1 : text_utf8_len(bytes + end, len - end);
        if (step == 0)
            break;
        end += step;
    }
    return end - at;
}

static size_t count_invalid(const uint8_t *bytes, size_t len)
{
    size_t count = 0;

    for (size_t at = valid_len(bytes, 0, len); at < len; at += valid_len(bytes, at, len)) {
        count++;
        at++;
    }
    return count;
}

void avro_append_string(struct text *out, const char *data, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)data;
    size_t invalid = count_invalid(bytes, len);

    avro_append_long(out, (int64_t)(len + invalid * (REPLACEMENT_LEN - 1)));
    for (size_t at = 0; at < len;) {
        size_t valid = valid_len(bytes, at, len);
        text_append(out, bytes + at, valid);
        at += valid;
        if (at < len) {
            text_append(out, REPLACEMENT, REPLACEMENT_LEN);
            at++;
        }
    }
}

size_t avro_string_len(const char *data, size_t len)
{
    char head[AVRO_LONG_LEN];
    size_t size = len + count_invalid((const uint8_t *)data, len) * (REPLACEMENT_LEN - 1);

    return size + (size_t)(avro_put_long(head, (int64_t)size) - head);
}
