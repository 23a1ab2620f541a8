/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The client's end of an encrypted connection (TLS 1.2 and later, by GnuTLS): the daemon's certificate must be
 * of an authority that is trusted, and name the host that was asked. */
#include <stddef.h>
#include <sys/types.h>

struct text;
struct tls;

/* Speaks over `fd`, which stays the caller's. `ca_file` names the authorities that are trusted, in PEM; NULL:
 * the system's. -errno: what is wrong and what to do was appended to `error`. */
int tls_open(int fd, const char *host, const char *ca_file, struct text *error,
             struct tls **ret_tls);
void tls_close(struct tls *tls); /* NULL is fine */
/* Sends or receives some bytes and returns how many, as send(2) and recv(2) do; -1: nothing came in time. */
ssize_t tls_send(struct tls *tls, const void *data, size_t len);
ssize_t tls_receive(struct tls *tls, void *data, size_t size);
