/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: IPFIX messages, read by the decoder as decode_fuzz() lays them out. */
#include "support/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_fuzz(10, data, size);
    return 0;
}
