/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts zlib and libzstd behind one interface. Neither fails once it is made: input is in memory,
 * and output has all the space it asks for. */
#include "plugins/text/compress.h"
#include "base/memory.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define ROOM ((size_t)64 * 1024)

struct compressor {
    enum compression kind;
    bool is_open; /* a member is under way */
    z_stream gzip;
    ZSTD_CCtx *zstd;
};

enum compression compression_of(const char *file_name)
{
    size_t len = strlen(file_name);

    if (len > 3 && !strcmp(file_name + len - 3, ".gz"))
        return COMPRESSION_GZIP;
    if (len > 4 && !strcmp(file_name + len - 4, ".zst"))
        return COMPRESSION_ZSTD;
    return COMPRESSION_NONE;
}

const char *compression_suffix(enum compression kind)
{
    return kind == COMPRESSION_GZIP ? ".gz" : kind == COMPRESSION_ZSTD ? ".zst" : "";
}

struct compressor *compressor_new(enum compression kind)
{
    struct compressor *c = mem_zalloc(sizeof *c);

    c->kind = kind;
    if (kind == COMPRESSION_ZSTD) {
        c->zstd = ZSTD_createCCtx();
        if (!c->zstd)
            abort(); /* it is out of memory: ends as mem_alloc() would */
        ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
    } else if (deflateInit2(&c->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
                            /* 16 asks for a gzip header; without a time in it. */
                            Z_DEFAULT_STRATEGY) != Z_OK) {
        abort();
    }
    return c;
}

void compressor_free(struct compressor *c)
{
    if (!c)
        return;
    if (c->kind == COMPRESSION_ZSTD)
        ZSTD_freeCCtx(c->zstd);
    else
        deflateEnd(&c->gzip);
    mem_free(c);
}

static void run_gzip(struct compressor *c, const void *data, size_t len, int flush,
                     struct text *out)
{
    const Bytef *at = data;
    int result;

    do {
        size_t chunk = len < ROOM ? len : ROOM;
        memcpy(&c->gzip.next_in, &at, sizeof at); /* zlib's pointer lacks const */
        c->gzip.avail_in = (uInt)chunk;
        at += chunk;
        len -= chunk;
        do {
            text_reserve(out, ROOM);
            c->gzip.next_out = (Bytef *)out->data + out->len;
            c->gzip.avail_out = (uInt)ROOM;
            result = deflate(&c->gzip, len == 0 ? flush : Z_NO_FLUSH);
            out->len += ROOM - c->gzip.avail_out;
        } while (c->gzip.avail_out == 0 && result != Z_STREAM_END);
    } while (len > 0);
}

static void run_zstd(struct compressor *c, const void *data, size_t len, ZSTD_EndDirective end,
                     struct text *out)
{
    ZSTD_inBuffer in = {data, len, 0};
    size_t left;

    do {
        ZSTD_outBuffer room;
        text_reserve(out, ROOM);
        room = (ZSTD_outBuffer){out->data + out->len, ROOM, 0};
        left = ZSTD_compressStream2(c->zstd, &room, &in, end);
        out->len += room.pos;
        if (ZSTD_isError(left))
            abort(); /* happens only for want of memory: parameters and buffers are fixed */
    } while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
}

void compressor_add(struct compressor *c, const void *data, size_t len, struct text *out)
{
    if (len == 0)
        return;
    c->is_open = true;
    if (c->kind == COMPRESSION_ZSTD)
        run_zstd(c, data, len, ZSTD_e_continue, out);
    else
        run_gzip(c, data, len, Z_NO_FLUSH, out);
}

void compressor_end(struct compressor *c, struct text *out)
{
    if (!c->is_open)
        return;
    if (c->kind == COMPRESSION_ZSTD)
        run_zstd(c, NULL, 0, ZSTD_e_end, out);
    else
        run_gzip(c, "", 0, Z_FINISH, out);
    compressor_reset(c);
}

void compressor_reset(struct compressor *c)
{
    if (c->kind == COMPRESSION_ZSTD)
        ZSTD_CCtx_reset(c->zstd, ZSTD_reset_session_only);
    else
        deflateReset(&c->gzip);
    c->is_open = false;
}
