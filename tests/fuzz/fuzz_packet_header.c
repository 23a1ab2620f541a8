/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the headers of one sampled packet, with the tunnels in it. Everything that the parser
 * points at is read, so that AddressSanitizer sees a pointer that leaves the packet. */
#include <stdlib.h>
#include <string.h>

#include "flow/packet_tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte chooses where the packet starts and the view; the rest is the packet. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet packet;
    struct flow_needs all;
    struct flow flow;
    uint64_t sum = 0;

    if (size == 0)
        return 0;
    memset(&all, 0xff, sizeof all);
    packet_parse(data[0] % 3, data + 1, size - 1, true,
                 data[0] & 0x80 ? TUNNEL_VIEW_INNER : TUNNEL_VIEW_OUTER, &packet);
    packet_set_tunnel(&packet, &all, &flow);
    if (packet.plain->label_count > PACKET_HEADER_LABELS)
        abort();
    for (size_t i = 0; i < packet.outer.segment_count * 16u; i++)
        sum += packet.outer.segments[i];
    for (size_t i = 0; i < packet.plain->payload_len; i++)
        sum += packet.plain->payload[i];
    return sum == UINT64_MAX; /* never */
}
