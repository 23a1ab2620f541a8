/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The names that pmacct gives to IP protocols: a subset of IANA's, in its spelling, so that rows
 * compare equal. The others go by number. */
#include <stdint.h>

struct protocol_name {
    char text[15]; /* not terminated; of a fixed size, to be copied whole */
    uint8_t len;   /* 0: the protocol goes by its number */
};
extern const struct protocol_name protocol_names[256];

/* Returns the number of a protocol by its name, in any case; -1: there is none of that name. */
int protocol_number(const char *name);
