/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes datagrams apart: templates are learnt as they come by, and each data record is one flow, or
 * two of a template that counts both ways. What cannot be delimited to its end is not taken apart. */
#include "nfacctd/split.h"
#include "nfacctd/netflow_decoder.h"

enum {
    SET_HEADER_LEN = 4,
    SET_ALIGNMENT = 4,
    V9_HEADER_LEN = 20,
    V9_COUNT_AT = 2,
    V9_TEMPLATES = 0,
    V9_OPTIONS_TEMPLATES = 1,
    IPFIX_HEADER_LEN = 16,
    IPFIX_LENGTH_AT = 2,
    IPFIX_TEMPLATES = 2,
    IPFIX_OPTIONS_TEMPLATES = 3,
};

/* The message that is taken apart, and where its parts go. */
struct split {
    struct netflow_message *msg;
    struct datagram_parts *parts;
};

/* A set on its way: where its header is, and what is behind it. */
struct split_set {
    uint16_t id;
    size_t at, len; /* with its header */
    struct reader body;
};

static size_t place_of(const struct split *s, const uint8_t *pos)
{
    return (size_t)(pos - s->msg->datagram->data);
}

static struct datagram_part *add_part(struct split *s, enum part_kind kind, size_t at, size_t len)
{
    size_t index = datagram_parts_add(s->parts, kind, at, len);

    return &s->parts->parts[index];
}

/* Adds the part of a data record, whose flow is the next one after those of `before` records. */
static void add_record(struct split *s, const struct split_set *set, const struct plan *plan,
                       const uint8_t *record, size_t len, uint32_t before)
{
    struct datagram_part *part = add_part(s, PART_RECORD, place_of(s, record), len);

    part->set_at = (uint32_t)set->at;
    part->flow = datagram_parts_next_flow(s->parts, s->msg->decoder->batch) + before;
    part->may_pad_set = plan->min_len >= SET_ALIGNMENT;
}

static bool split_record(struct split *s, const struct split_set *set, const struct plan *plan,
                         const uint8_t *record, size_t len)
{
    add_record(s, set, plan, record, len, 0);
    return netflow_message_decode_flows(s->msg, plan, record, len);
}

static bool split_variable(struct split *s, const struct split_set *set, const struct plan *plan)
{
    const uint8_t *data = set->body.pos;
    size_t left = reader_left(&set->body);

    while (left >= plan->min_len && !netflow_message_is_padding(data, left)) {
        struct plan_ref *refs = netflow_decoder_refs(s->msg->decoder, plan);
        size_t len = plan_measure(plan, data, left, refs);
        if (len == 0 || !split_record(s, set, plan, data, len))
            return false;
        data += len;
        left -= len;
    }
    return left <= NETFLOW_PADDING_MOST;
}

static bool split_fixed(struct split *s, const struct split_set *set, const struct plan *plan)
{
    const uint8_t *data = set->body.pos;
    size_t left = reader_left(&set->body);
    uint32_t count = (uint32_t)(left / plan->record_len);

    if (left % plan->record_len > NETFLOW_PADDING_MOST)
        return false;
    if (plan->reverse) {
        for (uint32_t i = 0; i < count; i++)
            split_record(s, set, plan, data + (size_t)i * plan->record_len, plan->record_len);
        return true;
    }
    for (uint32_t i = 0; i < count; i++)
        add_record(s, set, plan, data + (size_t)i * plan->record_len, plan->record_len, i);
    return netflow_message_decode_flows(s->msg, plan, data, left);
}

static bool split_options(struct split *s, struct split_set *set, const struct template *tmpl)
{
    uint32_t before = s->msg->record_count;

    if (!sets_decode_options(s->msg, tmpl, &set->body))
        return false;
    add_part(s, PART_FOR_ALL, set->at, set->len)->count = s->msg->record_count - before;
    return true;
}

static bool split_data(struct split *s, struct split_set *set)
{
    struct netflow_message *msg = s->msg;
    const struct template *tmpl =
        template_store_find(&msg->decoder->templates, msg->domain, set->id);

    if (!tmpl || (!tmpl->plan && tmpl->is_refused)) {
        add_part(s, PART_UNREAD, set->at, set->len);
        return true;
    }
    if (!tmpl->plan)
        return split_options(s, set, tmpl);
    msg->context.template_id = tmpl->id;
    msg->context.lender = tmpl->domain != msg->domain ? tmpl->domain : NULL;
    return tmpl->plan->record_len > 0 ? split_fixed(s, set, tmpl->plan)
                                      : split_variable(s, set, tmpl->plan);
}

/* Learns the templates of a set and makes it a part. */
static void split_templates(struct split *s, struct split_set *set, bool is_options)
{
    const struct counter *templates = &s->msg->exporter->counters.templates;
    uint64_t before = counter_get(templates);

    sets_decode_templates(s->msg, &set->body, is_options);
    add_part(s, PART_FOR_ALL, set->at, set->len)->count =
        (uint32_t)(counter_get(templates) - before);
}

/* Takes a set apart; false: it cannot be. */
static bool split_set(struct split *s, struct split_set *set, bool learns_only)
{
    bool is_v9 = s->msg->context.version == 9;

    if (set->id == (is_v9 ? V9_TEMPLATES : IPFIX_TEMPLATES))
        split_templates(s, set, false);
    else if (set->id == (is_v9 ? V9_OPTIONS_TEMPLATES : IPFIX_OPTIONS_TEMPLATES))
        split_templates(s, set, true);
    else if (!learns_only)
        return split_data(s, set);
    return true;
}

/* False: some set is damaged. Receivers get the datagram as it is then, and learn from it the templates of
 * all sets that they can read: so they are learned here, too. */
static bool split_sets(struct split *s, struct reader body)
{
    bool is_whole = true;

    while (reader_left(&body) >= SET_HEADER_LEN) {
        struct split_set set = {.at = place_of(s, body.pos)};
        set.id = reader_u16(&body);
        set.len = reader_u16(&body);
        if (set.id == 0 && set.len == 0)
            return is_whole; /* padding of the datagram */
        if (set.len < SET_HEADER_LEN || set.len - SET_HEADER_LEN > reader_left(&body))
            return false;
        set.body = reader_part(&body, set.len - SET_HEADER_LEN);
        is_whole = split_set(s, &set, !is_whole) && is_whole;
    }
    return is_whole;
}

bool netflow9_split(struct netflow_decoder *decoder, struct exporter *exporter,
                    const struct datagram *datagram, struct datagram_parts *parts)
{
    static const struct part_message header = {
        .header_len = V9_HEADER_LEN, .count_at = V9_COUNT_AT, .count_len = 2, .pads_sets = true};
    struct reader r = reader_make(datagram->data, datagram->len);
    struct netflow_message msg;
    struct split s = {&msg, parts};

    reader_bytes(&r, 16);
    uint32_t source_id = reader_u32(&r);
    if (r.failed || !datagram_parts_add_message(parts, &header))
        return false;
    netflow_message_start(&msg, decoder, exporter, datagram, 9, source_id, source_id);
    return split_sets(&s, r);
}

/* Takes the next message apart. *ret_goes_on: there may be others behind it. */
static bool split_ipfix_message(struct netflow_decoder *decoder, struct exporter *exporter,
                                const struct datagram *datagram, struct reader *r,
                                struct datagram_parts *parts, bool *ret_goes_on)
{
    struct part_message message = {.at = (uint32_t)(r->pos - datagram->data),
                                   .header_len = IPFIX_HEADER_LEN,
                                   .length_at = IPFIX_LENGTH_AT};
    struct netflow_message msg;
    struct split s = {&msg, parts};
    size_t there = reader_left(r);
    uint16_t version = reader_u16(r), len = reader_u16(r);

    reader_bytes(r, 8); /* export time, sequence */
    uint32_t domain_id = reader_u32(r);
    *ret_goes_on = false;
    if (r->failed || version != 10 || len < IPFIX_HEADER_LEN || len > there ||
        !datagram_parts_add_message(parts, &message))
        return false;
    *ret_goes_on = true;
    netflow_message_start(&msg, decoder, exporter, datagram, 10, domain_id, domain_id);
    return split_sets(&s, reader_part(r, len - (size_t)IPFIX_HEADER_LEN));
}

bool ipfix_split(struct netflow_decoder *decoder, struct exporter *exporter,
                 const struct datagram *datagram, struct datagram_parts *parts)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    bool is_whole = true, goes_on = true;

    while (reader_left(&r) > 0 && goes_on)
        is_whole =
            split_ipfix_message(decoder, exporter, datagram, &r, parts, &goes_on) && is_whole;
    return is_whole;
}
