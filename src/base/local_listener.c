/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens a socket without taking it from another process. See local_listener.h. */
#include "base/local_listener.h"
#include "base/file_trial.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

const char *local_listener_path_error(const char *path)
{
    static const struct sockaddr_un address;

    if (*path == '\0')
        return "is empty; name a file for the socket, such as /run/pathacct/memory.sock";
    if (strlen(path) >= sizeof address.sun_path)
        return "is longer than the 107 characters that a Unix socket may have; choose a shorter "
               "path";
    return NULL;
}

static struct sockaddr_un make_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memcpy(address.sun_path, path, strlen(path) + 1);
    return address;
}

/* Tells whether somebody accepts connections there. */
static int is_served(const struct sockaddr_un *address, bool *ret_is_served)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    /* EAGAIN means a full backlog, so somebody is there. */
    *ret_is_served =
        connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN;
    close(fd);
    return 0;
}

/* Looks whether the place can be taken: only nothing, or a socket that nobody serves, may stand
 * there. */
static int check_place(const struct local_listener_place *place, const struct sockaddr_un *address,
                       char *error, size_t error_size)
{
    const char *path = address->sun_path;
    struct stat status;
    bool served = false;
    int err;

    if (lstat(path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode)) {
        snprintf(error, error_size,
                 "%s %s exists and is no socket; remove it or choose another path", place->key,
                 path);
        return -EEXIST;
    }
    err = is_served(address, &served);
    if (err < 0)
        return err;
    if (served) {
        snprintf(error, error_size, "%s %s is served by another process; give each its own path",
                 place->key, path);
        return -EADDRINUSE;
    }
    return 0;
}

static int explain_failure(int err, const struct local_listener_place *place, const char *what,
                           char *error, size_t error_size)
{
    const char *remedy = err == -ENOENT   ? "make the directory first"
                         : err == -EACCES ? "the daemon's user must be allowed to write there"
                         : err == -EPERM  ? "the daemon's user must be a member of the group"
                                          : "";

    snprintf(error, error_size, "cannot %s %s %s: %s%s%s", what, place->key, place->path,
             strerrordesc_np(-err), *remedy ? "; " : "", remedy);
    return err;
}

/* Binds so that nobody can connect before mode and group are set. */
static int bind_closed(int fd, const struct sockaddr_un *address)
{
    mode_t mask = umask(0777);
    int err = bind(fd, (const struct sockaddr *)address, sizeof *address) < 0 ? -errno : 0;

    umask(mask);
    return err;
}

int local_listener_try_out(const struct local_listener_place *place, char *error, size_t error_size)
{
    struct sockaddr_un address = make_address(place->path);

    error[0] = '\0';
    int err = check_place(place, &address, error, error_size);
    if (err == 0)
        err = file_trial_replace(place->path);
    return err < 0 && !error[0] ? explain_failure(err, place, "make", error, error_size) : err;
}

int local_listener_open(const struct local_listener_place *place, char *error, size_t error_size,
                        int *ret_fd)
{
    struct sockaddr_un address = make_address(place->path);
    const char *what = "make";
    int fd, err;

    error[0] = '\0';
    err = check_place(place, &address, error, error_size);
    if (err == 0 && unlink(place->path) < 0 && errno != ENOENT)
        err = -errno;
    if (err < 0)
        return error[0] ? err : explain_failure(err, place, "use", error, error_size);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return explain_failure(-errno, place, what, error, error_size);
    err = bind_closed(fd, &address);
    if (err < 0) {
        close(fd);
        return explain_failure(err, place, what, error, error_size);
    }
    what = "set group and mode of";
    if ((place->group != (gid_t)-1 && lchown(place->path, (uid_t)-1, place->group) < 0) ||
        chmod(place->path, place->mode) < 0 || (what = "listen on", listen(fd, BACKLOG) < 0)) {
        err = -errno;
        local_listener_close(fd, place->path);
        return explain_failure(err, place, what, error, error_size);
    }
    *ret_fd = fd;
    return 0;
}

void local_listener_close(int fd, const char *path)
{
    struct sockaddr_un address = make_address(path);
    bool served = true;

    close(fd);
    /* A socket that is still served belongs to another process that has taken the place. */
    if (is_served(&address, &served) == 0 && !served)
        unlink(path);
}
