/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How much memory there is for this process. Any thread. */
#include <stdint.h>

/* Returns the bytes of the machine's memory, or of the tightest limit of the control groups that the
 * process is in (v2: memory.max, v1: memory.limit_in_bytes). */
uint64_t machine_memory(void);
/* Does the same with the files below `root` ("" is the real one), for a machine of so many bytes. */
uint64_t machine_memory_at(const char *root, uint64_t machine_bytes);
