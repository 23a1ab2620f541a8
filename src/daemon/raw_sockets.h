/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Sockets that take whole IP packets, whatever their source address: one of each family, which plugins
 * get that ask for them (PA_ROLE_RAW_SOCKETS). The core opens them at its start, while it may, and keeps
 * them, so that plugin processes that are started later get them too. Sending needs no right. Main
 * thread.
 */
struct text;

struct raw_sockets {
    int v4, v6; /* -1: not open */
};

/* -EPERM: the right is missing; what gives it is appended to `error`. A system without IPv6 has no
 * socket of it, which is no error. */
int raw_sockets_open(struct raw_sockets *sockets, struct text *error);
void raw_sockets_close(struct raw_sockets *sockets);
