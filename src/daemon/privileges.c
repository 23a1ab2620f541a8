/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes users and capabilities by system calls and libcap-ng. See privileges.h. */
#include "daemon/privileges.h"
#include "base/memory.h"
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { GROUPS_FIRST = 32, GROUPS_MAX = 65536 };

static const struct passwd *find_entry(const char *name)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only */
    const struct passwd *entry = getpwnam(name);
    char *end;
    unsigned long number;

    if (entry || *name < '0' || *name > '9')
        return entry;
    number = strtoul(name, &end, 10);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): main thread only */
    return *end == 0 && number < (uid_t)-1 ? getpwuid((uid_t)number) : NULL;
}

static void find_groups(struct privileges_user *user)
{
    int count = GROUPS_FIRST;

    for (;;) {
        int room = count;
        user->groups = mem_realloc_array(user->groups, (size_t)room, sizeof *user->groups);
        if (getgrouplist(user->name, user->gid, user->groups, &count) >= 0)
            break;
        if (count <= room)
            count = room * 2;
        if (count > GROUPS_MAX) {
            user->groups[0] = user->gid;
            count = 1;
            break;
        }
    }
    user->group_count = count;
}

int privileges_find(const char *name, struct privileges_user **ret_user)
{
    const struct passwd *entry = find_entry(name);
    struct privileges_user *user;

    if (!entry)
        return -ENOENT;
    user = mem_zalloc(sizeof *user);
    user->name = mem_strdup(entry->pw_name);
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    find_groups(user);
    *ret_user = user;
    return 0;
}

void privileges_user_free(struct privileges_user *user)
{
    if (!user)
        return;
    mem_free(user->name);
    mem_free(user->groups);
    mem_free(user);
}

bool privileges_has_group(const struct privileges_user *user, gid_t gid)
{
    for (int i = 0; i < user->group_count; i++)
        if (user->groups[i] == gid)
            return true;
    return false;
}

/* A program that is started meanwhile cannot come back: exec(3) makes the effective user the saved
 * one too. */
int privileges_enter(const struct privileges_user *user)
{
    if (setgroups((size_t)user->group_count, user->groups) < 0 ||
        setresgid(user->gid, user->gid, 0) < 0 || setresuid(user->uid, user->uid, 0) < 0) {
        int err = -errno;
        privileges_leave();
        return err;
    }
    return 0;
}

int privileges_leave(void)
{
    const gid_t root = 0;

    return setresuid(0, 0, 0) < 0 || setresgid(0, 0, 0) < 0 || setgroups(1, &root) < 0 ? -errno : 0;
}

/* A process that changes its user leaves no core, and its memory cannot be looked at. Ours has
 * nothing that its user may not see. */
static int set_dumpable(void)
{
    return prctl(PR_SET_DUMPABLE, 1) < 0 ? -errno : 0;
}

int privileges_become(const struct privileges_user *user)
{
    capng_get_caps_process();
    /* Without CAP_SETPCAP, as in some containers, the bounding set stays: by no_new_privs it is of
     * no use. */
    if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP)) {
        capng_clear(CAPNG_SELECT_BOUNDS);
        capng_apply(CAPNG_SELECT_BOUNDS);
    }
    if (setgroups((size_t)user->group_count, user->groups) < 0 ||
        setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0)
        return -errno;
    return set_dumpable();
}

int privileges_shed(void)
{
    if (capng_get_caps_process() < 0)
        return -EIO;
    if (geteuid() == 0) {
        capng_updatev(CAPNG_DROP, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN,
                      CAP_NET_BIND_SERVICE, CAP_NET_RAW, -1);
        return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
    }
    if (capng_have_permitted_capabilities() == CAPNG_NONE)
        return 0; /* ambient ones are always permitted, too */
    capng_clear(CAPNG_SELECT_CAPS);
    capng_clear(CAPNG_SELECT_AMBIENT);
    return capng_apply(CAPNG_SELECT_CAPS) < 0 || capng_apply(CAPNG_SELECT_AMBIENT) < 0 ? -EPERM : 0;
}

int privileges_forbid_new(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}
