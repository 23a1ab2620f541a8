/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the records in a stream of bytes. See mrt_reader.h. */
#include "mrt/mrt_reader.h"
#include "base/memory.h"
#include "mrt/mrt_stream.h"
#include <errno.h>
#include <string.h>

#define ROOM_AT_FIRST (1u << 20)

struct mrt_reader {
    struct mrt_stream *stream;
    uint8_t *data;
    size_t room, at, filled; /* of `data`; [at, filled) is still to be read */
    uint64_t data_offset;    /* of data[0] in the stream */
    uint64_t offset;         /* of the last record */
    bool is_over;
    const char *end;
};

struct mrt_reader *mrt_reader_new(int fd)
{
    struct mrt_reader *reader = mem_zalloc(sizeof *reader);

    reader->stream = mrt_stream_new(fd);
    reader->room = ROOM_AT_FIRST;
    reader->data = mem_alloc(reader->room);
    return reader;
}

void mrt_reader_free(struct mrt_reader *reader)
{
    if (!reader)
        return;
    mrt_stream_free(reader->stream);
    mem_free(reader->data);
    mem_free(reader);
}

static const char *error_text(ssize_t err)
{
    switch (err) {
    case -EBADMSG:
        return "the compressed data is damaged";
    case -ENODATA:
        return "the compressed data is cut short";
    default:
        return strerror((int)-err);
    }
}

/* Moves what is left to the beginning, and makes room for `len` bytes. */
static void room_make(struct mrt_reader *reader, size_t len)
{
    size_t left = reader->filled - reader->at;

    if (reader->at + len <= reader->room)
        return;
    memmove(reader->data, reader->data + reader->at, left);
    reader->data_offset += reader->at;
    reader->at = 0;
    reader->filled = left;
    if (len > reader->room) {
        reader->room = len;
        reader->data = mem_realloc(reader->data, len);
    }
}

/* Has `len` bytes at reader->at; false: the stream ends before, and reader->end may say why. Room
 * grows as bytes come, not by what a length says. */
static bool have(struct mrt_reader *reader, size_t len)
{
    while (reader->filled - reader->at < len) {
        size_t want = reader->filled - reader->at + ROOM_AT_FIRST / 2;
        room_make(reader, want < len ? want : len);
        ssize_t got = mrt_stream_read(reader->stream, reader->data + reader->filled,
                                      reader->room - reader->filled);
        if (got < 0)
            reader->end = error_text(got);
        if (got <= 0)
            return false;
        reader->filled += (size_t)got;
    }
    return true;
}

static bool reader_stop(struct mrt_reader *reader, const char *end)
{
    reader->is_over = true;
    if (!reader->end)
        reader->end = end;
    return false;
}

bool mrt_reader_next(struct mrt_reader *reader, struct mrt_record *ret_record)
{
    if (reader->is_over)
        return false;
    reader->offset = reader->data_offset + reader->at;
    if (!have(reader, MRT_HEADER_SIZE)) {
        bool is_cut = reader->filled > reader->at;
        return reader_stop(reader, is_cut ? "the file is cut short" : NULL);
    }
    uint32_t len = wire_u32(reader->data + reader->at + 8);
    if (len > MRT_RECORD_MAX)
        return reader_stop(reader, "the record has a length that cannot be");
    if (!have(reader, MRT_HEADER_SIZE + len))
        return reader_stop(reader, "the file is cut short");
    struct reader r = reader_make(reader->data + reader->at, MRT_HEADER_SIZE + len);
    uint32_t time_s = reader_u32(&r);
    uint16_t type = reader_u16(&r), subtype = reader_u16(&r);
    reader_u32(&r);
    reader->at += MRT_HEADER_SIZE + len;
    mrt_record_parse(time_s, type, subtype, r, ret_record);
    return true;
}

uint64_t mrt_reader_offset(const struct mrt_reader *reader)
{
    return reader->offset;
}

const char *mrt_reader_end(const struct mrt_reader *reader)
{
    return reader->end;
}
