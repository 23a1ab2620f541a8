/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Feeds fuzz input to the decoder: datagrams of one version, each after its length in two bytes,
 * with limits so low that inputs reach them. Then what was learnt is saved and loaded again. The
 * decoder lives on from input to input and is emptied between (decode_rig_reset()): nothing is kept
 * from one to the next, and if something were, the target would say so and abort.
 */
#include <stddef.h>
#include <stdint.h>

void decode_fuzz(uint16_t version, const uint8_t *data, size_t size);
