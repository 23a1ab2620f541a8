/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes spools into use, and finds those that nobody uses. See spool_use.h. */
#include "daemon/spool_use.h"
#include "base/memory.h"
#include "base/text.h"
#include "handover/spool_folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Somebody else may read the name elsewhere: it is absolute if it can be. */
void spool_use_sign(int lock_fd, const char *daemon_name, const char *config_file)
{
    char *absolute = config_file ? realpath(config_file, NULL) : NULL;

    /* The lock counts, not the name: without one the other daemon says less. */
    spool_lock_sign(lock_fd, daemon_name, absolute ? absolute : config_file);
    free(absolute); /* NOLINT: realpath() allocated it */
}

static void describe_user(int folder, const char *dir, const char *instance_name,
                          struct text *error)
{
    text_append_printf(error, "%s/%s is in use by ", dir, instance_name);
    spool_lock_describe_holder(folder, error);
    text_append_string(
        error, "; two daemons would take each other's rows: end that one, or choose another "
               "plugin_spool_dir or another name of the instance");
}

int spool_use_begin(const char *dir, const char *instance_name, const char *daemon_name,
                    const char *config_file, struct text *error)
{
    int folder = spool_folder_open(dir, instance_name, true);
    int lock = folder < 0 ? folder : spool_lock_take(folder, SPOOL_LOCK_CORE);

    if (lock >= 0) {
        spool_use_sign(lock, daemon_name, config_file);
    } else if (lock == -EWOULDBLOCK) {
        describe_user(folder, dir, instance_name, error);
    } else {
        text_append_printf(error,
                           "cannot use plugin_spool_dir %s: %s; while the backend fails rows wait "
                           "in memory",
                           dir, strerror(-lock));
    }
    if (folder >= 0)
        close(folder);
    return lock;
}

int spool_use_try(const char *dir, const char *instance_name, struct text *error)
{
    int folder = spool_folder_open(dir, instance_name, false);

    if (folder < 0) /* it is not there yet, or another check tells why it cannot be used */
        return 0;
    bool is_taken = spool_lock_is_taken(folder, SPOOL_LOCK_CORE);
    if (is_taken)
        describe_user(folder, dir, instance_name, error);
    close(folder);
    return is_taken ? -EWOULDBLOCK : 0;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void look_into(int dir_fd, const char *dir, const char *name, struct text *lines)
{
    struct spool_folder_counts counts;
    int folder = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (folder < 0)
        return;
    if (spool_folder_count(folder, &counts) == 0) {
        uint64_t aside = counts.files[SPOOL_FILE_POISON] + counts.files[SPOOL_FILE_UNREADABLE];
        uint64_t waiting = counts.files[SPOOL_FILE_WAITING];
        if (waiting + aside > 0 && !spool_lock_is_taken(folder, SPOOL_LOCK_CORE) &&
            !spool_lock_is_taken(folder, SPOOL_LOCK_HOST))
            text_append_printf(
                lines,
                "plugin_spool_dir %s/%s: no instance of this name is configured, and "
                "%llu hand-overs (%llu bytes) wait there, %llu more were put aside; "
                "configure it again to have them written, or remove the folder\n",
                dir, name, (unsigned long long)waiting, (unsigned long long)counts.bytes,
                (unsigned long long)aside);
    }
    close(folder);
}

void spool_use_find_others(const char *dir, const char *const *instance_names, size_t count,
                           struct text *lines)
{
    DIR *stream = opendir(dir);

    if (!stream)
        return;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream of this readdir is ours alone */
    for (struct dirent *d = readdir(stream); d != NULL; d = readdir(stream))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
            !is_among(d->d_name, instance_names, count))
            look_into(dirfd(stream), dir, d->d_name, lines);
    closedir(stream);
}
