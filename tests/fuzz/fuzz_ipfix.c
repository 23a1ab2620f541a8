/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support/decode_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    decode_fuzz(10, data, size);
    return 0;
}
