/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Random values for property tests, the same in each run, so that a failure comes again. One thread. */
#include "base/address.h"

struct text;

uint32_t random_below(uint32_t bound); /* xorshift with a fixed seed */
/* Returns addresses that differ in few bits, so that prefixes overlap and addresses hit them. */
struct ip_addr random_address(void);
void append_random_prefix(struct text *out); /* of such an address */
