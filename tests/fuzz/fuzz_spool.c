/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as a file of a spool. The checksum that they lack is added, since it would
 * stop nobody; every value that the rows lead to is read. */
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/text.h"
#include "handover/encoding.h"
#include "host/spool_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

bool fuzz_read_one; /* see replay.c */

/* Sums up the bytes of all values, as a backend would read them. */
static uint64_t read_rows(const struct spool_entry *e, const struct pa_schema *schema)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < e->handover.row_count; i++) {
        const uint8_t *row = e->rows + i * schema->row_size;
        for (uint32_t c = 0; c < schema->column_count; c++) {
            const struct pa_column *column = &schema->columns[c];
            uint32_t id;
            for (uint32_t k = 0; k < column->width; k++)
                sum += row[column->offset + k];
            if (column->kind != PA_KIND_BYTES)
                continue;
            memcpy(&id, row + column->offset, sizeof id);
            for (uint32_t k = 0; k < e->dictionary[id].len; k++)
                sum += e->dictionary[id].data[k];
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text file = {0}, encoded = {0};
    struct spool_head head;
    struct spool_entry entry;
    struct schema *schema;

    if (spool_head_decode(data, size, &head) < 0 ||
        schema_decode(head.schema, head.schema_len, &schema) < 0)
        return 0;
    text_append(&file, data, size);
    encode_u64(&file, XXH3_64bits(data, size));
    text_append(&encoded, head.schema, head.schema_len);
    if (spool_file_decode(file.data, file.len, &encoded, schema_view(schema), &entry) == 0) {
        if (read_rows(&entry, schema_view(schema)) == UINT64_MAX)
            abort(); /* never; so no compiler leaves the reading out */
        fuzz_read_one = true;
        spool_entry_clear(&entry);
    }
    schema_free(schema);
    text_clear(&file);
    text_clear(&encoded);
    return 0;
}
