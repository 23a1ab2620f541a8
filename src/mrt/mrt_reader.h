/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Reads an MRT file from its beginning to its end, by pieces, plain or compressed. What is damaged is
 * passed over and counted; after a damage that hides where the next record begins nothing more is
 * read. Offsets are those of the bytes after decompression.
 */
#include "mrt/mrt_record.h"

struct mrt_reader;

/* Takes `fd`, at its beginning. */
struct mrt_reader *mrt_reader_new(int fd);
void mrt_reader_free(struct mrt_reader *reader); /* NULL is fine */

/* Reads the next record, of any kind; it is borrowed until the next call. False: that was all, or
 * nothing more can be read (mrt_reader_end()). */
bool mrt_reader_next(struct mrt_reader *reader, struct mrt_record *ret_record);
/* Returns where the last record began. */
uint64_t mrt_reader_offset(const struct mrt_reader *reader);

/* How the file ended: NULL: well, else what was wrong at mrt_reader_offset(). */
const char *mrt_reader_end(const struct mrt_reader *reader);
