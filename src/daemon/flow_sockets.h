/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The flow sockets over a restart. Under a service manager they stay open in its store while no daemon
 * runs, so that the kernel goes on queueing; the next daemon takes them. With another number of
 * workers what waits in them is shared out anew before the kernel steers by the new number. All this
 * is the main thread's.
 */
#include "base/passed_sockets.h"
#include "base/thread.h"
#include "input/kept_sockets.h"
#include "input/receive_udp.h"

struct daemon;

struct flow_sockets {
    struct passed_sockets passed; /* names of what the manager has */
    struct kept_sockets kept;     /* those that are too many now */
    uint32_t kept_count;          /* of the receivers */
    bool is_stored;               /* the manager has them as they are */
    struct udp_drops *closed;     /* of those that were too many; as many as their number then */
    uint32_t closed_count;
    uint64_t funnel_lost; /* while it was steered anew */
};

/* Opens receivers, out of what the manager has where it fits. -errno: the reason was appended. */
int flow_sockets_open(struct daemon *daemon, struct text *errors) ON_THREAD(main_thread);
/* Called when there are workers, before they start, and while nothing else has copies of descriptors. */
void flow_sockets_move(struct daemon *daemon) ON_THREAD(main_thread);
/* Counts what the kernel lost while no daemon read, called when the file of the state was loaded. */
void flow_sockets_count_lost(struct daemon *daemon) ON_THREAD(main_thread);
/* Gives them to the manager, unless it has them. */
void flow_sockets_store(struct daemon *daemon) ON_THREAD(main_thread);
void flow_sockets_clear(struct flow_sockets *sockets);
