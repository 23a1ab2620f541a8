/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The address of http_listen: ADDRESS:PORT or [ADDRESS]:PORT. */
#include "base/address.h"
#include <stdbool.h>
#include <stdint.h>

struct text;

struct listen_address {
    struct ip_addr ip;
    uint16_t port; /* host order */
};

/* True if this machine alone reaches it. */
bool listen_address_is_loopback(const struct listen_address *address);

/* -EINVAL: appends what would be right. */
int listen_address_parse(const char *value, struct listen_address *ret_address, struct text *error);
