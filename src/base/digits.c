/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of more than eight digits. */
#include "base/digits.h"

char *digits_put_large(char *out, uint64_t value)
{
    uint64_t high = value / 100000000;

    out = high < 100000000 ? digits_put_small(out, (uint32_t)high)
                           : digits_put_fixed(digits_put_small(out, (uint32_t)(high / 100000000)),
                                              (uint32_t)(high % 100000000), 8);
    return digits_put_fixed(out, (uint32_t)(value % 100000000), 8);
}
