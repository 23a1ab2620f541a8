/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes templates and options as the API tells them (daemon/api_schema.def: template, option). */
#include "nfacctd/describe.h"
#include "base/clock.h"
#include "nfacctd/netflow_decoder.h"
#include <errno.h>
#include <inttypes.h>

enum { DOMAINS_LOOKED_AT = 16 };

static void append_bool(struct text *out, const char *name, bool value)
{
    text_append_printf(out, ",\"%s\":%s", name, value ? "true" : "false");
}

/* Returns whether the plan, or the way back of it, reads the field. */
static bool is_read(const struct plan *plan, uint16_t field)
{
    for (; plan; plan = plan->reverse)
        for (uint32_t i = 0; i < plan->ref_count; i++)
            if (plan->refs[i].len > 0 && plan->refs[i].field == field)
                return true;
    return false;
}

static void append_fields(struct text *out, const struct template *tmpl)
{
    const struct plan *plan = tmpl->plan ? tmpl->plan : tmpl->option_plan;

    text_append_string(out, ",\"fields\":[");
    for (uint16_t i = 0; i < tmpl->field_count; i++) {
        const struct template_field *f = &tmpl->fields[i];
        const struct element *element = element_find(f->enterprise, f->id);
        bool is_v9_scope = f->enterprise == ENTERPRISE_V9_SCOPE;
        text_append_printf(out, "%s{\"enterprise\":%u,\"element\":%u,\"len\":%d", i ? "," : "",
                           is_v9_scope ? 0 : f->enterprise, f->id,
                           f->len == FIELD_LEN_VARIABLE ? -1 : f->len);
        if (element && !is_v9_scope)
            text_append_printf(out, ",\"name\":\"%s\"", element->name);
        else
            text_append_string(out, ",\"name\":null");
        append_bool(out, "is_scope", i < tmpl->scope_count);
        /* Options data is read element by element, without a plan. */
        append_bool(out, "is_used",
                    is_read(plan, i) || (tmpl->is_options && !tmpl->is_refused && element));
        text_append_char(out, '}');
    }
    text_append_char(out, ']');
}

static void append_domain(struct text *out, const struct domain_source *source,
                          const struct domain *domain)
{
    char exporter[IP_TEXT_LEN];

    ip_addr_format(&source->addr, exporter);
    text_append_printf(out, "{\"exporter\":\"%s\"", exporter);
    if (domain)
        text_append_printf(out, ",\"domain\":%u,\"version\":%u,\"port\":%u", domain->domain_id,
                           domain->version, domain->port);
    else
        text_append_string(out, ",\"domain\":null,\"version\":null,\"port\":null");
}

static void describe_template(struct description *d, const struct template *tmpl)
{
    const struct domain *domain = tmpl->domain;
    struct text *out = description_begin(d, DESCRIPTION_TEMPLATE, &domain->source->addr);

    if (!out)
        return;
    append_domain(out, domain->source, domain);
    text_append_printf(
        out, ",\"template\":%u,\"received_ns\":%" PRId64 ",\"record_len\":%u,\"steps\":%u",
        tmpl->id, tmpl->received_ns, tmpl->min_len,
        tmpl->plan          ? tmpl->plan->op_count
        : tmpl->option_plan ? tmpl->option_plan->op_count
                            : 0);
    append_bool(out, "is_options", tmpl->is_options);
    append_bool(out, "is_inherited", tmpl->is_inherited);
    append_bool(out, "is_refused", tmpl->is_refused);
    append_fields(out, tmpl);
    text_append_char(out, '}');
    description_end(d);
}

/* Appends it as route_distinguisher_parse() reads it. */
static void append_rd(struct text *out, uint64_t rd)
{
    unsigned type = (unsigned)(rd >> 48);
    unsigned upper = (unsigned)(rd >> 16), lower = (unsigned)(rd & 0xffff);

    if (type == 1)
        text_append_printf(out, "1:%u.%u.%u.%u:%u", upper >> 24, upper >> 16 & 255,
                           upper >> 8 & 255, upper & 255, lower);
    else if (type == 2)
        text_append_printf(out, "2:%u:%u", upper, lower);
    else
        text_append_printf(out, "%u:%u:%u", type, (unsigned)(rd >> 32 & 0xffff), (unsigned)rd);
}

/* Returns whether a domain of the source, one of the first, has said the same as it did as a whole. */
static bool is_told_by_domain(const struct netflow_decoder *decoder,
                              const struct domain_source *source, const struct option *option)
{
    const struct domain *domain = source->domains;

    for (int i = 0; i < DOMAINS_LOOKED_AT && domain; i++, domain = domain->next)
        if (option_store_peek(&decoder->options, domain->id, option->kind, option->id))
            return true;
    return false;
}

static void describe_option(const struct netflow_decoder *decoder, struct description *d,
                            const struct option *option)
{
    const struct domain_source *source =
        (const struct domain_source *)(const void *)((const char *)option->entry.owner -
                                                     offsetof(struct domain_source, option_share));
    const struct domain *domain = source->domains;
    struct text *out;

    while (domain && domain->id != option->scope)
        domain = domain->next;
    if (!domain && is_told_by_domain(decoder, source, option))
        return;
    out = description_begin(d, DESCRIPTION_OPTION, &source->addr);
    if (!out)
        return;
    append_domain(out, source, domain);
    text_append_printf(out, ",\"kind\":\"%s\"", option_kind_name(option->kind));
    /* An application is kept by a hash, and JSON's readers have 63 bits. */
    if (option->kind == OPTION_APPLICATION || option->id > INT64_MAX)
        text_append_string(out, ",\"id\":null");
    else
        text_append_printf(out, ",\"id\":%" PRIu64, option->id);
    if (option->kind == OPTION_VRF_RD) {
        text_append_string(out, ",\"number\":null,\"text\":\"");
        append_rd(out, option->number);
        text_append_char(out, '"');
    } else if (option->text_len > 0 || option->number > INT64_MAX) {
        text_append_string(out, ",\"number\":null,\"text\":");
        text_append_json_string(out, (const char *)option->text, option->text_len);
    } else {
        text_append_printf(out, ",\"number\":%" PRIu64 ",\"text\":null", option->number);
    }
    text_append_char(out, '}');
    description_end(d);
}

static void describe_entry(const struct netflow_decoder *decoder, struct description *d,
                           const struct keyed_entry *entry)
{
    if (d->stage == DESCRIPTION_TEMPLATE)
        describe_template(d, (const struct template *)entry);
    else
        describe_option(decoder, d, (const struct option *)entry);
}

bool netflow_describe(const struct netflow_decoder *decoder, struct description *d,
                      int64_t until_ns)
{
    const struct keyed_table *tables[] = {
        [DESCRIPTION_TEMPLATE] = &decoder->templates.table.index,
        [DESCRIPTION_OPTION] = &decoder->options.table.index,
    };

    while (d->stage < DESCRIPTION_KIND_COUNT) {
        struct keyed_entry *entry;
        int more = keyed_table_step(tables[d->stage], &d->cursor, &entry);
        if (more == -EAGAIN)
            description_drop(d, d->stage);
        for (; entry; entry = entry->next_in_bucket)
            describe_entry(decoder, d, entry);
        if (more == 0) {
            d->stage++;
            d->cursor = (struct keyed_cursor){0};
        }
        if (clock_mono().ns >= until_ns)
            break;
    }
    return d->stage == DESCRIPTION_KIND_COUNT;
}
