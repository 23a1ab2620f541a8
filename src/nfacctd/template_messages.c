/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks messages of NetFlow v9 (RFC 3954 section 5) and IPFIX (RFC 7011 section 3) for their templates
 * alone. See template_messages.h. */
#include "nfacctd/template_messages.h"
#include "base/clock.h"
#include "base/writer.h"
#include <string.h>

enum {
    NETFLOW9 = 9,
    IPFIX = 10,
    V9_HEADER_LEN = 20,
    IPFIX_HEADER_LEN = 16,
    SET_HEADER_LEN = 4,
    DATA_MIN = 256,
    FIELD_LEN = 4,
};

struct shared_message {
    uint16_t version;
    const uint8_t *header;
    size_t header_len;
    struct reader body;
    uint32_t seconds, sequence, domain_id;
};

struct set {
    uint16_t id, len; /* with its header */
    const uint8_t *bytes;
    bool is_templates, is_options;
};

/* Takes the message at the start of `r`. False: there is none; *ret_reason says why. */
static bool take_message(struct reader *r, struct shared_message *m, enum drop_reason *ret_reason)
{
    size_t there = reader_left(r), len = there;

    *m = (struct shared_message){.header = r->pos};
    m->version = reader_u16(r);
    m->header_len = m->version == NETFLOW9 ? V9_HEADER_LEN : IPFIX_HEADER_LEN;
    if (m->version == NETFLOW9)
        reader_bytes(r, 6); /* count, uptime */
    else
        len = reader_u16(r);
    m->seconds = reader_u32(r);
    m->sequence = reader_u32(r);
    m->domain_id = reader_u32(r);
    *ret_reason = r->failed ? DROP_truncated_header : DROP_bad_length;
    if (r->failed || (m->version != NETFLOW9 && m->version != IPFIX) || len < m->header_len ||
        len > there)
        return false;
    m->body = reader_part(r, len - m->header_len);
    return true;
}

/* Takes the next set. False: none is left, or its length is impossible, which is then in ret->len. */
static bool take_set(struct shared_message *m, struct set *ret)
{
    *ret = (struct set){0};
    if (reader_left(&m->body) < SET_HEADER_LEN)
        return false;
    ret->bytes = m->body.pos;
    ret->id = reader_u16(&m->body);
    ret->len = reader_u16(&m->body);
    if (ret->len < SET_HEADER_LEN || !reader_bytes(&m->body, ret->len - (size_t)SET_HEADER_LEN))
        return false;
    uint16_t first = m->version == NETFLOW9 ? 0 : 2;
    ret->is_options = ret->id == first + 1;
    ret->is_templates = ret->id == first || ret->is_options;
    return true;
}

/* ---- to others ---- */

/* Returns how many templates a set of NetFlow v9 has: its header counts them. */
static uint16_t count_templates(const struct set *set)
{
    struct reader r = reader_make(set->bytes + SET_HEADER_LEN, set->len - (size_t)SET_HEADER_LEN);
    uint16_t count = 0;

    for (;;) {
        uint16_t id = reader_u16(&r);
        size_t len = reader_u16(&r);
        len = set->is_options ? len + reader_u16(&r) : len * FIELD_LEN;
        if (r.failed || id < DATA_MIN || (len > 0 && !reader_bytes(&r, len)))
            return count;
        count++;
    }
}

/* Writes the message without all but templates; 0: it has none. */
static size_t write_templates(struct shared_message *m, uint8_t *out)
{
    size_t len = m->header_len;
    uint16_t count = 0;

    for (struct set set; take_set(m, &set);) {
        if (!set.is_templates || set.len == SET_HEADER_LEN)
            continue;
        memcpy(out + len, set.bytes, set.len);
        len += set.len;
        count = (uint16_t)(count + count_templates(&set));
    }
    if (len == m->header_len)
        return 0;
    memcpy(out, m->header, m->header_len);
    wire_put_u16(out + 2, m->version == NETFLOW9 ? count : (uint16_t)len);
    return len;
}

size_t template_messages_next(const struct datagram *datagram, size_t *offset, uint8_t *out)
{
    enum drop_reason reason;
    struct shared_message m;

    if (*offset >= datagram->len)
        return 0;
    struct reader r = reader_make(datagram->data + *offset, datagram->len - *offset);
    while (reader_left(&r) > 0 && take_message(&r, &m, &reason)) {
        size_t len = write_templates(&m, out);
        *offset = (size_t)(r.pos - datagram->data);
        if (len > 0)
            return len;
    }
    return 0;
}

/* ---- from others ---- */

static void learn_set(struct netflow_message *msg, const struct set *set)
{
    struct reader r = reader_make(set->bytes + SET_HEADER_LEN, set->len - (size_t)SET_HEADER_LEN);

    if (set->is_templates) {
        sets_decode_templates(msg, &r, set->is_options);
    } else if (set->id >= DATA_MIN) {
        exporter_say_once(msg->exporter, NOTE_data_at_templates_port,
                          "domain %u: data of template %u", msg->domain->domain_id, set->id);
        exporter_count_drop(msg->exporter, DROP_shared_data);
    } else {
        exporter_drop(msg->exporter, DROP_unknown_set, "domain %u: set id %u",
                      msg->domain->domain_id, set->id);
    }
}

static void learn_message(struct netflow_decoder *decoder, struct exporter *exporter,
                          const struct datagram *datagram, struct shared_message *m)
{
    struct netflow_message msg;
    struct set set;

    netflow_message_start(&msg, decoder, exporter, datagram, (uint8_t)m->version, m->domain_id,
                          m->domain_id);
    netflow_message_set_export_time(&msg, m->seconds * NS_PER_S);
    msg.context.sequence = m->sequence;
    while (take_set(m, &set))
        learn_set(&msg, &set);
    if (set.bytes && (set.id != 0 || set.len != 0)) /* not padding of the datagram */
        exporter_drop(exporter, DROP_bad_set_length, "domain %u: set %u of %u bytes", m->domain_id,
                      set.id, set.len);
}

void template_messages_learn(struct netflow_decoder *decoder, struct exporter *exporter,
                             const struct datagram *datagram)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    uint64_t before = counter_get(&exporter->counters.templates);
    enum drop_reason reason;
    struct shared_message m;

    if (!take_message(&r, &m, &reason)) {
        exporter_drop(exporter, reason, "%u bytes at nfacctd_templates_port", datagram->len);
        return;
    }
    learn_message(decoder, exporter, datagram, &m);
    while (reader_left(&r) > 0) {
        if (!take_message(&r, &m, &reason)) {
            exporter_drop(exporter, DROP_trailing_bytes, "IPFIX at nfacctd_templates_port");
            break;
        }
        learn_message(decoder, exporter, datagram, &m);
    }
    counter_add(&exporter->counters.datagrams_decoded, 1);
    counter_add(&exporter->counters.shared_templates,
                counter_get(&exporter->counters.templates) - before);
}
