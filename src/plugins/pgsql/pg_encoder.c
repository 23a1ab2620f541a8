/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes rows in COPY's binary form. A field is its length in 4 bytes and then its value as the
 * type's receive function takes it: integers big-endian, times in microseconds since 2000, an inet
 * as family, prefix length, "is a cidr", length and bytes of the address (utils/inet.h of the
 * server). See pg_encoder.h.
 */
#include "plugins/pgsql/pg_encoder.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/memory.h"
#include "plugins/pgsql/pg_fit.h"
#include "plugins/sql/sql_fit.h"
#include "plugins/sql/sql_settings.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define US_PER_S        INT64_C(1000000)
#define EPOCH_2000_S    INT64_C(946684800) /* from 1970 */
#define FIXED_FIELD_MAX 24                 /* length and value of the widest field, an inet */
#define ZONE_SLOTS      64                 /* a power of two */
#define ZONE_SLOT_S     900                /* offsets from UTC change at quarters of an hour */
#define PGSQL_AF_INET   2
#define PGSQL_AF_INET6  3

/* Where the value comes from, and so how it is written. */
enum form { FORM_NUMBER, FORM_PROTO, FORM_TEXT, FORM_ADDRESS, FORM_MAC, FORM_TIME };

struct field {
    enum form form;
    enum pg_type type;
    uint32_t offset; /* for values that are read straight from the row */
    bool has_whole_seconds;
    uint32_t char_max; /* of a text; UINT32_MAX: no bound */
};

struct zone_slot {
    int64_t number; /* of its quarter of an hour since 1970 */
    int64_t offset_s;
    bool is_known;
};

struct pg_encoder {
    struct sql_columns *columns;
    struct field *fields;
    size_t fixed_max; /* most bytes of a row without its texts */
    /* For each column: pg_fit.h asks for the first two and gives the third. */
    const struct pg_table *table; /* NULL: texts stay as they are */
    size_t *lens, *char_counts, *maxes;
    size_t sure_len; /* so many bytes of texts fit every index */
    bool is_tight;
    struct zone_slot zones[ZONE_SLOTS];
};

/* ---- set-up ---- */

static bool is_integer(enum pg_type type)
{
    return type == PG_TYPE_INT2 || type == PG_TYPE_INT4 || type == PG_TYPE_INT8;
}

static bool is_instant(enum pg_type type)
{
    return type == PG_TYPE_TIMESTAMP || type == PG_TYPE_TIMESTAMPTZ;
}

static enum form form_of(const struct sql_column *c, enum pg_type type)
{
    bool is_stamp = c->source == SQL_SOURCE_STAMP_INSERTED || c->source == SQL_SOURCE_STAMP_UPDATED;
    bool is_own = c->source == SQL_SOURCE_COLUMN;

    if (is_integer(type) && c->is_number)
        return FORM_NUMBER;
    if (is_integer(type) && is_own && c->value.format == PA_FORMAT_PROTO)
        return FORM_PROTO;
    if ((type == PG_TYPE_INET || type == PG_TYPE_CIDR) && is_own && c->value.kind == PA_KIND_ADDR)
        return FORM_ADDRESS;
    if (type == PG_TYPE_MACADDR && is_own && c->value.kind == PA_KIND_MAC)
        return FORM_MAC;
    if (is_instant(type) && !c->is_number &&
        (is_stamp || (is_own && c->value.kind == PA_KIND_TIME)))
        return FORM_TIME;
    return FORM_TEXT;
}

struct pg_encoder *pg_encoder_new(struct sql_columns *columns, const enum pg_type *types)
{
    struct pg_encoder *e = mem_zalloc(sizeof *e);
    const struct sql_settings *s = columns->settings;

    e->columns = columns;
    e->fields = mem_calloc(columns->count + 1, sizeof *e->fields);
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct sql_column *c = &columns->items[i];
        struct field *f = &e->fields[i];
        f->form = form_of(c, types[i]);
        f->type = f->form == FORM_TEXT ? PG_TYPE_TEXT : types[i];
        f->offset = c->value.offset;
        f->char_max = UINT32_MAX;
        /* Stamps have whole seconds; so have times if the settings ask for it, or if their fraction
         * has a column of its own. */
        f->has_whole_seconds =
            c->source != SQL_SOURCE_COLUMN || s->has_whole_seconds || !s->dialect->has_instants;
    }
    e->fixed_max = sizeof(int16_t) + (size_t)columns->count * FIXED_FIELD_MAX;
    e->lens = mem_calloc(columns->count + 1, sizeof *e->lens);
    e->char_counts = mem_calloc(columns->count + 1, sizeof *e->char_counts);
    e->maxes = mem_calloc(columns->count + 1, sizeof *e->maxes);
    e->sure_len = SIZE_MAX;
    return e;
}

void pg_encoder_fit(struct pg_encoder *e, const struct pg_table *table)
{
    e->table = table;
    for (uint32_t i = 0; i < e->columns->count; i++) {
        const struct pg_table_column *c = pg_table_find(table, e->columns->items[i].name);
        if (c && c->char_max > 0)
            e->fields[i].char_max = c->char_max;
    }
    for (uint32_t i = 0; i < table->room_count; i++)
        if (table->rooms[i].len < e->sure_len)
            e->sure_len = table->rooms[i].len;
}

void pg_encoder_set_tight(struct pg_encoder *e, bool is_tight)
{
    e->is_tight = is_tight;
}

void pg_encoder_free(struct pg_encoder *e)
{
    if (!e)
        return;
    mem_free(e->fields);
    mem_free(e->lens);
    mem_free(e->char_counts);
    mem_free(e->maxes);
    mem_free(e);
}

enum pg_type pg_encoder_type(const struct pg_encoder *e, uint32_t index)
{
    return e->fields[index].type;
}

/* ---- values ---- */

static uint8_t *put_be(uint8_t *out, uint64_t value, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        out[i] = (uint8_t)(value >> 8 * (len - 1 - i));
    return out + len;
}

static uint8_t *put_field(uint8_t *out, uint64_t value, unsigned len)
{
    return put_be(put_be(out, len, sizeof(int32_t)), value, len);
}

/* Returns NULL if the number does not fit; columns of the server have a sign. */
static uint8_t *put_number(uint8_t *out, enum pg_type type, uint64_t number)
{
    switch (type) {
    case PG_TYPE_INT2:
        return number > INT16_MAX ? NULL : put_field(out, number, sizeof(int16_t));
    case PG_TYPE_INT4:
        return number > INT32_MAX ? NULL : put_field(out, number, sizeof(int32_t));
    default:
        return number > INT64_MAX ? NULL : put_field(out, number, sizeof(int64_t));
    }
}

/* An unknown address is 0.0.0.0, as in pmacct's tables. */
static uint8_t *put_address(uint8_t *out, enum pg_type type, const uint8_t *field)
{
    bool is_v6 = field[16] == IP_V6;
    unsigned len = is_v6 ? 16 : 4;

    out = put_be(out, 4 + len, sizeof(int32_t));
    *out++ = is_v6 ? PGSQL_AF_INET6 : PGSQL_AF_INET;
    *out++ = (uint8_t)(len * 8);
    *out++ = type == PG_TYPE_CIDR;
    *out++ = (uint8_t)len;
    if (field[16] == IP_NONE)
        memset(out, 0, len);
    else
        memcpy(out, is_v6 ? field : field + 12, len);
    return out + len;
}

static uint8_t *put_mac(uint8_t *out, const uint8_t *field)
{
    out = put_be(out, 6, sizeof(int32_t));
    memcpy(out, field, 6);
    return out + 6;
}

/* ---- times ---- */

/* Returns how far local clocks are ahead of UTC at that time. */
static int64_t zone_offset_s(struct pg_encoder *e, int64_t time_s)
{
    int64_t number = time_s / ZONE_SLOT_S;
    struct zone_slot *slot = &e->zones[(uint64_t)number & (ZONE_SLOTS - 1)];
    time_t t = (time_t)time_s;
    struct tm tm;

    if (!slot->is_known || slot->number != number) {
        localtime_r(&t, &tm);
        *slot = (struct zone_slot){.number = number, .offset_s = tm.tm_gmtoff, .is_known = true};
    }
    return slot->offset_s;
}

static int64_t field_time_ns(const struct pg_encoder *e, uint32_t index, const uint8_t *row)
{
    int64_t v;

    switch (e->columns->items[index].source) {
    case SQL_SOURCE_STAMP_UPDATED:
        return e->columns->updated_ns;
    case SQL_SOURCE_STAMP_INSERTED:
        memcpy(&v, row + e->columns->bin_offset, sizeof v);
        return v * NS_PER_S;
    default:
        memcpy(&v, row + e->fields[index].offset, sizeof v);
        return v;
    }
}

/* Writes a time. A timestamp without time zone is what a clock on the wall showed. An unknown time
 * is the first of 1970 on any wall, which the counters of times know for what it is. */
static uint8_t *put_time(struct pg_encoder *e, uint8_t *out, uint32_t index, const uint8_t *row)
{
    const struct field *f = &e->fields[index];
    int64_t ns = field_time_ns(e, index, row), us;

    if (ns < 0)
        ns = 0;
    us = ns / NS_PER_US;
    if (f->has_whole_seconds)
        us -= us % US_PER_S;
    if (ns > 0 && f->type == PG_TYPE_TIMESTAMP && !e->columns->settings->is_utc)
        us += zone_offset_s(e, ns / NS_PER_S) * US_PER_S;
    return put_field(out, (uint64_t)(us - EPOCH_2000_S * US_PER_S), sizeof(int64_t));
}

/* ---- rows ---- */

void pg_encoder_append_start(struct text *out)
{
    /* 11 bytes of signature, then no flags and no extension. */
    static const char header[19] = "PGCOPY\n\377\r\n";

    text_append(out, header, sizeof header);
}

void pg_encoder_append_end(struct text *out)
{
    text_append(out, "\xff\xff", 2);
}

/* Appends the text of a column, which may be of numbers, in `max` bytes at most. Returns its full
 * length. */
static size_t append_text(struct pg_encoder *e, const struct pa_batch *batch, const uint8_t *row,
                          uint32_t index, size_t max, struct text *out)
{
    struct sql_value v = sql_columns_value(e->columns, index, batch, row);
    char digits[20];

    if (v.kind == SQL_VALUE_NUMBER) {
        v.len = text_format_uint(digits, v.number);
        v.text = digits;
    }
    text_reserve(out, e->fixed_max + v.len);
    char *place = out->data + out->len + sizeof(int32_t);
    size_t len = v.len;
    if (len > max)
        len = sql_fit_shorten(place, max, v.text, v.len);
    else
        memcpy(place, v.text, len);
    put_be((uint8_t *)place - sizeof(int32_t), len, sizeof(int32_t));
    out->len += sizeof(int32_t) + len;
    return v.len;
}

/* Writes a field that is no text and returns its end; NULL: it is a text, or does not fit. */
static uint8_t *put_fixed(struct pg_encoder *e, const struct pa_batch *batch, const uint8_t *row,
                          uint32_t index, uint8_t *out)
{
    const struct field *f = &e->fields[index];

    switch (f->form) {
    case FORM_ADDRESS:
        return put_address(out, f->type, row + f->offset);
    case FORM_MAC:
        return put_mac(out, row + f->offset);
    case FORM_TIME:
        return put_time(e, out, index, row);
    case FORM_PROTO:
        return put_number(out, f->type, row[f->offset]);
    default:
        return put_number(out, f->type, sql_columns_value(e->columns, index, batch, row).number);
    }
}

/* Appends a row. Texts get what `maxes` gives them; NULL: they stay as they are, and `ret_is_long`
 * says whether they may be too long. */
static int append_fields(struct pg_encoder *e, const struct pa_batch *batch, const uint8_t *row,
                         const size_t *maxes, struct text *out, uint32_t *ret_index,
                         bool *ret_is_long)
{
    size_t begin = out->len, sum = 0;
    bool is_long = e->is_tight;

    text_reserve(out, e->fixed_max);
    put_be((uint8_t *)out->data + out->len, e->columns->count, sizeof(int16_t));
    out->len += sizeof(int16_t);
    for (uint32_t i = 0; i < e->columns->count; i++) {
        if (e->fields[i].form == FORM_TEXT) {
            size_t len = append_text(e, batch, row, i, maxes ? maxes[i] : PG_FIT_NO_BOUND, out);
            sum += len;
            is_long |= len > e->fields[i].char_max;
            continue;
        }
        uint8_t *end = put_fixed(e, batch, row, i, (uint8_t *)out->data + out->len);
        if (!end) {
            out->len = begin;
            *ret_index = i;
            return -ERANGE;
        }
        out->len = (size_t)(end - (uint8_t *)out->data);
    }
    *ret_is_long = is_long || sum > e->sure_len;
    return 0;
}

static size_t count_characters(const char *text, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

/* Finds what each text of the row may have, and the first that is longer. */
static bool find_maxes(struct pg_encoder *e, const struct pa_batch *batch, const uint8_t *row,
                       uint32_t *ret_index)
{
    uint32_t first = e->columns->count;

    for (uint32_t i = 0; i < e->columns->count; i++) {
        bool is_text = e->fields[i].form == FORM_TEXT;
        struct sql_value v = is_text ? sql_columns_value(e->columns, i, batch, row)
                                     : (struct sql_value){.kind = SQL_VALUE_NUMBER};
        bool has_text = v.kind == SQL_VALUE_TEXT;
        e->lens[i] = has_text ? v.len : 0;
        e->char_counts[i] = has_text ? count_characters(v.text, v.len) : 0;
    }
    pg_fit_maxes(e->table, e->columns, e->lens, e->char_counts, e->maxes);
    for (uint32_t i = e->columns->count; i-- > 0;) {
        if (e->is_tight && e->maxes[i] > PG_FIT_TIGHT_MAX)
            e->maxes[i] = PG_FIT_TIGHT_MAX;
        if (e->lens[i] > e->maxes[i])
            first = i;
    }
    *ret_index = first;
    return first < e->columns->count;
}

int pg_encoder_append_row(struct pg_encoder *e, const struct pa_batch *batch, const uint8_t *row,
                          struct text *out, uint32_t *ret_index)
{
    size_t begin = out->len;
    bool is_long;
    uint32_t index;
    int err = append_fields(e, batch, row, NULL, out, ret_index, &is_long);

    if (err < 0 || !is_long || !e->table || !find_maxes(e, batch, row, ret_index))
        return err;
    out->len = begin;
    err = append_fields(e, batch, row, e->maxes, out, &index, &is_long);
    return err < 0 ? err : 1;
}
