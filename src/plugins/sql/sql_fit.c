/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shortens texts. See sql_fit.h. */
#include "plugins/sql/sql_fit.h"
#include "base/sha256.h"
#include <stdint.h>
#include <string.h>

#define HASH_DIGITS_MAX 22 /* of six bits each: 128 bits and more */

/* Returns where the text can be cut: before `len`, and not within a character. */
static size_t beginning_len(const char *text, size_t len)
{
    while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

size_t sql_fit_shorten(char *out, size_t max, const char *text, size_t len)
{
    static const char digits[64] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t hash_len = (max + 1) / 2, out_len = 0;
    uint8_t hash[SHA256_LEN];

    if (hash_len > HASH_DIGITS_MAX)
        hash_len = HASH_DIGITS_MAX;
    sha256(text, len, hash);
    if (max > hash_len + 1) {
        out_len = beginning_len(text, max - hash_len - 1);
        memcpy(out, text, out_len);
        out[out_len++] = '~';
    }
    for (size_t i = 0; i < hash_len; i++) {
        size_t bit = 6 * i;
        unsigned pair = (unsigned)hash[bit / 8] << 8 | hash[bit / 8 + 1];
        out[out_len++] = digits[pair >> (10 - bit % 8) & 63];
    }
    return out_len;
}
