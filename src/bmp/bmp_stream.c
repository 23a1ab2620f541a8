/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cuts a byte stream into BMP messages. Those that lie whole in what came are not copied. */
#include "bmp/bmp_stream.h"
#include "base/memory.h"

static void stream_keep(struct bmp_stream *stream, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    if (stream->kept_capacity - stream->kept_len < len) {
        stream->kept_capacity = stream->kept_len + len;
        stream->kept = mem_realloc(stream->kept, stream->kept_capacity);
    }
    memcpy(stream->kept + stream->kept_len, data, len);
    stream->kept_len += len;
}

void bmp_stream_clear(struct bmp_stream *stream)
{
    mem_free(stream->kept);
    *stream = (struct bmp_stream){0};
}

/* Moves bytes to what is kept, until there are `wanted` of them; returns how many it took. */
static size_t stream_complete(struct bmp_stream *stream, size_t wanted, const uint8_t *data,
                              size_t len)
{
    size_t missing = wanted > stream->kept_len ? wanted - stream->kept_len : 0;
    size_t taken = missing < len ? missing : len;

    stream_keep(stream, data, taken);
    return taken;
}

static size_t pass_over(struct bmp_stream *stream, size_t len)
{
    size_t passed = stream->passing_over < len ? (size_t)stream->passing_over : len;

    stream->passing_over -= passed;
    return passed;
}

/* Handles the message that `data` begins with. Returns how many bytes it has, more than `len` where
 * some are still to come; 0: the stream is over. */
static size_t message_take(struct bmp_stream *stream, const uint8_t *data, size_t len,
                           const struct bmp_stream_events *events)
{
    struct bmp_message message;
    enum bmp_reject reject;

    if (len < BMP_HEADER_LEN)
        return BMP_HEADER_LEN;
    if (bmp_message_read(data, &message, &reject) < 0) {
        events->rejected(events->arg, reject);
        return 0;
    }
    if (message.len > BMP_MESSAGE_MAX) {
        events->rejected(events->arg, BMP_REJECT_too_long);
        size_t here = message.len < len ? message.len : len;
        stream->passing_over = message.len - here;
        return here;
    }
    if (len < message.len)
        return message.len;
    struct reader body = reader_make(data + BMP_HEADER_LEN, message.len - BMP_HEADER_LEN);
    return events->message(events->arg, &message, body) ? message.len : 0;
}

/* Goes on with the message whose start was kept. Returns how many bytes of `data` belong to it;
 * *ret_is_over: the stream is. */
static size_t kept_go_on(struct bmp_stream *stream, const uint8_t *data, size_t len,
                         const struct bmp_stream_events *events, bool *ret_is_over)
{
    size_t taken = 0, wanted = BMP_HEADER_LEN;

    for (;;) {
        taken += stream_complete(stream, wanted, data + taken, len - taken);
        if (stream->kept_len < wanted)
            return taken;
        wanted = message_take(stream, stream->kept, stream->kept_len, events);
        if (wanted <= stream->kept_len)
            break;
    }
    uint64_t passing_over = stream->passing_over;
    bmp_stream_clear(stream);
    stream->passing_over = passing_over;
    *ret_is_over = wanted == 0;
    return taken;
}

bool bmp_stream_feed(struct bmp_stream *stream, const uint8_t *data, size_t len,
                     const struct bmp_stream_events *events)
{
    size_t pos = 0;
    bool is_over = false;

    if (stream->kept_len > 0)
        pos = kept_go_on(stream, data, len, events, &is_over);
    while (pos < len && !is_over) {
        if (stream->passing_over > 0) {
            pos += pass_over(stream, len - pos);
            continue;
        }
        size_t message_len = message_take(stream, data + pos, len - pos, events);
        if (message_len > len - pos) {
            stream_keep(stream, data + pos, len - pos);
            break;
        }
        is_over = message_len == 0;
        pos += message_len;
    }
    return !is_over;
}
