/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Route distinguishers (RFC 4364 section 4.2) as numbers in host order: the type in the upper 16
 * bits, then 2 bytes of an AS number and 4 of a number (type 0), or 4 bytes of an IPv4 address (type
 * 1) or AS number (type 2) and 2 of a number.
 */
#include <stdint.h>

/* Parses "0:65000:1", "1:192.0.2.1:1" or "2:4200000000:1", with the type first. -EINVAL: it is none
 * of these. */
int route_distinguisher_parse(const char *text, uint64_t *ret_rd);
