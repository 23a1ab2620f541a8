/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * BMP messages out of a byte stream. What a turn leaves of a message is kept until its end has come,
 * so that memory is held only between turns, and never more than BMP_MESSAGE_MAX. One thread owns a
 * stream.
 */
#include "bmp/bmp_message.h"

struct bmp_stream {
    uint8_t *kept; /* the start of a message */
    size_t kept_len, kept_capacity;
    uint64_t passing_over; /* bytes still to come of a message that is too long */
};

struct bmp_stream_events {
    /* `body` is what comes after the common header, borrowed for the call. False: nothing more is to be
     * read of this stream. */
    bool (*message)(void *arg, const struct bmp_message *message, struct reader body);
    void (*rejected)(void *arg, enum bmp_reject reject);
    void *arg;
};

/* Takes bytes as they came. False: the stream is over, as nobody knows where its next message
 * begins, or as message() said so. */
bool bmp_stream_feed(struct bmp_stream *stream, const uint8_t *data, size_t len,
                     const struct bmp_stream_events *events);
void bmp_stream_clear(struct bmp_stream *stream);
