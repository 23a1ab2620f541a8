/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks for values that cannot be read in data that is about to be decoded: numbers beyond 64 bits
 * (RFC 7011 has none), which are read as 0, and values of variable length of which no value of their
 * element can be. Only templates that may have such values are looked at.
 */
#include "nfacctd/netflow_decoder.h"

#include <stdio.h>
#include <string.h>

/* The values of one kind in a data set: how many, and the first fields that have them. */
struct odd_values {
    uint64_t count;
    char names[256];
    size_t names_len;
};

/* Adds " has N bytes" where `len` is not 0. */
static void add_name(struct odd_values *found, const struct template_field *field, size_t len)
{
    const char *name = element_find(field->enterprise, field->id)->name;
    size_t room = sizeof found->names - found->names_len;
    char said[40] = "";

    found->count++;
    if (strstr(found->names, name))
        return;
    if (len > 0)
        snprintf(said, sizeof said, " has %zu bytes", len);
    int added = snprintf(found->names + found->names_len, room, "%s%s%s",
                         found->names_len > 0 ? ", " : "", name, said);
    found->names_len += (size_t)added < room ? (size_t)added : room - 1;
}

static bool is_misfit(const struct template_field *field, size_t len)
{
    return len > 0 && template_field_may_misfit(field) &&
           !element_type_fits(element_find(field->enterprise, field->id)->type, len);
}

static void look_at_record(const struct template *tmpl, struct reader *r, struct odd_values *large,
                           struct odd_values *misfits)
{
    for (uint16_t i = 0; i < tmpl->field_count && !r->failed; i++) {
        const struct template_field *field = &tmpl->fields[i];
        size_t len = field->len == FIELD_LEN_VARIABLE ? element_variable_len(r) : field->len;
        const uint8_t *value = reader_bytes(r, len);
        if (r->failed)
            return;
        if (template_field_is_large(field) && element_uint_is_large(value, len))
            add_name(large, field, 0);
        else if (is_misfit(field, len))
            add_name(misfits, field, len);
    }
}

static void tell(struct netflow_message *msg, const struct template *tmpl, enum told_kind kind,
                 enum exporter_note note, const struct odd_values *found)
{
    if (found->count > 0 && told_templates_add(&msg->decoder->told, msg->domain->source, kind,
                                               msg->domain->domain_id, tmpl->id))
        exporter_say(msg->exporter, note, "domain %u: template %u: %s", msg->domain->domain_id,
                     tmpl->id, found->names);
}

void odd_values_note(struct netflow_message *msg, const struct template *tmpl, struct reader set)
{
    struct odd_values large = {0}, misfits = {0};
    struct exporter_counters *counters = &msg->exporter->counters;

    while (reader_left(&set) >= tmpl->min_len && !set.failed)
        look_at_record(tmpl, &set, &large, &misfits);
    counter_add(&counters->large_numbers, large.count);
    counter_add(&counters->misfit_values, misfits.count);
    tell(msg, tmpl, TOLD_LARGE_NUMBERS, NOTE_large_numbers, &large);
    tell(msg, tmpl, TOLD_MISFIT_VALUES, NOTE_misfit_fields, &misfits);
}
