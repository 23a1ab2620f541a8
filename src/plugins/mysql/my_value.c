/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Renders values. See my_value.h. */
#include "plugins/mysql/my_value.h"

#include "base/text.h"
#include "plugins/sql/sql_fit.h"

#include <inttypes.h>

static void append_hex(struct text *out, const char *data, size_t len)
{
    text_append_string(out, "x'");
    for (size_t i = 0; i < len; i++)
        text_append_printf(out, "%02x", (unsigned char)data[i]);
    text_append_char(out, '\'');
}

/* Returns the bytes of the UTF-8 sequence that begins with this byte. */
static size_t sequence_len(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Returns the characters of the text; `ret_has_foreign`: some have longer sequences than `max`. */
static size_t count_chars(const struct sql_value *v, size_t max, bool *ret_has_foreign)
{
    size_t count = 0;

    *ret_has_foreign = false;
    for (size_t i = 0; i < v->len; count++) {
        size_t len = sequence_len((uint8_t)v->text[i]);
        *ret_has_foreign |= len > max && len > 1;
        i += len;
    }
    return count;
}

/* Replaces characters that the column's character set lacks. */
static struct sql_value replace_foreign(struct text *out, struct sql_value v, size_t max)
{
    text_reset(out);
    for (size_t i = 0; i < v.len;) {
        size_t len = sequence_len((uint8_t)v.text[i]);
        if (len > max && len > 1)
            text_append_char(out, '?');
        else
            text_append(out, v.text + i, len);
        i += len;
    }
    v.text = out->data;
    v.len = out->len;
    return v;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool append_fitted(struct my_values *values, const struct my_column *theirs,
                          struct sql_value v, struct text *out)
{
    bool has_foreign;
    size_t count = count_chars(&v, theirs->sequence_max, &has_foreign), room = SIZE_MAX;

    if (theirs->char_max > 0 && count > theirs->char_max)
        room = (size_t)theirs->char_max;
    if (theirs->byte_max > 0 && theirs->sequence_max == 4 && v.len > theirs->byte_max)
        room = least(room, (size_t)theirs->byte_max);
    if (has_foreign)
        v = replace_foreign(&values->scratch, v, theirs->sequence_max);
    if (v.len > room) {
        text_reset(&values->shortened);
        text_reserve(&values->shortened, room);
        v.len = sql_fit_shorten(values->shortened.data, room, v.text, v.len);
        v.text = values->shortened.data;
        has_foreign = true;
    }
    my_append_literal(values->connection, out, v.text, v.len);
    return has_foreign;
}

bool my_value_append(struct my_values *values, uint32_t index, const struct pa_batch *batch,
                     const uint8_t *row, struct text *out)
{
    const struct my_column *theirs = values->theirs[index];
    struct sql_value v = sql_columns_value(values->columns, index, batch, row);

    switch (v.kind) {
    case SQL_VALUE_NUMBER:
        if (values->columns->items[index].type == SQL_TYPE_NUMERIC_ADDRESS)
            text_append_printf(out, "x'%08" PRIx64 "'", v.number);
        else if (theirs->is_text) /* a text compared with a number would be taken for one */
            text_append_printf(out, "'%" PRIu64 "'", v.number);
        else
            text_append_uint(out, v.number);
        return false;
    case SQL_VALUE_INSTANT:
        text_append_printf(out, "FROM_UNIXTIME(%" PRIu64 ")", v.number);
        return false;
    case SQL_VALUE_BLOB:
        append_hex(out, v.text, v.len);
        return false;
    default:
        return append_fitted(values, theirs, v, out);
    }
}

void my_values_clear(struct my_values *values)
{
    text_clear(&values->scratch);
    text_clear(&values->shortened);
}
