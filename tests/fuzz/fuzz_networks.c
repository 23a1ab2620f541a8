/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as a networks_file. What is refused says why; what is read answers for any
 * address, with a prefix that fits its family. */
#include "base/text.h"
#include "maps/networks.h"
#include "support/check.h"

static void ask(const struct networks *networks, const struct ip_addr *addr)
{
    struct prefix_match match;

    networks_ask(networks, addr, &match);
    networks_find(networks, &match, 1);
    const struct network *network = networks_answer(networks, &match);
    if (!network)
        return;
    CHECK(networks_count(networks) > 0);
    CHECK(match.len <= (addr->family == IP_V4 ? 32 : 128));
    CHECK(network->next_hop.family == IP_NONE || network->next_hop.family == IP_V4 ||
          network->next_hop.family == IP_V6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t v4[4] = {10, 1, 2, 3};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct ip_addr addresses[] = {ip_addr_v4(v4), ip_addr_v6(v6), {{0}, IP_NONE}};
    struct networks *networks;
    struct text errors = {0};

    if (networks_parse("n", (const char *)data, size, &errors, &networks) == 0) {
        CHECK(errors.len == 0);
        for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++)
            ask(networks, &addresses[i]);
        networks_free(networks);
    } else {
        CHECK(errors.len > 0);
    }
    text_clear(&errors);
    return 0;
}
