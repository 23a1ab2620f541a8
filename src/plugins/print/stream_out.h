/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Standard output, a named pipe or a device: what was written cannot be taken back, so rows arrive at least
 * once. A lock file keeps several instances from writing into each other's lines.
 */
#include "base/text.h"
#include "plugins/text/format.h"
#include <stdbool.h>

struct stream_out {
    char *path;      /* as configured (base/named_file.h); NULL: standard output */
    char *lock_path; /* the same; NULL: none */
    int fd, lock_fd; /* -1: closed */
    bool has_title;  /* its reader has had the title */
    struct text buffer;
    const struct format *format; /* of the rows; borrowed */
    struct format_block block;   /* at the end of the buffer */
};

void stream_out_init(struct stream_out *stream, const char *path, const char *lock_path,
                     const struct format *format);
void stream_out_clear(struct stream_out *stream);
/* Opens the stream and waits for the lock. -ENXIO: nobody reads the pipe. */
int stream_out_begin(struct stream_out *stream);
/* Writes `buffer` if it is large or if `is_end`, and waits for the reader. -EPIPE: the reader went
 * away. */
int stream_out_write(struct stream_out *stream, bool is_end);
void stream_out_end(struct stream_out *stream); /* gives the lock back */
