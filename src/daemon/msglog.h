/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The log of BGP messages as an instance that nobody names, bgp_msglog: the BGP thread is the producer of its one lane. A
 * plugin writes it: print to files, kafka or amqp to a broker.
 */
#include "daemon/event_output.h"

struct bgp_settings;
struct daemon;

extern const struct event_output msglog_output;
/* bgp_daemon_msglog_*; settings are those of the BGP thread. */
extern const struct config_key msglog_keys[];

/* Tells the BGP thread's settings what a log needs, after keys were read. */
void msglog_read(struct daemon *d);
/* Connects the BGP thread with the instance, once both are there. -errno. */
int msglog_open(struct daemon *d);
/* After bgp_stop(): takes back what was acknowledged, and counts the rest as dropped. */
void msglog_settle(struct daemon *d);
void msglog_free(struct daemon *d);
