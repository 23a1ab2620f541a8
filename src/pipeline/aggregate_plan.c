/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes plans: the schema of an instance, and the steps that make rows of flows. A column is a
 * plain copy, as members of a flow have the width and byte order of their columns. */
#include "pipeline/aggregate_plan.h"
#include "base/memory.h"
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Tells kinds of handles apart, by format: AS paths have handles of their own in the RIB,
 * communities too, names of options again. */
static uint64_t handle_kind(const struct pa_column *column)
{
    return (uint64_t)(column->format + 1) << 56;
}

/* Sorts columns in the order of the flow's members, which has together what is often asked for
 * together: such columns are copied as one. */
static void columns_sort(const struct aggregate_settings *s,
                         const struct aggregate_column **columns)
{
    for (size_t i = 0; i < s->column_count; i++) {
        size_t at = i;
        for (; at > 0 && columns[at - 1]->flow_offset > s->columns[i].flow_offset; at--)
            columns[at] = columns[at - 1];
        columns[at] = &s->columns[i];
    }
}

static int schema_make(struct aggregate_plan *plan, const struct aggregate_settings *s,
                       const struct aggregate_column *const *columns, struct text *error)
{
    int err = 0;

    plan->schema = schema_new();
    for (size_t i = 0; i < s->column_count && err == 0; i++)
        err = schema_add(plan->schema, &columns[i]->column);
    if (plan->has_bins)
        schema_set_bin(plan->schema, time_bins_seconds(&plan->bins));
    if (plan->has_order)
        schema_set_order(plan->schema);
    if (plan->is_unaggregated)
        schema_set_unaggregated(plan->schema);
    if (err == 0)
        err = schema_finish(plan->schema);
    if (err < 0)
        text_append_string(error, "the columns do not fit into one row; ask for fewer primitives");
    plan->view = schema_view(plan->schema);
    return err;
}

/* True for lengths that row_fill() copies without a call. */
static bool is_short(uint32_t len)
{
    return len == 1 || len == 2 || len == 4 || len == 8 || len == 16 || len == 24 ||
           len == 2 * sizeof(struct ip_addr);
}

/* Adds a copy. Columns that follow each other, in the flow as in the row, are copied as one:
 * both addresses, both ports, and packets, bytes and order of 5-tuples take three copies, not
 * seven. */
static void copy_add(struct aggregate_plan *plan, uint32_t len, uint32_t from, uint32_t to)
{
    if (plan->copy_count > 0) {
        struct copy_op *last = &plan->copies[plan->copy_count - 1];
        if (last->flow_offset + last->len == from && last->row_offset + last->len == to &&
            is_short(last->len + len)) {
            last->len = (uint16_t)(last->len + len);
            return;
        }
    }
    plan->copies[plan->copy_count++] = (struct copy_op){(uint16_t)len, from, to};
}

/* Adds a sum. Two that follow each other are added in one step. */
static void sum_add(struct aggregate_plan *plan, uint32_t at)
{
    if (plan->sum_count > 0 && plan->sums[plan->sum_count - 1] + sizeof(uint64_t) == at)
        plan->pairs[plan->pair_count++] = plan->sums[--plan->sum_count];
    else
        plan->sums[plan->sum_count++] = at;
}

/* Adds flags, as part of an aligned word, which flags beside them share, or of the one that ends
 * with them: a word that reached into a sum behind them would wait for that to be stored. */
static void flags_add(struct aggregate_plan *plan, uint32_t width, uint32_t at)
{
    const uint32_t word_len = sizeof(uint64_t);
    uint32_t word_at =
        at % word_len + width <= word_len ? at / word_len * word_len : at + width - word_len;
    uint8_t mask[sizeof(uint64_t)] = {0};
    uint64_t bits;

    if (plan->flags_count == 0 || plan->flags[plan->flags_count - 1].row_offset != word_at)
        plan->flags_count++;
    struct flags_op *op = &plan->flags[plan->flags_count - 1];
    memset(mask + (at - word_at), 0xff, width);
    memcpy(&bits, mask, sizeof bits);
    op->mask |= bits;
    op->row_offset = word_at;
}

static void counter_op_add(struct aggregate_plan *plan, const struct pa_column *c)
{
    if (c->combine == PA_COMBINE_SUM && c->width == sizeof(uint64_t))
        sum_add(plan, c->offset);
    else if (c->combine == PA_COMBINE_OR)
        flags_add(plan, c->width, c->offset);
    else
        plan->counters[plan->counter_count++] =
            (struct counter_op){c->combine, (uint8_t)c->width, c->offset};
}

/* Finds the word that ends in padding: it stands behind the key and the narrow counters. */
static void pad_find(struct aggregate_plan *plan)
{
    const struct pa_schema *view = plan->view;
    uint32_t end = view->key_size;

    for (uint32_t i = 0; i < view->column_count; i++) {
        const struct pa_column *c = &view->columns[i];
        if (c->combine != PA_COMBINE_KEY && c->width < 8 && c->offset + c->width > end)
            end = c->offset + c->width;
    }
    plan->has_pad = end % 8 != 0 || end == 0;
    plan->pad_offset = end / 8 * 8;
}

/* Adds what the instance's lists do to a column. */
static void squeeze_add(struct aggregate_plan *plan, const struct aggregate_settings *s,
                        uint32_t from, const struct pa_column *c)
{
    static const struct {
        uint32_t flow_offset;
        enum value_list_kind kind;
    } members[] = {
        {offsetof(struct flow, src_port), VALUE_LIST_PORTS},
        {offsetof(struct flow, dst_port), VALUE_LIST_PORTS},
        {offsetof(struct flow, proto), VALUE_LIST_PROTOS},
        {offsetof(struct flow, tos), VALUE_LIST_TOS},
    };

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (members[i].flow_offset == from && s->has_list[members[i].kind])
            plan->squeezes[plan->squeeze_count++] = (struct squeeze_op){
                (uint8_t)members[i].kind,
                c->format == PA_FORMAT_TOS && s->has_dscp ? 2 : 0,
                c->offset,
            };
}

static void operations_make(struct aggregate_plan *plan, const struct aggregate_settings *s,
                            const struct aggregate_column *const *columns)
{
    plan->copies = mem_calloc(s->column_count + 1, sizeof *plan->copies);
    plan->bytes = mem_calloc(s->column_count + 1, sizeof *plan->bytes);
    plan->pairs = mem_calloc(s->column_count + 1, sizeof *plan->pairs);
    plan->sums = mem_calloc(s->column_count + 1, sizeof *plan->sums);
    plan->flags = mem_calloc(s->column_count + 1, sizeof *plan->flags);
    plan->counters = mem_calloc(s->column_count + 1, sizeof *plan->counters);
    plan->seconds = mem_calloc(s->column_count + 1, sizeof *plan->seconds);
    plan->arrivals = mem_calloc(s->column_count + 1, sizeof *plan->arrivals);
    plan->tos = mem_calloc(s->column_count + 1, sizeof *plan->tos);
    for (size_t i = 0; i < s->column_count; i++) {
        const struct pa_column *c = schema_find(plan->view, columns[i]->column.name);
        uint32_t from = columns[i]->flow_offset;
        assert(c);
        if (c->kind == PA_KIND_BYTES)
            plan->bytes[plan->bytes_count++] = (struct bytes_op){handle_kind(c), from, c->offset};
        else
            copy_add(plan, c->width, from, c->offset);
        squeeze_add(plan, s, from, c);
        if (columns[i]->other_offset != 0) {
            plan->has_sum = true;
            plan->other_end = (struct copy_op){c->width, columns[i]->other_offset, c->offset};
        }
        if (c->combine != PA_COMBINE_KEY)
            counter_op_add(plan, c);
        if (c->kind == PA_KIND_TIME && c->combine == PA_COMBINE_KEY && s->has_whole_seconds)
            plan->seconds[plan->second_count++] = c->offset;
        else if (from == offsetof(struct flow, arrival_ns))
            plan->arrivals[plan->arrival_count++] = c->offset;
        if (c->format == PA_FORMAT_TOS && s->has_dscp)
            plan->tos[plan->tos_count++] = c->offset;
    }
    if (plan->has_order)
        copy_add(plan, sizeof(uint64_t), offsetof(struct flow, order),
                 (uint32_t)plan->view->order_offset);
    pad_find(plan);
}

int aggregate_plan_new(const struct aggregate_settings *s, struct text *error,
                       struct aggregate_plan **ret_plan)
{
    struct aggregate_plan *plan = mem_zalloc(sizeof *plan);
    const struct aggregate_column **columns = mem_calloc(s->column_count + 1, sizeof *columns);
    int err = 0;

    columns_sort(s, columns);
    plan->has_bins = s->bins != NULL;
    if (s->bins)
        plan->bins = *s->bins;
    plan->has_pro_rating = s->has_pro_rating && s->bins;
    plan->has_whole_seconds = s->has_whole_seconds;
    plan->is_unaggregated = s->is_unaggregated;
    plan->is_replay = s->is_replay;
    plan->has_order = s->has_order;
    if (s->filter)
        err = flow_filter_new(s->filter, error, &plan->filter);
    if (err == 0 && tag_filter_is_wanted(&s->tag_filter))
        err = tag_filter_new(&s->tag_filter, error, &plan->tag_filter);
    if (err == 0)
        err = schema_make(plan, s, columns, error);
    if (err == 0) {
        operations_make(plan, s, columns);
        *ret_plan = plan;
    } else {
        aggregate_plan_free(plan);
    }
    mem_free(columns);
    return err;
}

/* Ends the schema of a plan that asks for no columns of flows. A failure, also one before, frees the plan. */
static int finish_schema(struct aggregate_plan *plan, int err)
{
    if (err == 0)
        err = schema_finish(plan->schema);
    if (err < 0)
        aggregate_plan_free(plan);
    else
        plan->view = schema_view(plan->schema);
    return err;
}

int aggregate_plan_new_datagrams(const struct aggregate_settings *s, struct text *error,
                                 struct aggregate_plan **ret_plan)
{
    static const struct pa_column columns[] = {
        {.name = "exporter", .kind = PA_KIND_ADDR, .format = PA_FORMAT_IP},
        {.name = "port", .kind = PA_KIND_U16, .format = PA_FORMAT_UINT},
        {.name = "tag", .kind = PA_KIND_U64, .format = PA_FORMAT_UINT},
        {.name = "for_all", .kind = PA_KIND_U8, .format = PA_FORMAT_UINT},
        {.name = "datagram", .kind = PA_KIND_BYTES, .format = PA_FORMAT_TEXT},
    };
    struct aggregate_plan *plan = mem_zalloc(sizeof *plan);
    int err = 0;

    plan->takes_datagrams = plan->is_unaggregated = true;
    plan->has_whole_seconds = true; /* it asks for no times at all */
    plan->is_replay = s->is_replay;
    plan->has_order = s->has_order;
    if (tag_filter_is_wanted(&s->tag_filter))
        err = tag_filter_new(&s->tag_filter, error, &plan->tag_filter);
    plan->schema = schema_new();
    for (size_t i = 0; i < sizeof columns / sizeof columns[0] && err == 0; i++)
        err = schema_add(plan->schema, &columns[i]);
    if (plan->has_order)
        schema_set_order(plan->schema);
    schema_set_unaggregated(plan->schema);
    err = finish_schema(plan, err);
    if (err < 0)
        return err;
    plan->exporter_offset = schema_find(plan->view, "exporter")->offset;
    plan->port_offset = schema_find(plan->view, "port")->offset;
    plan->tag_offset = schema_find(plan->view, "tag")->offset;
    plan->for_all_offset = schema_find(plan->view, "for_all")->offset;
    plan->datagram_offset = schema_find(plan->view, "datagram")->offset;
    *ret_plan = plan;
    return 0;
}

int aggregate_plan_new_events(const struct event_table *events, bool is_replay,
                              struct aggregate_plan **ret_plan)
{
    struct aggregate_plan *plan = mem_zalloc(sizeof *plan);
    int err;

    plan->events = events;
    plan->is_unaggregated = true;
    plan->has_whole_seconds = true; /* it asks for no times of flows */
    plan->is_replay = is_replay;
    plan->schema = schema_new();
    err = finish_schema(plan, schema_add_events(plan->schema, events));
    if (err < 0)
        return err;
    plan->event_kind_offset = schema_find(plan->view, "event_kind")->offset;
    plan->event_present_offset = schema_find(plan->view, "event_present")->offset;
    *ret_plan = plan;
    return 0;
}

void aggregate_plan_free(struct aggregate_plan *plan)
{
    if (!plan)
        return;
    schema_free(plan->schema);
    flow_filter_free(plan->filter);
    tag_filter_free(plan->tag_filter);
    mem_free(plan->copies);
    mem_free(plan->bytes);
    mem_free(plan->pairs);
    mem_free(plan->sums);
    mem_free(plan->flags);
    mem_free(plan->counters);
    mem_free(plan->seconds);
    mem_free(plan->arrivals);
    mem_free(plan->tos);
    mem_free(plan);
}
