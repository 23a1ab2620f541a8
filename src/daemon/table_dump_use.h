/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Dumps of the BGP tables, from the configuration to the thread that makes them. Main thread. */
#include "base/text.h"

struct daemon;

/* Checks what keys ask for, and asks BGP to keep attributes as received. -EINVAL: as appended. */
int table_dump_use_read(struct daemon *daemon, struct text *errors);
bool table_dump_use_is_asked(const struct daemon *daemon); /* some place is named for dumps */
/* Makes daemon->table_dump, if one is asked for, once instances and BGP are open. -errno. */
int table_dump_use_open(struct daemon *daemon);
