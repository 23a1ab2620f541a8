/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of path attributes and the walk over them, with the outcomes of RFC 7606. */
#include "bgp/path_attr.h"
#include "bgp/as_path.h"
#include <errno.h>
#include <string.h>

enum { FLAG_OPTIONAL = 0x80, FLAG_TRANSITIVE = 0x40, FLAG_EXTENDED_LEN = 0x10 };
#define FLAGS_WELL_KNOWN     FLAG_TRANSITIVE
#define FLAGS_TRANSITIVE     (FLAG_OPTIONAL | FLAG_TRANSITIVE)
#define FLAGS_NON_TRANSITIVE FLAG_OPTIONAL
#define FLAGS_CHECKED        (FLAG_OPTIONAL | FLAG_TRANSITIVE)

/* Types of TLVs in AIGP and PREFIX_SID. */
enum { AIGP_METRIC = 1, PREFIX_SID_LABEL_INDEX = 1 };

/* The sessions in which an attribute means something; in others it is dropped unread. */
enum { ALWAYS = 0, INTERNAL_ONLY = 1, TWO_OCTET_ONLY = 2 };

struct attr_row {
    const char *name;
    uint8_t type, flags;
    uint8_t when;
    enum attr_outcome malformed; /* what a failed check leads to */
    /* Fixed and unit lengths: len must be fixed_len, or a multiple of unit_len and not 0; 0: not
     * so. */
    uint8_t fixed_len, unit_len;
    bool (*is_wellformed)(const uint8_t *data, size_t len, const struct attr_context *context);
};

static size_t number_size(const struct attr_context *context)
{
    return context->features.has_four_octet_as ? 4 : 2;
}

static bool origin_check(const uint8_t *data, size_t len, const struct attr_context *context)
{
    (void)context;
    return len == 1 && data[0] <= 2;
}

static bool as_path_check(const uint8_t *data, size_t len, const struct attr_context *context)
{
    return as_path_is_wellformed(data, len, number_size(context));
}

static bool as4_path_check(const uint8_t *data, size_t len, const struct attr_context *context)
{
    (void)context;
    return len > 0 && as_path_is_wellformed(data, len, 4);
}

static bool atomic_aggregate_check(const uint8_t *data, size_t len,
                                   const struct attr_context *context)
{
    (void)data, (void)context;
    return len == 0;
}

/* AS 0 makes an attribute malformed (RFC 7607 section 2), in AS paths too. */
static bool aggregator_check(const uint8_t *data, size_t len, const struct attr_context *context)
{
    size_t size = number_size(context);
    return len == size + 4 && wire_uint(data, size) != 0;
}

static bool as4_aggregator_check(const uint8_t *data, size_t len,
                                 const struct attr_context *context)
{
    (void)context;
    return len == 8 && wire_u32(data) != 0;
}

/* TLVs whose length counts type and length too (RFC 7311 section 3). */
static bool aigp_check(const uint8_t *data, size_t len, const struct attr_context *context)
{
    struct reader r = reader_make(data, len);

    (void)context;
    while (reader_left(&r) > 0) {
        uint8_t type = reader_u8(&r);
        size_t tlv_len = reader_u16(&r);
        if (r.failed || tlv_len < 3 || (type == AIGP_METRIC && tlv_len != 11))
            return false;
        reader_bytes(&r, tlv_len - 3);
    }
    return !r.failed;
}

/* TLVs whose length counts the value alone (RFC 8669 section 3). */
static bool prefix_sid_check(const uint8_t *data, size_t len, const struct attr_context *context)
{
    struct reader r = reader_make(data, len);

    (void)context;
    while (reader_left(&r) > 0) {
        uint8_t type = reader_u8(&r);
        size_t tlv_len = reader_u16(&r);
        if (r.failed || (type == PREFIX_SID_LABEL_INDEX && tlv_len != 7))
            return false;
        reader_bytes(&r, tlv_len);
    }
    return !r.failed;
}

/* RFC 7606 section 7, RFC 6793 section 6, RFC 8092 section 5, RFC 9234 section 5,
 * RFC 7311 section 3, RFC 8669 section 6. */
static const struct attr_row attr_rows[ATTR_COUNT] = {
    [ATTR_ORIGIN] = {"ORIGIN", 1, FLAGS_WELL_KNOWN, ALWAYS, ATTR_OUTCOME_WITHDRAW, 0, 0,
                     origin_check},
    [ATTR_AS_PATH] = {"AS_PATH", 2, FLAGS_WELL_KNOWN, ALWAYS, ATTR_OUTCOME_WITHDRAW, 0, 0,
                      as_path_check},
    [ATTR_NEXT_HOP] = {"NEXT_HOP", 3, FLAGS_WELL_KNOWN, ALWAYS, ATTR_OUTCOME_WITHDRAW, 4, 0, NULL},
    [ATTR_MED] = {"MULTI_EXIT_DISC", 4, FLAGS_NON_TRANSITIVE, ALWAYS, ATTR_OUTCOME_WITHDRAW, 4, 0,
                  NULL},
    [ATTR_LOCAL_PREF] = {"LOCAL_PREF", 5, FLAGS_WELL_KNOWN, INTERNAL_ONLY, ATTR_OUTCOME_WITHDRAW, 4,
                         0, NULL},
    [ATTR_ATOMIC_AGGREGATE] = {"ATOMIC_AGGREGATE", 6, FLAGS_WELL_KNOWN, ALWAYS,
                               ATTR_OUTCOME_DISCARD, 0, 0, atomic_aggregate_check},
    [ATTR_AGGREGATOR] = {"AGGREGATOR", 7, FLAGS_TRANSITIVE, ALWAYS, ATTR_OUTCOME_DISCARD, 0, 0,
                         aggregator_check},
    [ATTR_COMMUNITIES] = {"COMMUNITIES", 8, FLAGS_TRANSITIVE, ALWAYS, ATTR_OUTCOME_WITHDRAW, 0, 4,
                          NULL},
    [ATTR_ORIGINATOR_ID] = {"ORIGINATOR_ID", 9, FLAGS_NON_TRANSITIVE, INTERNAL_ONLY,
                            ATTR_OUTCOME_WITHDRAW, 4, 0, NULL},
    [ATTR_CLUSTER_LIST] = {"CLUSTER_LIST", 10, FLAGS_NON_TRANSITIVE, INTERNAL_ONLY,
                           ATTR_OUTCOME_WITHDRAW, 0, 4, NULL},
    [ATTR_MP_REACH] = {"MP_REACH_NLRI", 14, FLAGS_NON_TRANSITIVE, ALWAYS, ATTR_OUTCOME_RESET, 0, 0,
                       NULL},
    [ATTR_MP_UNREACH] = {"MP_UNREACH_NLRI", 15, FLAGS_NON_TRANSITIVE, ALWAYS, ATTR_OUTCOME_RESET, 0,
                         0, NULL},
    [ATTR_EXT_COMMUNITIES] = {"EXTENDED COMMUNITIES", 16, FLAGS_TRANSITIVE, ALWAYS,
                              ATTR_OUTCOME_WITHDRAW, 0, 8, NULL},
    [ATTR_AS4_PATH] = {"AS4_PATH", 17, FLAGS_TRANSITIVE, TWO_OCTET_ONLY, ATTR_OUTCOME_DISCARD, 0, 0,
                       as4_path_check},
    [ATTR_AS4_AGGREGATOR] = {"AS4_AGGREGATOR", 18, FLAGS_TRANSITIVE, TWO_OCTET_ONLY,
                             ATTR_OUTCOME_DISCARD, 0, 0, as4_aggregator_check},
    [ATTR_LARGE_COMMUNITIES] = {"LARGE_COMMUNITY", 32, FLAGS_TRANSITIVE, ALWAYS,
                                ATTR_OUTCOME_WITHDRAW, 0, 12, NULL},
    [ATTR_ONLY_TO_CUSTOMER] = {"ONLY_TO_CUSTOMER", 35, FLAGS_TRANSITIVE, ALWAYS,
                               ATTR_OUTCOME_WITHDRAW, 4, 0, NULL},
    [ATTR_AIGP] = {"AIGP", 26, FLAGS_NON_TRANSITIVE, ALWAYS, ATTR_OUTCOME_DISCARD, 0, 0,
                   aigp_check},
    [ATTR_PREFIX_SID] = {"PREFIX_SID", 40, FLAGS_TRANSITIVE, ALWAYS, ATTR_OUTCOME_DISCARD, 0, 0,
                         prefix_sid_check},
};

int attr_find(uint8_t type)
{
    for (int i = 0; i < ATTR_COUNT; i++) {
        if (attr_rows[i].type == type)
            return i;
    }
    return -1;
}

uint8_t attr_type(enum path_attr attr)
{
    return attr_rows[attr].type;
}

const char *attr_name(uint8_t type)
{
    int index = attr_find(type);
    return index >= 0 ? attr_rows[index].name : "attribute";
}

void attr_list_raise(struct attr_list *list, enum attr_outcome outcome, uint8_t type,
                     const char *reason)
{
    if (outcome == ATTR_OUTCOME_DISCARD)
        list->discarded_count++;
    if (outcome <= list->outcome)
        return;
    list->outcome = outcome;
    list->bad_type = type;
    list->reason = reason;
}

static void attr_list_reset(struct attr_list *list, uint8_t subcode, uint8_t type,
                            const char *reason)
{
    attr_list_raise(list, ATTR_OUTCOME_RESET, type, reason);
    list->error = notification_make(ERROR_UPDATE, subcode);
}

static bool row_is_wellformed(const struct attr_row *row, const struct attr_value *value,
                              const struct attr_context *context)
{
    if (row->fixed_len)
        return value->len == row->fixed_len;
    if (row->unit_len)
        return value->len > 0 && value->len % row->unit_len == 0;
    return !row->is_wellformed || row->is_wellformed(value->data, value->len, context);
}

static void attr_take(struct attr_list *list, uint8_t flags, uint8_t type, struct attr_value value,
                      const struct attr_context *context)
{
    int index = attr_find(type);

    if (type != attr_rows[ATTR_MP_UNREACH].type)
        list->has_others = true;
    if (index < 0) {
        /* An optional one that we do not know is passed over (RFC 4271 section 5). */
        if (!(flags & FLAG_OPTIONAL))
            attr_list_reset(list, UPDATE_UNKNOWN_WELL_KNOWN, type, "unknown, yet well-known");
        return;
    }
    const struct attr_row *row = &attr_rows[index];
    if (list->values[index].data) { /* RFC 7606 section 3 (g) */
        if (index == ATTR_MP_REACH || index == ATTR_MP_UNREACH)
            attr_list_reset(list, UPDATE_MALFORMED_ATTRIBUTES, type, "appears twice");
        else
            attr_list_raise(list, ATTR_OUTCOME_DISCARD, type, "appears twice");
        return;
    }
    if ((row->when == INTERNAL_ONLY && !context->is_internal) ||
        (row->when == TWO_OCTET_ONLY && context->features.has_four_octet_as)) {
        attr_list_raise(list, ATTR_OUTCOME_DISCARD, type, "has no meaning in this session");
        return;
    }
    if ((flags & FLAGS_CHECKED) != row->flags) { /* RFC 7606 section 3 (c) */
        attr_list_raise(list, ATTR_OUTCOME_WITHDRAW, type, "has wrong flags");
    } else if (!row_is_wellformed(row, &value, context)) {
        attr_list_raise(list, row->malformed, type, "is malformed");
        return;
    }
    list->values[index] = value;
}

bool attr_next(struct reader *attributes, uint8_t *ret_type, struct attr_value *ret_value,
               struct attr_value *ret_whole)
{
    const uint8_t *start = attributes->pos;
    uint8_t flags = reader_u8(attributes);

    *ret_type = reader_u8(attributes);
    size_t len = flags & FLAG_EXTENDED_LEN ? reader_u16(attributes) : reader_u8(attributes);
    *ret_value = (struct attr_value){reader_bytes(attributes, len), len};
    *ret_whole = (struct attr_value){start, (size_t)(attributes->pos - start)};
    return !attributes->failed;
}

void attr_list_parse(struct reader attributes, const struct attr_context *context,
                     struct attr_list *ret_list)
{
    memset(ret_list->values, 0, sizeof ret_list->values);
    ret_list->received = (struct attr_value){attributes.pos, reader_left(&attributes)};
    ret_list->has_others = false;
    ret_list->discarded_count = 0;
    ret_list->outcome = ATTR_OUTCOME_OK;
    ret_list->bad_type = 0;
    ret_list->reason = NULL;

    while (reader_left(&attributes) > 0) {
        uint8_t flags = reader_u8(&attributes);
        uint8_t type = reader_u8(&attributes);
        size_t len = flags & FLAG_EXTENDED_LEN ? reader_u16(&attributes) : reader_u8(&attributes);
        const uint8_t *data = reader_bytes(&attributes, len);
        if (attributes.failed) { /* RFC 7606 section 4 */
            ret_list->has_others = true;
            attr_list_raise(ret_list, ATTR_OUTCOME_WITHDRAW, type, "goes beyond the attributes");
            return;
        }
        attr_take(ret_list, flags, type, (struct attr_value){data, len}, context);
    }
}

void attr_list_as_path(const struct attr_list *list, bool has_four_octet_as, struct as_path *path,
                       struct as_path *as4_path, struct as_path *merged)
{
    const struct attr_value *own = &list->values[ATTR_AS_PATH];
    const struct attr_value *as4 = &list->values[ATTR_AS4_PATH];
    const struct attr_value *aggregator = &list->values[ATTR_AGGREGATOR];

    as_path_decode(path, own->data, own->len, has_four_octet_as ? 4 : 2);
    if (has_four_octet_as || !as4->data)
        return;
    /* Somebody who knows no four-octet numbers has aggregated: AS4_PATH is out of date. */
    if (aggregator->data && wire_u16(aggregator->data) != AS_TRANS)
        return;
    as_path_decode(as4_path, as4->data, as4->len, 4);
    as_path_merge(path, as4_path, merged);
}

bool attr_list_aigp(const struct attr_list *list, uint64_t *ret_metric)
{
    const struct attr_value *value = &list->values[ATTR_AIGP];
    struct reader r = reader_make(value->data, value->len);

    while (reader_left(&r) > 0) {
        uint8_t type = reader_u8(&r);
        size_t len = reader_u16(&r); /* 3 or more: it was checked */
        if (type == AIGP_METRIC) {
            *ret_metric = reader_u64(&r);
            return !r.failed;
        }
        reader_bytes(&r, len - 3);
    }
    return false;
}

bool attr_list_label_index(const struct attr_list *list, uint32_t *ret_index)
{
    const struct attr_value *value = &list->values[ATTR_PREFIX_SID];
    struct reader r = reader_make(value->data, value->len);

    while (reader_left(&r) > 0) {
        uint8_t type = reader_u8(&r);
        size_t len = reader_u16(&r);
        if (type == PREFIX_SID_LABEL_INDEX) {
            reader_bytes(&r, 3); /* reserved, flags */
            *ret_index = reader_u32(&r);
            return !r.failed;
        }
        reader_bytes(&r, len);
    }
    return false;
}

/* Reads AFI and SAFI; a family that the session did not agree on is given as NULL. */
static void mp_family_read(struct reader *r, const struct attr_context *context,
                           struct mp_reach *mp)
{
    uint16_t afi = reader_u16(r);
    uint8_t safi = reader_u8(r);
    int family = address_family_find(afi, safi);

    mp->family = NULL;
    if (family >= 0 && context->features.families & 1u << family) {
        mp->family = &address_families[family];
        mp->index = (enum address_family)family;
    }
}

/* Reads one address, or for IPv6 a global and a link-local one (RFC 2545 section 3); each after
 * a route distinguisher of zeros in VPN families (RFC 4364 section 4.3.2, RFC 4659, RFC 8950). */
static int next_hop_parse(struct reader r, const struct mp_reach *mp, bool allow_ipv6,
                          struct ip_addr *ret_next_hop)
{
    size_t rd_len = mp->family->has_rd ? 8 : 0;
    size_t len = reader_left(&r);

    if (mp->family->ip_family == IP_V4 && len == rd_len + 4) {
        *ret_next_hop = ip_addr_v4(r.pos + rd_len);
        return 0;
    }
    if (mp->family->ip_family == IP_V4 && !allow_ipv6)
        return -EBADMSG;
    /* Lengths of 24 + 16 come from speakers that write no route distinguisher before the
     * link-local address. */
    if (len != rd_len + 16 && len != 2 * (rd_len + 16) && len != rd_len + 32)
        return -EBADMSG;
    *ret_next_hop = ip_addr_v6(r.pos + rd_len);
    if (ip_addr_is_zero(ret_next_hop) && len > rd_len + 16)
        *ret_next_hop = ip_addr_v6(r.end - 16);
    return 0;
}

int mp_reach_parse(const struct attr_value *value, const struct attr_context *context,
                   struct mp_reach *ret_reach)
{
    struct reader r = reader_make(value->data, value->len);
    struct mp_reach reach = {0};

    mp_family_read(&r, context, &reach);
    struct reader next_hop = reader_part(&r, reader_u8(&r));
    reader_u8(&r); /* reserved */
    if (r.failed)
        return -EBADMSG;
    if (reach.family) {
        bool allow_ipv6 = context->features.extended_next_hop & 1u << reach.index;
        int err = next_hop_parse(next_hop, &reach, allow_ipv6, &reach.next_hop);
        if (err < 0)
            return err;
    }
    reach.nlri = r;
    *ret_reach = reach;
    return 0;
}

int mp_unreach_parse(const struct attr_value *value, const struct attr_context *context,
                     struct mp_reach *ret_unreach)
{
    struct reader r = reader_make(value->data, value->len);
    struct mp_reach unreach = {0};

    mp_family_read(&r, context, &unreach);
    if (r.failed)
        return -EBADMSG;
    unreach.nlri = r;
    *ret_unreach = unreach;
    return 0;
}
