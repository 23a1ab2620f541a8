/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what a cache sends, and puts together what it is asked. */
#include "rpki/rtr_pdu.h"

#include "base/reader.h"
#include "base/writer.h"
#include <errno.h>
#include <string.h>

enum { FLAG_ANNOUNCED = 1, VERSION_MAX = 1 };

static int parse_prefix(struct reader *r, struct rtr_pdu *pdu)
{
    bool is_v4 = pdu->type == RTR_IPV4_PREFIX;
    unsigned most = is_v4 ? 32 : 128;
    const uint8_t *bytes;
    struct ip_addr addr;

    pdu->is_announcement = reader_u8(r) & FLAG_ANNOUNCED;
    pdu->roa.prefix.len = reader_u8(r);
    pdu->roa.max_len = reader_u8(r);
    reader_u8(r);
    bytes = reader_bytes(r, most / 8);
    pdu->roa.asn = reader_u32(r);
    if (!bytes || pdu->roa.prefix.len > most || pdu->roa.max_len > most ||
        pdu->roa.max_len < pdu->roa.prefix.len)
        return -EBADMSG;
    ip_addr_put(&addr, is_v4 ? IP_V4 : IP_V6, bytes);
    pdu->roa.prefix.addr = ip_addr_mask(&addr, pdu->roa.prefix.len);
    return 0;
}

/* Takes the text of an error report, which stands behind the message that it is about. */
static void parse_error(struct reader *r, struct rtr_pdu *pdu)
{
    uint32_t len = reader_u32(r), kept;
    const uint8_t *text;

    reader_bytes(r, len);
    len = reader_u32(r);
    text = reader_bytes(r, len);
    kept = len < RTR_TEXT_LEN - 1 ? len : RTR_TEXT_LEN - 1;
    for (uint32_t i = 0; text && i < kept; i++)
        pdu->text[i] = (char)(text[i] >= ' ' && text[i] < 127 ? text[i] : '?');
}

/* Returns the length that messages of a type have to have; 0: it varies. */
static uint32_t length_of(uint8_t version, uint8_t type)
{
    switch (type) {
    case RTR_SERIAL_NOTIFY:
        return 12;
    case RTR_CACHE_RESPONSE:
    case RTR_CACHE_RESET:
        return 8;
    case RTR_IPV4_PREFIX:
        return 20;
    case RTR_IPV6_PREFIX:
        return 32;
    case RTR_END_OF_DATA:
        return version == 0 ? 12 : 24;
    default:
        return 0;
    }
}

static int parse_body(struct reader *r, struct rtr_pdu *pdu)
{
    switch (pdu->type) {
    case RTR_SERIAL_NOTIFY:
        pdu->serial = reader_u32(r);
        break;
    case RTR_IPV4_PREFIX:
    case RTR_IPV6_PREFIX:
        return parse_prefix(r, pdu);
    case RTR_END_OF_DATA:
        pdu->serial = reader_u32(r);
        pdu->has_intervals = pdu->version > 0;
        if (pdu->has_intervals) {
            pdu->refresh_s = reader_u32(r);
            pdu->retry_s = reader_u32(r);
            pdu->expire_s = reader_u32(r);
        }
        break;
    case RTR_ERROR_REPORT:
        parse_error(r, pdu);
        break;
    default:
        break;
    }
    return 0;
}

int rtr_pdu_parse(const uint8_t *data, size_t len, struct rtr_pdu *pdu)
{
    struct reader r = reader_make(data, len);
    uint32_t pdu_len, expected;

    if (len < RTR_HEADER_LEN)
        return 0;
    memset(pdu, 0, sizeof *pdu);
    pdu->version = reader_u8(&r);
    pdu->type = reader_u8(&r);
    pdu->session = reader_u16(&r);
    pdu_len = reader_u32(&r);
    expected = length_of(pdu->version, pdu->type);
    if (pdu->version > VERSION_MAX || pdu_len < RTR_HEADER_LEN || pdu_len > RTR_LEN_MAX ||
        (expected > 0 && pdu_len != expected))
        return -EBADMSG;
    if (len < pdu_len)
        return 0;
    r = reader_make(data + RTR_HEADER_LEN, pdu_len - RTR_HEADER_LEN);
    if (parse_body(&r, pdu) < 0)
        return -EBADMSG;
    return (int)pdu_len;
}

static size_t put_header(uint8_t *out, uint8_t version, enum rtr_type type, uint16_t session,
                         uint32_t len)
{
    out[0] = version;
    out[1] = (uint8_t)type;
    wire_put_u16(out + 2, session);
    wire_put_u32(out + 4, len);
    return len;
}

size_t rtr_reset_query(uint8_t *out, uint8_t version)
{
    return put_header(out, version, RTR_RESET_QUERY, 0, RTR_HEADER_LEN);
}

size_t rtr_serial_query(uint8_t *out, uint8_t version, uint16_t session, uint32_t serial)
{
    wire_put_u32(out + RTR_HEADER_LEN, serial);
    return put_header(out, version, RTR_SERIAL_QUERY, session, RTR_QUERY_MAX);
}
