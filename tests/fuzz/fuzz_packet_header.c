/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "flow/packet_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct packet_header h;

    packet_header_parse_ethernet(data, size, &h);
    if (h.label_count > PACKET_HEADER_LABELS)
        abort();
    packet_header_parse_ip(data, size, &h);
    return 0;
}
