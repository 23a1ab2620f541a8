/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key columns of equal kind are plain copies: a flow's members have the width and byte order of
 * their columns. */
#include "core/aggregate_plan.h"
#include "base/memory.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

/* AS paths have handles of their own in the RIB, communities too, names of options again: by
 * format. */
static uint64_t handle_kind(const struct pa_column *column)
{
    return (uint64_t)(column->format + 1) << 56;
}

static int schema_make(struct aggregate_plan *plan, const struct aggregate_settings *s,
                       struct text *error)
{
    int err = 0;

    plan->schema = schema_new();
    for (size_t i = 0; i < s->column_count && err == 0; i++)
        err = schema_add(plan->schema, &s->columns[i].column);
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

static void operations_make(struct aggregate_plan *plan, const struct aggregate_settings *s)
{
    plan->copies = mem_calloc(s->column_count + 1, sizeof *plan->copies);
    plan->bytes = mem_calloc(s->column_count + 1, sizeof *plan->bytes);
    plan->counters = mem_calloc(s->column_count + 1, sizeof *plan->counters);
    plan->seconds = mem_calloc(s->column_count + 1, sizeof *plan->seconds);
    for (size_t i = 0; i < s->column_count; i++) {
        const struct pa_column *c = schema_find(plan->view, s->columns[i].column.name);
        uint32_t from = s->columns[i].flow_offset;
        assert(c);
        if (c->combine != PA_COMBINE_KEY)
            plan->counters[plan->counter_count++] =
                (struct counter_op){c->combine, (uint8_t)c->width, from, c->offset};
        else if (c->kind == PA_KIND_BYTES)
            plan->bytes[plan->bytes_count++] = (struct bytes_op){handle_kind(c), from, c->offset};
        else
            plan->copies[plan->copy_count++] = (struct copy_op){c->width, from, c->offset};
        if (c->kind == PA_KIND_TIME && c->combine == PA_COMBINE_KEY && s->has_whole_seconds)
            plan->seconds[plan->second_count++] = c->offset;
    }
}

int aggregate_plan_new(const struct aggregate_settings *s, struct text *error,
                       struct aggregate_plan **ret_plan)
{
    struct aggregate_plan *plan = mem_zalloc(sizeof *plan);
    int err = 0;

    plan->has_bins = s->bins != NULL;
    if (s->bins)
        plan->bins = *s->bins;
    plan->has_pro_rating = s->has_pro_rating && s->bins;
    plan->has_whole_seconds = s->has_whole_seconds;
    plan->is_unaggregated = s->is_unaggregated;
    plan->is_replay = plan->has_order = s->is_replay;
    if (s->filter)
        err = flow_filter_new(s->filter, error, &plan->filter);
    if (err == 0)
        err = schema_make(plan, s, error);
    if (err < 0) {
        aggregate_plan_free(plan);
        return err;
    }
    operations_make(plan, s);
    *ret_plan = plan;
    return 0;
}

void aggregate_plan_free(struct aggregate_plan *plan)
{
    if (!plan)
        return;
    schema_free(plan->schema);
    flow_filter_free(plan->filter);
    mem_free(plan->copies);
    mem_free(plan->bytes);
    mem_free(plan->counters);
    mem_free(plan->seconds);
    mem_free(plan);
}

static uint64_t value_load(const uint8_t *p, uint8_t width)
{
    uint64_t v64;
    uint32_t v32;
    uint16_t v16;

    switch (width) {
    case 8:
        memcpy(&v64, p, 8);
        return v64;
    case 4:
        memcpy(&v32, p, 4);
        return v32;
    case 2:
        memcpy(&v16, p, 2);
        return v16;
    default:
        return *p;
    }
}

static void value_store(uint8_t *p, uint8_t width, uint64_t value)
{
    uint32_t v32 = (uint32_t)value;
    uint16_t v16 = (uint16_t)value;

    switch (width) {
    case 8:
        memcpy(p, &value, 8);
        break;
    case 4:
        memcpy(p, &v32, 4);
        break;
    case 2:
        memcpy(p, &v16, 2);
        break;
    default:
        *p = (uint8_t)value;
        break;
    }
}

void aggregate_plan_start(const struct aggregate_plan *plan, uint8_t *row, const struct flow *flow)
{
    const uint8_t *from = (const uint8_t *)flow;

    /* Padding too: a row's bytes are all defined. */
    memset(row + plan->view->key_size, 0, plan->view->row_size - plan->view->key_size);
    for (uint32_t i = 0; i < plan->counter_count; i++) {
        const struct counter_op *op = &plan->counters[i];
        value_store(row + op->row_offset, op->width, value_load(from + op->flow_offset, op->width));
    }
    if (plan->has_order)
        memcpy(row + plan->view->order_offset, &flow->order, sizeof flow->order);
}

void aggregate_plan_combine(const struct aggregate_plan *plan, uint8_t *row,
                            const struct flow *flow)
{
    const uint8_t *from = (const uint8_t *)flow;

    for (uint32_t i = 0; i < plan->counter_count; i++) {
        const struct counter_op *op = &plan->counters[i];
        uint64_t value = value_load(from + op->flow_offset, op->width);
        uint64_t there = value_load(row + op->row_offset, op->width);
        switch (op->combine) {
        case PA_COMBINE_SUM:
            there += value;
            break;
        case PA_COMBINE_OR:
            there |= value;
            break;
        case PA_COMBINE_MIN:
            if (value != 0 && (there == 0 || value < there))
                there = value;
            break;
        default:
            if (value > there)
                there = value;
            break;
        }
        value_store(row + op->row_offset, op->width, there);
    }
}
