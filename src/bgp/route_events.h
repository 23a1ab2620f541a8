/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Routes of BGP as event records: the table of what they hold, and how path attributes as received
 * (RFC 4271 section 4.3) and NLRI become members. Texts are made from the bytes, whole: neither
 * bgp_aspath_radius nor the patterns of communities cut them.
 */
#include "base/event.h"
#include "base/text.h"
#include "bgp/as_path.h"
#include "bgp/community.h"
#include "bgp/path_attr.h"

enum route_event_member {
#define EVENT_MEMBER(id, ...) ROUTE_EVENT_##id,
#include "bgp/route_events.def"
    ROUTE_EVENT_MEMBER_COUNT
};
enum route_event_kind {
#define EVENT_KIND(id, ...) ROUTE_EVENT_KIND_##id,
#include "bgp/route_events.def"
};
/* Values of the members log_type and event_type. */
enum route_log_type {
    ROUTE_LOG_UPDATE,
    ROUTE_LOG_WITHDRAW,
    ROUTE_LOG_DELETE,
    ROUTE_LOG_END_OF_RIB
};
enum route_event_type {
    ROUTE_EVENT_TYPE_LOG,
    ROUTE_EVENT_TYPE_LOG_INIT,
    ROUTE_EVENT_TYPE_LOG_CLOSE,
    ROUTE_EVENT_TYPE_DUMP,
    ROUTE_EVENT_TYPE_DUMP_INIT,
    ROUTE_EVENT_TYPE_DUMP_CLOSE
};

extern const struct event_table route_events;

/* A writer has the room in which texts are made, from one record to the next. All zero is an empty one; what a record
 * holds is borrowed from it until the same part of the next record is set. */
struct route_writer {
    bool communities_numeric; /* bgp_comms_num */
    bool has_numeric_origin;  /* tmp_bgp_daemon_origin_type_int */
    struct as_path as_path, as4_path, merged_path;
    struct text path_text, texts[COMMUNITY_KIND_COUNT], sorted;
    char prefix[IP_PREFIX_TEXT_LEN], label[12];
};
void route_writer_clear(struct route_writer *writer); /* frees */

/* Sets the members that attributes tell and takes back those that these do not have. `next_hop` is that
 * of the route, whichever attribute named it; family IP_NONE stands for 0.0.0.0. */
void route_event_set_attrs(struct route_writer *writer, const struct attr_list *attrs,
                           bool has_four_octet_as, const struct ip_addr *next_hop,
                           struct event *event);
/* Does so with path attributes as they stood in an UPDATE, or were kept; of those that are malformed
 * in this session none is told. */
void route_event_read_attrs(struct route_writer *writer, struct reader attributes,
                            const struct attr_context *context, const struct ip_addr *next_hop,
                            struct event *event);
/* Does so with those of an interned set, of a store that keeps them as they were received. */
void route_event_set_kept(struct route_writer *writer, const struct path_attrs *attrs,
                          struct event *event);
/* Takes back all that attributes tell: a record without them. */
void route_event_clear_attrs(struct event *event);

/* Sets AFI, SAFI, prefix, path id and route distinguisher. The path id is told where the session has
 * ADD-PATH in that family, which has no label. */
void route_event_set_nlri(struct route_writer *writer, enum address_family family,
                          const struct rib_nlri *nlri, bool has_add_path, struct event *event);
/* `label` is the 20 bits of the first one (RFC 8277 section 2.2). */
void route_event_set_label(struct route_writer *writer, uint32_t label, struct event *event);
