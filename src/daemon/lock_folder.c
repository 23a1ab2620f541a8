/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the folder of locks and names the locks in it. See lock_folder.h. */
#include "daemon/lock_folder.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define LOCK_DIR "/run/pathacct"

static char *own_lock_directory(void)
{
    return mem_printf("/tmp/pathacct-%u", (unsigned)geteuid());
}

static bool is_ours(const char *dir)
{
    struct stat status;

    return lstat(dir, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid() &&
           (status.st_mode & 077) == 0;
}

/* Returns a directory of our own that outlives the process: what service managers make for us, or
 * one in /tmp. */
static char *lock_directory(void)
{
    if ((mkdir(LOCK_DIR, 0755) == 0 || errno == EEXIST) && access(LOCK_DIR, W_OK) == 0)
        return mem_strdup(LOCK_DIR);
    char *dir = own_lock_directory();
    if ((mkdir(dir, 0700) == 0 || errno == EEXIST) && is_ours(dir))
        return dir;
    log_warning("no directory for lock files: neither %s nor %s is ours; a plugin process of an "
                "earlier start "
                "is not waited for",
                LOCK_DIR, dir);
    mem_free(dir);
    return NULL;
}

/* Returns DIR/DAEMON-HASH and `rest`. */
static char *path_in(const char *dir, const char *daemon_name, const char *identity,
                     const char *rest)
{
    char *path = mem_printf("%s/%s-%016llx%s", dir, daemon_name,
                            (unsigned long long)XXH3_64bits(identity, strlen(identity)), rest);
    for (char *c = path + strlen(dir) + 1; *c != '\0'; c++)
        if (*c == '/')
            *c = '_';
    return path;
}

static char *lock_in(const char *dir, const char *daemon_name, const char *identity,
                     const char *instance_name)
{
    char *rest = mem_printf("-%s.lock", instance_name);
    char *path = path_in(dir, daemon_name, identity, rest);

    mem_free(rest);
    return path;
}

char *lock_folder_path(const char *daemon_name, const char *identity, const char *instance_name)
{
    char *dir = identity == NULL ? NULL : lock_directory();
    char *path = dir == NULL ? NULL : lock_in(dir, daemon_name, identity, instance_name);

    mem_free(dir);
    return path;
}

char *lock_folder_run_path(const char *daemon_name, const char *identity, const char *instance_name)
{
    return identity == NULL ? NULL : lock_in(LOCK_DIR, daemon_name, identity, instance_name);
}

char *lock_folder_control_path(const char *daemon_name, const char *identity)
{
    char *dir = identity == NULL ? NULL : lock_directory();
    char *path = dir == NULL ? NULL : path_in(dir, daemon_name, identity, ".control");

    mem_free(dir);
    return path;
}

int lock_folder_check(struct text *error)
{
    char *dir = own_lock_directory();
    bool is_there = access(LOCK_DIR, F_OK) < 0 || access(LOCK_DIR, W_OK) == 0 ||
                    access(dir, F_OK) < 0 || is_ours(dir);

    if (!is_there)
        text_append_printf(error, "%s and %s are both another's", LOCK_DIR, dir);
    mem_free(dir);
    return is_there ? 0 : -EACCES;
}

void lock_folder_make(uid_t uid, gid_t gid)
{
    if (mkdir(LOCK_DIR, 0755) == 0 && chown(LOCK_DIR, uid, gid) < 0)
        rmdir(LOCK_DIR);
}
