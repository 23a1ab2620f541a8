/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes one output file, moves its committed length forward, and mends it after a crash. See
 * out_file.h. */
#include "plugins/print/out_file.h"
#include "base/file.h"
#include "base/memory.h"
#include "plugins/print/file_lock.h"
#include "plugins/text/decompress.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct out_file *out_file_new(const char *name, int64_t time_s, const struct file_owner *owner,
                              const char *who)
{
    struct out_file *file = mem_zalloc(sizeof *file);

    file->name = mem_strdup(name);
    file->compression = compression_of(name);
    file->owner = owner;
    file->who = who;
    file->state.time_s = time_s;
    file->state.move = FILE_STATE_STAYS;
    file->fd = file->lock_fd = -1;
    return file;
}

static void close_data(struct out_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

void out_file_free(struct out_file *file)
{
    if (!file)
        return;
    close_data(file);
    if (file->lock_fd >= 0)
        file_lock_drop(file->name, file->lock_fd);
    compressor_free(file->compressor);
    text_clear(&file->buffer);
    text_clear(&file->packed);
    file_state_clear(&file->state);
    mem_free(file->latest_name);
    mem_free(file->name);
    mem_free(file);
}

/* ---- names ---- */

static char *part_name(const struct out_file *file)
{
    return mem_printf("%s.part", file->name);
}

static char *state_name(const struct out_file *file)
{
    return mem_printf("%s.state", file->name);
}

static char *data_name(const struct out_file *file)
{
    return file->state.is_in_place ? mem_strdup(file->name) : part_name(file);
}

char *out_file_final_name(const struct out_file *file, int32_t move)
{
    const char *suffix = compression_suffix(file->compression);
    size_t stem = strlen(file->name) - strlen(suffix);

    if (move <= 0)
        return mem_strdup(file->name);
    return mem_printf("%.*s.%d%s", (int)stem, file->name, move, suffix);
}

int32_t out_file_free_number(const struct out_file *file)
{
    int32_t number = 0;
    struct stat st;
    int result;

    do {
        char *name = out_file_final_name(file, ++number);
        result = lstat(name, &st);
        mem_free(name);
    } while (result == 0 && number < INT32_MAX);
    return number;
}

/* ---- opening ---- */

static bool is_same_file(const struct file_state *state, const struct stat *st)
{
    return state->device == (uint64_t)st->st_dev && state->inode == (uint64_t)st->st_ino;
}

/* ---- the lock ---- */

static void stat_data(const struct out_file *file, struct stat *ret_status)
{
    char *path = data_name(file);

    if (lstat(path, ret_status) < 0)
        *ret_status = (struct stat){0};
    mem_free(path);
}

static void unlock(struct out_file *file)
{
    if (file->lock_fd < 0)
        return;
    stat_data(file, &file->left);
    file_lock_drop(file->name, file->lock_fd);
    file->lock_fd = -1;
}

/* True if nobody wrote to the file since the lock was given back: who does so without one leaves
 * another length or time, and who commits moves or makes a file as well. */
static bool is_as_left(const struct out_file *file)
{
    const struct stat *left = &file->left;
    struct stat now;

    stat_data(file, &now);
    return now.st_dev == left->st_dev && now.st_ino == left->st_ino &&
           now.st_size == left->st_size && now.st_mtim.tv_sec == left->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == left->st_mtim.tv_nsec;
}

static int lock(struct out_file *file)
{
    int err;

    if (file->lock_fd >= 0)
        return 0;
    err = file_lock_take(file->name, file->owner, file->who, &file->lock_fd);
    if (err == -ENOENT) {
        err = file_owner_make_directories(file->owner, file->name);
        if (err == 0)
            err = file_lock_take(file->name, file->owner, file->who, &file->lock_fd);
    }
    if (err < 0 || !file->is_loaded || is_as_left(file))
        return err;
    out_file_reset(file);
    return -ESTALE;
}

static int save_state(struct out_file *file)
{
    char *path = state_name(file);
    int err = file_state_save(&file->state, path, file->owner);

    if (err == 0) {
        file->has_state = true;
        err = file_sync_folder(path);
    }
    mem_free(path);
    return err;
}

static int open_data(struct out_file *file)
{
    char *path = data_name(file);
    int fd = file_owner_open(file->owner, path, O_WRONLY | O_APPEND);

    if (fd == -ENOENT) {
        int err = file_owner_make_directories(file->owner, path);
        fd = err < 0 ? err : file_owner_open(file->owner, path, O_WRONLY | O_APPEND);
    }
    mem_free(path);
    if (fd < 0)
        return fd;
    file->fd = fd;
    return 0;
}

static int cut(const char *path, uint64_t length)
{
    int fd = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int err = ftruncate(fd, (off_t)length) < 0 ? -errno : 0;
    close(fd);
    return err;
}

/* Finishes a move after a crash between a state and the rename that it announces. */
static int finish_announced_move(struct out_file *file)
{
    char *part = data_name(file);
    struct stat st;
    int err = 0;

    if (lstat(part, &st) == 0 && is_same_file(&file->state, &st)) {
        if ((uint64_t)st.st_size > file->state.length)
            err = cut(part, file->state.length);
        if (err == 0)
            err = out_file_move(file);
    } else if (file->state.move == FILE_STATE_FINAL) {
        file->state.is_in_place = true;
    } else {
        file->state.length = 0;
    }
    if (err == 0)
        file->state.move = FILE_STATE_STAYS;
    mem_free(part);
    return err;
}

int out_file_load(struct out_file *file)
{
    int64_t time_s = file->state.time_s;
    struct file_state state;
    char *path;
    int err = lock(file);

    if (err < 0 && (err != -ESTALE || file->is_touched))
        return err;
    if (file->is_loaded)
        return 0;
    path = state_name(file);
    err = file_state_load(path, &state);
    mem_free(path);
    if (err == 0) {
        file_state_clear(&file->state);
        file->state = state;
        file->has_state = file->is_placed = true;
        if (time_s > file->state.time_s)
            file->state.time_s = time_s;
        if (state.move != FILE_STATE_STAYS)
            err = finish_announced_move(file);
    }
    if (err < 0 && err != -ENOENT && err != -EBADMSG)
        return err;
    file->is_loaded = true;
    return 0;
}

/* Brings file and state together: cuts off what is not committed, keeps what is not ours. */
static int reconcile_state(struct out_file *file, bool *ret_is_new)
{
    struct stat st;
    uint64_t size, keep;

    if (fstat(file->fd, &st) < 0)
        return -errno;
    size = (uint64_t)st.st_size;
    *ret_is_new = !is_same_file(&file->state, &st);
    if (*ret_is_new) {
        file->state.device = (uint64_t)st.st_dev;
        file->state.inode = (uint64_t)st.st_ino;
        file->state.length = file->state.is_in_place ? size : 0;
        file->written = 0;
    }
    if (size < file->state.length)
        file->state.length = size; /* somebody emptied it */
    /* A file that was suspended within a transaction goes on behind what was written until then. */
    keep = file->written > file->state.length ? file->written : file->state.length;
    if (size > keep && ftruncate(file->fd, (off_t)keep) < 0)
        return -errno;
    file->written = size < keep ? size : keep;
    return 0;
}

int out_file_open(struct out_file *file, bool in_place, bool replaces)
{
    struct stat st;
    bool is_new = false;
    int err;

    if (file->fd >= 0)
        return 0;
    err = lock(file);
    if (err < 0)
        return err;
    if (replaces)
        file->state.is_in_place = false; /* each epoch begins a new NAME.part */
    else if (!file->is_placed)           /* late rows stay in NAME if that exists */
        file->state.is_in_place = in_place || lstat(file->name, &st) == 0;
    file->is_placed = true;
    err = open_data(file);
    if (err == 0)
        err = reconcile_state(file, &is_new);
    /* In place, the length must be on disk before anything is put behind it. */
    if (err == 0 && file->state.is_in_place && (is_new || !file->has_state))
        err = save_state(file);
    if (err < 0)
        close_data(file);
    return err;
}

bool out_file_exists(const struct out_file *file)
{
    char *path = data_name(file);
    struct stat st;
    bool exists = lstat(path, &st) == 0;

    mem_free(path);
    return exists;
}

void out_file_check_name(struct out_file *file)
{
    char *path = data_name(file);
    struct stat st;

    if (file->fd >= 0 && (lstat(path, &st) < 0 || !is_same_file(&file->state, &st))) {
        close_data(file);
        file->written = 0;
        file->state.length = 0;
        file->state.inode = 0;
    }
    mem_free(path);
}

/* ---- writing ---- */

bool out_file_is_empty(const struct out_file *file)
{
    return file->written == 0 && file->buffer.len == 0 && file->packed.len == 0;
}

static int write_all(struct out_file *file, struct text *text)
{
    int err = file_write_all(file->fd, text->data, text->len);

    /* After an error part of the text may be in the file, and out_file_abort() must know to cut it
     * off. */
    file->written += text->len;
    if (err == 0)
        text_reset(text);
    return err;
}

int out_file_begins_with(const struct out_file *file, const struct text *beginning, bool *ret_does)
{
    char *path = data_name(file);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), err = fd < 0 ? -errno : 0;
    struct text found = {0};

    mem_free(path);
    if (fd < 0)
        return err;
    err = decompress_start(file->compression, fd, beginning->len, &found);
    close(fd);
    *ret_does = err == 0 && found.len == beginning->len &&
                memcmp(found.data, beginning->data, found.len) == 0;
    text_clear(&found);
    return err == -EBADMSG ? 0 : err;
}

static int write_buffer(struct out_file *file, bool ends_member)
{
    format_block_end(file->format, &file->block, &file->buffer);
    if (file->compression == COMPRESSION_NONE)
        return write_all(file, &file->buffer);
    if (!file->compressor)
        file->compressor = compressor_new(file->compression);
    compressor_add(file->compressor, file->buffer.data, file->buffer.len, &file->packed);
    text_reset(&file->buffer);
    if (ends_member)
        compressor_end(file->compressor, &file->packed);
    return ends_member || file->packed.len >= OUT_FILE_WRITE_SIZE ? write_all(file, &file->packed)
                                                                  : 0;
}

int out_file_write(struct out_file *file)
{
    return file->buffer.len >= OUT_FILE_WRITE_SIZE ? write_buffer(file, false) : 0;
}

int out_file_suspend(struct out_file *file)
{
    int err = 0;

    if (file->fd < 0) {
        unlock(file);
        return 0;
    }
    if (file->compressor) { /* a member cannot be continued once the file is closed */
        if (file->is_touched && !file->is_done_already)
            err = write_buffer(file, true);
        if (err < 0)
            return err;
        compressor_free(file->compressor);
        file->compressor = NULL;
    }
    /* The commit will not synchronise this descriptor any more. */
    if (file->written > file->state.length && fdatasync(file->fd) < 0)
        return -errno;
    close_data(file);
    unlock(file);
    return 0;
}

void out_file_abort(struct out_file *file)
{
    bool has_more = file->written > file->state.length;

    text_reset(&file->buffer);
    text_reset(&file->packed);
    file->block = (struct format_block){0};
    if (file->compressor)
        compressor_reset(file->compressor);
    file->written = file->state.length;
    file->is_touched = file->is_done_already = false;
    file->row_count = 0;
    /* The next opening cuts off the rest, if it cannot be done now. */
    if (has_more && file->fd >= 0 && ftruncate(file->fd, (off_t)file->state.length) < 0) {
        close_data(file);
    } else if (has_more && file->fd < 0) {
        (void)out_file_open(file, file->state.is_in_place, false);
        (void)out_file_suspend(file);
    }
}

/* ---- commit ---- */

int out_file_flush(struct out_file *file)
{
    return file->fd >= 0 ? write_buffer(file, true) : 0;
}

int out_file_commit(struct out_file *file, const struct pa_transaction *transaction, int32_t move)
{
    struct file_state before;
    int err = lock(file);

    if (err < 0)
        return err;
    before = file->state;
    if (file->fd >= 0 && fdatasync(file->fd) < 0)
        return -errno;
    file->state.workers =
        before.worker_count == 0
            ? NULL
            : mem_dup(before.workers, before.worker_count * sizeof *before.workers);
    file_state_note(&file->state, transaction);
    file->state.length = file->written;
    file->state.move = move;
    err = save_state(file);
    if (err < 0) {
        file_state_clear(&file->state);
        file->state = before;
        return err;
    }
    mem_free(before.workers);
    return 0;
}

int out_file_move(struct out_file *file)
{
    char *part, *final;
    int err = 0;

    if (file->state.move == FILE_STATE_STAYS)
        return 0;
    err = lock(file);
    if (err < 0)
        return err;
    part = data_name(file);
    final = out_file_final_name(file, file->state.move);
    /* If somebody took the file away, there is nothing left to name. */
    if (strcmp(part, final) != 0 && rename(part, final) < 0 && errno != ENOENT)
        err = -errno;
    if (err == 0)
        err = file_sync_folder(final);
    mem_free(part);
    mem_free(final);
    if (err < 0)
        return err;
    close_data(file);
    file->written = 0;
    if (file->state.move == FILE_STATE_FINAL) {
        file->state.is_in_place = true;
        file->written = file->state.length;
    } else {
        file->state.length = 0;
        file->state.inode = 0;
    }
    file->state.move = FILE_STATE_STAYS;
    compressor_free(file->compressor);
    file->compressor = NULL;
    text_clear(&file->buffer);
    text_clear(&file->packed);
    file->block = (struct format_block){0};
    return 0;
}

int out_file_finish(struct out_file *file, int32_t move)
{
    char *part;
    int err = lock(file);

    if (err < 0)
        return err;
    if (!file->has_state) {
        close_data(file);
        part = part_name(file);
        err = unlink(part) < 0 && errno != ENOENT ? -errno : 0;
        mem_free(part);
        return err;
    }
    file->state.move = move;
    err = save_state(file);
    if (err < 0) {
        file->state.move = FILE_STATE_STAYS;
        return err;
    }
    return out_file_move(file);
}

void out_file_forget_state(struct out_file *file)
{
    char *path = state_name(file);
    bool is_locked = file->lock_fd >= 0;

    /* Without the lock it may be somebody else's by now. */
    if (file->has_state && lock(file) == 0)
        unlink(path);
    if (!is_locked)
        unlock(file);
    file->has_state = false;
    mem_free(path);
}

void out_file_reset(struct out_file *file)
{
    int64_t time_s = file->state.time_s;

    close_data(file);
    file_state_clear(&file->state);
    file->state.time_s = time_s;
    file->state.move = FILE_STATE_STAYS;
    file->has_state = file->is_loaded = file->is_placed = false;
    file->written = 0;
}
