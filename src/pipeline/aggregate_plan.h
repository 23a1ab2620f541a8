/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How flows become rows of one instance: the schema, and lists of copy operations made from it.
 * Made by the main thread at start, immutable afterwards, shared by all workers.
 */
#include "base/event.h"
#include "base/text.h"
#include "flow/flow.h"
#include "handover/schema.h"
#include "maps/flow_filter.h"
#include "maps/tag_filter.h"
#include "maps/value_list.h"
#include "pipeline/time_bins.h"
#include "plugins/pathacct_plugin.h"

/* A column and where its value stands in a flow. */
struct aggregate_column {
    struct pa_column column; /* as for schema_add() */
    uint32_t flow_offset;
    uint32_t other_offset; /* of a sum: where the other end's value stands; 0: it is no sum */
};

struct aggregate_settings {
    const struct aggregate_column *columns;
    size_t column_count;
    const struct time_bins *bins; /* NULL: none; copied */
    const char *filter;           /* aggregate_filter, or NULL */
    struct tag_filter_settings tag_filter;
    bool is_unaggregated, is_replay;
    /* Rows of several workers have to be put into the order of the capture; those of one worker
     * are in it, and 8 bytes less a row leave the traffic matrix in one cache line. */
    bool has_order;
    bool has_pro_rating;             /* needs bins */
    bool has_whole_seconds;          /* times in keys lose their fraction */
    bool has_list[VALUE_LIST_COUNT]; /* ports_file and its kin: other values become one */
    bool has_dscp; /* flows that differ in the two bits of ECN alone are one row */
};

/* Copies `len` bytes of a flow into the row: keys, first values of counters, replay's order. */
struct copy_op {
    uint16_t len;
    uint32_t flow_offset, row_offset;
};
/* Bytes of variable length: the row gets an id of the dictionary. */
struct bytes_op {
    uint64_t kind; /* mixed into handles: kinds of values have handles of their own */
    uint32_t flow_offset, row_offset;
};
struct counter_op {
    uint8_t combine, width;
    uint32_t row_offset;
};
/* Counters that are or-ed, in 8 bytes of the row that have other things beside them. */
struct flags_op {
    uint64_t mask;
    uint32_t row_offset;
};

/* A value that a list may keep. */
struct squeeze_op {
    uint8_t kind;  /* enum value_list_kind */
    uint8_t shift; /* bits that the list does not look at: those of ECN */
    uint32_t row_offset;
};

struct aggregate_plan {
    struct schema *schema;
    const struct pa_schema *view;  /* of it */
    struct flow_filter *filter;    /* NULL: all flows */
    struct tag_filter *tag_filter; /* NULL: all tags */
    struct time_bins bins;
    bool has_bins, has_pro_rating, has_whole_seconds, is_unaggregated, is_replay, has_order;
    uint32_t copy_count, bytes_count, pair_count, sum_count, flags_count, counter_count;
    uint32_t second_count, arrival_count, tos_count;
    struct copy_op *copies;
    struct bytes_op *bytes;
    uint32_t *pairs; /* where two 64-bit sums stand in a row: packets and bytes */
    uint32_t *sums;  /* where one does */
    struct flags_op *flags;
    struct counter_op *counters; /* the others */
    uint32_t *seconds;           /* where times stand in a row that are cut to seconds */
    uint32_t *arrivals; /* where arrivals stand that tell the records of a datagram apart */
    uint32_t *tos;      /* where TOS bytes stand that lose the two bits of ECN */
    struct squeeze_op squeezes[4]; /* two ports, protocol, TOS */
    uint32_t squeeze_count;
    /* A flow makes two entries: in the second this copy follows the others. */
    bool has_sum;
    struct copy_op other_end;
    bool has_pad;
    uint32_t pad_offset; /* of the word in a row that ends in padding */
    /* Rows are datagrams (PA_PLUGIN_TAKES_DATAGRAMS); this is where their values stand. */
    bool takes_datagrams;
    uint32_t exporter_offset, port_offset, tag_offset, for_all_offset, datagram_offset;
    /* Rows are event records of this table, whose members are the first columns; NULL: they are
     * not. */
    const struct event_table *events;
    uint32_t event_kind_offset, event_present_offset;
};

/* Appends to `error`: the filter, too long a row. */
int aggregate_plan_new(const struct aggregate_settings *settings, struct text *error,
                       struct aggregate_plan **ret_plan);
/* Makes the plan of an instance that takes datagrams; of the settings it needs tag_filter, is_replay
 * and has_order. */
int aggregate_plan_new_datagrams(const struct aggregate_settings *settings, struct text *error,
                                 struct aggregate_plan **ret_plan);
/* Makes the plan of an instance that takes events; `events` is borrowed. -EINVAL, -ENOSPC: the table
 * is wrong. */
int aggregate_plan_new_events(const struct event_table *events, bool is_replay,
                              struct aggregate_plan **ret_plan);
void aggregate_plan_free(struct aggregate_plan *plan); /* NULL is fine */
