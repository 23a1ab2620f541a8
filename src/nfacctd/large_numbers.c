/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks for numbers beyond 64 bits (RFC 7011 has none) in data that is about to be decoded, which
 * reads them as 0. Only templates whose numbers may have more than 8 bytes are looked at. */
#include "nfacctd/netflow_decoder.h"

#include <stdio.h>
#include <string.h>

/* The numbers of one data set that are too large: how many, and the fields that have them. */
struct large_numbers {
    uint64_t count;
    char names[256];
    size_t names_len;
};

static void add_name(struct large_numbers *found, const struct template_field *field)
{
    const char *name = element_find(field->enterprise, field->id)->name;
    size_t room = sizeof found->names - found->names_len;

    if (strstr(found->names, name))
        return;
    int len = snprintf(found->names + found->names_len, room, "%s%s",
                       found->names_len > 0 ? ", " : "", name);
    found->names_len += (size_t)len < room ? (size_t)len : room - 1;
}

static void look_at_record(const struct template *tmpl, struct reader *r,
                           struct large_numbers *found)
{
    for (uint16_t i = 0; i < tmpl->field_count && !r->failed; i++) {
        const struct template_field *field = &tmpl->fields[i];
        size_t len = field->len == FIELD_LEN_VARIABLE ? element_variable_len(r) : field->len;
        const uint8_t *value = reader_bytes(r, len);
        if (r->failed || !template_field_is_large(field) || !element_uint_is_large(value, len))
            continue;
        found->count++;
        add_name(found, field);
    }
}

void large_numbers_note(struct netflow_message *msg, struct template *tmpl, struct reader set)
{
    struct large_numbers found = {0};

    while (reader_left(&set) >= tmpl->min_len && !set.failed)
        look_at_record(tmpl, &set, &found);
    if (found.count == 0)
        return;
    counter_add(&msg->exporter->counters.large_numbers, found.count);
    if (tmpl->large_is_told)
        return;
    tmpl->large_is_told = true;
    exporter_say(msg->exporter, NOTE_large_numbers, "domain %u: template %u: %s",
                 msg->domain->domain_id, tmpl->id, found.names);
}
