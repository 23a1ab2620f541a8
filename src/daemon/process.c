/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes the daemon's own process by system calls. See process.h. */
#include "daemon/process.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/named_file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Some hard limits are of billions, and there are programs that close each possible one. */
#define DESCRIPTORS_MAX ((rlim_t)1 << 20)

static bool is_ours_alone(const char *variable)
{
    static const char *const names[] = {"NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_",
                                        "MAINPID=", "MANAGERPID="};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

char **process_child_environment(void)
{
    size_t count = 0, kept = 0;
    char **variables;

    while (environ[count])
        count++;
    variables = mem_calloc(count + 1, sizeof *variables);
    for (size_t i = 0; i < count; i++)
        if (!is_ours_alone(environ[i]))
            variables[kept++] = environ[i];
    return variables;
}

void process_keep_descriptors(bool (*keeps)(void *arg, int fd), void *arg)
{
    struct dirent *entry;
    DIR *list = opendir("/proc/self/fd");

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream of this readdir is ours alone */
    while (list && (entry = readdir(list)) != NULL) {
        int fd = atoi(entry->d_name); /* NOLINT(cert-err34-c): the kernel's numbers, and dots */
        if (fd > STDERR_FILENO && !keeps(arg, fd))
            fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    if (list)
        closedir(list);
}

int process_daemonize(void)
{
    int null_fd;

    switch (fork()) {
    case -1:
        return -errno;
    case 0:
        break;
    default:
        _exit(0);
    }
    if (setsid() < 0)
        return -errno;
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return -errno;
    for (int fd = 0; fd < 3; fd++)
        dup2(null_fd, fd);
    if (null_fd > 2)
        close(null_fd);
    return 0;
}

int process_write_pidfile(const char *path)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());

    return file_replace(path, text, (size_t)len, FILE_MODE_PUBLIC, FILE_SYNC_CONTENT);
}

int process_set_priority(int64_t nice_value)
{
    return nice_value != 0 && setpriority(PRIO_PROCESS, 0, (int)nice_value) < 0 ? -errno : 0;
}

void process_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    rlim_t wanted = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    if (limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* the soft limit of before is what else there is */
}

int process_set_umask(const char *octal)
{
    char *end;
    long mask = strtol(octal, &end, 8);

    if (*octal == 0 || *end != 0 || mask < 0 || mask > 0777)
        return -EINVAL;
    umask((mode_t)mask);
    return 0;
}

int process_find_owner(const char *user, const char *group, uid_t *ret_uid, gid_t *ret_gid)
{
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    char *end;

    if (user) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only */
        const struct passwd *p = getpwnam(user);
        uid = p ? p->pw_uid : (uid_t)strtoul(user, &end, 10);
        if (!p && *end != 0)
            return -ENOENT;
    }
    if (group) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only */
        const struct group *g = getgrnam(group);
        gid = g ? g->gr_gid : (gid_t)strtoul(group, &end, 10);
        if (!g && *end != 0)
            return -ENOENT;
    }
    *ret_uid = uid;
    *ret_gid = gid;
    return 0;
}

int process_give_file(const char *path, const char *user, const char *group)
{
    uid_t uid;
    gid_t gid;
    int err = process_find_owner(user, group, &uid, &gid);

    if (err < 0)
        return err;
    return user || group ? named_file_chown(path, uid, gid) : 0;
}
