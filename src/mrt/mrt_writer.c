/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts records of TABLE_DUMP_V2 together (RFC 6396 section 4.3, RFC 8050 section 4). */
#include "mrt/mrt_writer.h"
#include "base/writer.h"
#include <assert.h>

enum { PEER_HAS_IPV6 = 1, PEER_HAS_FOUR_OCTET_AS = 2 };
#define LEN_AT 8u /* in a header */

static void put_u8(struct text *out, uint8_t value)
{
    text_append(out, &value, 1);
}

static void put_u16(struct text *out, uint16_t value)
{
    uint8_t bytes[2];

    wire_put_u16(bytes, value);
    text_append(out, bytes, sizeof bytes);
}

static void put_u32(struct text *out, uint32_t value)
{
    uint8_t bytes[4];

    wire_put_u32(bytes, value);
    text_append(out, bytes, sizeof bytes);
}

/* Returns where the record begins. */
static size_t record_begin(struct text *out, uint32_t time_s, uint16_t subtype)
{
    size_t start = out->len;

    put_u32(out, time_s);
    put_u16(out, MRT_TYPE_TABLE_DUMP_V2);
    put_u16(out, subtype);
    put_u32(out, 0);
    return start;
}

static void record_end(struct text *out, size_t start)
{
    wire_put_u32((uint8_t *)out->data + start + LEN_AT,
                 (uint32_t)(out->len - start - MRT_HEADER_SIZE));
}

void mrt_write_peers(struct text *out, uint32_t time_s, uint32_t collector_id,
                     const struct mrt_peer *peers, size_t count)
{
    size_t start = record_begin(out, time_s, MRT_PEER_INDEX_TABLE);

    assert(count <= UINT16_MAX);
    put_u32(out, collector_id);
    put_u16(out, 0); /* the view has no name */
    put_u16(out, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        const struct ip_addr *address = &peers[i].address;
        put_u8(out, PEER_HAS_FOUR_OCTET_AS | (address->family == IP_V6 ? PEER_HAS_IPV6 : 0));
        put_u32(out, peers[i].router_id);
        text_append(out, ip_addr_wire(address), ip_addr_wire_len(address));
        put_u32(out, peers[i].as);
    }
    record_end(out, start);
}

struct mrt_rib_record mrt_rib_begin(struct text *out, uint32_t time_s, uint32_t sequence,
                                    const struct mrt_prefix *prefix)
{
    struct mrt_rib_record record = {.out = out};
    bool is_unicast = prefix->safi == MRT_SAFI_UNICAST;
    uint16_t subtype = !is_unicast                   ? MRT_RIB_GENERIC
                       : prefix->afi == MRT_AFI_IPV4 ? MRT_RIB_IPV4_UNICAST
                                                     : MRT_RIB_IPV6_UNICAST;

    if (prefix->has_path_id)
        subtype = (uint16_t)(subtype + MRT_RIB_GENERIC_ADDPATH - MRT_RIB_GENERIC);
    record.start = record_begin(out, time_s, subtype);
    record.has_entry_path_id = prefix->has_path_id && is_unicast;
    put_u32(out, sequence);
    if (!is_unicast) {
        put_u16(out, prefix->afi);
        put_u8(out, prefix->safi);
        if (prefix->has_path_id)
            put_u32(out, prefix->path_id);
    }
    text_append(out, prefix->nlri, prefix->nlri_len);
    record.count_at = out->len;
    put_u16(out, 0);
    return record;
}

void mrt_rib_add(struct mrt_rib_record *record, const struct mrt_entry *entry)
{
    assert(record->count < MRT_ENTRIES_MAX && entry->attrs_len <= UINT16_MAX);
    put_u16(record->out, entry->peer);
    put_u32(record->out, entry->originated_s);
    if (record->has_entry_path_id)
        put_u32(record->out, entry->path_id);
    put_u16(record->out, (uint16_t)entry->attrs_len);
    text_append(record->out, entry->attrs, entry->attrs_len);
    record->count++;
}

void mrt_rib_end(struct mrt_rib_record *record)
{
    wire_put_u16((uint8_t *)record->out->data + record->count_at, (uint16_t)record->count);
    record_end(record->out, record->start);
}
