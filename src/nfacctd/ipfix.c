/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the message headers of NetFlow v9 (RFC 3954 section 5.1) and IPFIX (RFC 7011 section 3.1),
 * and walks the sets behind them. */
#include "nfacctd/netflow_decoder.h"

#include "base/clock.h"

enum {
    SET_HEADER_LEN = 4,
    V9_TEMPLATES = 0,
    V9_OPTIONS_TEMPLATES = 1,
    IPFIX_TEMPLATES = 2,
    IPFIX_OPTIONS_TEMPLATES = 3,
    DATA_MIN = 256,
    IPFIX_HEADER_LEN = 16,
    UPTIME_STEP = 60000, /* a step of more from one message to the next is news */
};

static void decode_set(struct netflow_message *msg, uint16_t set_id, struct reader *set)
{
    bool is_v9 = msg->context.version == 9;

    if (set_id >= DATA_MIN)
        sets_decode_data(msg, set_id, set);
    else if (set_id == (is_v9 ? V9_TEMPLATES : IPFIX_TEMPLATES))
        sets_decode_templates(msg, set, false);
    else if (set_id == (is_v9 ? V9_OPTIONS_TEMPLATES : IPFIX_OPTIONS_TEMPLATES))
        sets_decode_templates(msg, set, true);
    else
        exporter_drop(msg->exporter, DROP_unknown_set, "domain %u: set id %u",
                      msg->domain->domain_id, set_id);
}

/* RFC 7011 section 3.3: the body is a run of sets, each of which states its length. */
static void decode_sets(struct netflow_message *msg, struct reader *body)
{
    while (reader_left(body) >= SET_HEADER_LEN) {
        uint16_t set_id = reader_u16(body);
        uint16_t set_len = reader_u16(body); /* counts this header too */
        struct reader set = {0};
        if (set_id == 0 && set_len == 0)
            return; /* padding of the datagram */
        if (set_len >= SET_HEADER_LEN)
            set = reader_part(body, set_len - SET_HEADER_LEN);
        if (set_len < SET_HEADER_LEN || set.failed) {
            exporter_drop(msg->exporter, DROP_bad_set_length, "domain %u: set %u of %u bytes",
                          msg->domain->domain_id, set_id, set_len);
            msg->has_unknown_records = true;
            return;
        }
        msg->rest = body;
        decode_set(msg, set_id, &set); /* a bad set is counted in there; the next may be good */
    }
}

/* Returns whether decode_sets() will reach the end of `body`; if it will not, what is refused counts
 * by `reason`. */
static bool check_sets(const struct netflow_decoder *decoder, struct exporter *exporter,
                       struct reader body, enum drop_reason reason)
{
    while (decoder->settings->refuse_bad_sets && reader_left(&body) >= SET_HEADER_LEN) {
        uint16_t set_id = reader_u16(&body);
        uint16_t set_len = reader_u16(&body);
        if (set_id == 0 && set_len == 0)
            break;
        if (set_len >= SET_HEADER_LEN)
            reader_bytes(&body, set_len - SET_HEADER_LEN);
        if (set_len < SET_HEADER_LEN || body.failed) {
            exporter_drop(exporter, reason, "set %u of %u bytes", set_id, set_len);
            return false;
        }
    }
    return true;
}

static bool is_of_templates(bool is_v9, uint16_t set_id)
{
    return set_id == (is_v9 ? V9_TEMPLATES : IPFIX_TEMPLATES) ||
           set_id == (is_v9 ? V9_OPTIONS_TEMPLATES : IPFIX_OPTIONS_TEMPLATES);
}

/* Returns whether a message holds something that can be read, or that a later template may explain:
 * then its header is believed. */
static __attribute__((noinline)) bool holds_something(struct netflow_message *msg,
                                                      struct reader body)
{
    bool is_v9 = msg->context.version == 9, has_sets = false;

    while (reader_left(&body) >= SET_HEADER_LEN) {
        uint16_t set_id = reader_u16(&body);
        uint16_t set_len = reader_u16(&body);
        if (set_id == 0 && set_len == 0)
            break;
        if (set_len < SET_HEADER_LEN || !reader_bytes(&body, set_len - (size_t)SET_HEADER_LEN))
            return false;
        if (is_of_templates(is_v9, set_id) ||
            template_store_find(&msg->decoder->templates, msg->domain, set_id))
            return true;
        has_sets = has_sets || set_id >= DATA_MIN;
    }
    return has_sets;
}

/* Takes the export time of a header. Somebody may have sent anything under the exporter's address,
 * so a message that holds nothing is not believed where its header tells something new. */
static inline void take_export_time(struct netflow_message *msg, int64_t export_ns,
                                    const struct reader *body)
{
    if (clock_offset_is_news(&msg->domain->clock, msg->context.arrival_ns, export_ns) &&
        holds_something(msg, *body))
        netflow_message_note_clock(msg, export_ns);
    netflow_message_set_export_time(msg, export_ns);
}

/* Takes the uptime of a header, likewise. */
static inline void take_uptime(struct netflow_message *msg, uint32_t uptime,
                               const struct reader *body)
{
    const struct domain *domain = msg->domain;

    msg->context.uptime = uptime;
    msg->context.has_uptime = true;
    if ((domain->has_uptime && uptime - domain->uptime <= UPTIME_STEP) ||
        holds_something(msg, *body))
        netflow_message_check_uptime(msg, uptime);
}

void netflow9_decode(struct netflow_decoder *decoder, struct exporter *exporter,
                     const struct datagram *datagram)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    struct netflow_message msg;

    reader_u16(&r); /* version */
    reader_u16(&r); /* number of records of all kinds, which exporters count in different ways */
    uint32_t uptime = reader_u32(&r);
    uint32_t seconds = reader_u32(&r);
    uint32_t sequence = reader_u32(&r);
    uint32_t source_id = reader_u32(&r);
    if (r.failed) {
        exporter_drop(exporter, DROP_truncated_header, "%u bytes of NetFlow v9", datagram->len);
        return;
    }
    if (!check_sets(decoder, exporter, r, DROP_bad_length))
        return;
    netflow_message_start(&msg, decoder, exporter, datagram, 9, source_id, source_id);
    take_export_time(&msg, seconds * NS_PER_S, &r);
    msg.context.sequence = sequence;
    take_uptime(&msg, uptime, &r);
    decode_sets(&msg, &r);
    msg.has_unknown_records = false; /* it is messages that are numbered */
    netflow_message_check_sequence(&msg, 1);
    counter_add(&exporter->counters.datagrams_decoded, 1);
}

/* Decodes the message at the start of `r`, which is not the first one of its datagram; false: there
 * is none. Its flows are numbered on from *order. */
static bool decode_another(struct netflow_decoder *decoder, struct exporter *exporter,
                           const struct datagram *datagram, struct reader *r, uint64_t *order)
{
    size_t there = reader_left(r);
    struct netflow_message msg;
    uint16_t version = reader_u16(r);
    uint16_t len = reader_u16(r);
    uint32_t seconds = reader_u32(r);
    uint32_t sequence = reader_u32(r);
    uint32_t domain_id = reader_u32(r);

    if (r->failed || version != 10 || len < IPFIX_HEADER_LEN || len > there) {
        exporter_drop(exporter, DROP_trailing_bytes, "IPFIX: %zu bytes", there);
        return false;
    }
    struct reader body = reader_part(r, len - IPFIX_HEADER_LEN);
    if (!check_sets(decoder, exporter, body, DROP_bad_set_length))
        return true;
    netflow_message_start(&msg, decoder, exporter, datagram, 10, domain_id, domain_id);
    msg.context.order = *order;
    take_export_time(&msg, seconds * NS_PER_S, &body);
    msg.context.sequence = sequence;
    decode_sets(&msg, &body);
    netflow_message_check_sequence(&msg, msg.record_count);
    *order = msg.context.order;
    return true;
}

/* A datagram is one message (RFC 7011 section 10.3), but exporters put several into one; each
 * counts as if it had come alone. The first is decoded by ipfix_decode(), as it mostly is the only
 * one. */
static __attribute__((noinline)) void decode_others(struct netflow_decoder *decoder,
                                                    struct exporter *exporter,
                                                    const struct datagram *datagram,
                                                    size_t first_len, uint64_t order)
{
    struct reader r = reader_make(datagram->data + first_len, datagram->len - first_len);

    while (reader_left(&r) > 0 && decode_another(decoder, exporter, datagram, &r, &order))
        continue;
}

void ipfix_decode(struct netflow_decoder *decoder, struct exporter *exporter,
                  const struct datagram *datagram)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    struct netflow_message msg;

    reader_u16(&r); /* version */
    uint16_t len = reader_u16(&r);
    uint32_t seconds = reader_u32(&r);
    uint32_t sequence = reader_u32(&r);
    uint32_t domain_id = reader_u32(&r);
    if (r.failed) {
        exporter_drop(exporter, DROP_truncated_header, "%u bytes of IPFIX", datagram->len);
        return;
    }
    if (len < IPFIX_HEADER_LEN || len > datagram->len) {
        exporter_drop(exporter, DROP_bad_length, "IPFIX: %u bytes announced, %u there", len,
                      datagram->len);
        return;
    }
    struct reader body = reader_part(&r, len - IPFIX_HEADER_LEN);
    if (!check_sets(decoder, exporter, body, DROP_bad_length))
        return;
    netflow_message_start(&msg, decoder, exporter, datagram, 10, domain_id, domain_id);
    take_export_time(&msg, seconds * NS_PER_S, &body);
    msg.context.sequence = sequence;
    decode_sets(&msg, &body);
    netflow_message_check_sequence(&msg, msg.record_count);
    if (len < datagram->len)
        decode_others(decoder, exporter, datagram, len, msg.context.order);
    counter_add(&exporter->counters.datagrams_decoded, 1);
}
