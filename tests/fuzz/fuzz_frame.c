/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: frames of a capture file, each after its length in two bytes; the first byte of all
 * chooses the link type. Fragments are put together, and every payload that is delivered is read to
 * its end. */
#include "base/memory.h"
#include "base/reader.h"
#include "input/fragments.h"
#include "input/frame.h"
#include "support/check.h"
#include <pcap/pcap.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t sum_of(const struct frame_udp *udp)
{
    uint8_t sum = 0;

    for (uint32_t i = 0; i < udp->payload_len; i++)
        sum = (uint8_t)(sum + udp->payload[i]);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int link_types[] = {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2,
                                     DLT_RAW,    DLT_NULL,      DLT_IPV6};
    struct fragments *fragments = fragments_new(2, 1000);
    struct reader r = reader_make(data, size);
    int link_type = link_types[reader_u8(&r) % (sizeof link_types / sizeof link_types[0])];
    static volatile uint8_t sink;

    for (int64_t time_ns = 0; reader_left(&r) > 2; time_ns += 100) {
        size_t len = reader_u16(&r);
        len = len < reader_left(&r) ? len : reader_left(&r);
        /* Each frame has an allocation of its own, so that AddressSanitizer sees its end. */
        uint8_t *frame = mem_dup(reader_bytes(&r, len), len);
        struct frame_udp udp;
        if (frame_parse(link_type, frame, len, time_ns, fragments, &udp) == FRAME_UDP) {
            CHECK(udp.payload_len <= 65535 && udp.source.family != IP_NONE);
            sink = sum_of(&udp);
        }
        mem_free(frame);
    }
    (void)sink;
    fragments_free(fragments);
    return 0;
}
