/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hashes the values of a row's key. Columns are taken by name, since nobody promises their places
 * in the row. See row_hash.h. */
#include "plugins/message/row_hash.h"
#include "base/memory.h"
#include "base/row_number.h"
#include "base/text.h"
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct hash_part {
    uint8_t kind;
    uint16_t width;
    uint32_t offset;
};

struct row_hash {
    struct hash_part *parts;
    uint32_t part_count;
    struct text bytes; /* the bytes of the row at hand */
};

static int compare_names(const void *a, const void *b)
{
    const struct pa_column *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

struct row_hash *row_hash_new(const struct pa_schema *schema)
{
    struct row_hash *hash = mem_zalloc(sizeof *hash);
    const struct pa_column **columns = mem_calloc(schema->column_count + 1, sizeof *columns);
    uint32_t count = 0;

    for (uint32_t i = 0; i < schema->column_count; i++)
        if (schema->columns[i].combine == PA_COMBINE_KEY)
            columns[count++] = &schema->columns[i];
    qsort(columns, count, sizeof *columns, compare_names);
    hash->parts = mem_calloc(count + 1, sizeof *hash->parts);
    for (uint32_t i = 0; i < count; i++)
        hash->parts[i] =
            (struct hash_part){columns[i]->kind, columns[i]->width, columns[i]->offset};
    hash->part_count = count;
    mem_free(columns);
    return hash;
}

void row_hash_free(struct row_hash *hash)
{
    if (!hash)
        return;
    mem_free(hash->parts);
    text_clear(&hash->bytes);
    mem_free(hash);
}

/* Appends a number as 8 bytes, little-endian: machines of either order agree. */
static void append_number(struct text *out, const struct hash_part *part, const uint8_t *field)
{
    uint64_t number = htole64(row_number_load(field, part->width));

    text_append(out, &number, sizeof number);
}

static void append_part(struct text *out, const struct hash_part *part,
                        const struct pa_batch *batch, const uint8_t *row)
{
    const uint8_t *field = row + part->offset;
    uint32_t id, len;

    switch (part->kind) {
    case PA_KIND_ADDR:
    case PA_KIND_MAC:
    case PA_KIND_FIXED:
        text_append(out, field, part->width);
        break;
    case PA_KIND_BYTES:
        memcpy(&id, field, sizeof id);
        if (id >= batch->dictionary_count)
            id = 0;
        len = htole32(batch->dictionary[id].len);
        text_append(out, &len, sizeof len);
        text_append(out, batch->dictionary[id].data, batch->dictionary[id].len);
        break;
    default:
        append_number(out, part, field);
    }
}

uint64_t row_hash_of(struct row_hash *hash, const struct pa_batch *batch, const uint8_t *row)
{
    text_reset(&hash->bytes);
    for (uint32_t i = 0; i < hash->part_count; i++)
        append_part(&hash->bytes, &hash->parts[i], batch, row);
    return XXH3_64bits(hash->bytes.data, hash->bytes.len);
}
