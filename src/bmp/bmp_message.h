/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * BMP messages (RFC 7854 section 4, RFC 8671, RFC 9069; version 4: draft-ietf-grow-bmp-tlv-20): the
 * common header, the per-peer header, and the parts of each type. All of it is borrowed from the
 * bytes that it was read from. Nothing here keeps state; bmp_router.h does.
 */
#include "base/address.h"
#include "base/reader.h"
#include "bgp/message.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bmp_reject {
#define BMP_REJECT(NAME, HELP) BMP_REJECT_##NAME,
#include "bmp/bmp_rejects.def"
#undef BMP_REJECT
    BMP_REJECT_COUNT
};

enum bmp_message_type {
    BMP_ROUTE_MONITORING = 0,
    BMP_STATISTICS_REPORT = 1,
    BMP_PEER_DOWN = 2,
    BMP_PEER_UP = 3,
    BMP_INITIATION = 4,
    BMP_TERMINATION = 5,
    BMP_ROUTE_MIRRORING = 6,
};

#define BMP_HEADER_LEN      6
#define BMP_PEER_HEADER_LEN 42
/* No RFC bounds a message. An UPDATE has up to 64 KiB (RFC 8654), and TLVs as many again. */
#define BMP_MESSAGE_MAX (256u * 1024)

struct bmp_message {
    uint8_t version; /* 3 or 4 */
    uint8_t type;    /* enum bmp_message_type, or one that is not known */
    size_t len;      /* with the header; may be more than BMP_MESSAGE_MAX */
};
/* Reads the common header, which has BMP_HEADER_LEN bytes. -EBADMSG: the stream cannot be followed any
 * more, for *ret_reject. */
int bmp_message_read(const uint8_t *header, struct bmp_message *ret_message,
                     enum bmp_reject *ret_reject);

/* Peer types (RFC 7854 section 4.2, RFC 9069 section 4.1). */
enum bmp_peer_type {
    BMP_PEER_GLOBAL = 0,
    BMP_PEER_RD = 1,    /* of the VRF whose route distinguisher is the peer distinguisher */
    BMP_PEER_LOCAL = 2, /* of an instance that the router alone knows by its distinguisher */
    BMP_PEER_LOC_RIB = 3,
};

/* The tables of a router that BMP tells of. */
enum bmp_rib {
    BMP_RIB_IN_PRE,
    BMP_RIB_IN_POST,
    BMP_RIB_LOC,
    BMP_RIB_OUT_PRE,
    BMP_RIB_OUT_POST,
    BMP_RIB_COUNT
};
const char *bmp_rib_name(enum bmp_rib rib); /* "Adj-RIB-In pre-policy" */

struct bmp_peer_header {
    enum bmp_peer_type type;
    enum bmp_rib rib;       /* says nothing in Peer Up and Peer Down (RFC 8671 section 5) */
    bool has_two_octet_as;  /* in AS paths: flag A */
    bool is_filtered;       /* flag F of a Loc-RIB: not all of it is told */
    uint64_t distinguisher; /* 0 for BMP_PEER_GLOBAL */
    struct ip_addr address; /* IP_NONE for a Loc-RIB */
    uint32_t as;
    uint32_t router_id; /* host order */
    int64_t time_ns;    /* wall clock of the router; 0: not told */
};
/* Consumes the header. -EBADMSG: *ret_reject. */
int bmp_peer_header_read(struct reader *body, struct bmp_peer_header *ret_header,
                         enum bmp_reject *ret_reject);

/* A TLV of Initiation, Termination, Peer Up and, in version 4, Peer Down (RFC 7854 section 4.4). */
struct bmp_tlv {
    uint16_t type;       /* without the E bit */
    uint32_t enterprise; /* 0: of IANA; only version 4 has others */
    struct reader value;
};
enum { BMP_TLV_STRING = 0, BMP_TLV_SYS_DESCR = 1, BMP_TLV_SYS_NAME = 2 }; /* of Initiation */
enum { BMP_TLV_REASON = 1 };                                              /* of Termination */
enum { BMP_TLV_TABLE_NAME = 3 }; /* of Peer Up (RFC 9069 section 5.3) */
/* Reads the next TLV. 0: there is none any more; -EBADMSG: the bytes end within one. */
int bmp_tlv_next(struct reader *tlvs, uint8_t version, struct bmp_tlv *ret_tlv);

#define BMP_NAME_LEN 256 /* with the terminating zero; longer texts are cut */
struct bmp_initiation {
    char sys_name[BMP_NAME_LEN], sys_descr[BMP_NAME_LEN]; /* as sent, zeros replaced by '?' */
};
int bmp_initiation_parse(struct reader body, uint8_t version, struct bmp_initiation *ret_initiation,
                         enum bmp_reject *ret_reject);

/* Reasons of a Termination (RFC 7854 section 4.5). */
enum {
    BMP_TERMINATED_ADMIN = 0,
    BMP_TERMINATED_UNSPECIFIED = 1,
    BMP_TERMINATED_RESOURCES = 2,
    BMP_TERMINATED_REDUNDANT = 3,
    BMP_TERMINATED_FOR_GOOD = 4,
};
/* *ret_reason is BMP_TERMINATED_UNSPECIFIED where none is given. */
int bmp_termination_parse(struct reader body, uint8_t version, uint16_t *ret_reason,
                          enum bmp_reject *ret_reject);

struct bmp_peer_up {
    struct ip_addr local_address; /* IP_NONE: not told */
    uint16_t local_port, remote_port;
    struct open_message sent, received; /* by the router */
    char table_name[BMP_NAME_LEN];      /* "": not told */
};
int bmp_peer_up_parse(struct reader body, uint8_t version, const struct bmp_peer_header *header,
                      struct bmp_peer_up *ret_up, enum bmp_reject *ret_reject);

/* Reasons of a Peer Down (RFC 7854 section 4.9, RFC 9069 section 5.3). */
enum bmp_down_reason {
    BMP_DOWN_LOST = 0, /* no reason of the wire: the connection with the router is gone */
    BMP_DOWN_LOCAL_NOTIFICATION = 1,
    BMP_DOWN_LOCAL_EVENT = 2,
    BMP_DOWN_REMOTE_NOTIFICATION = 3,
    BMP_DOWN_REMOTE = 4,
    BMP_DOWN_NOT_MONITORED = 5,
    BMP_DOWN_LOC_RIB = 6,
};
struct bmp_peer_down {
    uint8_t reason; /* enum bmp_down_reason, or one that is not known */
    bool has_notification;
    struct notification notification;
    uint16_t event; /* of the state machine (RFC 4271 section 8.1), with BMP_DOWN_LOCAL_EVENT */
};
/* Some routers send reasons 1 and 3 without the NOTIFICATION, which is taken as none. */
int bmp_peer_down_parse(struct reader body, struct bmp_peer_down *ret_down,
                        enum bmp_reject *ret_reject);
/* Whether the peer went on purpose, so that nobody expects it back as it was: by the NOTIFICATION
 * (notification_is_final()), or as the router will not tell of it any more. */
bool bmp_peer_down_is_final(const struct bmp_peer_down *down);

/* A counter of a Statistics Report (RFC 7854 section 4.8); those of one family (RFC 7854, RFC 8671)
 * begin with three bytes that name it. */
struct bmp_statistic {
    uint16_t type;
    uint16_t afi; /* 0: of all */
    uint8_t safi;
    uint64_t value;    /* 0 where the length is that of no counter */
    struct reader raw; /* the value as sent */
};
/* Finds the counters in the body of a report, behind the per-peer header. */
int bmp_statistics_begin(struct reader body, uint8_t version, struct reader *ret_counters,
                         enum bmp_reject *ret_reject);
int bmp_statistic_next(struct reader *counters, struct bmp_statistic *ret_statistic);
