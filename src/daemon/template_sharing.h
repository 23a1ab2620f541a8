/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Templates that collectors share: where they are sent to (nfacctd_templates_receiver), and the socket
 * where others' come in (nfacctd_templates_port). It is one socket, which the first worker reads, and
 * over a restart the service manager keeps it as it keeps the flow sockets. All this is the main
 * thread's; what is done with templates is the workers' (pipeline/template_share.h).
 */
#include "base/passed_sockets.h"
#include "base/thread.h"
#include "input/receive_udp.h"

struct daemon;

struct template_sharing {
    struct udp_settings udp;       /* of the socket where templates come in */
    struct passed_sockets passed;  /* what the manager has of it */
    struct udp_receiver *receiver; /* until the worker takes it; NULL: none */
    int fd;                        /* of the receiver; valid if there is one */
    bool is_open, is_stored;       /* the manager has it as it is */
};

/* Reads what the keys mean, once all were read. -EINVAL: appends what is wrong. */
int template_sharing_check(struct daemon *daemon, struct text *errors);
/* Opens the socket, or takes the one out of `passed` that the manager has kept; what is of it goes
 * from that list. -errno: the reason was appended. */
int template_sharing_open(struct daemon *daemon, struct passed_sockets *passed, struct text *errors)
    ON_THREAD(main_thread);
/* Gives it to the first worker, before that starts. -errno. */
int template_sharing_give(struct daemon *daemon) ON_THREAD(main_thread);
/* Gives it to the manager, unless it has it. */
void template_sharing_store(struct daemon *daemon) ON_THREAD(main_thread);
/* Logs who shares with whom. */
void template_sharing_say(const struct daemon *daemon) ON_THREAD(main_thread);
void template_sharing_clear(struct template_sharing *sharing);
