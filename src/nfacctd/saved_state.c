/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Saves templates and options as JSON and reads them back, so that a restart does not wait until
 * routers send them again. The file may be of another version, or not ours, so what is read is
 * checked as if it came from the wire. What is saved goes in pieces (flow/saved_pieces.h), which
 * together are an array of objects. Those with "version" are observation domains; the others hold
 * what is known of an exporter as a whole:
 *
 *   [{"exporter": "192.0.2.1", "version": 10, "domain": 1, "port": 4739, "seen_ns": 1,
 *     "system_init_ms": 0, "exporter_address": "", "clock_offset_ns": 0,
 *     "templates": [{"id": 256, "received_ns": 1, "inherited": false, "scope_count": 0,
 *                    "is_options": false, "fields": [[0, 8, 4], ...]}], "options": [...]},
 *    {"exporter": "192.0.2.1", "templates": [],
 *     "options": [{"kind": "sampler_rate", "id": 1, "number": 1000, "text": ""}]}]
 */
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "nfacctd/netflow_decoder.h"

/* Offsets and instants beyond these are no clock's: 100 years, and a minute that ours may have been
 * set back. */
#define CLOCK_OFFSET_MAX_NS (INT64_C(100) * 366 * 86400 * NS_PER_S)
#define SEEN_AHEAD_NS       (60 * NS_PER_S)

/* Makes a JSON text of bytes. JSON has no bytes, so each becomes the character of that number
 * (Latin 1). */
static json_t *bytes_to_json(const uint8_t *bytes, size_t len)
{
    char *utf8 = mem_alloc(len * 2 + 1);
    size_t used = 0;

    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < 0x80) {
            utf8[used++] = (char)bytes[i];
        } else {
            utf8[used++] = (char)(0xc0 | bytes[i] >> 6);
            utf8[used++] = (char)(0x80 | (bytes[i] & 0x3f));
        }
    }
    json_t *json = json_stringn(utf8, used);
    mem_free(utf8);
    return json;
}

/* Makes bytes of such a text again. `out` has room for as many bytes as the text has; other
 * characters become '?'. */
static size_t bytes_from_json(const json_t *json, uint8_t *out)
{
    const char *utf8 = json_string_value(json);
    size_t len = json_string_length(json), used = 0;

    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)utf8[i];
        if (c < 0x80) {
            out[used++] = c;
        } else if ((c == 0xc2 || c == 0xc3) && i + 1 < len) {
            out[used++] = (uint8_t)(c << 6 | ((uint8_t)utf8[++i] & 0x3f));
        } else if (c >= 0xc0) {
            out[used++] = '?';
        }
    }
    return used;
}

static json_t *option_to_json(const struct option *option)
{
    return json_pack("{s:s, s:I, s:I, s:o}", "kind", option_kind_name(option->kind), "id",
                     (json_int_t)option->id, "number", (json_int_t)option->number, "text",
                     bytes_to_json(option->text, option->text_len));
}

static json_t *template_to_json(const struct template *tmpl)
{
    json_t *fields = json_array();

    for (uint16_t i = 0; i < tmpl->field_count; i++) {
        const struct template_field *f = &tmpl->fields[i];
        json_array_append_new(fields,
                              json_pack("[I, i, i]", (json_int_t)f->enterprise, f->id, f->len));
    }
    return json_pack("{s:i, s:I, s:b, s:i, s:b, s:o}", "id", tmpl->id, "received_ns",
                     (json_int_t)tmpl->received_ns, "inherited", tmpl->is_inherited, "scope_count",
                     tmpl->scope_count, "is_options", tmpl->is_options, "fields", fields);
}

static json_t *domain_to_json(const struct domain *domain)
{
    char exporter[IP_TEXT_LEN], named[IP_TEXT_LEN];

    ip_addr_format(&domain->source->addr, exporter);
    ip_addr_format(&domain->exporter_addr, named);
    json_t *json = json_pack("{s:s, s:i, s:I, s:i, s:I, s:I, s:s}", "exporter", exporter, "version",
                             domain->version, "domain", (json_int_t)domain->domain_id, "port",
                             domain->port, "seen_ns", (json_int_t)domain->seen_ns, "system_init_ms",
                             (json_int_t)domain->system_init_ms, "exporter_address", named);
    if (domain->clock.newest_span != 0)
        json_object_set_new(json, "clock_offset_ns", json_integer(domain->clock.smallest));
    return json;
}

static json_t *source_to_json(const struct domain_source *source)
{
    char exporter[IP_TEXT_LEN];

    ip_addr_format(&source->addr, exporter);
    return json_pack("{s:s}", "exporter", exporter);
}

static void add_domain(struct saved_pieces *pieces, const struct domain *domain)
{
    const struct template *tmpl = domain->templates;

    saved_pieces_add(pieces, domain->id, SAVED_SCOPE, 0, domain_to_json(domain));
    while (tmpl && tmpl->next_in_domain)
        tmpl = tmpl->next_in_domain;
    for (; tmpl; tmpl = tmpl->previous_in_domain)
        if (!tmpl->is_refused)
            saved_pieces_add(pieces, domain->id, SAVED_TEMPLATE, tmpl->id, template_to_json(tmpl));
}

static void add_source(struct saved_pieces *pieces, const struct domain_source *source)
{
    const struct domain *domain = source->domains;

    saved_pieces_add(pieces, source->id, SAVED_SCOPE, 0, source_to_json(source));
    while (domain && domain->next)
        domain = domain->next;
    for (; domain; domain = domain->previous)
        add_domain(pieces, domain);
    for (const struct keyed_entry *e = source->option_share.entries.oldest; e; e = e->newer) {
        const struct option *option = (const struct option *)e;
        saved_pieces_add(pieces, option->scope, (uint8_t)(SAVED_OPTION + option->kind), option->id,
                         option_to_json(option));
    }
}

static void add_all(struct saved_pieces *pieces, const struct netflow_decoder *decoder)
{
    const struct domain_source *source = decoder->domains.sources;

    pieces->is_all = true;
    while (source && source->next)
        source = source->next;
    for (; source; source = source->previous)
        add_source(pieces, source);
}

/* Returns what stands there now; NULL: it went. */
static json_t *marked_to_json(const struct netflow_decoder *decoder, const struct saved_mark *mark)
{
    if (mark->kind == SAVED_SCOPE) {
        if (mark->source)
            return source_to_json(mark->source);
        return mark->domain ? domain_to_json(mark->domain) : NULL;
    }
    if (mark->kind == SAVED_TEMPLATE) {
        const struct template *tmpl = (const struct template *)shared_table_find(
            &decoder->templates.table, mark->scope, mark->id);
        return tmpl && !tmpl->is_refused ? template_to_json(tmpl) : NULL;
    }
    const struct option *option = option_store_peek(
        &decoder->options, mark->scope, (enum option_kind)(mark->kind - SAVED_OPTION), mark->id);
    return option ? option_to_json(option) : NULL;
}

struct saved_pieces *saved_state_make(struct netflow_decoder *decoder)
{
    struct saved_pieces *pieces = saved_pieces_new();

    if (decoder->marks.is_all)
        add_all(pieces, decoder);
    for (const struct keyed_entry *e = decoder->marks.table.used.oldest; e; e = e->newer) {
        const struct saved_mark *mark = (const struct saved_mark *)e;
        saved_pieces_add(pieces, mark->scope, mark->kind, mark->id, marked_to_json(decoder, mark));
    }
    saved_marks_empty(&decoder->marks);
    return pieces;
}

static json_int_t int_in(const json_t *object, const char *key, json_int_t min, json_int_t max)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : 0;

    return number < min ? min : number > max ? max : number;
}

static bool read_field(const json_t *json, struct template_field *field)
{
    json_int_t number[3];

    if (json_array_size(json) != 3)
        return false;
    for (size_t i = 0; i < 3; i++) {
        const json_t *value = json_array_get(json, i);
        number[i] = json_is_integer(value) ? json_integer_value(value) : -1;
        if (number[i] < 0 || number[i] > (i == 0 ? (json_int_t)UINT32_MAX : UINT16_MAX))
            return false;
    }
    *field = (struct template_field){(uint32_t)number[0], (uint16_t)number[1], (uint16_t)number[2]};
    return true;
}

static bool load_template(struct netflow_decoder *decoder, struct domain *domain,
                          const json_t *json)
{
    const json_t *fields = json_object_get(json, "fields");
    size_t field_count = json_array_size(fields);

    if (field_count == 0 || field_count > decoder->settings->template_fields_max)
        return false;
    for (size_t i = 0; i < field_count; i++) {
        if (!read_field(json_array_get(fields, i), &decoder->fields[i]))
            return false;
    }
    struct template announced = {
        .id = (uint16_t)int_in(json, "id", 0, UINT16_MAX),
        .received_ns = int_in(json, "received_ns", 0, INT64_MAX),
        .is_inherited = json_is_true(json_object_get(json, "inherited")),
        .scope_count = (uint16_t)int_in(json, "scope_count", 0, (json_int_t)field_count),
        .is_options = json_is_true(json_object_get(json, "is_options")),
        .field_count = (uint16_t)field_count,
    };
    return announced.id >= 256 && template_store_put(&decoder->templates, domain, &announced,
                                                     decoder->fields) != TEMPLATE_REFUSED;
}

static void load_option(struct netflow_decoder *decoder, struct domain_source *source,
                        uint64_t scope, const json_t *json)
{
    const char *name = json_string_value(json_object_get(json, "kind"));
    const json_t *text = json_object_get(json, "text");
    uint64_t id = (uint64_t)int_in(json, "id", INT64_MIN, INT64_MAX);
    uint64_t number = (uint64_t)int_in(json, "number", INT64_MIN, INT64_MAX);

    for (int kind = 0; name && kind < OPTION_KIND_COUNT; kind++) {
        if (strcmp(name, option_kind_name(kind)) != 0)
            continue;
        if (json_string_length(text) == 0) {
            option_store_put_number(&decoder->options, &source->option_share, scope, kind, id,
                                    number);
            return;
        }
        uint8_t *bytes = mem_alloc(json_string_length(text));
        size_t len = bytes_from_json(text, bytes);
        if (len <= OPTION_TEXT_MAX)
            option_store_put_text(&decoder->options, &source->option_share, scope, kind, id, bytes,
                                  len);
        mem_free(bytes);
        return;
    }
}

static void load_options(struct netflow_decoder *decoder, struct domain_source *source,
                         uint64_t scope, const json_t *object)
{
    const json_t *options = json_object_get(object, "options");

    for (size_t i = 0; i < json_array_size(options); i++)
        load_option(decoder, source, scope, json_array_get(options, i));
}

/* Messages that have waited are late, and would make the clock look slower than it is. So what was
 * known is taken as one message more, at the instant of the last one. */
static void load_clock(struct domain *domain, const json_t *object)
{
    const json_t *offset = json_object_get(object, "clock_offset_ns");
    int64_t value = json_is_integer(offset) ? json_integer_value(offset) : 0;

    if (!json_is_integer(offset) || value < -CLOCK_OFFSET_MAX_NS || value > CLOCK_OFFSET_MAX_NS ||
        domain->seen_ns <= 0 || domain->seen_ns > clock_wall().ns + SEEN_AHEAD_NS)
        return;
    clock_offset_add(&domain->clock, domain->seen_ns, domain->seen_ns - value);
}

static size_t load_domain(struct netflow_decoder *decoder, struct exporter *exporter,
                          const json_t *object)
{
    const json_t *templates = json_object_get(object, "templates");
    const char *named = json_string_value(json_object_get(object, "exporter_address"));
    uint8_t version = (uint8_t)int_in(object, "version", 0, UINT8_MAX);
    size_t count = 0;

    if (version != 5 && version != 9 && version != 10)
        return 0;
    struct domain *domain = domain_get(
        &decoder->domains, exporter, version, (uint32_t)int_in(object, "domain", 0, UINT32_MAX),
        (uint16_t)int_in(object, "port", 0, UINT16_MAX), int_in(object, "seen_ns", 0, INT64_MAX));
    domain->system_init_ms = int_in(object, "system_init_ms", 0, INT64_MAX);
    if (named && ip_addr_parse(named, &domain->exporter_addr) < 0)
        domain->exporter_addr = (struct ip_addr){0};
    load_clock(domain, object);
    if (version == 5) /* that has no templates */
        return 0;
    load_options(decoder, domain->source, domain->id, object);
    for (size_t i = json_array_size(templates); i-- > 0;) /* each goes to the front of the list */
        count += load_template(decoder, domain, json_array_get(templates, i));
    return count;
}

size_t saved_state_load(struct netflow_decoder *decoder, const json_t *saved,
                        bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
{
    size_t count = 0;

    for (size_t i = json_array_size(saved); i-- > 0;) { /* lists grow at the front */
        const json_t *object = json_array_get(saved, i);
        const char *text = json_string_value(json_object_get(object, "exporter"));
        struct ip_addr addr;
        if (!text || ip_addr_parse(text, &addr) < 0 || !owns(&addr, arg))
            continue;
        struct exporter *exporter = exporter_table_get(decoder->exporters, &addr, 0);
        if (json_object_get(object, "version")) {
            count += load_domain(decoder, exporter, object);
            continue;
        }
        struct domain_source *source = domain_source_get(&decoder->domains, exporter);
        load_options(decoder, source, source->id, object);
    }
    return count;
}
