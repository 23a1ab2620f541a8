/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps what a datagram is made of, and makes datagrams of some of it. See datagram_parts.h. */
#include "flow/datagram_parts.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"
#include <string.h>

enum { SET_HEADER_LEN = 4, PARTS_MIN = 64 };

void datagram_parts_clear(struct datagram_parts *p)
{
    mem_free(p->parts);
    mem_free(p->messages);
    *p = (struct datagram_parts){0};
}

void datagram_parts_begin(struct datagram_parts *p)
{
    p->count = p->message_count = 0;
    p->given_flows = 0;
}

bool datagram_parts_add_message(struct datagram_parts *p, const struct part_message *message)
{
    if (p->message_count == UINT16_MAX)
        return false;
    if (p->message_count == p->message_capacity) {
        p->message_capacity = 2 * p->message_capacity + 1;
        p->messages = mem_realloc_array(p->messages, p->message_capacity, sizeof *p->messages);
    }
    p->messages[p->message_count++] = *message;
    return true;
}

size_t datagram_parts_add(struct datagram_parts *p, enum part_kind kind, size_t at, size_t len)
{
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : PARTS_MIN;
        p->parts = mem_realloc_array(p->parts, p->capacity, sizeof *p->parts);
    }
    p->parts[p->count] = (struct datagram_part){.at = (uint32_t)at,
                                                .len = (uint32_t)len,
                                                .count = 1,
                                                .set_at = PART_NO_SET,
                                                .flow = PART_NO_FLOW,
                                                .message = (uint16_t)(p->message_count - 1),
                                                .kind = (uint8_t)kind};
    return p->count++;
}

static size_t put_padding(size_t len, uint8_t *out)
{
    size_t padding = -len & 3;

    memset(out, 0, padding);
    return padding;
}

/* Writes the parts of one set from indices[0] on, behind a header with their length. Returns how many
 * they are. */
static size_t put_set(const struct datagram_parts *p, const uint8_t *datagram,
                      const uint32_t *indices, size_t count, uint8_t *out, size_t *ret_len)
{
    const struct datagram_part *first = &p->parts[indices[0]];
    size_t len = SET_HEADER_LEN, n = 0;

    memcpy(out, datagram + first->set_at, SET_HEADER_LEN);
    for (; n < count && p->parts[indices[n]].set_at == first->set_at; n++) {
        const struct datagram_part *part = &p->parts[indices[n]];
        memcpy(out + len, datagram + part->at, part->len);
        len += part->len;
    }
    if (p->messages[first->message].pads_sets && first->may_pad_set && len + 3 <= UINT16_MAX)
        len += put_padding(len, out + len);
    wire_put_u16(out + 2, (uint16_t)len);
    *ret_len = len;
    return n;
}

size_t datagram_parts_join(const struct datagram_parts *p, const uint8_t *datagram,
                           const uint32_t *indices, size_t count, uint8_t *out)
{
    const struct part_message *message = &p->messages[p->parts[indices[0]].message];
    size_t len = message->header_len;
    uint32_t units = 0;

    memcpy(out, datagram + message->at, message->header_len);
    for (size_t i = 0; i < count; i++)
        units += p->parts[indices[i]].count;
    for (size_t i = 0; i < count;) {
        const struct datagram_part *part = &p->parts[indices[i]];
        size_t added = part->len;
        if (part->set_at != PART_NO_SET) {
            i += put_set(p, datagram, indices + i, count - i, out + len, &added);
        } else {
            memcpy(out + len, datagram + part->at, part->len);
            i++;
        }
        len += added;
        if (message->pads_parts)
            len += put_padding(added, out + len);
    }
    if (message->count_len == 2)
        wire_put_u16(out + message->count_at, (uint16_t)units);
    else if (message->count_len == 4)
        wire_put_u32(out + message->count_at, units);
    if (message->length_at > 0)
        wire_put_u16(out + message->length_at, (uint16_t)len);
    return len;
}
