/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the key `user` and does what it says. See user.h; user_files.c has the checks. */
#include "daemon/user.h"
#include "base/memory.h"
#include "daemon/lock_folder.h"
#include "daemon/process.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static int refuse(const struct daemon *d, const char *key, struct text *errors, const char *why)
{
    text_append_printf(errors, "%s: %s: %s\n", config_place(d->config, key, CONFIG_GLOBAL), key,
                       why);
    return -EINVAL;
}

static int check_owner(const struct daemon *d, struct text *errors)
{
    const struct privileges_user *user = d->user;
    uid_t uid = user->uid;
    gid_t gid = user->gid;
    char *why = NULL;
    int err = 0;

    /* Names that there are not are the plugins' to tell. */
    if (process_find_owner(d->process.files_uid, d->process.files_gid, &uid, &gid) < 0)
        return 0;
    if (uid != user->uid && uid != (uid_t)-1) {
        why = mem_printf("user '%s' cannot give files to another; leave files_uid out", user->name);
        err = refuse(d, "files_uid", errors, why);
    }
    mem_free(why);
    why = NULL;
    if (gid != (gid_t)-1 && !privileges_has_group(user, gid)) {
        why =
            mem_printf("user '%s' cannot give files to a group that it is not in; leave files_gid "
                       "out, or: adduser %s %s",
                       user->name, user->name, d->process.files_gid);
        err = refuse(d, "files_gid", errors, why);
    }
    mem_free(why);
    return err;
}

int user_find(struct daemon *d, struct text *errors)
{
    const char *name = d->process.user;
    char *why;

    if (!name)
        return 0;
    if (privileges_find(name, &d->user) < 0) {
        why =
            mem_printf("there is no user '%s' here; make it (adduser --system --group %s), or name "
                       "another",
                       name, name);
    } else if (geteuid() == 0 || geteuid() == d->user->uid) {
        return d->user->uid == 0 ? 0 : check_owner(d, errors);
    } else {
        why =
            mem_printf("only root can become '%s'; start it as root or as that user, or leave the "
                       "key out",
                       name);
    }
    refuse(d, "user", errors, why);
    mem_free(why);
    privileges_user_free(d->user);
    d->user = NULL;
    return -EINVAL;
}

static bool changes_user(const struct daemon *d)
{
    return d->user && geteuid() == 0 && d->user->uid != 0;
}

int user_enter(const struct daemon *d, struct text *errors)
{
    int err = changes_user(d) ? privileges_enter(d->user) : 0;

    if (err < 0)
        text_append_printf(errors, "%s: user: cannot become '%s': %s\n",
                           config_place(d->config, "user", CONFIG_GLOBAL), d->user->name,
                           strerror(-err));
    return err;
}

void user_leave(const struct daemon *d)
{
    uid_t real, effective, saved;

    /* Who was not root before has nothing to go back to. */
    if (d->user && getresuid(&real, &effective, &saved) == 0 && saved == 0)
        privileges_leave();
}

int user_become(struct daemon *d, struct text *errors)
{
    const char *doing = "become the user of the key `user`";
    int err = 0;

    if (process_set_priority(d->process.proc_priority) < 0)
        text_append_printf(&d->warnings, "proc_priority %" PRId32 ": not permitted\n",
                           d->process.proc_priority);
    if (geteuid() == 0 && !d->user && !d->crew.replay.path && d->options.action == ACTION_RUN)
        text_append_printf(&d->notices,
                           "the daemon stays root, and so do plugins and triggers; with `user: "
                           "NAME` it is that user once its ports are open\n");
    if (changes_user(d)) {
        lock_folder_make(d->user->uid, d->user->gid);
        err = privileges_become(d->user);
    }
    if (err == 0 && privileges_shed() < 0)
        text_append_printf(
            &d->warnings, "capabilities are kept, as they cannot be given up; let the process call "
                          "capset (in a unit: SystemCallFilter=capset)\n");
    if (err == 0 && (d->process.no_new_privs || (d->user && d->user->uid != 0))) {
        doing = "set no_new_privs";
        err = privileges_forbid_new();
    }
    if (err < 0)
        text_append_printf(errors, "cannot %s: %s\n", doing, strerror(-err));
    return err;
}
