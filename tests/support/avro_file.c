/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks through the blocks of a container file (Avro 1.11.1, "Object Container Files"). See
 * avro_file.h. */
#include "support/avro_file.h"
#include "base/memory.h"
#include "base/text.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MARKER_LEN 16

struct bytes {
    const uint8_t *at, *end;
};

static struct bytes take(struct bytes *b, size_t len)
{
    struct bytes taken = {b->at, b->at + len};

    assert_in_range(len, 0, (size_t)(b->end - b->at));
    b->at += len;
    return taken;
}

static int64_t take_long(struct bytes *b)
{
    uint64_t bits = 0;
    uint8_t byte;
    unsigned shift = 0;

    do {
        byte = *take(b, 1).at;
        bits |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return (int64_t)(bits >> 1) ^ -(int64_t)(bits & 1);
}

static struct bytes take_string(struct bytes *b)
{
    return take(b, (size_t)take_long(b));
}

static bool is_text(struct bytes b, const char *text)
{
    return (size_t)(b.end - b.at) == strlen(text) && memcmp(b.at, text, strlen(text)) == 0;
}

/* Returns the marker, and whether rows have stamps. */
static struct bytes take_header(struct bytes *b, bool *ret_has_stamps)
{
    bool has_schema = false;

    assert_memory_equal(take(b, 4).at, "Obj\1", 4);
    for (int64_t count = take_long(b); count != 0; count = take_long(b)) {
        for (int64_t i = 0; i < count; i++) {
            struct bytes key = take_string(b), value = take_string(b);
            if (is_text(key, "avro.codec"))
                assert_true(is_text(value, "null"));
            if (!is_text(key, "avro.schema"))
                continue;
            has_schema = true;
            *ret_has_stamps =
                memmem(value.at, (size_t)(value.end - value.at), "stamp_updated", 13) != NULL;
        }
    }
    assert_true(has_schema);
    return take(b, MARKER_LEN);
}

static void take_row(struct bytes *b, bool has_stamps, struct avro_file *file)
{
    int64_t id;

    take_string(b);
    for (int i = 0; i < (has_stamps ? 2 : 0); i++) {
        assert_int_equal(take_long(b), 1);
        take_string(b);
    }
    assert_int_equal(take_long(b), 1); /* packets */
    take_long(b);
    assert_int_equal(take_long(b), 0); /* no flows */
    assert_int_equal(take_long(b), 1);
    id = take_long(b);
    assert_in_range(id, 0, AVRO_FILE_IDS - 1);
    file->counts[id]++;
    file->row_count++;
}

static void read_all(const char *command, struct text *out)
{
    FILE *pipe = popen(command, "r");
    size_t got;

    assert_non_null(pipe);
    do {
        text_reserve(out, 65536);
        got = fread(out->data + out->len, 1, 65536, pipe);
        out->len += got;
    } while (got > 0);
    assert_int_equal(pclose(pipe), 0);
}

void avro_file_read(const char *command, struct avro_file *file)
{
    struct text text = {0};
    struct bytes left, marker;
    bool has_stamps = false;

    read_all(command, &text);
    left = (struct bytes){(const uint8_t *)text.data, (const uint8_t *)text.data + text.len};
    marker = take_header(&left, &has_stamps);
    while (left.at < left.end) {
        int64_t count = take_long(&left);
        struct bytes rows = take_string(&left); /* a length and so many bytes */
        for (int64_t i = 0; i < count; i++)
            take_row(&rows, has_stamps, file);
        assert_ptr_equal(rows.at, rows.end);
        assert_memory_equal(take(&left, MARKER_LEN).at, marker.at, MARKER_LEN);
        file->block_count++;
    }
    text_clear(&text);
}
