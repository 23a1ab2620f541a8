/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The contents of files of a dump as MRT (bgp/mrt_table.h): a table of the peers whose names lead to that
 * file, and their paths. Paths of one prefix have to come together.
 */
#include "bgp/mrt_table.h"
#include "daemon/dump_files.h"

struct dump_mrt;

struct dump_mrt *dump_mrt_new(struct dump_files *files); /* borrowed */
void dump_mrt_free(struct dump_mrt *mrt);                /* NULL is fine */

/* A dump begins: all its peers come first. */
void dump_mrt_begin(struct dump_mrt *mrt, uint32_t time_s);
/* Returns the peer's number for dump_mrt_add(). */
uint32_t dump_mrt_add_peer(struct dump_mrt *mrt, struct dump_file *file,
                           const struct mrt_peer *peer);
/* Adds a path of that peer; path->peer is set here. False: it is too large, and left out. */
bool dump_mrt_add(struct dump_mrt *mrt, uint32_t peer, const struct mrt_table_path *path);
/* All paths have come. */
void dump_mrt_end(struct dump_mrt *mrt);
