/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the table out of route_events.def, and members out of attributes and NLRI. */
#include "bgp/route_events.h"
#include "bgp/attr_store.h"
#include <stdio.h>
#include <string.h>

static const struct event_member members[] = {
#define EVENT_MEMBER(id, name, json_name, kind, format, value_names)                               \
    {name, json_name, PA_KIND_##kind, PA_FORMAT_##format, value_names},
#include "bgp/route_events.def"
};

/* Within a row of kinds a member's name stands for its place. */
enum {
#define EVENT_MEMBER(id, ...) id,
#include "bgp/route_events.def"
};
#define EVENT_KIND(id, ...) static const uint8_t members_of_##id[] = {__VA_ARGS__};
#include "bgp/route_events.def"

static const struct event_kind kinds[] = {
#define EVENT_KIND(id, ...) {#id, members_of_##id, sizeof members_of_##id},
#include "bgp/route_events.def"
};

const struct event_table route_events = {members, kinds, sizeof members / sizeof *members,
                                         sizeof kinds / sizeof *kinds};

void route_writer_clear(struct route_writer *writer)
{
    as_path_clear(&writer->as_path);
    as_path_clear(&writer->as4_path);
    as_path_clear(&writer->merged_path);
    text_clear(&writer->path_text);
    text_clear(&writer->sorted);
    for (int i = 0; i < COMMUNITY_KIND_COUNT; i++)
        text_clear(&writer->texts[i]);
}

void route_event_clear_attrs(struct event *event)
{
    static const uint8_t of_attrs[] = {NEXT_HOP,      AS_PATH,    COMMS, ECOMMS, LCOMMS,  ORIGIN,
                                       ORIGIN_NUMBER, LOCAL_PREF, MED,   AIGP,   PSID_LI, OTC};

    for (size_t i = 0; i < sizeof of_attrs; i++)
        event_unmark(event, of_attrs[i]);
}

static void set_communities(struct route_writer *writer, enum community_kind kind,
                            const struct attr_value *value, struct event *event)
{
    static const uint8_t of_kinds[COMMUNITY_KIND_COUNT] = {COMMS, ECOMMS, LCOMMS};
    static const struct community_patterns all;
    struct text *text = &writer->texts[kind];

    if (!value->data)
        return;
    text_reset(&writer->sorted);
    text_append(&writer->sorted, value->data, value->len);
    size_t count =
        community_sort(kind, (uint8_t *)writer->sorted.data, value->len / community_sizes[kind]);
    text_reset(text);
    community_format(kind, (const uint8_t *)writer->sorted.data, count, &all,
                     writer->communities_numeric, text);
    event_set_bytes(event, of_kinds[kind], text->data, text->len);
}

static void set_u32(const struct attr_value *value, unsigned member, struct event *event)
{
    if (value->data)
        event_set_number(event, member, wire_u32(value->data));
}

void route_event_set_attrs(struct route_writer *writer, const struct attr_list *attrs,
                           bool has_four_octet_as, const struct ip_addr *next_hop,
                           struct event *event)
{
    static const struct ip_addr none = {.bytes = {[10] = 0xff, [11] = 0xff},
                                        .family = IP_V4}; /* 0.0.0.0 */
    const struct attr_value *values = attrs->values;
    uint64_t metric;
    uint32_t label_index;

    route_event_clear_attrs(event);
    event_set_addr(event, NEXT_HOP, next_hop->family == IP_NONE ? &none : next_hop);
    text_reset(&writer->path_text);
    if (values[ATTR_AS_PATH].data) {
        attr_list_as_path(attrs, has_four_octet_as, &writer->as_path, &writer->as4_path,
                          &writer->merged_path);
        as_path_format(&writer->as_path, 0, &writer->path_text);
    }
    event_set_bytes(event, AS_PATH, writer->path_text.data, writer->path_text.len);
    set_communities(writer, COMMUNITY_STANDARD, &values[ATTR_COMMUNITIES], event);
    set_communities(writer, COMMUNITY_EXTENDED, &values[ATTR_EXT_COMMUNITIES], event);
    set_communities(writer, COMMUNITY_LARGE, &values[ATTR_LARGE_COMMUNITIES], event);
    if (values[ATTR_ORIGIN].data)
        event_set_number(event, writer->has_numeric_origin ? ORIGIN_NUMBER : ORIGIN,
                         values[ATTR_ORIGIN].data[0]);
    set_u32(&values[ATTR_LOCAL_PREF], LOCAL_PREF, event);
    set_u32(&values[ATTR_MED], MED, event);
    set_u32(&values[ATTR_ONLY_TO_CUSTOMER], OTC, event);
    if (attr_list_aigp(attrs, &metric))
        event_set_number(event, AIGP, metric);
    if (attr_list_label_index(attrs, &label_index))
        event_set_number(event, PSID_LI, label_index);
}

void route_event_read_attrs(struct route_writer *writer, struct reader attributes,
                            const struct attr_context *context, const struct ip_addr *next_hop,
                            struct event *event)
{
    struct attr_list attrs;

    attr_list_parse(attributes, context, &attrs);
    route_event_set_attrs(writer, &attrs, context->features.has_four_octet_as, next_hop, event);
}

void route_event_set_kept(struct route_writer *writer, const struct path_attrs *attrs,
                          struct event *event)
{
    const struct attr_received received = attr_store_received(attrs);
    const struct attr_context context = {.is_internal = true, /* what stands has passed its check */
                                         .features.has_four_octet_as = received.has_four_octet_as};

    route_event_read_attrs(writer, reader_make(received.data, received.len), &context,
                           &attrs->next_hop, event);
}

void route_event_set_nlri(struct route_writer *writer, enum address_family family,
                          const struct rib_nlri *nlri, bool has_add_path, struct event *event)
{
    const struct address_family_info *info = &address_families[family];
    size_t len = ip_prefix_format(&nlri->prefix, writer->prefix);

    event_set_number(event, AFI, info->afi);
    event_set_number(event, SAFI, info->safi);
    event_set_bytes(event, PREFIX, writer->prefix, len);
    event_unmark(event, PATH_ID);
    event_unmark(event, RD);
    event_unmark(event, RD_ORIGIN);
    event_unmark(event, MPLS_LABEL);
    if (has_add_path && !info->has_labels)
        event_set_number(event, PATH_ID, nlri->path_id);
    if (info->has_rd) {
        event_set_number(event, RD, nlri->rd);
        event_set_number(event, RD_ORIGIN, 0);
    }
}

void route_event_set_label(struct route_writer *writer, uint32_t label, struct event *event)
{
    int len = snprintf(writer->label, sizeof writer->label, "%u", label & 0xfffff);

    event_set_bytes(event, MPLS_LABEL, writer->label, (size_t)len);
}
