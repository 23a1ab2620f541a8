/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Keeps the rigs of a fuzz target from one input to the next, as to make one takes far longer than to
 * decode: one rig for each way to set it up. */
#include "support/decode_rig.h"

#define RIG_POOL_SIZE 32

/*
 * Returns the rig `index`, below RIG_POOL_SIZE, as one that knows nothing of the inputs before.
 * `start`, which has `choice`, makes it where there is none, or where that one is too old. All are
 * freed when the program ends, so that LeakSanitizer finds what a decoder lost.
 */
struct decode_rig *
rig_pool_fresh(size_t index, void (*start)(struct decode_rig *rig, size_t choice), size_t choice);
