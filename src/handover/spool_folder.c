/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names and locks in the folder of a spool. Nothing here follows a link, since the folder's name
 * and those in it are made up by us. See spool_folder.h. */
#include "handover/spool_folder.h"

#include "base/memory.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME        "lock"
#define LOCK_CONTENT_MAX 8192
/* Numbers above it are not ours: counting on from there would begin anew. */
#define NUMBER_MAX (UINT64_MAX / 2)

static const char *const suffixes[SPOOL_FILE_KINDS] = {
    [SPOOL_FILE_WAITING] = "handover",
    [SPOOL_FILE_POISON] = "poison",
    [SPOOL_FILE_UNREADABLE] = "unreadable",
    [SPOOL_FILE_INCOMING] = "incoming",
};

void spool_file_name_format(const struct spool_file_name *name, char out[SPOOL_NAME_SIZE])
{
    int len = snprintf(out, SPOOL_NAME_SIZE, "%020llu.%s", (unsigned long long)name->number,
                       suffixes[name->kind]);
    if (name->attempts > 0)
        snprintf(out + len, (size_t)(SPOOL_NAME_SIZE - len), ".%u", name->attempts);
}

bool spool_file_name_parse(const char *text, struct spool_file_name *ret_name)
{
    struct spool_file_name n = {.number = strtoull(text, NULL, 10)};
    char again[SPOOL_NAME_SIZE];

    if (n.number > NUMBER_MAX)
        return false;
    for (int kind = 0; kind < SPOOL_FILE_KINDS; kind++) {
        n.kind = (enum spool_file_kind)kind;
        unsigned last = kind == SPOOL_FILE_WAITING ? SPOOL_ATTEMPTS_MAX : 0;
        for (n.attempts = 0; n.attempts <= last; n.attempts++) {
            spool_file_name_format(&n, again);
            if (strcmp(text, again) == 0) {
                *ret_name = n;
                return true;
            }
        }
    }
    return false;
}

int spool_folder_rename(int folder_fd, const struct spool_file_name *from,
                        const struct spool_file_name *to)
{
    char from_text[SPOOL_NAME_SIZE], to_text[SPOOL_NAME_SIZE];

    spool_file_name_format(from, from_text);
    spool_file_name_format(to, to_text);
    if (renameat2(folder_fd, from_text, folder_fd, to_text, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* A file system that cannot do it in one step. The lock keeps others out. */
    if (faccessat(folder_fd, to_text, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return renameat(folder_fd, from_text, folder_fd, to_text) < 0 ? -errno : 0;
}

int spool_folder_open(const char *dir, const char *instance_name, bool make)
{
    char *path;
    int fd, err = 0;

    if (strcmp(instance_name, ".") == 0 || strcmp(instance_name, "..") == 0)
        return -EINVAL;
    path = mem_printf("%s/%s", dir, instance_name);
    if (make && mkdir(path, 0700) < 0 && errno != EEXIST)
        err = -errno;
    fd = err == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (err == 0 && fd < 0)
        err = -errno;
    mem_free(path);
    return err < 0 ? err : fd;
}

struct name_list {
    struct {
        struct spool_file_name name;
        uint64_t size;
    } * items;
    size_t count, capacity;
};

static void list_names(int folder_fd, DIR *dir, struct name_list *list)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream of this readdir is ours alone */
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        struct spool_file_name name;
        struct stat status;
        if (!spool_file_name_parse(d->d_name, &name) ||
            fstatat(folder_fd, d->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(status.st_mode))
            continue;
        if (list->count == list->capacity) {
            list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
            list->items = mem_realloc_array(list->items, list->capacity, sizeof *list->items);
        }
        list->items[list->count].name = name;
        list->items[list->count++].size = (uint64_t)status.st_size;
    }
}

static int compare_names(const void *a, const void *b)
{
    const struct spool_file_name *x = a, *y = b; /* what an item begins with */
    return x->number < y->number ? -1 : x->number > y->number;
}

int spool_folder_each(int folder_fd, spool_folder_fn *fn, void *arg)
{
    struct name_list list = {0};
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (dir == NULL) {
        int err = -errno;
        if (fd >= 0)
            close(fd);
        return err;
    }
    list_names(folder_fd, dir, &list);
    closedir(dir);
    if (list.count > 0)
        qsort(list.items, list.count, sizeof *list.items, compare_names);
    for (size_t i = 0; i < list.count; i++)
        fn(arg, &list.items[i].name, list.items[i].size);
    mem_free(list.items);
    return 0;
}

static void count_file(void *arg, const struct spool_file_name *name, uint64_t size)
{
    struct spool_folder_counts *counts = arg;

    counts->files[name->kind]++;
    if (name->kind == SPOOL_FILE_WAITING)
        counts->bytes += size;
}

int spool_folder_count(int folder_fd, struct spool_folder_counts *ret_counts)
{
    *ret_counts = (struct spool_folder_counts){0};
    return spool_folder_each(folder_fd, count_file, ret_counts);
}

/* ---- the lock ---- */

static struct flock byte_of(enum spool_lock_place place, short type)
{
    return (struct flock){
        .l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)place, .l_len = 1};
}

int spool_lock_take(int folder_fd, enum spool_lock_place place)
{
    struct flock lock = byte_of(place, F_WRLCK);
    int fd = openat(folder_fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -errno;
    if (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        int err = errno == EACCES || errno == EAGAIN ? -EWOULDBLOCK : -errno;
        close(fd);
        return err;
    }
    return fd;
}

int spool_lock_sign(int lock_fd, const char *daemon_name, const char *config_file)
{
    struct text content = {0};
    int err = 0;

    text_append_printf(&content, "process %ld (%s, %s%s)\n", (long)getpid(), daemon_name,
                       config_file ? "configuration file " : "no configuration file",
                       config_file ? config_file : "");
    if (ftruncate(lock_fd, 0) < 0 ||
        pwrite(lock_fd, content.data, content.len, 0) != (ssize_t)content.len)
        err = errno != 0 ? -errno : -EIO;
    text_clear(&content);
    return err;
}

void spool_lock_describe_holder(int folder_fd, struct text *out)
{
    char content[LOCK_CONTENT_MAX];
    int fd = openat(folder_fd, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t len = fd >= 0 ? pread(fd, content, sizeof content, 0) : 0;
    const char *end = len > 0 ? memchr(content, '\n', (size_t)len) : NULL;

    if (end != NULL)
        text_append(out, content, (size_t)(end - content));
    else
        text_append_string(out, "a process that has not yet written its name there");
    if (fd >= 0)
        close(fd);
}

bool spool_lock_is_taken(int folder_fd, enum spool_lock_place place)
{
    struct flock lock = byte_of(place, F_WRLCK);
    int fd = openat(folder_fd, LOCK_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return errno != ENOENT;
    bool is_taken = fcntl(fd, F_OFD_GETLK, &lock) < 0 || lock.l_type != F_UNLCK;
    close(fd);
    return is_taken;
}
