/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shares the room of indexes among the texts of a row, and shortens them. See pg_fit.h. */
#include "plugins/pgsql/pg_fit.h"

#include "base/sha256.h"
#include "plugins/sql/sql_columns.h"

#include <string.h>

#define HASH_DIGITS_MAX 22 /* of six bits each: 128 bits and more */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void pg_fit_maxes(const struct pg_table *table, const struct sql_columns *columns,
                  const size_t *lens, const size_t *char_counts, size_t *ret_maxes)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct pg_table_column *c = pg_table_find(table, columns->items[i].name);
        bool is_too_long = c && c->char_max > 0 && char_counts[i] > c->char_max;
        ret_maxes[i] = is_too_long ? c->char_max : PG_FIT_NO_BOUND;
    }
    for (uint32_t i = 0; i < table->room_count; i++) {
        const struct pg_room *room = &table->rooms[i];
        size_t sum = 0, share = room->len / room->column_count;
        for (uint32_t k = 0; k < room->column_count; k++)
            sum += least(lens[room->columns[k]], ret_maxes[room->columns[k]]);
        for (uint32_t k = 0; sum > room->len && k < room->column_count; k++)
            if (lens[room->columns[k]] > share)
                ret_maxes[room->columns[k]] = least(ret_maxes[room->columns[k]], share ? share : 1);
    }
}

/* Returns where the text can be cut: before `len`, and not within a character. */
static size_t beginning_len(const char *text, size_t len)
{
    while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80)
        len--;
    return len;
}

size_t pg_fit_shorten(char *out, size_t max, const char *text, size_t len)
{
    static const char digits[64] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t hash_len = least(HASH_DIGITS_MAX, (max + 1) / 2), out_len = 0;
    uint8_t hash[SHA256_LEN];

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
