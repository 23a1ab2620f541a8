/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The tools of plan_compile.c: find the fields of a template that feed a member, and append
 * operations to a plan. */
#include "nfacctd/plan.h"

#define NO_FIELD (-1)

/* Selects the elements that a member is made from. */
struct element_selection {
    enum flow_member member;
    bool is_reverse; /* from reverse elements */
    bool is_none;
};

struct plan_builder {
    struct plan *plan; /* under construction */
    const struct template_field *fields;
    const uint32_t *offsets; /* of each field; meaningless after the first of variable length */
    uint16_t field_count;
    const struct plan_settings *settings;
    bool is_reverse; /* compiling the way back */
    struct flow_needs zeros;
    int frame_field; /* section of a packet */
    uint8_t
        outer_version; /* IP of the outer packet where there is one in another: 4 or 6; else 0 */
    const struct element_lists *lists;
    /* The fields that the template has for each row, also as reverse elements. */
    int row_field[ELEMENT_ROW_COUNT], row_reverse_field[ELEMENT_ROW_COUNT];
};

/* Fills the tables of rows from the fields, which are set before. */
void builder_init(struct plan_builder *c);

/* Returns the index of the field, or NO_FIELD, which stands for a misfit too. */
int builder_field(const struct plan_builder *c, uint32_t enterprise, uint16_t id);
/* Returns the index of the field, whatever its length, for who takes bytes as they are. */
int builder_raw_field(const struct plan_builder *c, uint32_t enterprise, uint16_t id);
/* Selects what a member is made from. On the way back that is a reverse element, else the opposite
 * member's. */
struct element_selection builder_select(const struct plan_builder *c, enum flow_member member);
/* Returns the next field that feeds the selection, from row *row of elements.def on; *row then
 * stands behind it. */
int builder_next(const struct plan_builder *c, const struct element_selection *sel, size_t *row,
                 enum element_type *ret_type);
/* Returns the operation that reads a field of that type and length, FIELD_LEN_VARIABLE too. */
enum plan_op_code builder_op_for(enum element_type type, size_t len);
/* Adds an operation that writes `member` and has no refs. The result is borrowed until the next
 * call. */
struct plan_op *builder_op(struct plan_builder *c, enum plan_op_code code, enum flow_member member);
/* Adds a place to read from to `op`, the last operation made. NO_FIELD adds an empty one, which
 * keeps the position of those behind it. */
void builder_ref(struct plan_builder *c, struct plan_op *op, int field, enum element_type type);
/* Notes that a record will put so many bytes into the arena. */
void builder_reserve(struct plan_builder *c, size_t len);
/* Notes that the field's bytes, or a part of them, will be copied into the arena. */
void builder_copy(struct plan_builder *c, int field);
/* Reads bytes and packets as numbers; true: the template has more to choose from, and needs
 * builder_counters_op() when all members are compiled. */
bool builder_counters(struct plan_builder *c);
bool builder_has_totals(const struct plan_builder *c);
void builder_counters_op(struct plan_builder *c);
/* Ends the plan: adds the operations that come before all others, and brings pairs together. */
void builder_order(struct plan_builder *c);
