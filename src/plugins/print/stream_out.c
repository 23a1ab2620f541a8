/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens the stream, waits for its lock and its reader, and writes whole buffers. See
 * stream_out.h. */
#include "plugins/print/stream_out.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "plugins/print/out_file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

void stream_out_init(struct stream_out *stream, const char *path, const char *lock_path,
                     const struct format *format)
{
    *stream = (struct stream_out){.path = path ? mem_strdup(path) : NULL,
                                  .lock_path = lock_path ? mem_strdup(lock_path) : NULL,
                                  .format = format,
                                  .fd = -1,
                                  .lock_fd = -1};
    signal(SIGPIPE, SIG_IGN); /* write(2) then fails when the reader goes away */
}

void stream_out_clear(struct stream_out *stream)
{
    stream_out_end(stream);
    if (stream->fd >= 0 && stream->path)
        close(stream->fd);
    if (stream->lock_fd >= 0)
        close(stream->lock_fd);
    mem_free(stream->path);
    mem_free(stream->lock_path);
    text_clear(&stream->buffer);
}

static int open_stream(struct stream_out *stream)
{
    struct named_file target;
    int fd, err;

    if (!stream->path) {
        stream->fd = STDOUT_FILENO;
        return 0;
    }
    err = named_file_resolve(stream->path, &target);
    if (err < 0)
        return err;
    /* O_APPEND: should it be a file by now, what is in it stays. */
    fd = named_file_open(&target, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY, 0);
    /* Only opening must not wait. The flags of a descriptor that we were given are not ours. */
    if (fd >= 0 && target.fd < 0 && fcntl(fd, F_SETFL, O_WRONLY | O_APPEND) < 0) {
        err = -errno;
        close(fd);
        fd = err;
    }
    named_file_clear(&target);
    if (fd < 0)
        return fd;
    stream->fd = fd;
    stream->has_title = false; /* a new reader needs a title */
    return 0;
}

int stream_out_begin(struct stream_out *stream)
{
    int err = stream->fd < 0 ? open_stream(stream) : 0;

    text_reset(&stream->buffer);
    stream->block = (struct format_block){0};
    if (err < 0 || !stream->lock_path)
        return err;
    if (stream->lock_fd < 0)
        stream->lock_fd = named_file_open_name(stream->lock_path, O_RDWR | O_CREAT, 0600);
    if (stream->lock_fd < 0)
        return stream->lock_fd;
    while (flock(stream->lock_fd, LOCK_EX) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

int stream_out_write(struct stream_out *stream, bool is_end)
{
    int err;

    if (stream->buffer.len < OUT_FILE_WRITE_SIZE && !is_end)
        return 0;
    format_block_end(stream->format, &stream->block, &stream->buffer);
    err = file_write_all(stream->fd, stream->buffer.data, stream->buffer.len);
    if (err < 0) {
        if (stream->path) {
            close(stream->fd);
            stream->fd = -1;
        }
        return err;
    }
    stream->has_title = stream->has_title || stream->buffer.len > 0;
    text_reset(&stream->buffer);
    return 0;
}

void stream_out_end(struct stream_out *stream)
{
    if (stream->lock_fd >= 0)
        (void)flock(stream->lock_fd, LOCK_UN);
}
