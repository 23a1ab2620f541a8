/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Wire bytes written as hex digits, between which blanks and line ends are skipped. */
#include "base/reader.h"
#include "support/check.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct hex {
    uint8_t *data; /* has the exact size, so that AddressSanitizer sees its end */
    size_t len;
};

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline struct hex hex_make(const char *digits)
{
    struct hex hex = {0};
    size_t count = 0;

    for (const char *p = digits; *p; p++)
        count += hex_digit(*p) >= 0;
    CHECK(count % 2 == 0);
    hex.data = malloc(count / 2 ? count / 2 : 1);
    CHECK(hex.data);
    for (const char *p = digits; *p; p++) {
        int digit = hex_digit(*p);
        if (digit < 0)
            continue;
        if (count % 2 == 0)
            hex.data[hex.len] = (uint8_t)(digit << 4);
        else
            hex.data[hex.len++] |= (uint8_t)digit;
        count++;
    }
    return hex;
}

static inline struct reader hex_reader(const struct hex *hex)
{
    return reader_make(hex->data, hex->len);
}

static inline void hex_clear(struct hex *hex)
{
    free(hex->data);
}
