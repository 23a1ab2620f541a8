/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The bytes of a file, which may be compressed by gzip or zstd: its first bytes tell. */
#include <stddef.h>
#include <sys/types.h>

struct mrt_stream;

/* Takes `fd`, at its beginning; closes it at the end. */
struct mrt_stream *mrt_stream_new(int fd);
void mrt_stream_free(struct mrt_stream *stream); /* NULL is fine */
/* Returns how many bytes came, 0 at the end. -EBADMSG: what is compressed is damaged; -ENODATA: it
 * is cut short; other -errno of read(). What came before that was well. */
ssize_t mrt_stream_read(struct mrt_stream *stream, void *data, size_t len);
