/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what BMP messages consist of. See bmp_message.h. */
#include "bmp/bmp_message.h"
#include "base/clock.h"
#include <errno.h>

#define VERSION_MIN 3
#define VERSION_MAX 4

/* Flags of the per-peer header: RFC 7854 section 4.2, RFC 8671 section 4, RFC 9069 section 4.2. */
#define FLAG_IPV6         0x80
#define FLAG_POST_POLICY  0x40
#define FLAG_TWO_OCTET_AS 0x20
#define FLAG_ADJ_RIB_OUT  0x10
#define FLAG_FILTERED     0x80
#define TLV_ENTERPRISE    0x8000
#define TLV_STATISTICS    1 /* of a report of version 4: what version 3 has by itself */
#define MICROSECONDS_MAX  999999
#define STATISTIC_FAMILY  3 /* bytes of AFI and SAFI */

static int reject(enum bmp_reject reject, enum bmp_reject *ret_reject)
{
    *ret_reject = reject;
    return -EBADMSG;
}

int bmp_message_read(const uint8_t *header, struct bmp_message *ret_message,
                     enum bmp_reject *ret_reject)
{
    struct bmp_message message = {.version = header[0], .type = header[5]};

    message.len = wire_u32(header + 1);
    if (message.version < VERSION_MIN || message.version > VERSION_MAX)
        return reject(BMP_REJECT_version, ret_reject);
    if (message.len < BMP_HEADER_LEN)
        return reject(BMP_REJECT_length, ret_reject);
    *ret_message = message;
    return 0;
}

const char *bmp_rib_name(enum bmp_rib rib)
{
    static const char *const names[BMP_RIB_COUNT] = {
        "Adj-RIB-In pre-policy", "Adj-RIB-In post-policy", "Loc-RIB", "Adj-RIB-Out pre-policy",
        "Adj-RIB-Out post-policy"};

    return names[rib];
}

static enum bmp_rib rib_of(enum bmp_peer_type type, uint8_t flags)
{
    bool is_post = flags & FLAG_POST_POLICY;

    if (type == BMP_PEER_LOC_RIB)
        return BMP_RIB_LOC;
    if (flags & FLAG_ADJ_RIB_OUT)
        return is_post ? BMP_RIB_OUT_POST : BMP_RIB_OUT_PRE;
    return is_post ? BMP_RIB_IN_POST : BMP_RIB_IN_PRE;
}

/* IPv4 addresses stand in the last four bytes of the field (RFC 7854 section 4.2). */
static struct ip_addr address_of(const uint8_t bytes[16], bool is_v6)
{
    return is_v6 ? ip_addr_v6(bytes) : ip_addr_v4(bytes + 12);
}

int bmp_peer_header_read(struct reader *body, struct bmp_peer_header *ret_header,
                         enum bmp_reject *ret_reject)
{
    struct bmp_peer_header header = {0};
    uint8_t type = reader_u8(body);
    uint8_t flags = reader_u8(body);
    uint64_t distinguisher = reader_u64(body);
    const uint8_t *address = reader_bytes(body, 16);

    header.as = reader_u32(body);
    header.router_id = reader_u32(body);
    uint32_t seconds = reader_u32(body);
    uint32_t microseconds = reader_u32(body);
    if (body->failed)
        return reject(BMP_REJECT_peer_header, ret_reject);
    if (type > BMP_PEER_LOC_RIB)
        return reject(BMP_REJECT_peer_type, ret_reject);
    header.type = (enum bmp_peer_type)type;
    header.rib = rib_of(header.type, flags);
    if (type != BMP_PEER_GLOBAL)
        header.distinguisher = distinguisher;
    if (type == BMP_PEER_LOC_RIB) {
        header.is_filtered = flags & FLAG_FILTERED;
    } else {
        header.has_two_octet_as = flags & FLAG_TWO_OCTET_AS;
        header.address = address_of(address, flags & FLAG_IPV6);
    }
    if (microseconds > MICROSECONDS_MAX)
        microseconds = 0;
    header.time_ns = seconds * NS_PER_S + microseconds * INT64_C(1000);
    *ret_header = header;
    return 0;
}

int bmp_tlv_next(struct reader *tlvs, uint8_t version, struct bmp_tlv *ret_tlv)
{
    struct bmp_tlv tlv = {0};

    if (reader_left(tlvs) == 0)
        return 0;
    tlv.type = reader_u16(tlvs);
    tlv.value = reader_part(tlvs, reader_u16(tlvs));
    if (version >= 4 && tlv.type & TLV_ENTERPRISE) {
        tlv.type &= (uint16_t)~TLV_ENTERPRISE;
        tlv.enterprise = reader_u32(&tlv.value);
    }
    if (tlvs->failed || tlv.value.failed)
        return -EBADMSG;
    *ret_tlv = tlv;
    return 1;
}

static void name_set(char name[BMP_NAME_LEN], const struct reader *value)
{
    size_t len = reader_left(value);

    if (len > BMP_NAME_LEN - 1)
        len = BMP_NAME_LEN - 1;
    for (size_t i = 0; i < len; i++)
        name[i] = value->pos[i] ? (char)value->pos[i] : '?';
    name[len] = '\0';
}

int bmp_initiation_parse(struct reader body, uint8_t version, struct bmp_initiation *ret_initiation,
                         enum bmp_reject *ret_reject)
{
    struct bmp_tlv tlv;
    int got;

    *ret_initiation = (struct bmp_initiation){0};
    while ((got = bmp_tlv_next(&body, version, &tlv)) > 0) {
        if (tlv.enterprise)
            continue;
        if (tlv.type == BMP_TLV_SYS_NAME)
            name_set(ret_initiation->sys_name, &tlv.value);
        if (tlv.type == BMP_TLV_SYS_DESCR)
            name_set(ret_initiation->sys_descr, &tlv.value);
    }
    return got < 0 ? reject(BMP_REJECT_initiation, ret_reject) : 0;
}

int bmp_termination_parse(struct reader body, uint8_t version, uint16_t *ret_reason,
                          enum bmp_reject *ret_reject)
{
    struct bmp_tlv tlv;
    int got;

    *ret_reason = BMP_TERMINATED_UNSPECIFIED;
    while ((got = bmp_tlv_next(&body, version, &tlv)) > 0) {
        if (!tlv.enterprise && tlv.type == BMP_TLV_REASON && reader_left(&tlv.value) == 2)
            *ret_reason = reader_u16(&tlv.value);
    }
    return got < 0 ? reject(BMP_REJECT_termination, ret_reject) : 0;
}

/* Reads the BGP message that comes next; a negative value: there is none of that type. */
static int bgp_message_read(struct reader *body, enum message_type type, struct reader *ret_body)
{
    struct message message;
    struct notification error;
    int err =
        message_frame(body->pos, reader_left(body), MESSAGE_EXTENDED_LEN_MAX, &message, &error);

    if (err < 0)
        return err;
    if (message.type != type)
        return -EBADMSG;
    reader_bytes(body, message.len);
    *ret_body = message.body;
    return 0;
}

static int open_read(struct reader *body, struct open_message *ret_open,
                     enum bmp_reject *ret_reject)
{
    struct notification error;
    struct reader open;
    int err = bgp_message_read(body, MESSAGE_OPEN, &open);

    if (err == -EAGAIN)
        return reject(BMP_REJECT_peer_up, ret_reject);
    if (err < 0 || message_read_open(open, ret_open, &error) < 0)
        return reject(BMP_REJECT_open, ret_reject);
    return 0;
}

int bmp_peer_up_parse(struct reader body, uint8_t version, const struct bmp_peer_header *header,
                      struct bmp_peer_up *ret_up, enum bmp_reject *ret_reject)
{
    static const uint8_t none[16];
    struct bmp_peer_up up = {0};
    struct bmp_tlv tlv;
    int got;
    const uint8_t *address = reader_bytes(&body, sizeof none);

    up.local_port = reader_u16(&body);
    up.remote_port = reader_u16(&body);
    if (body.failed)
        return reject(BMP_REJECT_peer_up, ret_reject);
    if (memcmp(address, none, sizeof none) != 0)
        up.local_address = address_of(address, header->address.family == IP_V6);
    int err = open_read(&body, &up.sent, ret_reject);
    if (err == 0)
        err = open_read(&body, &up.received, ret_reject);
    if (err < 0)
        return err;
    while ((got = bmp_tlv_next(&body, version, &tlv)) > 0) {
        if (!tlv.enterprise && tlv.type == BMP_TLV_TABLE_NAME)
            name_set(up.table_name, &tlv.value);
    }
    if (got < 0)
        return reject(BMP_REJECT_peer_up, ret_reject);
    *ret_up = up;
    return 0;
}

int bmp_peer_down_parse(struct reader body, struct bmp_peer_down *ret_down,
                        enum bmp_reject *ret_reject)
{
    struct bmp_peer_down down = {.reason = reader_u8(&body)};
    struct reader notification;
    bool wants_notification =
        down.reason == BMP_DOWN_LOCAL_NOTIFICATION || down.reason == BMP_DOWN_REMOTE_NOTIFICATION;

    if (body.failed || down.reason == BMP_DOWN_LOST) /* 0 is reserved */
        return reject(BMP_REJECT_peer_down, ret_reject);
    if (wants_notification && reader_left(&body) > 0) {
        if (bgp_message_read(&body, MESSAGE_NOTIFICATION, &notification) < 0)
            return reject(BMP_REJECT_peer_down, ret_reject);
        down.has_notification = true;
        down.notification = message_parse_notification(notification);
    } else if (down.reason == BMP_DOWN_LOCAL_EVENT) {
        down.event = reader_u16(&body); /* 0: none, as where it is missing */
    }
    *ret_down = down;
    return 0;
}

bool bmp_peer_down_is_final(const struct bmp_peer_down *down)
{
    return down->reason == BMP_DOWN_NOT_MONITORED ||
           (down->has_notification && notification_is_final(&down->notification));
}

int bmp_statistics_begin(struct reader body, uint8_t version, struct reader *ret_counters,
                         enum bmp_reject *ret_reject)
{
    struct bmp_tlv tlv;
    int got;

    if (version >= 4) {
        while ((got = bmp_tlv_next(&body, version, &tlv)) > 0) {
            if (!tlv.enterprise && tlv.type == TLV_STATISTICS)
                break;
        }
        if (got <= 0)
            return reject(BMP_REJECT_statistics, ret_reject);
        body = tlv.value;
    }
    reader_u32(&body); /* their number, which the length tells too */
    if (body.failed)
        return reject(BMP_REJECT_statistics, ret_reject);
    *ret_counters = body;
    return 0;
}

int bmp_statistic_next(struct reader *counters, struct bmp_statistic *ret_statistic)
{
    struct bmp_statistic statistic = {0};

    if (reader_left(counters) == 0)
        return 0;
    statistic.type = reader_u16(counters);
    statistic.raw = reader_part(counters, reader_u16(counters));
    if (counters->failed)
        return -EBADMSG;
    struct reader value = statistic.raw;
    if (reader_left(&value) == STATISTIC_FAMILY + 8) {
        statistic.afi = reader_u16(&value);
        statistic.safi = reader_u8(&value);
    }
    if (reader_left(&value) == 4)
        statistic.value = reader_u32(&value);
    else if (reader_left(&value) == 8)
        statistic.value = reader_u64(&value);
    *ret_statistic = statistic;
    return 1;
}
