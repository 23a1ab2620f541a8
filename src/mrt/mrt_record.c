/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes records of TABLE_DUMP_V2 apart (RFC 6396 section 4.3, RFC 8050 section 4). */
#include "mrt/mrt_record.h"

enum { PEER_HAS_IPV6 = 1, PEER_HAS_FOUR_OCTET_AS = 2 };
#define LABEL_BITS 24u
#define RD_BITS    64u

/* Takes the NLRI of one prefix off; fails where it has more bits than an address of the family with
 * one label and a route distinguisher, or fewer than labels take. */
static struct reader nlri_take(struct reader *r, uint16_t afi, uint8_t safi)
{
    struct reader start = *r;
    unsigned bits = reader_u8(r);
    unsigned extra = safi == MRT_SAFI_VPN        ? LABEL_BITS + RD_BITS
                     : safi == MRT_SAFI_LABELLED ? LABEL_BITS
                                                 : 0;
    unsigned max = afi == MRT_AFI_IPV4 ? 32 : 128;

    /* A stack of labels is longer than one of them. */
    if (bits < extra || (extra == 0 && bits > max))
        r->failed = true;
    reader_bytes(r, (bits + 7) / 8);
    return r->failed ? reader_make(NULL, 0) : reader_part(&start, (size_t)(r->pos - start.pos));
}

/* Whether the entries that follow fill the record exactly. */
static bool entries_fit(struct reader r, bool has_path_id)
{
    unsigned count = reader_u16(&r);

    for (unsigned i = 0; i < count && !r.failed; i++) {
        reader_bytes(&r, has_path_id ? 10 : 6);
        reader_bytes(&r, reader_u16(&r));
    }
    return !r.failed && reader_left(&r) == 0;
}

/* RFC 8050 puts the path identifier before the prefix; GoBGP and OpenBGPD put it into each entry, as
 * it is in the other subtypes. Whichever fills the record is meant. */
static void generic_add_path_take(struct mrt_record *record, struct reader *r)
{
    struct reader other = *r;
    uint32_t path_id = reader_u32(r);
    struct reader nlri = nlri_take(r, record->afi, record->safi);

    record->has_entry_path_id = r->failed || !entries_fit(*r, false);
    if (record->has_entry_path_id) {
        *r = other;
        nlri = nlri_take(r, record->afi, record->safi);
    } else {
        record->path_id = path_id;
    }
    record->nlri = nlri;
}

static void rib_take(struct mrt_record *record, uint16_t subtype, struct reader r)
{
    bool is_generic = subtype == MRT_RIB_GENERIC || subtype == MRT_RIB_GENERIC_ADDPATH;

    reader_u32(&r); /* sequence number */
    record->afi = is_generic ? reader_u16(&r)
                  : subtype == MRT_RIB_IPV4_UNICAST || subtype == MRT_RIB_IPV4_UNICAST_ADDPATH
                      ? MRT_AFI_IPV4
                      : MRT_AFI_IPV6;
    record->safi = is_generic ? reader_u8(&r) : MRT_SAFI_UNICAST;
    /* Families whose NLRI are no prefixes. */
    if (r.failed || record->afi < MRT_AFI_IPV4 || record->afi > MRT_AFI_IPV6 ||
        (record->safi != MRT_SAFI_UNICAST && record->safi != MRT_SAFI_LABELLED &&
         record->safi != MRT_SAFI_VPN)) {
        record->kind = r.failed ? MRT_DAMAGED : MRT_OTHER;
        return;
    }
    record->has_path_id = subtype >= MRT_RIB_IPV4_UNICAST_ADDPATH;
    record->has_entry_path_id = record->has_path_id;
    if (subtype == MRT_RIB_GENERIC_ADDPATH)
        generic_add_path_take(record, &r);
    else
        record->nlri = nlri_take(&r, record->afi, record->safi);
    record->entry_count = reader_u16(&r);
    record->entries = r;
    record->kind = r.failed ? MRT_DAMAGED : MRT_RIB;
}

static void peers_take(struct mrt_record *record, struct reader r)
{
    reader_u32(&r);                   /* collector's identifier */
    reader_bytes(&r, reader_u16(&r)); /* name of the view */
    record->peer_count = reader_u16(&r);
    record->peers = r;
    record->kind = r.failed ? MRT_DAMAGED : MRT_PEERS;
}

void mrt_record_parse(uint32_t time_s, uint16_t type, uint16_t subtype, struct reader body,
                      struct mrt_record *ret_record)
{
    *ret_record = (struct mrt_record){.kind = MRT_OTHER, .time_s = time_s};
    if (type != MRT_TYPE_TABLE_DUMP_V2)
        return;
    switch (subtype) {
    case MRT_PEER_INDEX_TABLE:
        peers_take(ret_record, body);
        return;
    case MRT_RIB_IPV4_UNICAST:
    case MRT_RIB_IPV6_UNICAST:
    case MRT_RIB_GENERIC:
    case MRT_RIB_IPV4_UNICAST_ADDPATH:
    case MRT_RIB_IPV6_UNICAST_ADDPATH:
    case MRT_RIB_GENERIC_ADDPATH:
        rib_take(ret_record, subtype, body);
        return;
    default:
        return;
    }
}

bool mrt_record_next_peer(struct mrt_record *record, struct mrt_peer *ret_peer)
{
    struct reader *r = &record->peers;

    if (record->peer_count == 0)
        return false;
    uint8_t type = reader_u8(r);
    ret_peer->router_id = reader_u32(r);
    const uint8_t *address = reader_bytes(r, type & PEER_HAS_IPV6 ? 16 : 4);
    ret_peer->as = type & PEER_HAS_FOUR_OCTET_AS ? reader_u32(r) : reader_u16(r);
    if (r->failed)
        return false;
    ret_peer->address = type & PEER_HAS_IPV6 ? ip_addr_v6(address) : ip_addr_v4(address);
    record->peer_count--;
    return true;
}

bool mrt_record_next_entry(struct mrt_record *record, struct mrt_entry *ret_entry)
{
    struct reader *r = &record->entries;

    if (record->entry_count == 0)
        return false;
    ret_entry->peer = reader_u16(r);
    ret_entry->originated_s = reader_u32(r);
    ret_entry->path_id = record->has_entry_path_id ? reader_u32(r) : record->path_id;
    ret_entry->attrs_len = reader_u16(r);
    ret_entry->attrs = reader_bytes(r, ret_entry->attrs_len);
    if (r->failed)
        return false;
    record->entry_count--;
    return true;
}
