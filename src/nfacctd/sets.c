/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes template sets, options template sets and data sets: RFC 7011 section 3.4, RFC 3954
 * section 5. The two versions differ in how a field specifier looks, and in how an options template
 * states its scope.
 */
#include "nfacctd/netflow_decoder.h"

#include "base/clock.h"
#include "base/memory.h"
#include "nfacctd/plan_values.h"

enum {
    TEMPLATE_ID_MIN = 256,
    ENTERPRISE_BIT = 0x8000,
    V9_OPTIONS_HEADER_LEN = 6,
    TEMPLATE_HEADER_LEN = 4,
};

static void take_facts(struct netflow_message *msg, const struct option_facts *facts)
{
    struct domain *domain = msg->domain;

    if (facts->exporter_ipv4)
        domain->exporter_addr = ip_addr_v4(facts->exporter_ipv4);
    if (facts->exporter_ipv6 && (!facts->exporter_ipv4 || ip_addr_is_zero(&domain->exporter_addr)))
        domain->exporter_addr = ip_addr_v6(facts->exporter_ipv6);
    if (ip_addr_is_zero(&domain->exporter_addr))
        domain->exporter_addr = (struct ip_addr){0};
    if (facts->system_init_ms > 0)
        domain->system_init_ms = facts->system_init_ms;
}

/* Reads one options record off `r`; false if it runs over the end. */
static bool decode_options_record(struct netflow_message *msg, const struct template *tmpl,
                                  struct reader *r)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct option_facts facts;

    for (uint16_t i = 0; i < tmpl->field_count; i++) {
        uint16_t len = tmpl->fields[i].len;
        if (len == FIELD_LEN_VARIABLE) {
            len = reader_u8(r);
            if (len == 255)
                len = reader_u16(r);
        }
        decoder->values[i] = reader_bytes(r, len);
        decoder->value_lens[i] = len;
    }
    if (r->failed)
        return false;
    option_store_take_record(&decoder->options, &msg->context.scope, tmpl->fields,
                             tmpl->field_count, decoder->values, decoder->value_lens, &facts);
    take_facts(msg, &facts);
    if (facts.has_long_text)
        exporter_drop(msg->exporter, DROP_bad_options, "template %u: a name of more than %d bytes",
                      tmpl->id, OPTION_TEXT_MAX);
    else if (!facts.is_usable && option_fields_tell_rate(tmpl->fields, tmpl->field_count))
        exporter_drop(msg->exporter, DROP_bad_options, "template %u: no sampling rate", tmpl->id);
    counter_add(&msg->exporter->counters.options_records, 1);
    msg->record_count++;
    return true;
}

static bool decode_options(struct netflow_message *msg, const struct template *tmpl,
                           struct reader *set)
{
    while (reader_left(set) >= tmpl->min_len) {
        if (!decode_options_record(msg, tmpl, set))
            return false;
    }
    return true;
}

/* Sets the uptime of an IPFIX message. Its header has none, but options may say when the exporter
 * started. */
static void find_uptime(struct netflow_message *msg)
{
    int64_t init_ns = plan_time_since_epoch((uint64_t)msg->domain->system_init_ms, NS_PER_MS);

    if (msg->context.version != 10 || init_ns == 0 || init_ns > msg->context.export_ns)
        return;
    msg->context.uptime =
        (uint32_t)((msg->context.export_ns - init_ns) / msg->context.uptime_unit_ns);
    msg->context.has_uptime = true;
}

static bool decode_records(struct netflow_message *msg, const struct template *tmpl,
                           struct reader *set)
{
    if (tmpl->is_options)
        return decode_options(msg, tmpl, set);
    msg->context.template_id = tmpl->id;
    find_uptime(msg);
    bool is_whole = netflow_message_decode_flows(msg, tmpl->plan, set->pos, reader_left(set));
    counter_add(&msg->exporter->counters.rate_unknown, msg->context.rate_unknown);
    msg->context.rate_unknown = 0;
    return is_whole;
}

/*
 * Decodes the sets that waited for this template, with the header of the message that they came in.
 */
static void release_pending(struct netflow_message *msg, const struct template *tmpl)
{
    struct pending_set *set = pending_sets_take(&msg->decoder->pending, msg->domain, tmpl->id);
    struct netflow_message old = *msg;

    while (set) {
        struct pending_set *next = set->next_of_key;
        struct reader r = reader_make(set->data, set->len);
        old.context.export_ns = set->header.export_ns;
        old.context.arrival_ns = set->header.arrival_ns;
        old.context.uptime = set->header.uptime;
        old.context.sequence = set->header.sequence;
        old.context.has_uptime = msg->context.version == 9;
        if (set->len < tmpl->min_len || !decode_records(&old, tmpl, &r))
            exporter_drop(msg->exporter, DROP_pending_mismatch, "domain %u: template %u",
                          msg->domain->domain_id, tmpl->id);
        else
            counter_add(&msg->exporter->counters.pending_released, 1);
        mem_free(set);
        set = next;
    }
    msg->context.order = old.context.order; /* they came in with this datagram */
}

void sets_decode_data(struct netflow_message *msg, uint16_t template_id, struct reader *set)
{
    struct netflow_decoder *decoder = msg->decoder;
    const struct template *tmpl =
        template_store_find(&decoder->templates, msg->domain, template_id);

    if (!tmpl) {
        struct pending_header header = {msg->context.export_ns, msg->context.arrival_ns,
                                        msg->context.uptime, msg->context.sequence};
        msg->has_unknown_records = true;
        pending_sets_add(&decoder->pending, msg->exporter, msg->domain, template_id, &header,
                         set->pos, reader_left(set));
        return;
    }
    size_t len = reader_left(set);
    if (!decode_records(msg, tmpl, set))
        exporter_drop(msg->exporter, DROP_bad_record, "domain %u: template %u: %zu bytes of data",
                      msg->domain->domain_id, template_id, len);
}

static void log_bad_template(struct netflow_message *msg, const struct template *tmpl, uint16_t bad)
{
    const struct template_field *field = &msg->decoder->fields[bad];

    if (bad >= tmpl->field_count) {
        exporter_drop(msg->exporter, DROP_bad_template, "domain %u: template %u: empty records",
                      msg->domain->domain_id, tmpl->id);
        return;
    }
    const struct element *element = element_find(field->enterprise, field->id);
    exporter_drop(msg->exporter, DROP_bad_template, "domain %u: template %u: %s has %u bytes",
                  msg->domain->domain_id, tmpl->id, element ? element->name : "a field",
                  field->len);
}

static void count_unknown_elements(struct netflow_message *msg, const struct template *tmpl)
{
    for (uint16_t i = 0; i < tmpl->field_count; i++) {
        const struct template_field *f = &msg->decoder->fields[i];
        if (!element_find(f->enterprise, f->id))
            counter_add(&msg->exporter->counters.unknown_elements, 1);
    }
}

static void take_template(struct netflow_message *msg, const struct template *announced)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct template_store *store = &decoder->templates;
    uint64_t evicted_before = store->evicted_count;
    uint16_t bad = 0;

    counter_add(&msg->exporter->counters.templates, 1);
    counter_set(&msg->exporter->counters.last_template_ns, (uint64_t)msg->datagram->received_ns);
    if (announced->is_options && option_fields_tell_rate(decoder->fields, announced->field_count))
        msg->domain->source->tells_rate = msg->context.is_rate_expected = true;
    switch (template_store_put(store, msg->domain, announced, decoder->fields, &bad)) {
    case TEMPLATE_BAD:
        log_bad_template(msg, announced, bad);
        return;
    case TEMPLATE_NEW:
        if (!announced->is_options)
            count_unknown_elements(msg, announced);
        if (store->evicted_count > evicted_before)
            exporter_drop(msg->exporter, DROP_too_many_templates, "domain %u: template %u",
                          msg->domain->domain_id, announced->id);
        break;
    case TEMPLATE_SAME:
        break;
    }
    const struct template *tmpl = template_store_find(store, msg->domain, announced->id);
    release_pending(msg, tmpl);
}

/* Reads `count` field specifiers into decoder->fields, from `first` on; `r` has failed if they run
 * over the end. */
static void read_fields(struct netflow_message *msg, struct reader *r, uint16_t first,
                        uint16_t count, bool is_v9_scope)
{
    for (uint16_t i = 0; i < count && !r->failed; i++) {
        struct template_field *f = &msg->decoder->fields[first + i];
        f->id = reader_u16(r);
        f->len = reader_u16(r);
        f->enterprise = is_v9_scope ? ENTERPRISE_V9_SCOPE : 0;
        if (msg->context.version == 10 && f->id & ENTERPRISE_BIT) {
            f->id &= (uint16_t)~ENTERPRISE_BIT;
            f->enterprise = reader_u32(r);
        }
    }
}

/* Reads what stands before the field specifiers; false: the rest of the set cannot be read. */
static bool read_template_header(struct netflow_message *msg, struct reader *r, bool is_options,
                                 struct template *ret_template)
{
    struct template *t = ret_template;
    bool is_v9 = msg->context.version == 9;

    *t = (struct template){
        .received_ns = msg->datagram->received_ns,
        .port = msg->datagram->source_port,
        .is_options = is_options,
    };
    t->id = reader_u16(r);
    if (is_options && is_v9) {
        uint16_t scope_len = reader_u16(r);
        uint16_t option_len = reader_u16(r);
        t->scope_count = scope_len / 4;
        t->field_count = (uint16_t)(t->scope_count + option_len / 4);
        return !r->failed && scope_len % 4 == 0 && option_len % 4 == 0;
    }
    t->field_count = reader_u16(r);
    if (is_options && t->field_count > 0)
        t->scope_count = reader_u16(r);
    return !r->failed;
}

/* Reads one template off `r`; false: the rest of the set cannot be read. */
static bool decode_template(struct netflow_message *msg, struct reader *r, bool is_options)
{
    struct template t;
    bool is_readable = read_template_header(msg, r, is_options, &t);

    if (is_readable && t.id == 0 && t.field_count == 0)
        return false; /* padding */
    if (is_readable && t.field_count == 0) {
        exporter_drop(msg->exporter, DROP_template_withdrawal, "domain %u: template %u",
                      msg->domain->domain_id, t.id);
        return true;
    }
    bool is_possible = is_readable && t.id >= TEMPLATE_ID_MIN && t.scope_count <= t.field_count &&
                       !(is_options && msg->context.version == 10 && t.scope_count == 0) &&
                       t.field_count <= msg->decoder->settings->template_fields_max;
    if (is_possible) {
        bool is_v9 = msg->context.version == 9;
        read_fields(msg, r, 0, t.scope_count, is_v9);
        read_fields(msg, r, t.scope_count, (uint16_t)(t.field_count - t.scope_count), false);
        is_possible = !r->failed;
    }
    if (!is_possible) {
        exporter_drop(msg->exporter, DROP_bad_template, "domain %u: template %u with %u fields",
                      msg->domain->domain_id, t.id, t.field_count);
        return false;
    }
    take_template(msg, &t);
    return true;
}

void sets_decode_templates(struct netflow_message *msg, struct reader *set, bool is_options)
{
    size_t header_len = is_options && msg->context.version == 9 ? (size_t)V9_OPTIONS_HEADER_LEN
                                                                : (size_t)TEMPLATE_HEADER_LEN;

    while (reader_left(set) >= header_len && decode_template(msg, set, is_options))
        continue;
}
