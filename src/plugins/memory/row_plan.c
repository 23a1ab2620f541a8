/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/memory/row_plan.h"
#include "base/memory.h"
#include <string.h>

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

static uint64_t load(const uint8_t *field, uint16_t width)
{
    uint64_t u64;
    uint32_t u32;
    uint16_t u16;

    switch (width) { /* of known length: a move instead of a call */
    case 1:
        return *field;
    case 2:
        memcpy(&u16, field, sizeof u16);
        return u16;
    case 4:
        memcpy(&u32, field, sizeof u32);
        return u32;
    default:
        memcpy(&u64, field, sizeof u64);
        return u64;
    }
}

static void store(uint8_t *field, uint16_t width, uint64_t value)
{
    uint32_t u32 = (uint32_t)value;
    uint16_t u16 = (uint16_t)value;

    switch (width) {
    case 1:
        *field = (uint8_t)value;
        break;
    case 2:
        memcpy(field, &u16, sizeof u16);
        break;
    case 4:
        memcpy(field, &u32, sizeof u32);
        break;
    default:
        memcpy(field, &value, sizeof value);
        break;
    }
}

static uint64_t combine(uint8_t how, uint64_t a, uint64_t b)
{
    switch ((enum pa_combine)how) {
    case PA_COMBINE_SUM:
        return a + b;
    case PA_COMBINE_OR:
        return a | b;
    case PA_COMBINE_MIN: /* of the known values */
        return b == 0 || (a != 0 && a < b) ? a : b;
    case PA_COMBINE_MAX:
        return a > b ? a : b;
    case PA_COMBINE_KEY:
        break;
    }
    return a;
}

void row_plan_combine(const struct row_plan *plan, uint8_t *row, const uint8_t *more)
{
    for (uint32_t i = 0; i < plan->op_count; i++) {
        const struct row_op *op = &plan->ops[i];
        uint8_t *field = row + op->offset;
        uint64_t sum =
            combine(op->combine, load(field, op->width), load(more + op->offset, op->width));
        store(field, op->width, sum);
    }
}
