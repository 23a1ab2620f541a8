/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* TCP sockets of BGP sessions: listening, connecting, TCP-MD5 keys (RFC 2385). All calls return
 * -errno on failure. */
#include "base/address.h"
#include "bgp/address_list.h"
#include "bgp/bgp.h"

/* Listens on one address, non-blocking; `any` of a family listens to that family alone. */
int bgp_socket_listen(const struct bgp_settings *settings, const struct ip_addr *address,
                      int *ret_fd);
/* Begins to connect, non-blocking, with the peer's password if it has one. */
int bgp_socket_connect(const struct bgp_settings *settings, const struct address_list *md5,
                       const struct ip_addr *address, uint16_t port, int *ret_fd);
/* Makes the keys of a listening socket those of `md5`; `old` holds the ones that it has. */
int bgp_socket_set_md5(int fd, enum ip_family family, const struct address_list *old,
                       const struct address_list *md5);
