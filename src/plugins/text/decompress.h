/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reads the beginning of a file that may be compressed. */
#include "plugins/text/compress.h"

/* Appends the first `len` bytes of what the file holds, or all of it if it holds less, from where `fd`
 * stands. -EBADMSG: it is not compressed so. */
int decompress_start(enum compression kind, int fd, size_t len, struct text *out);
