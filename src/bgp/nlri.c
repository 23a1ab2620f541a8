/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads NLRI (RFC 4271 section 4.3, RFC 7911, RFC 8277, RFC 4364). One prefix is: [path id, 4]
 * length in bits, 1 [labels, 3 each] [route distinguisher, 8] the prefix's bytes. The length counts
 * labels and route distinguisher too.
 */
#include "bgp/nlri.h"
#include <errno.h>
#include <string.h>

#define LABEL_BITS      24
#define LABEL_BOTTOM    1u        /* bottom of stack, the lowest bit of a 3-byte label */
#define LABEL_WITHDRAWN 0x800000u /* RFC 3107 section 3 */
#define RD_BITS         64

/* Skips the label stack but for the value of its first label; returns how many bits of `bits` it took, or -EBADMSG. */
static int labels_skip(struct reader *field, unsigned bits, bool is_withdrawal, uint32_t *ret_first)
{
    unsigned taken = 0;

    for (;;) {
        if (bits - taken < LABEL_BITS)
            return -EBADMSG;
        uint32_t label = (uint32_t)reader_uint(field, 3);
        if (taken == 0)
            *ret_first = label >> 4;
        taken += LABEL_BITS;
        if (field->failed)
            return -EBADMSG;
        /* A withdrawal has exactly one field here, whose bits say nothing (RFC 8277 section
         * 2.4). */
        if (label & LABEL_BOTTOM || is_withdrawal || label == LABEL_WITHDRAWN)
            return (int)taken;
    }
}

static int nlri_read_one(struct reader *field, const struct nlri_format *format,
                         struct rib_nlri *nlri)
{
    const struct address_family_info *family = format->family;

    nlri->path_id = format->has_path_id ? reader_u32(field) : 0;
    unsigned bits = reader_u8(field);
    nlri->rd = 0;
    if (family->has_labels) {
        int taken = labels_skip(field, bits, format->is_withdrawal, &nlri->label);
        if (taken < 0)
            return taken;
        bits -= (unsigned)taken;
    }
    if (family->has_rd) {
        if (bits < RD_BITS)
            return -EBADMSG;
        nlri->rd = reader_u64(field);
        bits -= RD_BITS;
    }
    if (bits > family->max_bits)
        return -EBADMSG;

    const uint8_t *bytes = reader_bytes(field, (bits + 7) / 8);
    if (field->failed)
        return -EBADMSG;
    struct ip_addr *addr = &nlri->prefix.addr;
    memset(addr->bytes, 0, sizeof addr->bytes);
    addr->family = family->ip_family;
    uint8_t *out = addr->bytes;
    if (family->ip_family == IP_V4) {
        addr->bytes[10] = addr->bytes[11] = 0xff;
        out += 12;
    }
    if (bits > 0) {
        memcpy(out, bytes, (bits + 7) / 8);
        if (bits % 8 != 0)
            out[bits / 8] &= (uint8_t)(0xff << (8 - bits % 8));
    }
    nlri->prefix.len = (uint8_t)bits;
    return 0;
}

int nlri_read(struct reader *field, const struct nlri_format *format, struct rib_nlri *nlri,
              size_t capacity)
{
    size_t count = 0;

    while (count < capacity && reader_left(field) > 0) {
        int err = nlri_read_one(field, format, &nlri[count]);
        if (err < 0)
            return err;
        count++;
    }
    return (int)count;
}
