/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a file by pieces, and decompresses them as they come. See mrt_stream.h. */
#include "mrt/mrt_stream.h"
#include "base/memory.h"
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define PIECE_SIZE (256u << 10)

struct mrt_stream {
    int fd, err; /* of the last read */
    enum { UNKNOWN, PLAIN, GZIP, ZSTD } form;
    bool is_within; /* a compressed frame has begun and not ended */
    size_t at, filled;
    z_stream gzip;
    ZSTD_DStream *zstd;
    uint8_t piece[PIECE_SIZE];
};

struct mrt_stream *mrt_stream_new(int fd)
{
    struct mrt_stream *stream = mem_zalloc(sizeof *stream);

    stream->fd = fd;
    return stream;
}

void mrt_stream_free(struct mrt_stream *stream)
{
    if (!stream)
        return;
    if (stream->form == GZIP)
        inflateEnd(&stream->gzip);
    ZSTD_freeDStream(stream->zstd);
    close(stream->fd);
    mem_free(stream);
}

/* Reads on, until there are `wanted` bytes or the file ends. */
static int piece_fill(struct mrt_stream *stream, size_t wanted)
{
    if (stream->at == stream->filled)
        stream->at = stream->filled = 0;
    while (stream->filled - stream->at < wanted) {
        ssize_t got = read(stream->fd, stream->piece + stream->filled, PIECE_SIZE - stream->filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        stream->filled += (size_t)got;
    }
    return 0;
}

static int form_find(struct mrt_stream *stream)
{
    int err = piece_fill(stream, 4);

    if (err < 0)
        return err;
    stream->form = PLAIN;
    if (stream->filled >= 4 && memcmp(stream->piece, "\x1f\x8b", 2) == 0) {
        if (inflateInit2(&stream->gzip, 15 + 16) != Z_OK)
            return -ENOMEM;
        stream->form = GZIP;
    } else if (stream->filled >= 4 && memcmp(stream->piece, "\x28\xb5\x2f\xfd", 4) == 0) {
        stream->zstd = ZSTD_createDStream();
        if (!stream->zstd)
            return -ENOMEM;
        /* Windows of more than 128 MB are refused. */
        stream->form = ZSTD;
    }
    return 0;
}

static ssize_t gzip_read(struct mrt_stream *stream, void *data, size_t len)
{
    z_stream *z = &stream->gzip;

    z->next_out = data;
    z->avail_out = (uInt)len;
    z->next_in = stream->piece + stream->at;
    z->avail_in = (uInt)(stream->filled - stream->at);
    if (!stream->is_within)
        inflateReset(z);
    int result = inflate(z, Z_NO_FLUSH);
    stream->is_within = result != Z_STREAM_END;
    stream->at = stream->filled - z->avail_in;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        stream->err = -EBADMSG;
    return (ssize_t)(len - z->avail_out);
}

static ssize_t zstd_read(struct mrt_stream *stream, void *data, size_t len)
{
    ZSTD_outBuffer out = {data, len, 0};
    ZSTD_inBuffer in = {stream->piece + stream->at, stream->filled - stream->at, 0};

    size_t result = ZSTD_decompressStream(stream->zstd, &out, &in);
    stream->is_within = result != 0;
    stream->at += in.pos;
    if (ZSTD_isError(result))
        stream->err = -EBADMSG;
    return (ssize_t)out.pos;
}

static ssize_t plain_read(struct mrt_stream *stream, void *data, size_t len)
{
    size_t left = stream->filled - stream->at;
    size_t taken = left < len ? left : len;

    memcpy(data, stream->piece + stream->at, taken);
    stream->at += taken;
    return (ssize_t)taken;
}

ssize_t mrt_stream_read(struct mrt_stream *stream, void *data, size_t len)
{
    if (len == 0)
        return 0;
    if (stream->err == 0 && stream->form == UNKNOWN)
        stream->err = form_find(stream);
    while (stream->err == 0) {
        stream->err = piece_fill(stream, 1);
        bool is_at_end = stream->err == 0 && stream->at == stream->filled;
        if (stream->err < 0 || (is_at_end && !stream->is_within))
            break;
        ssize_t got = stream->form == GZIP   ? gzip_read(stream, data, len)
                      : stream->form == ZSTD ? zstd_read(stream, data, len)
                                             : plain_read(stream, data, len);
        if (got > 0)
            return got;
        if (is_at_end && stream->err == 0 && stream->is_within)
            stream->err = -ENODATA;
    }
    return stream->err;
}
