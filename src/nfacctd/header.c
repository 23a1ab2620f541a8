/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what the header of a datagram alone tells. It may be cut anywhere: what is not there is 0. */
#include "nfacctd/header.h"
#include "base/reader.h"

enum { NETFLOW5 = 5, NETFLOW9 = 9, IPFIX = 10 };

void netflow_read_header(const struct datagram *datagram, struct flow *flow)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    uint16_t version = reader_u16(&r);

    flow->export_version = (uint8_t)(version <= IPFIX ? version : 0);
    flow->engine_type = 0;
    flow->export_domain = 0;
    switch (version) {
    case NETFLOW5: /* count, uptime, seconds, nanoseconds, sequence; then the engine's type and id */
        reader_bytes(&r, 18);
        flow->engine_type = reader_u8(&r);
        flow->export_domain = reader_u8(&r);
        break;
    case NETFLOW9: /* RFC 3954 section 5.1: the source id ends the header of 20 bytes */
        reader_bytes(&r, 14);
        flow->export_domain = reader_u32(&r);
        break;
    case IPFIX: /* RFC 7011 section 3.1: the observation domain ends the header of 16 bytes */
        reader_bytes(&r, 10);
        flow->export_domain = reader_u32(&r);
        break;
    default:
        break;
    }
}
