/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The rights of the daemon's own process: which user it is, and which capabilities(7) it has. Main
 * thread, before others start. Errors are negative errno.
 */
#include <stdbool.h>
#include <sys/types.h>

/* A user of the system, its primary group and all of its groups. */
struct privileges_user {
    char *name;
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* the primary one is among them */
    int group_count;
};

/* Finds a user by name or number. -ENOENT: there is none. */
int privileges_find(const char *name, struct privileges_user **ret_user);
void privileges_user_free(struct privileges_user *user); /* NULL is fine */
bool privileges_has_group(const struct privileges_user *user, gid_t gid);

/* Becomes the user until privileges_leave(): what is looked at, and what is started, is the user's.
 * Root alone can. */
int privileges_enter(const struct privileges_user *user);
int privileges_leave(void);

/* Becomes the user for good, without any capability. Root alone can. */
int privileges_become(const struct privileges_user *user);
/*
 * Gives up what is not needed once the sockets are open. Root stays root, without CAP_NET_ADMIN and
 * CAP_NET_BIND_SERVICE; anybody else has no capability afterwards, and neither has what it starts.
 */
int privileges_shed(void);
/* From now on no program that we start gains rights by its set-user-ID bit or its file. */
int privileges_forbid_new(void);
