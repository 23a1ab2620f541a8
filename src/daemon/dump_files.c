/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the files of dumps. No descriptor is kept between two writes, as there may be a file for each of thousands of
 * peers. See dump_files.h. */
#include "daemon/dump_files.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "daemon/process.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FLUSH_LEN = 64 << 10, STREAM_WAIT_MS = 200 };

struct dump_file {
    char *name, *latest;      /* as the pattern gives them; latest: NULL if there is none */
    struct named_file target; /* what the name leads to */
    char *aside;              /* NULL: a stream, or nothing could be made */
    int stream_fd;            /* -1: none */
    struct text lines;
    uint64_t waiting, written; /* records */
    int err;                   /* the first that writing met */
};

struct dump_files {
    struct dump_files_settings settings;
    int64_t time_s;
    struct dump_file **files;
    size_t file_count;
    struct dump_file_counts counts;
};

/* ---- names ---- */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Finds the variable that a name begins with, the longest one first: $peer_src_ip_x is the first, then "_x". */
static const char *variable_find(const char *const *names, const char *text)
{
    const char *found = NULL;

    for (; *names; names++)
        if (strncmp(text, *names, strlen(*names)) == 0 &&
            (!found || strlen(*names) > strlen(found)))
            found = *names;
    return found;
}

int dump_files_check(const char *pattern, const char *const *names, bool has_time,
                     struct text *error)
{
    for (const char *c = pattern; *c; c++) {
        if (*c == '%' && !has_time) {
            text_append_string(error, "a link to the latest file has no time in its name");
            return -EINVAL;
        }
        if (*c == '%' && !(c[1] && strchr("%aAbBCdeFgGhHIjklmMpPsSTuUVwWXyYzZ", c[1]))) {
            text_append_printf(error,
                               "'%%%.1s' is not a conversion for file names; use those of "
                               "strftime(3) without '/', such as %%Y-%%m-%%d",
                               c + 1);
            return -EINVAL;
        }
        if (*c == '%')
            c++;
        if (*c != '$' || variable_find(names, c + 1))
            continue;
        size_t len = 1;
        while (is_name_char(c[len]))
            len++;
        text_append_printf(error, "'%.*s' is no variable here; there are", (int)len, c);
        for (size_t i = 0; names[i]; i++)
            text_append_printf(error, "%s $%s", i ? "," : "", names[i]);
        return -EINVAL;
    }
    return 0;
}

static void append_value(struct text *out, const char *value)
{
    for (; *value; value++)
        text_append_char(out, *value == '.' || *value == ':' || *value == '/' ? '_' : *value);
}

/* Appends a conversion of strftime(3), of which the first letter of `conversion` is the last. */
static void append_time(const struct tm *tm, const char *conversion, struct text *out)
{
    const char format[] = {'%', *conversion, '\0'};
    char text[256];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    text_append(out, text, strftime(text, sizeof text, format, tm));
#pragma GCC diagnostic pop
}

/* Appends the value of the variable that a name begins with, and returns the variable's length; 0: there is
 * none. */
static size_t append_variable(const char *text, const struct dump_variable *variables, size_t count,
                              struct text *out)
{
    const struct dump_variable *found = NULL;
    size_t found_len = 0;

    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(variables[i].name);
        if (len > found_len && strncmp(text, variables[i].name, len) == 0) {
            found = &variables[i];
            found_len = len;
        }
    }
    if (found)
        append_value(out, found->value);
    return found_len;
}

/* Returns a name with all that varies put in. */
static char *name_make(const struct dump_files *files, const char *pattern,
                       const struct dump_variable *variables, size_t count)
{
    struct text out = {0};
    time_t time_s = (time_t)files->time_s;
    struct tm tm;

    if (files->settings.is_utc)
        gmtime_r(&time_s, &tm);
    else
        localtime_r(&time_s, &tm);
    for (const char *c = pattern; *c; c++) {
        size_t len = *c == '$' ? append_variable(c + 1, variables, count, &out) : 0;
        if (*c == '%')
            append_time(&tm, c + ++len, &out);
        else if (len == 0)
            text_append_char(&out, *c);
        c += len;
    }
    char *made = mem_strdup(text_cstr(&out));
    text_clear(&out);
    return made;
}

/* ---- one file ---- */

static void make_folders(const char *path)
{
    char *copy = mem_strdup(path);

    for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(copy, 0777); /* what fails shows when the file is made */
        *slash = '/';
    }
    mem_free(copy);
}

static int file_open(struct dump_file *file)
{
    int err = named_file_resolve(file->name, &file->target);

    if (err < 0)
        return err;
    if (file->target.is_stream) {
        file->stream_fd =
            named_file_open(&file->target, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY, 0);
        return file->stream_fd < 0 ? file->stream_fd : 0;
    }
    make_folders(file->target.path);
    file->aside = file_aside_name(file->target.path);
    int fd = open(file->aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY,
                  FILE_MODE_PUBLIC);
    if (fd < 0) {
        err = -errno;
        mem_free(file->aside);
        file->aside = NULL;
        return err;
    }
    close(fd);
    return 0;
}

/* Writes to a pipe or the like. It is given up when the daemon stops. */
static int stream_write(const struct dump_files *files, int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n >= 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EAGAIN) {
            struct pollfd waiting = {.fd = fd, .events = POLLOUT};
            (void)poll(&waiting, 1, STREAM_WAIT_MS);
            if (atomic_load_explicit(files->settings.is_stopping, memory_order_relaxed))
                return -ETIMEDOUT;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

static int file_write(const struct dump_files *files, const struct dump_file *file)
{
    if (file->stream_fd >= 0)
        return stream_write(files, file->stream_fd, file->lines.data, file->lines.len);
    int fd = open(file->aside, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int err = file_write_all(fd, file->lines.data, file->lines.len);
    if (close(fd) < 0 && err == 0)
        err = -errno;
    return err;
}

static void file_flush(struct dump_files *files, struct dump_file *file)
{
    if (file->err == 0 && file->lines.len > 0)
        file->err = file_write(files, file);
    if (file->err < 0)
        counter_add(&files->counts.lost, file->waiting);
    else
        file->written += file->waiting;
    file->waiting = 0;
    text_reset(&file->lines);
}

/* Replaces the link, unless it points to a later file: names of times sort by time. */
static int latest_point(const struct dump_file *file)
{
    char before[PATH_MAX], *aside;
    ssize_t len = readlink(file->latest, before, sizeof before - 1);
    int err = 0;

    if (len >= 0) {
        before[len] = '\0';
        if (strcmp(file->name, before) < 0)
            return 0;
    } else if (errno == EINVAL) {
        return -EEXIST; /* the operator's own file, not a link */
    }
    make_folders(file->latest);
    aside = file_aside_name(file->latest);
    if (symlink(file->name, aside) < 0)
        err = -errno;
    else if (rename(aside, file->latest) < 0) {
        err = -errno;
        (void)unlink(aside);
    }
    mem_free(aside);
    return err;
}

/* Gives the file its name. What was written of one that met an error is lost as well. */
static void file_finish(struct dump_files *files, struct dump_file *file, bool is_whole)
{
    const struct dump_files_settings *s = &files->settings;

    if (is_whole)
        file_flush(files, file);
    if (file->err == 0 && is_whole && file->aside) {
        if (rename(file->aside, file->target.path) < 0) {
            file->err = -errno;
        } else {
            mem_free(file->aside);
            file->aside = NULL;
            process_give_file(file->target.path, s->files_uid, s->files_gid);
        }
    }
    bool is_lost = file->stream_fd < 0 && (file->err < 0 || !is_whole);
    counter_add(is_lost ? &files->counts.lost : &files->counts.written, file->written);
    counter_add(&files->counts.lost, file->waiting);
    if (file->err < 0)
        log_warning("%s %s: %s; this dump of it is lost, the next one is tried again", s->key,
                    file->name, named_file_error(file->err));
    if (file->err == 0 && is_whole && file->latest) {
        int err = latest_point(file);
        if (err < 0)
            log_warning("%s %s: cannot point to %s: %s", s->latest_key, file->latest, file->name,
                        strerror(-err));
    }
}

static void file_free(struct dump_file *file)
{
    if (file->aside) {
        (void)unlink(file->aside);
        mem_free(file->aside);
    }
    if (file->stream_fd >= 0)
        close(file->stream_fd);
    named_file_clear(&file->target);
    text_clear(&file->lines);
    mem_free(file->name);
    mem_free(file->latest);
    mem_free(file);
}

/* ---- all of them ---- */

struct dump_files *dump_files_new(const struct dump_files_settings *settings)
{
    struct dump_files *files = mem_zalloc(sizeof *files);

    files->settings = *settings;
    return files;
}

static void files_forget(struct dump_files *files)
{
    for (size_t i = 0; i < files->file_count; i++)
        file_free(files->files[i]);
    files->file_count = 0;
}

void dump_files_free(struct dump_files *files)
{
    if (!files)
        return;
    files_forget(files);
    mem_free(files->files);
    mem_free(files);
}

void dump_files_begin(struct dump_files *files, int64_t time_s)
{
    files_forget(files);
    files->time_s = time_s;
}

struct dump_file *dump_files_get(struct dump_files *files, const struct dump_variable *variables,
                                 size_t count)
{
    char *name = name_make(files, files->settings.pattern, variables, count);

    for (size_t i = 0; i < files->file_count; i++) {
        if (strcmp(files->files[i]->name, name) == 0) {
            mem_free(name);
            return files->files[i];
        }
    }
    struct dump_file *file = mem_zalloc(sizeof *file);
    file->name = name;
    file->target.fd = file->stream_fd = -1;
    if (files->settings.latest)
        file->latest = name_make(files, files->settings.latest, variables, count);
    file->err = file_open(file);
    files->files =
        mem_realloc_array(files->files, files->file_count + 1, sizeof(struct dump_file *));
    files->files[files->file_count++] = file;
    return file;
}

struct text *dump_file_text(struct dump_file *file)
{
    return &file->lines;
}

void dump_file_added(struct dump_files *files, struct dump_file *file, uint64_t records)
{
    file->waiting += records;
    if (file->lines.len >= FLUSH_LEN)
        file_flush(files, file);
}

void dump_files_end(struct dump_files *files, bool is_whole)
{
    for (size_t i = 0; i < files->file_count; i++)
        file_finish(files, files->files[i], is_whole);
    files_forget(files);
}

const struct dump_file_counts *dump_files_counts(const struct dump_files *files)
{
    return &files->counts;
}
