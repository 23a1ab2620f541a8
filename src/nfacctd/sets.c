/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes template sets, options template sets and data sets: RFC 7011 section 3.4, RFC 3954
 * section 5. The two versions differ in how a field specifier looks, and in how an options template
 * states its scope.
 */
#include "nfacctd/netflow_decoder.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/memory.h"
#include "nfacctd/plan_values.h"

enum {
    TEMPLATE_ID_MIN = 256,
    ENTERPRISE_BIT = 0x8000,
    V9_OPTIONS_HEADER_LEN = 6,
    TEMPLATE_HEADER_LEN = 4,
    FIELD_SPECIFIER_LEN = 4,
    SET_HEADER_LEN = 4,
};

static void take_facts(struct netflow_message *msg, const struct option_facts *facts)
{
    struct domain *domain = msg->domain;
    struct ip_addr addr_before = domain->exporter_addr;
    int64_t init_before_ms = domain->system_init_ms;

    if (facts->exporter_ipv4.family != IP_NONE)
        domain->exporter_addr = facts->exporter_ipv4;
    if (facts->exporter_ipv6.family != IP_NONE &&
        (facts->exporter_ipv4.family == IP_NONE || ip_addr_is_zero(&domain->exporter_addr)))
        domain->exporter_addr = facts->exporter_ipv6;
    if (ip_addr_is_zero(&domain->exporter_addr))
        domain->exporter_addr = (struct ip_addr){0};
    if (facts->system_init_ms > 0)
        domain->system_init_ms = facts->system_init_ms;
    if (domain->system_init_ms != init_before_ms ||
        !ip_addr_equal(&domain->exporter_addr, &addr_before))
        saved_marks_note_scope(&msg->decoder->marks, domain->id, domain, NULL);
}

/* Counts what had to go for the options of a record. */
static void drop_options(struct netflow_message *msg, const struct template *tmpl, uint64_t count)
{
    counter_add(&msg->exporter->counters.drops[DROP_too_many_options], count - 1);
    exporter_drop(msg->exporter, DROP_too_many_options, "domain %u: template %u",
                  msg->domain->domain_id, tmpl->id);
}

/* Reads one options record off `r`; false if it runs over the end. */
static bool decode_options_record(struct netflow_message *msg, const struct template *tmpl,
                                  struct reader *r)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct option_facts facts;
    uint64_t evicted_before = decoder->options.evicted_count;
    const uint8_t *start = r->pos;

    for (uint16_t i = 0; i < tmpl->field_count; i++) {
        uint16_t len = tmpl->fields[i].len;
        if (len == FIELD_LEN_VARIABLE)
            len = element_variable_len(r);
        decoder->values[i] = reader_bytes(r, len);
        decoder->value_lens[i] = len;
    }
    if (r->failed)
        return false;
    option_store_take_record(&decoder->options, &msg->domain->source->option_share,
                             &msg->context.scope, tmpl->fields, tmpl->field_count, decoder->values,
                             decoder->value_lens, &facts);
    take_facts(msg, &facts);
    if (decoder->options.evicted_count > evicted_before)
        drop_options(msg, tmpl, decoder->options.evicted_count - evicted_before);
    if (facts.has_long_text)
        exporter_drop(msg->exporter, DROP_bad_options, "template %u: a name of more than %d bytes",
                      tmpl->id, OPTION_TEXT_MAX);
    else if (!facts.is_usable && option_fields_tell_rate(tmpl->fields, tmpl->field_count))
        exporter_drop(msg->exporter, DROP_bad_options, "template %u: no sampling rate", tmpl->id);
    exporter_debug(msg->exporter, "domain %u: a record of options template %u",
                   msg->domain->domain_id, tmpl->id);
    counter_add(&msg->exporter->counters.options_records, 1);
    if (tmpl->option_plan) {
        msg->context.template_id = tmpl->id;
        netflow_message_add_option(msg, tmpl->option_plan, start, (size_t)(r->pos - start));
    }
    msg->record_count++;
    return true;
}

bool sets_decode_options(struct netflow_message *msg, const struct template *tmpl,
                         struct reader *set)
{
    while (reader_left(set) >= tmpl->min_len) {
        if (!decode_options_record(msg, tmpl, set))
            return false;
    }
    return true;
}

static void take_latest(struct netflow_message *msg, uint32_t uptime)
{
    if (uptime != 0 && (msg->latest == 0 || (int32_t)(uptime - (uint32_t)msg->latest) > 0))
        msg->latest = uptime;
}

static void find_latest_in_set(struct netflow_message *msg, const struct template *tmpl,
                               const struct reader *set)
{
    const struct plan *plan = tmpl->plan;
    const uint8_t *data = set->pos;
    size_t left = reader_left(set);

    if (!plan || !plan->has_latest)
        return;
    if (plan->record_len > 0) {
        for (; left >= plan->record_len; data += plan->record_len, left -= plan->record_len)
            take_latest(msg, (uint32_t)plan_ref_uint(&plan->refs[plan->latest_ref], data));
        return;
    }
    struct plan_ref *refs = netflow_decoder_refs(msg->decoder, plan);
    for (size_t len; left >= plan->min_len && (len = plan_measure(plan, data, left, refs)) > 0;
         data += len, left -= len)
        take_latest(msg, (uint32_t)plan_ref_uint(&refs[plan->latest_ref], data));
}

/* Without a start of the exporter, the latest uptime in a message stands for its export time. */
static void use_latest(struct netflow_message *msg, const struct template *tmpl,
                       const struct reader *set)
{
    if (msg->latest < 0) {
        msg->latest = 0;
        struct reader rest = msg->rest ? *msg->rest : reader_make(NULL, 0);
        find_latest_in_set(msg, tmpl, set);
        while (reader_left(&rest) >= SET_HEADER_LEN) {
            uint16_t set_id = reader_u16(&rest), set_len = reader_u16(&rest);
            if (set_len < SET_HEADER_LEN)
                break;
            struct reader other = reader_part(&rest, set_len - (size_t)SET_HEADER_LEN);
            const struct template *its =
                set_id >= TEMPLATE_ID_MIN && !other.failed
                    ? template_store_find(&msg->decoder->templates, msg->domain, set_id)
                    : NULL;
            if (its)
                find_latest_in_set(msg, its, &other);
        }
    }
    msg->context.uptime = (uint32_t)msg->latest;
    msg->context.has_uptime = msg->latest != 0;
}

/* IPFIX has no uptime in its header. With options that say when the exporter started there is one,
 * and records may tell of it. Apart, as few exporters have uptimes in IPFIX. */
static __attribute__((noinline)) void
find_uptime(struct netflow_message *msg, const struct template *tmpl, const struct reader *set)
{
    int64_t init_ns = plan_time_since_epoch((uint64_t)msg->domain->system_init_ms, NS_PER_MS);

    msg->context.has_uptime = init_ns != 0 && init_ns <= msg->context.export_ns;
    if (msg->context.has_uptime)
        msg->context.uptime =
            (uint32_t)((msg->context.export_ns - init_ns) / msg->context.uptime_unit_ns);
    else if (tmpl->plan->has_latest)
        use_latest(msg, tmpl, set);
    /* With nfacctd_time_new flows begin, as in pmacct, at their export, unless their record tells
     * the time. Their end stays: it says which routes they took. */
    msg->context.start_is_export = msg->decoder->has_arrival_bins;
}

static inline __attribute__((always_inline)) bool
decode_records(struct netflow_message *msg, struct template *tmpl, struct reader *set)
{
    if (tmpl->has_odd_values)
        odd_values_note(msg, tmpl, *set);
    if (!tmpl->plan)
        return sets_decode_options(msg, tmpl, set);
    msg->context.template_id = tmpl->id;
    msg->context.lender = tmpl->domain != msg->domain ? tmpl->domain : NULL;
    if (tmpl->plan->has_uptimes && msg->context.version == 10)
        find_uptime(msg, tmpl, set);
    bool is_whole = netflow_message_decode_flows(msg, tmpl->plan, set->pos, reader_left(set));
    if (msg->context.rate_assumed > 0)
        counter_add(&msg->exporter->counters.rate_assumed, msg->context.rate_assumed);
    msg->context.rate_assumed = 0;
    return is_whole;
}

static void drop_refused(struct netflow_message *msg, uint16_t template_id)
{
    exporter_drop(msg->exporter, DROP_refused_template, "domain %u: template %u",
                  msg->domain->domain_id, template_id);
}

/* Drops the sets that waited for a template that cannot be used. */
static void drop_pending(struct netflow_message *msg, uint16_t template_id)
{
    struct pending_set *set = pending_sets_take(&msg->decoder->pending, msg->domain, template_id);

    while (set) {
        struct pending_set *next = set->next_of_key;
        drop_refused(msg, template_id);
        mem_free(set);
        set = next;
    }
}

/*
 * Decodes the sets that waited for this template, with the header of the message that they came in.
 */
static void release_pending(struct netflow_message *msg, struct domain *domain,
                            struct template *tmpl)
{
    struct pending_set *set = pending_sets_take(&msg->decoder->pending, domain, tmpl->id);

    if (!set)
        return;
    struct netflow_message old = *msg;
    old.domain = domain;
    old.context.scope.domain = domain->id;
    old.context.domain = domain;
    while (set) {
        struct pending_set *next = set->next_of_key;
        struct reader r = reader_make(set->data, set->len);
        old.context.export_ns = set->header.export_ns;
        old.context.arrival_ns = set->header.arrival_ns;
        old.context.uptime = set->header.uptime;
        old.context.sequence = set->header.sequence;
        old.context.has_uptime = msg->context.version == 9;
        old.latest = -1;
        old.rest = NULL;
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
    struct template *tmpl = template_store_find(&decoder->templates, msg->domain, template_id);

    if (!tmpl) {
        struct pending_header header = {msg->context.export_ns, msg->context.arrival_ns,
                                        msg->context.uptime, msg->context.sequence};
        msg->has_unknown_records = true;
        pending_sets_add(&decoder->pending, msg->exporter, msg->domain, template_id,
                         template_store_has_lost(&decoder->templates, msg->domain, template_id),
                         &header, set->pos, reader_left(set));
        return;
    }
    if (!tmpl->plan && tmpl->is_refused) {
        msg->has_unknown_records = true;
        drop_refused(msg, template_id);
        return;
    }
    /* The template may have come by another way than from this port: lent, or left by a silent one. */
    if (msg->domain->pending)
        release_pending(msg, msg->domain, tmpl);
    size_t len = reader_left(set);
    if (!decode_records(msg, tmpl, set))
        exporter_drop(msg->exporter, DROP_bad_record, "domain %u: template %u: %zu bytes of data",
                      msg->domain->domain_id, template_id, len);
}

/* True once for each template of the exporter, as it may be announced anew again and again. */
static bool is_first_line(struct netflow_message *msg, enum told_kind kind, uint16_t template_id)
{
    return told_templates_add(&msg->decoder->told, msg->domain->source, kind,
                              msg->domain->domain_id, template_id);
}

/* Counts the fields that are misfits, and names them in one line. */
static void say_misfits(struct netflow_message *msg, const struct template *tmpl)
{
    char names[384] = "";
    size_t used = 0, count = 0;

    for (uint16_t i = 0; i < tmpl->field_count; i++) {
        const struct template_field *f = &msg->decoder->fields[i];
        if (!template_field_is_misfit(f))
            continue;
        int len = snprintf(names + used, sizeof names - used, "%s%s has %u bytes",
                           count > 0 ? ", " : "", element_find(f->enterprise, f->id)->name, f->len);
        used = used + (size_t)len < sizeof names ? used + (size_t)len : sizeof names - 1;
        count++;
    }
    if (count == 0)
        return;
    counter_add(&msg->exporter->counters.misfit_fields, count);
    if (is_first_line(msg, TOLD_MISFITS, tmpl->id))
        exporter_say(msg->exporter, NOTE_misfit_fields, "domain %u: template %u: %s",
                     msg->domain->domain_id, tmpl->id, names);
}

static void count_unknown_elements(struct netflow_message *msg, const struct template *tmpl)
{
    for (uint16_t i = 0; i < tmpl->field_count; i++) {
        const struct template_field *f = &msg->decoder->fields[i];
        if (!element_find(f->enterprise, f->id))
            counter_add(&msg->exporter->counters.unknown_elements, 1);
    }
}

/* Says why a template is refused: `why` is what stands between it and its use. */
static void refuse_template(struct netflow_message *msg, uint16_t id, uint16_t field_count,
                            const char *why)
{
    exporter_drop(msg->exporter, DROP_bad_template, "domain %u: template %u with %u fields: %s",
                  msg->domain->domain_id, id, field_count, why);
}

/* RFC 7011 section 3.4.2.2: at least one field is a scope, and a scope is one of the fields. As its
 * records can be read all the same, such a template is used. NetFlow v9 has no such rule. */
static void say_odd_scopes(struct netflow_message *msg, const struct template *tmpl)
{
    if (!tmpl->has_odd_scopes)
        return;
    counter_add(&msg->exporter->counters.odd_scopes, 1);
    if (is_first_line(msg, TOLD_ODD_SCOPES, tmpl->id))
        exporter_say(msg->exporter, NOTE_odd_scopes, "domain %u: options template %u",
                     msg->domain->domain_id, tmpl->id);
}

/* Returns what is wrong with a template that was refused for its fields. */
static const char *why_refused(const struct netflow_message *msg, const struct template *announced,
                               uint16_t field_count)
{
    if (!announced->is_refused)
        return "its records would have no bytes";
    return field_count > msg->decoder->settings->template_fields_max
               ? "more than template_fields_max"
               : "its set ends before its last field";
}

/* `field_count` is how many the template said to have, also if they could not be read. */
static void take_template(struct netflow_message *msg, const struct template *announced,
                          uint16_t field_count)
{
    struct netflow_decoder *decoder = msg->decoder;
    struct template_store *store = &decoder->templates;
    uint64_t evicted_before = store->evicted_count;

    counter_add(&msg->exporter->counters.templates, 1);
    counter_set(&msg->exporter->counters.last_template_ns, (uint64_t)msg->datagram->received_ns);
    switch (template_store_put(store, msg->domain, announced, decoder->fields)) {
    case TEMPLATE_REFUSED:
        refuse_template(msg, announced->id, field_count, why_refused(msg, announced, field_count));
        drop_pending(msg, announced->id);
        return;
    case TEMPLATE_NEW:
        say_misfits(msg, announced);
        say_odd_scopes(msg, announced);
        if (!announced->is_options)
            count_unknown_elements(msg, announced);
        if (store->evicted_count > evicted_before)
            exporter_drop(msg->exporter, DROP_too_many_templates, "domain %u: template %u",
                          msg->domain->domain_id, announced->id);
        break;
    case TEMPLATE_SAME:
        break;
    }
    exporter_debug(msg->exporter, "domain %u: %stemplate %u with %u fields", msg->domain->domain_id,
                   announced->is_options ? "options " : "", announced->id, field_count);
    struct template *tmpl = template_store_find(store, msg->domain, announced->id);
    /* The template may be lent to another port, whose data came before it. */
    for (struct domain *d = NULL; (d = domain_next_port(msg->domain, d));) {
        if (d->pending && template_store_find(store, d, tmpl->id) == tmpl)
            release_pending(msg, d, tmpl);
    }
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

/*
 * Counts the fields of scope and options in NetFlow v9, which states their lengths in bytes (RFC
 * 3954 section 6.1), 4 for each field. Routers that run pmacct's probe announce 9 for two fields,
 * so parts of a field do not count; a length below 4 is taken for the number itself.
 */
static void count_v9_fields(struct template *t, uint16_t scope_len, uint16_t option_len)
{
    uint32_t scope_count =
        scope_len < FIELD_SPECIFIER_LEN ? scope_len : scope_len / FIELD_SPECIFIER_LEN;
    uint32_t option_count =
        option_len < FIELD_SPECIFIER_LEN ? option_len : option_len / FIELD_SPECIFIER_LEN;

    t->scope_count = (uint16_t)scope_count;
    t->field_count = (uint16_t)(scope_count + option_count);
}

/* Reads what stands before the field specifiers; false: the set ends before. */
static bool read_template_header(struct netflow_message *msg, struct reader *r, bool is_options,
                                 struct template *ret_template)
{
    struct template *t = ret_template;
    bool is_v9 = msg->context.version == 9;

    *t = (struct template){
        .received_ns = msg->datagram->received_ns,
        .is_options = is_options,
    };
    t->id = reader_u16(r);
    if (is_options && is_v9) {
        uint16_t scope_len = reader_u16(r);
        uint16_t option_len = reader_u16(r);
        count_v9_fields(t, scope_len, option_len);
        return !r->failed;
    }
    t->field_count = reader_u16(r);
    if (is_options && t->field_count > 0)
        t->scope_count = reader_u16(r);
    t->has_odd_scopes = is_options && (t->scope_count == 0 || t->scope_count > t->field_count);
    if (t->scope_count > t->field_count)
        t->scope_count = t->field_count;
    return !r->failed;
}

/* Passes over the field specifiers of a template that has too many of them. */
static void skip_fields(const struct netflow_message *msg, struct reader *r, uint16_t count)
{
    for (uint16_t i = 0; i < count && !r->failed; i++) {
        uint16_t id = reader_u16(r);
        reader_u16(r);
        if (msg->context.version == 10 && id & ENTERPRISE_BIT)
            reader_u32(r);
    }
}

static void read_all_fields(struct netflow_message *msg, struct reader *r, struct template *t)
{
    bool is_v9 = msg->context.version == 9;

    if (t->field_count > msg->decoder->settings->template_fields_max) {
        skip_fields(msg, r, t->field_count);
        t->is_refused = true;
    } else {
        read_fields(msg, r, 0, t->scope_count, is_v9);
        read_fields(msg, r, t->scope_count, (uint16_t)(t->field_count - t->scope_count), false);
        t->is_refused = r->failed;
    }
    if (t->is_refused)
        t->field_count = t->scope_count = 0;
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
    uint16_t announced_count = t.field_count;
    if (is_readable)
        read_all_fields(msg, r, &t);
    if (!is_readable || t.id < TEMPLATE_ID_MIN)
        refuse_template(msg, t.id, announced_count,
                        is_readable ? "ids below 256 are not those of templates"
                                    : "its set ends before its first field");
    else
        take_template(msg, &t, announced_count);
    return !r->failed;
}

void sets_decode_templates(struct netflow_message *msg, struct reader *set, bool is_options)
{
    size_t header_len = is_options && msg->context.version == 9 ? (size_t)V9_OPTIONS_HEADER_LEN
                                                                : (size_t)TEMPLATE_HEADER_LEN;

    while (reader_left(set) >= header_len && decode_template(msg, set, is_options))
        continue;
}
