/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes random values. See random_values.h. */
#include "support/random_values.h"
#include "base/text.h"
#include <string.h>

static uint64_t random_state = 0x9e3779b97f4a7c15;

uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) % bound);
}

struct ip_addr random_address(void)
{
    uint8_t v4[4] = {(uint8_t)(10 + random_below(2)), (uint8_t)(random_below(4) * 64), 0,
                     (uint8_t)random_below(4)};
    uint8_t v6[16] = {0x20, 0x01, (uint8_t)(random_below(4) * 64)};
    v6[8] = (uint8_t)(random_below(2) * 255);
    v6[15] = (uint8_t)random_below(3);
    if (random_below(20) == 0)
        memset(v6, random_below(2) ? 0xff : 0, sizeof v6);
    return random_below(2) ? ip_addr_v4(v4) : ip_addr_v6(v6);
}

void append_random_prefix(struct text *out)
{
    static const unsigned lengths[] = {0, 7, 8, 9, 10, 24, 31, 32, 63, 64, 65, 127, 128};
    struct ip_addr addr = random_address();
    struct ip_prefix prefix = {.len =
                                   (uint8_t)lengths[random_below(addr.family == IP_V4 ? 8 : 13)]};
    char text[IP_PREFIX_TEXT_LEN];
    prefix.addr = ip_addr_mask(&addr, prefix.len);
    ip_prefix_format(&prefix, text);
    text_append_string(out, text);
}
