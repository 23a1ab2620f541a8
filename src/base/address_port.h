/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* An address with a port, as keys have it: ADDRESS:PORT or [ADDRESS]:PORT. */
#include "base/address.h"
#include <stdbool.h>
#include <stdint.h>

struct text;

struct address_port {
    struct ip_addr ip;
    uint16_t port; /* host order; 0: none */
};

/* True if this machine alone reaches it. */
bool address_port_is_loopback(const struct address_port *address);

/* -EINVAL: appends what would be right. */
int address_port_parse(const char *value, struct address_port *ret_address, struct text *error);
