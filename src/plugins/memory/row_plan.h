/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A plan for combining rows of equal key, compiled from the schema. */
#include "plugins/pathacct_plugin.h"
#include <stdint.h>

struct row_op {
    uint32_t offset;
    uint16_t width;  /* 1, 2, 4 or 8 */
    uint8_t combine; /* enum pa_combine */
};

struct row_plan {
    struct row_op *ops; /* columns that are not part of the key */
    uint32_t op_count;
    uint32_t *bytes_offsets; /* PA_KIND_BYTES columns of the key */
    uint32_t bytes_count;
};

void row_plan_init(struct row_plan *plan, const struct pa_schema *schema);
void row_plan_clear(struct row_plan *plan);
/* Adds `more` to `row`, which has the same key. */
void row_plan_combine(const struct row_plan *plan, uint8_t *row, const uint8_t *more);
