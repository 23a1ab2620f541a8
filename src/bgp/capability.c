/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of capabilities (RFC 5492). A malformed one is taken as not understood where nothing is
 * lost by that (RFC 7911 section 4 says so of its own). Where both sides would then read UPDATEs
 * differently (families, AS numbers) the OPEN is refused.
 */
#include "bgp/capability.h"
#include <errno.h>

struct capability {
    uint8_t code;
    bool is_vital; /* refuse the OPEN if malformed */
    int (*parse)(struct reader *value, struct capabilities *caps);
    /* Writes all of this kind, code and length included. */
    void (*write)(struct writer *w, const struct capabilities *caps);
};

enum {
    CAPABILITY_MULTIPROTOCOL = 1,
    CAPABILITY_ROUTE_REFRESH = 2,
    CAPABILITY_EXTENDED_NEXT_HOP = 5,
    CAPABILITY_EXTENDED_MESSAGE = 6,
    CAPABILITY_GRACEFUL_RESTART = 64,
    CAPABILITY_FOUR_OCTET_AS = 65,
    CAPABILITY_ADD_PATH = 69,
};
enum { ADD_PATH_RECEIVE = 1, ADD_PATH_SEND = 2 };

static int multiprotocol_parse(struct reader *value, struct capabilities *caps)
{
    uint16_t afi = reader_u16(value);
    reader_u8(value); /* reserved */
    uint8_t safi = reader_u8(value);
    if (value->failed || reader_left(value) > 0)
        return -EBADMSG;
    int family = address_family_find(afi, safi);
    caps->has_multiprotocol = true;
    if (family >= 0)
        caps->families |= 1u << family;
    return 0;
}

static void multiprotocol_write(struct writer *w, const struct capabilities *caps)
{
    for (int i = 0; i < FAMILY_COUNT; i++) {
        if (!(caps->families & 1u << i))
            continue;
        writer_u8(w, CAPABILITY_MULTIPROTOCOL);
        writer_u8(w, 4);
        writer_u16(w, address_families[i].afi);
        writer_u8(w, 0);
        writer_u8(w, address_families[i].safi);
    }
}

static int flag_parse(const struct reader *value, bool *flag)
{
    if (reader_left(value) > 0)
        return -EBADMSG;
    *flag = true;
    return 0;
}

static void flag_write(struct writer *w, uint8_t code, bool flag)
{
    if (flag) {
        writer_u8(w, code);
        writer_u8(w, 0);
    }
}

static int route_refresh_parse(struct reader *value, struct capabilities *caps)
{
    return flag_parse(value, &caps->has_route_refresh);
}

static void route_refresh_write(struct writer *w, const struct capabilities *caps)
{
    flag_write(w, CAPABILITY_ROUTE_REFRESH, caps->has_route_refresh);
}

static int extended_message_parse(struct reader *value, struct capabilities *caps)
{
    return flag_parse(value, &caps->has_extended_message);
}

static void extended_message_write(struct writer *w, const struct capabilities *caps)
{
    flag_write(w, CAPABILITY_EXTENDED_MESSAGE, caps->has_extended_message);
}

static int extended_next_hop_parse(struct reader *value, struct capabilities *caps)
{
    uint32_t families = 0;

    if (reader_left(value) % 6 != 0)
        return -EBADMSG;
    while (reader_left(value) > 0) {
        uint16_t afi = reader_u16(value);
        uint16_t safi = reader_u16(value);
        uint16_t next_hop_afi = reader_u16(value);
        int family = safi <= UINT8_MAX ? address_family_find(afi, (uint8_t)safi) : -1;
        if (family >= 0 && afi == AFI_IPV4 && next_hop_afi == AFI_IPV6)
            families |= 1u << family;
    }
    caps->extended_next_hop |= families;
    return 0;
}

static void extended_next_hop_write(struct writer *w, const struct capabilities *caps)
{
    if (!caps->extended_next_hop)
        return;
    writer_u8(w, CAPABILITY_EXTENDED_NEXT_HOP);
    uint8_t *len = writer_skip(w, 1);
    uint8_t *start = w->pos;
    for (int i = 0; i < FAMILY_COUNT; i++) {
        if (!(caps->extended_next_hop & 1u << i))
            continue;
        writer_u16(w, address_families[i].afi);
        writer_u16(w, address_families[i].safi);
        writer_u16(w, AFI_IPV6);
    }
    if (len)
        *len = (uint8_t)(w->pos - start);
}

static int graceful_restart_parse(struct reader *value, struct capabilities *caps)
{
    reader_u16(value); /* flags and restart time: we keep stale paths by a key of our own */
    if (value->failed || reader_left(value) % 4 != 0)
        return -EBADMSG;
    caps->has_graceful_restart = true;
    return 0;
}

/* We name no family, as we preserve no forwarding state, but want the End-of-RIB (RFC 4724
 * section 3). */
static void graceful_restart_write(struct writer *w, const struct capabilities *caps)
{
    if (!caps->has_graceful_restart)
        return;
    writer_u8(w, CAPABILITY_GRACEFUL_RESTART);
    writer_u8(w, 2);
    writer_u16(w, 0);
}

static int four_octet_as_parse(struct reader *value, struct capabilities *caps)
{
    uint32_t as = reader_u32(value);
    if (value->failed || reader_left(value) > 0)
        return -EBADMSG;
    caps->has_four_octet_as = true;
    caps->as = as;
    return 0;
}

static void four_octet_as_write(struct writer *w, const struct capabilities *caps)
{
    if (!caps->has_four_octet_as)
        return;
    writer_u8(w, CAPABILITY_FOUR_OCTET_AS);
    writer_u8(w, 4);
    writer_u32(w, caps->as);
}

static int add_path_parse(struct reader *value, struct capabilities *caps)
{
    if (reader_left(value) == 0 || reader_left(value) % 4 != 0)
        return -EBADMSG;
    while (reader_left(value) > 0) {
        uint16_t afi = reader_u16(value);
        uint8_t safi = reader_u8(value);
        uint8_t direction = reader_u8(value);
        int family = address_family_find(afi, safi);
        if (family < 0)
            continue;
        /* Any other value: this entry is taken as not understood (RFC 7911 section 4). */
        if (direction < ADD_PATH_RECEIVE || direction > (ADD_PATH_RECEIVE | ADD_PATH_SEND)) {
            caps->ignored++;
            continue;
        }
        if (direction & ADD_PATH_RECEIVE)
            caps->add_path_receive |= 1u << family;
        if (direction & ADD_PATH_SEND)
            caps->add_path_send |= 1u << family;
    }
    return 0;
}

static void add_path_write(struct writer *w, const struct capabilities *caps)
{
    if (!(caps->add_path_receive | caps->add_path_send))
        return;
    writer_u8(w, CAPABILITY_ADD_PATH);
    uint8_t *len = writer_skip(w, 1);
    uint8_t *start = w->pos;
    for (int i = 0; i < FAMILY_COUNT; i++) {
        unsigned direction = (caps->add_path_receive & 1u << i ? ADD_PATH_RECEIVE : 0) |
                             (caps->add_path_send & 1u << i ? ADD_PATH_SEND : 0);
        if (!direction)
            continue;
        writer_u16(w, address_families[i].afi);
        writer_u8(w, address_families[i].safi);
        writer_u8(w, (uint8_t)direction);
    }
    if (len)
        *len = (uint8_t)(w->pos - start);
}

/* The rows stand in the order in which they are written. */
static const struct capability capability_rows[] = {
    {CAPABILITY_MULTIPROTOCOL, true, multiprotocol_parse, multiprotocol_write},
    {CAPABILITY_ROUTE_REFRESH, false, route_refresh_parse, route_refresh_write},
    {CAPABILITY_EXTENDED_NEXT_HOP, false, extended_next_hop_parse, extended_next_hop_write},
    {CAPABILITY_EXTENDED_MESSAGE, false, extended_message_parse, extended_message_write},
    {CAPABILITY_GRACEFUL_RESTART, false, graceful_restart_parse, graceful_restart_write},
    {CAPABILITY_FOUR_OCTET_AS, true, four_octet_as_parse, four_octet_as_write},
    {CAPABILITY_ADD_PATH, false, add_path_parse, add_path_write},
};
#define CAPABILITY_ROW_COUNT (sizeof capability_rows / sizeof capability_rows[0])

static const struct capability *capability_find(uint8_t code)
{
    for (size_t i = 0; i < CAPABILITY_ROW_COUNT; i++) {
        if (capability_rows[i].code == code)
            return &capability_rows[i];
    }
    return NULL;
}

struct capabilities capabilities_own(uint32_t as, bool add_path)
{
    const uint32_t all = (1u << FAMILY_COUNT) - 1;
    return (struct capabilities){
        .families = all,
        .add_path_receive = add_path ? all : 0,
        .extended_next_hop =
            1u << FAMILY_IPV4_UNICAST | 1u << FAMILY_IPV4_LABELLED | 1u << FAMILY_IPV4_VPN,
        .as = as,
        .is_present = true,
        .has_multiprotocol = true,
        .has_four_octet_as = true,
        .has_route_refresh = true,
        .has_extended_message = true,
        .has_graceful_restart = true,
    };
}

/* RFC 4760 section 8: a speaker that announces no family means IPv4 unicast. */
static uint32_t families_meant(const struct capabilities *caps)
{
    return caps->has_multiprotocol ? caps->families : 1u << FAMILY_IPV4_UNICAST;
}

struct capabilities capabilities_mirror(const struct capabilities *own,
                                        const struct capabilities *theirs)
{
    struct capabilities offer = *own;

    if (!theirs->is_present)
        return (struct capabilities){0};
    if (theirs->has_multiprotocol)
        offer.families &= theirs->families;
    else
        offer.families = 0;
    offer.has_multiprotocol = offer.families != 0;
    uint32_t families = families_meant(&offer);
    offer.add_path_receive &= families & theirs->add_path_send;
    offer.extended_next_hop &= families & theirs->extended_next_hop;
    offer.has_four_octet_as = own->has_four_octet_as && theirs->has_four_octet_as;
    offer.has_extended_message = own->has_extended_message && theirs->has_extended_message;
    offer.has_route_refresh = own->has_route_refresh && theirs->has_route_refresh;
    return offer;
}

struct session_features capabilities_negotiate(const struct capabilities *own,
                                               const struct capabilities *theirs)
{
    uint32_t families = families_meant(own) & families_meant(theirs);
    return (struct session_features){
        .families = families,
        .add_path = families & own->add_path_receive & theirs->add_path_send,
        .extended_next_hop = families & own->extended_next_hop & theirs->extended_next_hop,
        .has_four_octet_as = own->has_four_octet_as && theirs->has_four_octet_as,
        .has_extended_message = own->has_extended_message && theirs->has_extended_message,
        .has_graceful_restart = theirs->has_graceful_restart,
        .has_route_refresh = own->has_route_refresh && theirs->has_route_refresh,
    };
}

int capabilities_parse(struct reader value, struct capabilities *caps)
{
    while (reader_left(&value) > 0) {
        uint8_t code = reader_u8(&value);
        struct reader part = reader_part(&value, reader_u8(&value));
        if (value.failed)
            return -EBADMSG;
        caps->is_present = true;
        const struct capability *row = capability_find(code);
        if (!row || row->parse(&part, caps) == 0)
            continue;
        if (row->is_vital)
            return -EBADMSG;
        caps->ignored++;
    }
    return 0;
}

void capabilities_write(struct writer *w, const struct capabilities *caps)
{
    for (size_t i = 0; i < CAPABILITY_ROW_COUNT; i++)
        capability_rows[i].write(w, caps);
}
