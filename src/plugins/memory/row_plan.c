/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiles a row plan and combines rows by it. See row_plan.h. */
#include "plugins/memory/row_plan.h"
#include "base/memory.h"
#include "base/row_number.h"

void row_plan_init(struct row_plan *plan, const struct pa_schema *schema)
{
    *plan = (struct row_plan){
        .ops = mem_calloc(schema->column_count + 1, sizeof *plan->ops),
        .bytes_offsets = mem_calloc(schema->column_count + 1, sizeof *plan->bytes_offsets)};
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *c = &schema->columns[i];
        if (c->combine != PA_COMBINE_KEY)
            plan->ops[plan->op_count++] = (struct row_op){c->offset, c->width, c->combine};
        else if (c->kind == PA_KIND_BYTES)
            plan->bytes_offsets[plan->bytes_count++] = c->offset;
    }
}

void row_plan_clear(struct row_plan *plan)
{
    mem_free(plan->ops);
    mem_free(plan->bytes_offsets);
    *plan = (struct row_plan){0};
}

void row_plan_combine(const struct row_plan *plan, uint8_t *row, const uint8_t *more)
{
    for (uint32_t i = 0; i < plan->op_count; i++) {
        const struct row_op *op = &plan->ops[i];
        row_number_add(row + op->offset, op->width, op->combine, more + op->offset);
    }
}
