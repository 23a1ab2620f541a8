/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Reads Avro container files by the specification alone, so that nothing of what writes them has a part
 * in it. What is not as it should be fails the test. The rows are those of `aggregate: peer_src_ip`.
 */
#include <stddef.h>
#include <stdint.h>

#define AVRO_FILE_IDS 8000 /* rows are told apart by their bytes, below this */

struct avro_file {
    uint32_t block_count, row_count;
    uint8_t counts[AVRO_FILE_IDS]; /* how often each id is there */
};

/* Adds what is in the output of a command, such as `cat NAME`. */
void avro_file_read(const char *command, struct avro_file *file);
