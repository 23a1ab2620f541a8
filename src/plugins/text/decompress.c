/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unpacks with zlib and libzstd, of the first member no more than is asked for. See decompress.h. */
#include "plugins/text/decompress.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define CHUNK ((size_t)4096)

struct unpacker {
    enum compression kind;
    z_stream gzip;
    ZSTD_DCtx *zstd;
    bool is_over; /* the member has ended */
};

static void unpacker_begin(struct unpacker *u)
{
    bool is_ready = true;

    if (u->kind == COMPRESSION_ZSTD)
        is_ready = (u->zstd = ZSTD_createDCtx()) != NULL;
    else if (u->kind == COMPRESSION_GZIP)
        is_ready = inflateInit2(&u->gzip, 15 + 16) == Z_OK; /* 16 asks for a gzip header */
    if (!is_ready)
        abort(); /* it is out of memory: ends as mem_alloc() would */
}

static void unpacker_end(struct unpacker *u)
{
    if (u->kind == COMPRESSION_GZIP)
        inflateEnd(&u->gzip);
    ZSTD_freeDCtx(u->zstd);
}

static int unpack_gzip(struct unpacker *u, char *data, size_t len, size_t end_len, struct text *out)
{
    int result = Z_OK;

    u->gzip.next_in = (Bytef *)data;
    u->gzip.avail_in = (uInt)len;
    u->gzip.next_out = (Bytef *)out->data + out->len;
    u->gzip.avail_out = (uInt)(end_len - out->len);
    result = inflate(&u->gzip, Z_NO_FLUSH);
    out->len = end_len - u->gzip.avail_out;
    u->is_over = result == Z_STREAM_END;
    return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? 0 : -EBADMSG;
}

static int unpack_zstd(struct unpacker *u, const char *data, size_t len, size_t end_len,
                       struct text *out)
{
    ZSTD_inBuffer in = {data, len, 0};
    ZSTD_outBuffer room = {out->data, end_len, out->len};
    size_t left = 1;

    while (in.pos < in.size && room.pos < end_len && left > 0) {
        left = ZSTD_decompressStream(u->zstd, &room, &in);
        if (ZSTD_isError(left))
            return -EBADMSG;
    }
    out->len = room.pos;
    u->is_over = left == 0;
    return 0;
}

int decompress_start(enum compression kind, int fd, size_t len, struct text *out)
{
    struct unpacker u = {.kind = kind};
    const size_t end_len = out->len + len;
    char data[CHUNK];
    int err = 0;

    text_reserve(out, len);
    unpacker_begin(&u);
    while (out->len < end_len && !u.is_over && err == 0) {
        size_t wanted =
            kind == COMPRESSION_NONE && end_len - out->len < CHUNK ? end_len - out->len : CHUNK;
        ssize_t got = read(fd, data, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            err = got < 0 ? -errno : 0;
            break;
        }
        if (kind == COMPRESSION_GZIP)
            err = unpack_gzip(&u, data, (size_t)got, end_len, out);
        else if (kind == COMPRESSION_ZSTD)
            err = unpack_zstd(&u, data, (size_t)got, end_len, out);
        else
            text_append(out, data, (size_t)got);
    }
    unpacker_end(&u);
    return err;
}
