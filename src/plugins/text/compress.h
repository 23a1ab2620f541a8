/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Compresses output as a run of complete members: gzip (RFC 1952 section 2.2) and zstd (RFC 8878
 * section 3.1) files may consist of several, and tools read them as one. A file that is cut behind
 * a member is whole again.
 */
#include <stdbool.h>
#include <stddef.h>

struct text;
struct compressor;

enum compression { COMPRESSION_NONE, COMPRESSION_GZIP, COMPRESSION_ZSTD };

/* Chooses by the suffix .gz or .zst. */
enum compression compression_of(const char *file_name);
/* Returns ".gz", ".zst" or "". */
const char *compression_suffix(enum compression kind);

struct compressor *compressor_new(enum compression kind); /* `kind` is not COMPRESSION_NONE */
void compressor_free(struct compressor *c);               /* NULL is fine */
/* Compresses into the open member and begins one if need be; finished bytes are appended to
 * `out`. */
void compressor_add(struct compressor *c, const void *data, size_t len, struct text *out);
/* Ends the open member, if there is one. */
void compressor_end(struct compressor *c, struct text *out);
/* Forgets the open member. */
void compressor_reset(struct compressor *c);
