/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Offset, size, name and help of each member of struct flow, made from members.def, for code that
 * is driven by tables. */
#include "flow/flow.h"

const struct flow_member_place flow_member_places[FLOW_MEMBER_COUNT] = {
#define MEMBER(type, name, help)                                                                   \
    [FLOW_##name] = {offsetof(struct flow, name), sizeof(((struct flow *)0)->name), #name, help},
#include "flow/members.def"
#undef MEMBER
};

void flow_batch_change(struct flow_batch *batch, bool is_options)
{
    if (batch->count > 0)
        batch->full(batch);
    batch->is_options = is_options;
    /* Flows are written over options data without a look at what they do not need. */
    for (uint32_t i = 0; !is_options && i < batch->capacity; i++)
        flow_batch_at(batch, i)->is_option = 0;
}
