/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads Route Monitoring messages. See bmp_monitoring.h. */
#include "bmp/bmp_monitoring.h"
#include <errno.h>

#define TLV_ENTERPRISE 0x8000
#define INDEX_IS_GROUP 0x8000
#define GROUPS_MAX     64u /* of a message, so that nobody makes us multiply groups with marks */

/* The numbers of TLVs in the drafts (section 9 of revision 20; before it there were fewer). */
struct numbering {
    uint16_t bgp_message, group, table_name, stateless, path_marking;
};
static const struct numbering numbering_20 = {7, 4, 5, 6, 5};
static const struct numbering numbering_before = {4, 2, 3, 0, 5}; /* 0: laid out otherwise there */

struct indexed_tlv {
    uint16_t type, index;
    uint32_t enterprise;
    struct reader value;
};

struct mark_group {
    uint16_t index;
    struct reader members;
    bool is_marked;
};
struct groups {
    unsigned count;
    struct mark_group groups[GROUPS_MAX];
};

/* The length counts the value alone, not the index (revision 20 section 4.3). */
static int indexed_tlv_next(struct reader *tlvs, struct indexed_tlv *ret_tlv)
{
    struct indexed_tlv tlv = {0};

    if (reader_left(tlvs) == 0)
        return 0;
    tlv.type = reader_u16(tlvs);
    size_t len = reader_u16(tlvs);
    tlv.index = reader_u16(tlvs);
    tlv.value = reader_part(tlvs, len);
    if (tlv.type & TLV_ENTERPRISE) {
        tlv.type &= (uint16_t)~TLV_ENTERPRISE;
        tlv.enterprise = reader_u32(&tlv.value);
    }
    if (tlvs->failed || tlv.value.failed)
        return -EBADMSG;
    *ret_tlv = tlv;
    return 1;
}

/* An UPDATE and nothing else; *ret_left: how many bytes stand behind it. */
static int update_find(struct reader bytes, struct reader *ret_update, size_t *ret_left)
{
    struct message message;
    struct notification error;

    if (message_frame(bytes.pos, reader_left(&bytes), MESSAGE_EXTENDED_LEN_MAX, &message, &error) <
            0 ||
        message.type != MESSAGE_UPDATE)
        return -EBADMSG;
    *ret_update = message.body;
    *ret_left = reader_left(&bytes) - message.len;
    return 0;
}

/* Finds the UPDATE among the TLVs, and thereby which draft they follow: a group of NLRI, which has
 * the other draft's number, never begins as a BGP message does. */
static int tlvs_find_update(struct reader tlvs, const struct numbering **ret_numbering,
                            struct reader *ret_update, enum bmp_reject *ret_reject)
{
    struct indexed_tlv tlv;
    int got;
    unsigned found = 0;
    size_t left;

    while ((got = indexed_tlv_next(&tlvs, &tlv)) > 0) {
        bool is_20 = tlv.type == numbering_20.bgp_message;
        if (tlv.enterprise || (!is_20 && tlv.type != numbering_before.bgp_message) ||
            tlv.index & INDEX_IS_GROUP || update_find(tlv.value, ret_update, &left) < 0)
            continue;
        *ret_numbering = is_20 ? &numbering_20 : &numbering_before;
        found++;
    }
    if (got == 0 && found == 1)
        return 0;
    *ret_reject = got < 0 ? BMP_REJECT_tlv : BMP_REJECT_monitoring;
    return -EBADMSG;
}

/* Revision 20 gave the number of path marks to names of tables, which have no zero bytes. The upper
 * half of the marks has nothing but zeros. */
static bool is_path_marking(const struct indexed_tlv *tlv)
{
    size_t len = reader_left(&tlv->value);

    return (len == 4 || len == 6) && tlv->value.pos[0] == 0;
}

static void mark_one(struct bmp_marks *marks, uint16_t index, uint32_t status)
{
    if (index == 0 || index > BMP_MARKED_MAX)
        return;
    while (marks->each_count < index)
        marks->each[marks->each_count++] = 0;
    marks->each[index - 1] |= status;
}

static void mark_group(struct bmp_marks *marks, struct groups *groups, uint16_t index,
                       uint32_t status)
{
    for (unsigned i = 0; i < groups->count; i++) {
        struct mark_group *group = &groups->groups[i];
        if (group->index != index || group->is_marked)
            continue;
        group->is_marked = true;
        for (struct reader members = group->members; reader_left(&members) >= 2;)
            mark_one(marks, reader_u16(&members), status);
    }
}

static int groups_find(struct reader tlvs, const struct numbering *numbering,
                       struct groups *ret_groups)
{
    struct indexed_tlv tlv;

    ret_groups->count = 0;
    while (indexed_tlv_next(&tlvs, &tlv) > 0) {
        if (tlv.enterprise || tlv.type != numbering->group || !(tlv.index & INDEX_IS_GROUP))
            continue;
        if (ret_groups->count == GROUPS_MAX)
            return -E2BIG;
        ret_groups->groups[ret_groups->count++] = (struct mark_group){tlv.index, tlv.value, false};
    }
    return 0;
}

static int tlvs_apply(struct reader tlvs, const struct numbering *numbering,
                      struct bmp_marks *marks, struct bmp_monitoring *monitoring)
{
    struct groups groups;
    struct indexed_tlv tlv;

    if (groups_find(tlvs, numbering, &groups) < 0)
        return -E2BIG;
    while (indexed_tlv_next(&tlvs, &tlv) > 0) {
        if (tlv.enterprise)
            continue;
        if (numbering->stateless && tlv.type == numbering->stateless) {
            capabilities_parse(tlv.value, &monitoring->capabilities); /* as far as it can be read */
            continue;
        }
        if (tlv.type != numbering->path_marking || !is_path_marking(&tlv))
            continue;
        uint32_t status = reader_u32(&tlv.value);
        marks->is_there = true;
        if (tlv.index & INDEX_IS_GROUP)
            mark_group(marks, &groups, tlv.index, status);
        else if (tlv.index == 0)
            marks->all |= status;
        else
            mark_one(marks, tlv.index, status);
    }
    return 0;
}

int bmp_monitoring_parse(struct reader body, uint8_t version, struct bmp_marks *marks,
                         struct bmp_monitoring *ret_monitoring, enum bmp_reject *ret_reject)
{
    struct bmp_monitoring monitoring = {0};
    const struct numbering *numbering = NULL;
    size_t left = 0;

    marks->is_there = false;
    marks->all = marks->each_count = 0;
    if (version < 4) {
        if (update_find(body, &monitoring.update, &left) < 0) {
            *ret_reject = BMP_REJECT_monitoring;
            return -EBADMSG;
        }
        monitoring.has_trailing = left > 0;
        *ret_monitoring = monitoring;
        return 0;
    }
    if (tlvs_find_update(body, &numbering, &monitoring.update, ret_reject) < 0)
        return -EBADMSG;
    if (tlvs_apply(body, numbering, marks, &monitoring) < 0) {
        *ret_reject = BMP_REJECT_tlv;
        return -EBADMSG;
    }
    *ret_monitoring = monitoring;
    return 0;
}
