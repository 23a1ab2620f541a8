/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers and blocks of Avro's container files. See avro_container.h. */
#include "plugins/text/avro_container.h"
#include "base/text.h"
#include "plugins/text/avro_datum.h"
#include <string.h>
#include <xxhash.h>

/*
 * Exporters choose what strings hold, and must not be able to forge a marker, which readers of parts of
 * a file look for. Bytes from 0xf5 on are in no UTF-8 (RFC 3629 section 1), and a long has a byte below
 * 0x80 among ten.
 */
#define MARKER_BYTE_MIN 0xf5
#define MARKER_BYTES    (0x100 - MARKER_BYTE_MIN)

static void append_marker(struct text *out, const char *schema)
{
    XXH128_hash_t hash = XXH3_128bits(schema, strlen(schema));

    for (int i = 0; i < AVRO_MARKER_LEN; i++) {
        uint64_t *half = i % 2 ? &hash.high64 : &hash.low64;
        text_append_char(out, (char)(MARKER_BYTE_MIN + *half % MARKER_BYTES));
        *half /= MARKER_BYTES;
    }
}

void avro_container_append_header(struct text *out, const char *schema)
{
    text_append(out, "Obj\1", 4);
    avro_append_long(out, 2); /* entries of the map of metadata */
    avro_append_string(out, "avro.codec", strlen("avro.codec"));
    avro_append_string(out, "null", strlen("null"));
    avro_append_string(out, "avro.schema", strlen("avro.schema"));
    avro_append_string(out, schema, strlen(schema));
    avro_append_long(out, 0);
    append_marker(out, schema);
}

void avro_container_end_block(struct text *out, size_t start, uint64_t count, const char *marker)
{
    char head[2 * AVRO_LONG_LEN], *end = avro_put_long(head, (int64_t)count);
    size_t len = out->len - start, head_len;

    end = avro_put_long(end, (int64_t)len);
    head_len = (size_t)(end - head);
    text_reserve(out, head_len + AVRO_MARKER_LEN);
    memmove(out->data + start + head_len, out->data + start, len);
    memcpy(out->data + start, head, head_len);
    out->len += head_len;
    text_append(out, marker, AVRO_MARKER_LEN);
}
