/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A growing string, numbers into text, and JSON and CSV quoting. All zero is an empty text. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* not terminated; NULL while nothing was reserved */
    size_t len, capacity;
};

void text_clear(struct text *t); /* frees */
static inline void text_reset(struct text *t)
{
    t->len = 0;
}
void text_grow(struct text *t, size_t more); /* text_reserve() without room */
/* Room for `more` bytes beyond len. */
static inline void text_reserve(struct text *t, size_t more)
{
    if (t->capacity - t->len < more)
        text_grow(t, more);
}
void text_append(struct text *t, const void *data, size_t len);
void text_append_string(struct text *t, const char *string);
void text_append_char(struct text *t, char c);
void text_append_uint(struct text *t, uint64_t value);
void text_append_int(struct text *t, int64_t value);
void text_append_printf(struct text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *text_cstr(struct text *t); /* terminates; borrowed until the next change */

/* Writes digits at `out` (room for 20), returns how many. */
size_t text_format_uint(char *out, uint64_t value);

/*
 * Length of the UTF-8 sequence of more than one byte at `p`, which has at least one; 0 if it is
 * none: the table of well-formed sequences of RFC 3629 section 4, which leaves out overlong forms,
 * surrogates and what lies beyond U+10FFFF.
 */
size_t text_utf8_len(const uint8_t *p, size_t left);

/* "..." with RFC 8259 escapes; bytes that are not valid UTF-8 become U+FFFD, so the line always
 * parses. */
void text_append_json_string(struct text *t, const char *data, size_t len);
/* The same bytes, but for what could steer a terminal or break a line: control characters (C0, DEL, C1)
 * become \u00XX, and bytes that are not valid UTF-8 \ufffd. */
void text_append_shown(struct text *t, const char *data, size_t len);
/* The same, and in quotes as in RFC 4180 if it holds `separator` or a quote. */
void text_append_csv_string(struct text *t, const char *data, size_t len, char separator);
