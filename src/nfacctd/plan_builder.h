/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Finds the fields of a template that feed a member, and puts operations together: what
 * plan_compile.c is written in.
 */
#include "nfacctd/plan.h"

#define NO_FIELD (-1)

/* Which elements a member is made from. */
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
    /* The rows of each member in their order; and the fields that they have, also as reverse
     * elements. */
    uint16_t first_row[FLOW_MEMBER_COUNT], next_row[ELEMENT_ROW_COUNT];
    int row_field[ELEMENT_ROW_COUNT], row_reverse_field[ELEMENT_ROW_COUNT];
};

/* Fills the tables of rows; the fields are known. */
void builder_init(struct plan_builder *c);

/* The index of the field, or NO_FIELD. */
int builder_field(const struct plan_builder *c, uint32_t enterprise, uint16_t id);
/* On the way back, whatever tells of it: a reverse element, else the opposite member's. */
struct element_selection builder_select(const struct plan_builder *c, enum flow_member member);
/* The next field that feeds the selection, by row of elements.def from *row on; *row is then after
 * it. */
int builder_next(const struct plan_builder *c, const struct element_selection *sel, size_t *row,
                 enum element_type *ret_type);
/* Adds an operation that writes `member`, without refs. Borrowed until the next one. */
struct plan_op *builder_op(struct plan_builder *c, enum plan_op_code code, enum flow_member member);
/* Adds a place to read from to `op`, the last one made; NO_FIELD: an empty one, which holds its
 * position. */
void builder_ref(struct plan_builder *c, struct plan_op *op, int field, enum element_type type);
/* A record will put so many bytes into the arena. */
void builder_reserve(struct plan_builder *c, size_t len);
/* The field's bytes, or a part of them, will be copied into the arena. */
void builder_copy(struct plan_builder *c, int field);
/* The last step: adds the operations that come before all others, and brings pairs together. */
void builder_order(struct plan_builder *c);
