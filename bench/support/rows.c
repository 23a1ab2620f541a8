/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the rows of rows.h. Columns come from the table of primitives itself, in its order, so that
 * the order of keys is tested with it. */
#include "support/rows.h"
#include "base/address.h"
#include "base/memory.h"
#include <assert.h>
#include <string.h>

static const struct pa_column primitives[] = {
#define PRIMITIVE(key, json, csv, sql, KIND, FORMAT, member, place, help)                          \
    {#key,           json, csv, sql, PA_KIND_##KIND, PA_FORMAT_##FORMAT,                           \
     PA_COMBINE_KEY, 0,    0,   0,   place,          NULL},
#define COUNTER(key, json, csv, sql, KIND, FORMAT, member, place, COMBINE, help)                   \
    {#key, json, csv,   sql, PA_KIND_##KIND, PA_FORMAT_##FORMAT, PA_COMBINE_##COMBINE, 0,          \
     0,    0,    place, NULL},
#include "flow/primitives.def"
#undef PRIMITIVE
#undef COUNTER
};

static uint16_t kind_width(uint8_t kind)
{
    static const uint8_t widths[] = {1, 2, 4, 8, 17, 6, 8, 4, 11};
    return widths[kind];
}

/* Lays rows out as the core does, keys first. */
static void layout(struct rows *rows)
{
    uint32_t at = rows->schema.bin_offset < 0 ? 0 : 8;

    for (int is_key = 1; is_key >= 0; is_key--) {
        for (uint32_t i = 0; i < rows->schema.column_count; i++) {
            struct pa_column *c = &rows->columns[i];
            if ((c->combine == PA_COMBINE_KEY) != (is_key == 1))
                continue;
            if (c->kind != PA_KIND_FIXED)
                c->width = kind_width(c->kind);
            c->offset = at;
            at += c->width;
        }
        at = (at + 7) / 8 * 8;
        if (is_key)
            rows->schema.key_size = at;
    }
    rows->schema.row_size = at;
    rows->schema.columns = rows->columns;
}

static bool is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; (at = strstr(at, name)); at += len) {
        bool starts = at == list || strchr(" ,", at[-1]);
        if (starts && (at[len] == 0 || strchr(" ,", at[len])))
            return true;
    }
    return false;
}

void rows_init(struct rows *rows, const char *aggregate, uint32_t bin_seconds)
{
    memset(rows, 0, sizeof *rows);
    rows->schema.bin_offset = bin_seconds ? 0 : -1;
    rows->schema.bin_seconds = bin_seconds;
    rows->schema.order_offset = -1;
    for (size_t i = 0; i < sizeof primitives / sizeof primitives[0]; i++) {
        const char *name = primitives[i].name;
        if (!is_listed(aggregate, name) && strcmp(name, "packets") != 0 &&
            strcmp(name, "bytes") != 0)
            continue;
        rows->columns[rows->schema.column_count] = primitives[i];
        rows->columns[rows->schema.column_count++].json_place = (uint16_t)(10 * (i + 1));
    }
    layout(rows);
    rows_reset(rows);
}

void rows_add_column(struct rows *rows, const struct pa_column *column)
{
    assert(rows->schema.column_count < ROWS_COLUMNS_MAX);
    rows->columns[rows->schema.column_count++] = *column;
    layout(rows);
}

void rows_reset(struct rows *rows)
{
    for (uint32_t i = 1; i < rows->dictionary_count; i++)
        mem_free((void *)(uintptr_t)rows->dictionary[i].data);
    rows->count = 0;
    rows->dictionary = mem_realloc_array(rows->dictionary, 1, sizeof *rows->dictionary);
    rows->dictionary[0] = (struct pa_bytes){NULL, 0};
    rows->dictionary_count = 1;
}

void rows_clear(struct rows *rows)
{
    rows_reset(rows);
    mem_free(rows->dictionary);
    mem_free(rows->data);
    memset(rows, 0, sizeof *rows);
}

uint8_t *rows_add(struct rows *rows)
{
    uint8_t *row;

    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity ? rows->capacity * 2 : 16;
        rows->data = mem_realloc_array(rows->data, rows->capacity, rows->schema.row_size);
    }
    row = rows->data + (size_t)rows->count++ * rows->schema.row_size;
    memset(row, 0, rows->schema.row_size);
    return row;
}

static const struct pa_column *find(const struct rows *rows, const char *name)
{
    for (uint32_t i = 0; i < rows->schema.column_count; i++)
        if (!strcmp(rows->columns[i].name, name))
            return &rows->columns[i];
    assert(!"no such column");
    return NULL;
}

void rows_set_bin(const struct rows *rows, uint8_t *row, int64_t bin_s)
{
    memcpy(row + rows->schema.bin_offset, &bin_s, sizeof bin_s);
}

void rows_set_uint(const struct rows *rows, uint8_t *row, const char *name, uint64_t value)
{
    const struct pa_column *c = find(rows, name);
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;

    switch (c->width) {
    case 1:
        memcpy(row + c->offset, &u8, sizeof u8);
        break;
    case 2:
        memcpy(row + c->offset, &u16, sizeof u16);
        break;
    case 4:
        memcpy(row + c->offset, &u32, sizeof u32);
        break;
    default:
        memcpy(row + c->offset, &value, sizeof value);
    }
}

void rows_set_addr(const struct rows *rows, uint8_t *row, const char *name, const char *address)
{
    struct ip_addr addr;
    int err = ip_addr_parse(address, &addr);

    assert(err == 0);
    (void)err;
    memcpy(row + find(rows, name)->offset, &addr, sizeof addr);
}

void rows_set_mac(const struct rows *rows, uint8_t *row, const char *name, const char *address)
{
    struct mac_addr mac;
    int err = mac_addr_parse(address, &mac);

    assert(err == 0);
    (void)err;
    memcpy(row + find(rows, name)->offset, &mac, sizeof mac);
}

void rows_set_bytes(struct rows *rows, uint8_t *row, const char *name, const void *data,
                    uint32_t len)
{
    const struct pa_column *c = find(rows, name);
    uint32_t id = rows->dictionary_count;

    if (c->kind == PA_KIND_FIXED) {
        memcpy(row + c->offset, data, len < c->width ? len : c->width);
        return;
    }
    rows->dictionary = mem_realloc_array(rows->dictionary, id + 1, sizeof *rows->dictionary);
    rows->dictionary[id] = (struct pa_bytes){mem_dup(data, len), len};
    rows->dictionary_count++;
    memcpy(row + c->offset, &id, sizeof id);
}

void rows_set_text(struct rows *rows, uint8_t *row, const char *name, const char *text)
{
    rows_set_bytes(rows, row, name, text, (uint32_t)strlen(text));
}

struct pa_batch rows_batch(const struct rows *rows)
{
    return (struct pa_batch){.rows = rows->data,
                             .row_count = rows->count,
                             .dictionary_count = rows->dictionary_count,
                             .dictionary = rows->dictionary};
}
