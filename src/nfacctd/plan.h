/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A decode plan is the list of operations that turn a record of one template into a flow, for just
 * the members that somebody needs. Offsets and lengths are checked once, when the plan is made, so
 * that running it over the records of a data set needs no checks. Each operation runs over a block
 * of records at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "flow/decoder.h"
#include "flow/flow.h"
#include "nfacctd/element.h"
#include "nfacctd/option_store.h"
#include "nfacctd/settings.h"

enum plan_op_code {
    PLAN_ZERO,
    PLAN_CONSTANTS,
    PLAN_SET_U8,
    PLAN_UINT,        /* of 1 to 8 bytes */
    PLAN_UINT_BY_LEN, /* of more, or of variable length */
    PLAN_UINT_BY_VERSION,
    PLAN_TCP_FLAGS,
    PLAN_MAC,
    PLAN_ADDR,
    PLAN_ADDR_BY_VERSION,
    PLAN_ADDR_NONZERO,
    PLAN_VERSION,
    PLAN_TIME,
    PLAN_EXPORT_TIME,
    PLAN_CLOCK_OFFSET,
    PLAN_EXPORT_SEQUENCE,
    PLAN_EXPORT_DOMAIN,
    PLAN_EXPORT_VERSION,
    PLAN_SET_ID,
    PLAN_EXPORTER_ADDR,
    PLAN_ETYPE,
    PLAN_NETWORK,
    PLAN_VLAN,
    PLAN_SAMPLING_RATE,
    PLAN_LABELS,
    PLAN_RD,
    PLAN_NAME,
    PLAN_TEXT,
    PLAN_SEGMENT_ID,
    PLAN_SEGMENT_LIST,
    PLAN_FRAME,
    PLAN_COUNTERS,
    PLAN_ICMP,
    PLAN_CUSTOM,
    PLAN_CUSTOM_BYTES,
};

/* The refs of PLAN_VLAN: vlanId and dot1qVlanId, those of egress, flowDirection. */
enum vlan_slot {
    VLAN_IN,
    VLAN_OUT,
    VLAN_DOT1Q_IN,
    VLAN_DOT1Q_OUT,
    VLAN_DIRECTION,
    VLAN_SLOT_COUNT
};

/* The refs of PLAN_SAMPLING_RATE: what options may know a rate by, then what the record itself says,
 * the best source first. */
enum rate_slot {
    RATE_SAMPLER,
    RATE_INTERFACE_IN,
    RATE_INTERFACE_OUT,
    RATE_DIRECTION,
    RATE_RANDOM_INTERVAL,
    RATE_INTERVAL,
    RATE_PACKET_INTERVAL,
    RATE_PACKET_SPACE,
    RATE_TIME_INTERVAL,
    RATE_TIME_SPACE,
    RATE_SIZE,
    RATE_POPULATION,
    RATE_SLOT_COUNT
};

/* The refs of PLAN_ICMP: protocol; of each family type and code in one, type, code. */
enum icmp_slot { ICMP_PROTO, ICMP_V4, ICMP_V6 = ICMP_V4 + 3, ICMP_SLOT_COUNT = ICMP_V6 + 3 };

/*
 * The refs of PLAN_COUNTERS: pairs of octets and packets, the best first; octets of layer 2; the
 * section of a packet; and what names the flow of a total.
 */
enum counter_slot {
    COUNTER_OCTETS,
    COUNTER_PACKETS,
    COUNTER_POST_OCTETS,
    COUNTER_POST_PACKETS,
    COUNTER_TOTAL_OCTETS,
    COUNTER_TOTAL_PACKETS,
    COUNTER_POST_TOTAL_OCTETS,
    COUNTER_POST_TOTAL_PACKETS,
    COUNTER_DIRECTION_OCTETS, /* only where the template has no octets above; packets likewise */
    COUNTER_DIRECTION_PACKETS,
    COUNTER_L2_DELTA,
    COUNTER_POST_L2_DELTA,
    COUNTER_L2_TOTAL,
    COUNTER_POST_L2_TOTAL,
    COUNTER_FRAME_SIZE,
    COUNTER_SECTION,
    COUNTER_FLOW_ID,
    COUNTER_START, /* the first element of it in the template; the end likewise */
    COUNTER_END,
    COUNTER_SLOT_COUNT
};

/* The arg of PLAN_COUNTERS. */
enum {
    COUNTERS_HAVE_FRAME = 1,
    COUNTERS_FRAME_IS_WHOLE = 2, /* a section begins with the frame */
    COUNTERS_HAVE_TOTALS = 4,
    COUNTERS_OF_WAY_BACK = 8,
    COUNTERS_OF_ONE_PACKET = 16
};

static inline bool counter_slot_is_total(int slot)
{
    return (slot >= COUNTER_TOTAL_OCTETS && slot <= COUNTER_POST_TOTAL_PACKETS) ||
           slot == COUNTER_L2_TOTAL || slot == COUNTER_POST_L2_TOTAL;
}

/* The place of a value in the record; with len 0 the record lacks it. */
struct plan_ref {
    uint32_t offset;
    uint16_t len;
    uint16_t field; /* in the template: variable lengths are found out per record */
    uint8_t type;   /* enum element_type */
};

struct domain;

struct plan_op {
    uint8_t code;
    uint8_t size; /* of an integer at dst */
    uint16_t ref, ref_count;
    bool has_twin; /* the next operation differs in places alone, and is done in the same loop */
    uint32_t dst;  /* offset in the flow */
    uint32_t arg;
};

struct plan {
    struct plan_op *ops;
    struct plan_ref *refs;
    /* Holds field << 16 | ref, ascending: records of variable length are read by field. */
    uint32_t *ref_order;
    uint32_t op_count, ref_count;
    uint32_t record_len; /* 0: variable */
    uint32_t min_len;    /* of a record */
    uint32_t arena_len;  /* what a record takes of the arena at most, beside its variable fields */
    uint32_t variable_copies; /* so many of those may be copied */
    bool has_counters;
    uint8_t ip_version;              /* of all records; 0: unknown, or an operation finds it */
    struct flow_needs frame_members; /* to be filled from the section of a packet */
    bool frame_wants_tunnel;
    enum tunnel_view tunnel_view;
    const struct template_field *fields; /* the template's, borrowed */
    uint16_t field_count;
    bool has_uptimes; /* some time of the record is an uptime */
    bool has_latest;  /* the record's end, or start, is an uptime, with no start of the exporter */
    uint32_t latest_ref;
    struct plan *reverse; /* the way back of a biflow; NULL: not one */
};

struct plan_settings {
    struct flow_needs needs;
    const struct custom_field *custom_fields;
    uint32_t custom_field_count;
    enum tunnel_view tunnel_view;
    const struct nfacctd_settings *own;
    bool is_options; /* the records are options data: no counters, and scopes for custom fields */
};

/*
 * Makes the plan of a template, whose fields are borrowed for the plan's life. Misfits among them
 * are passed over, as unknown ones are. NULL if a record would have no length.
 */
struct plan *plan_compile(const struct template_field *fields, uint16_t field_count,
                          const struct plan_settings *settings);
/* The same for records of options data, whose plan has no counters and no way back. */
struct plan *plan_compile_options(const struct template_field *fields, uint16_t field_count,
                                  const struct plan_settings *settings);
void plan_free(struct plan *plan);

/* Returns the most that one record of `record_len` bytes takes of the arena. */
static inline size_t plan_arena_need(const struct plan *plan, size_t record_len)
{
    return plan->arena_len + plan->variable_copies * arena_rounded(record_len);
}

/* The context that all records of one message share. */
struct plan_context {
    struct exporter *exporter;
    struct ip_addr exporter_addr; /* unless the record names one */
    int64_t export_ns, arrival_ns, clock_offset_ns;
    uint32_t uptime; /* at export_ns, in uptime units, modulo 2^32 */
    bool has_uptime;
    bool start_is_export;   /* what the exporter says of starts by uptime is left out */
    bool has_whole_seconds; /* times by uptime are whole seconds before export_ns */
    int64_t uptime_unit_ns;
    uint32_t sequence, domain_id;
    uint16_t template_id;
    uint8_t version;
    uint64_t order; /* of the next flow; the caller raises it */
    struct option_store *options;
    struct option_scope scope;
    uint32_t header_rate;        /* sampling as the message's header has it; 0: it does not */
    struct domain *domain;       /* NULL: no options hold */
    const struct domain *lender; /* whose port announced the template; NULL: the domain's own */
    bool is_split;               /* domain_source_is_split() */
    uint64_t rate_assumed;       /* counted up: flows */
    struct arena *arena;         /* has room for the records */
};

/* Decodes `count` records of fixed length that follow each other into `count` flows. */
void plan_run(const struct plan *plan, struct plan_context *context, const uint8_t *records,
              uint32_t count, uint8_t *flows, uint32_t stride);

/*
 * Finds the length of the record at the start of `data`, and where its fields stand. 0: it runs
 * over the end. `refs` has room for plan->ref_count; it gets the plan's refs, filled in for this
 * record, for plan_run_refs().
 */
size_t plan_measure(const struct plan *plan, const uint8_t *data, size_t len,
                    struct plan_ref *refs);
void plan_run_refs(const struct plan *plan, const struct plan_ref *refs,
                   struct plan_context *context, const uint8_t *record, uint8_t *flow);
