/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of keys that all text outputs share, and how they are read. See output_keys.h. */
#include "plugins/text/output_keys.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/common/setting.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct pa_key output_keys[] = {
    {.name = "timestamps_utc",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "times and file names in UTC, not local time"},
    {.name = "timestamps_secs",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "times in whole seconds: the fraction is 000000, and flows of one second are one row"},
    {.name = "timestamps_since_epoch",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "times as seconds since 1970: 1664491696.000000"},
    {.name = "timestamps_rfc9557",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .aliases = "timestamps_rfc3339",
     .help = "times with 'T' and the offset: 2026-11-21T22:49:15.938000+00:00"},
    {.name = "tcpflags_encode_as_array",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "JSON: TCP flags as an array of names"},
    {.name = "tcpflags_encode_as_string",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "JSON: TCP flags as text, as up to pmacct 1.8.0, not as a number"},
    {.name = "fwd_status_encode_as_string",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "forwarding status in words: FORWARDED Unknown"},
    {.name = "mpls_label_stack_encode_as_array",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "JSON: the MPLS label stack as an array"},
    {.name = "as_path_encode_as_array",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "JSON: AS paths as arrays"},
    {.name = "bgp_comms_encode_as_array",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "JSON: communities as arrays"},
    {.name = "pre_tag_label_encode_as_map",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "JSON: labels of the form k%v,k%v as an object"},
    {.name = "tos_encode_as_dscp",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "the six bits of DSCP instead of the whole TOS byte; flows that differ in the other "
             "two are one row"},
    {.name = "log_purges",
     .type = PA_KEY_BOOL,
     .default_value = "false",
     .help = "log the start and end of each purge, in pmacct's words"},
    {.name = "writer_id_string",
     .type = PA_KEY_STRING,
     .default_value = "$proc_name/$writer_pid",
     .help = "who wrote: text with $proc_name, $writer_pid, $pmacct_version, $pmacct_build"},
    {.name = "files_umask",
     .type = PA_KEY_STRING,
     .default_value = "077",
     .help = "permissions that new files and directories do not get, octal"},
    {.name = "files_uid",
     .type = PA_KEY_STRING,
     .help = "user (name or number) who gets new files"},
    {.name = "files_gid",
     .type = PA_KEY_STRING,
     .help = "group (name or number) that gets new files"},
    {.name = NULL},
};

void output_options_read(const struct pa_host *host, struct format_options *ret_options)
{
    *ret_options = (struct format_options){
        .values = {.has_tcp_flags_array = setting_is_on(host, "tcpflags_encode_as_array"),
                   .has_tcp_flags_text = setting_is_on(host, "tcpflags_encode_as_string"),
                   .has_fwd_status_text = setting_is_on(host, "fwd_status_encode_as_string"),
                   .has_label_map = setting_is_on(host, "pre_tag_label_encode_as_map"),
                   .has_label_stack_array = setting_is_on(host, "mpls_label_stack_encode_as_array"),
                   .has_as_path_array = setting_is_on(host, "as_path_encode_as_array"),
                   .has_communities_array = setting_is_on(host, "bgp_comms_encode_as_array"),
                   .has_dscp = setting_is_on(host, "tos_encode_as_dscp")},
        .time_style = setting_is_on(host, "timestamps_since_epoch") ? VALUE_TIME_EPOCH
                      : setting_is_on(host, "timestamps_rfc9557")   ? VALUE_TIME_RFC9557
                                                                    : VALUE_TIME_PLAIN,
        .is_utc = setting_is_on(host, "timestamps_utc"),
        .has_whole_seconds = setting_is_on(host, "timestamps_secs"),
        .has_event_type = true,
        .separator = ',',
        .has_quotes = true,
    };
}

/* ---- owner of files ---- */

static bool parse_number(const char *text, int base, unsigned long max, unsigned long *ret)
{
    char *end;
    unsigned long v;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    v = strtoul(text, &end, base);
    if (errno != 0 || *end != 0 || v > max)
        return false;
    *ret = v;
    return true;
}

int file_owner_read(const struct pa_host *host, char *error, size_t error_size,
                    struct file_owner *ret_owner)
{
    const char *mask = host->setting(host, "files_umask");
    const char *user = host->setting(host, "files_uid"), *group = host->setting(host, "files_gid");
    struct file_owner owner = {.mask = 077, .uid = (uid_t)-1, .gid = (gid_t)-1};
    unsigned long number;

    if (mask && *mask) {
        if (!parse_number(mask, 8, 0777, &number) || (number & 0002) == 0) {
            snprintf(error, error_size,
                     "files_umask: '%s' is not an octal mask of at least 002, such as 077", mask);
            return -EINVAL;
        }
        owner.mask = (mode_t)number;
    }
    if (user && *user) {
        const struct passwd *entry = NULL;
        if (parse_number(user, 10, UINT32_MAX - 1, &number))
            owner.uid = (uid_t)number;
        else if ((entry = getpwnam(user)))
            owner.uid = entry->pw_uid;
        else {
            snprintf(error, error_size, "files_uid: there is no user '%s' here", user);
            return -EINVAL;
        }
    }
    if (group && *group) {
        const struct group *entry = NULL;
        if (parse_number(group, 10, UINT32_MAX - 1, &number))
            owner.gid = (gid_t)number;
        else if ((entry = getgrnam(group)))
            owner.gid = entry->gr_gid;
        else {
            snprintf(error, error_size, "files_gid: there is no group '%s' here", group);
            return -EINVAL;
        }
    }
    *ret_owner = owner;
    return 0;
}

static int give_file(const struct file_owner *owner, int fd)
{
    if (owner->uid == (uid_t)-1 && owner->gid == (gid_t)-1)
        return 0;
    return fchown(fd, owner->uid, owner->gid) < 0 ? -errno : 0;
}

/* The mode of a new file goes through the process's mask too, but files_umask is meant exactly. */
static mode_t mode_of(const struct file_owner *owner, mode_t mode)
{
    return mode & ~owner->mask;
}

static int make_directory(const struct file_owner *owner, const char *path)
{
    int fd, err = 0;

    if (mkdir(path, mode_of(owner, 0777)) < 0)
        return errno == EEXIST ? 0 : -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, mode_of(owner, 0777)) < 0)
        err = -errno;
    if (err == 0)
        err = give_file(owner, fd);
    close(fd);
    return err;
}

int file_owner_make_directories(const struct file_owner *owner, const char *path)
{
    char *copy = mem_strdup(path);
    int err = 0;

    for (char *slash = strchr(copy + (*copy == '/'), '/'); slash && err == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = 0;
        err = make_directory(owner, copy);
        *slash = '/';
    }
    mem_free(copy);
    return err;
}

int file_owner_open(const struct file_owner *owner, const char *path, int flags)
{
    const int always = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
    int fd = open(path, flags | O_CREAT | O_EXCL | always, mode_of(owner, 0666)), err;

    if (fd < 0 && errno == EEXIST && (flags & O_EXCL) == 0)
        fd = open(path, flags | always);
    else if (fd >= 0) {
        err = fchmod(fd, mode_of(owner, 0666)) < 0 ? -errno : give_file(owner, fd);
        if (err < 0) {
            close(fd);
            return err;
        }
    }
    return fd < 0 ? -errno : fd;
}

int file_owner_replace(const struct file_owner *owner, const char *path, const void *data,
                       size_t len)
{
    char *aside = file_aside_name(path);
    int fd = file_owner_open(owner, aside, O_WRONLY | O_EXCL);
    int err = file_replace_at(AT_FDCWD, aside, path, fd, data, len, FILE_SYNC_CONTENT);

    mem_free(aside);
    return err;
}

/* ---- writer id ---- */

void writer_id_append(const struct pa_host *host, struct text *out)
{
    const char *at = host->setting(host, "writer_id_string");
    const struct {
        const char *name, *value;
    } names[] = {
        {"$proc_name", host->instance_name},
        {"$pmacct_version", PATHACCT_VERSION},
        {"$pmacct_build", "pathacct " PATHACCT_VERSION},
    };

    for (at = at ? at : ""; *at;) {
        size_t i, count = sizeof names / sizeof names[0];
        if (!strncmp(at, "$writer_pid", strlen("$writer_pid"))) {
            text_append_int(out, getpid());
            at += strlen("$writer_pid");
            continue;
        }
        for (i = 0; i < count && strncmp(at, names[i].name, strlen(names[i].name)) != 0; i++)
            ;
        if (i < count) {
            text_append_string(out, names[i].value);
            at += strlen(names[i].name);
        } else {
            text_append_char(out, *at++);
        }
    }
}
