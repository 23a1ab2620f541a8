/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Orders a plan's operations. Those that clear members come first, then what is common to all
 * records; operations that are done in one loop follow each other. */
#include "nfacctd/plan_builder.h"

#include <string.h>

#include "base/memory.h"

/* Puts operations before all others. */
static void emit_first(struct plan *plan, const struct plan_op *ops, uint32_t count)
{
    plan->ops = mem_realloc_array(plan->ops, plan->op_count + count, sizeof *plan->ops);
    memmove(plan->ops + count, plan->ops, plan->op_count * sizeof *plan->ops);
    memcpy(plan->ops, ops, count * sizeof *plan->ops);
    plan->op_count += count;
}

/* Zeroes members as few runs of bytes. They come before all else, as a run may cover other members;
 * then comes what all records have in common, as a record may know better. */
static void emit_zeros_and_constants(struct plan_builder *c)
{
    struct plan_op ops[FLOW_MEMBER_COUNT + 1];
    uint32_t count = 0;

    for (enum flow_member m = 0; m < FLOW_MEMBER_COUNT; m++) {
        const struct flow_member_place *place = &flow_member_places[m];
        if (!flow_needs_has(&c->zeros, m))
            continue;
        struct plan_op *last = count > 0 ? &ops[count - 1] : NULL;
        if (last && place->offset <= last->dst + last->arg + 16) /* members stand in order */
            last->arg = place->offset + place->size - last->dst;
        else
            ops[count++] =
                (struct plan_op){.code = PLAN_ZERO, .dst = place->offset, .arg = place->size};
    }
    ops[count++] = (struct plan_op){.code = PLAN_CONSTANTS};
    emit_first(c->plan, ops, count);
}

/* Returns whether the operation reads one field and writes one member; only such ones may move. */
static bool may_be_twin(const struct plan_op *op)
{
    return (op->code == PLAN_UINT || op->code == PLAN_ADDR || op->code == PLAN_TIME) &&
           op->ref_count == 1;
}

static bool are_twins(const struct plan *plan, const struct plan_op *a, const struct plan_op *b)
{
    const struct plan_ref *x = &plan->refs[a->ref], *y = &plan->refs[b->ref];

    return a->code == b->code && a->size == b->size && may_be_twin(a) && may_be_twin(b) &&
           x->len == y->len && x->len != FIELD_LEN_VARIABLE && x->type == y->type;
}

/* Brings operations together that differ in places alone. Flows are full of such pairs: octets and
 * packets, start and end, source and destination. */
static void pair_twins(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->op_count; i++) {
        uint32_t twin = may_be_twin(&plan->ops[i]) ? i + 1 : plan->op_count;
        while (twin < plan->op_count && !are_twins(plan, &plan->ops[i], &plan->ops[twin]))
            twin++;
        if (twin >= plan->op_count)
            continue;
        struct plan_op moved = plan->ops[twin];
        memmove(&plan->ops[i + 2], &plan->ops[i + 1], (twin - i - 1) * sizeof moved);
        plan->ops[i + 1] = moved;
        plan->ops[i].has_twin = true;
        i++;
    }
}

void builder_order(struct plan_builder *c)
{
    emit_zeros_and_constants(c);
    pair_twins(c->plan);
}
