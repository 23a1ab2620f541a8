/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replaces the link by renaming a new one over it. See latest_link.h. */
#include "plugins/print/latest_link.h"
#include "base/file.h"
#include "base/memory.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void latest_link_update(const struct pa_host *host, const struct file_owner *owner,
                        const char *link, const char *target)
{
    char before[PATH_MAX], *aside;
    ssize_t len = readlink(link, before, sizeof before - 1);
    int err = 0;

    if (len >= 0) {
        before[len] = 0;
        if (strcmp(target, before) <= 0)
            return;
    } else if (errno == EINVAL) {
        err = -EEXIST; /* the operator's own file, not a link */
    }
    aside = file_aside_name(link);
    if (err == 0)
        err = file_owner_make_directories(owner, link);
    if (err == 0) {
        /* Not file_replace(), which writes content: a link has none. */
        if (symlink(target, aside) < 0)
            err = -errno;
        else if ((owner->uid != (uid_t)-1 || owner->gid != (gid_t)-1) &&
                 lchown(aside, owner->uid, owner->gid) < 0)
            err = -errno;
        if (err == 0 && rename(aside, link) < 0)
            err = -errno;
        if (err < 0)
            (void)unlink(aside);
    }
    if (err < 0)
        host->log(host, PA_LOG_WARNING, "print_latest_file %s: cannot point to %s: %s", link,
                  target, strerror(-err));
    mem_free(aside);
}
