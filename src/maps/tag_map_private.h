/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Is shared by the files that make a pre_tag_map: tag_map.c reads it, tag_walk.c walks it. Rows are numbered in
 * the order of the file. */
#include "maps/row_search.h"
#include "maps/tag_condition.h"
#include "maps/tag_map.h"
#include <stdatomic.h>

enum tag_stack { STACK_REPLACE, STACK_SUM, STACK_OR };

struct tag_row {
    uint32_t first_condition; /* in the map's conditions; the next row's follow */
    uint8_t condition_count;
    uint8_t stack; /* enum tag_stack */
    uint8_t tos;
    bool has_tag : 1, has_tag2 : 1, has_tos : 1, counts : 1;
    uint32_t jump; /* row to go on at; 0: the walk ends here */
    uint32_t label_len;
    uint64_t tag, tag2;
    const char *label;        /* in the map's texts */
    _Atomic uint64_t counted; /* times that a row set_tag=N++ held */
};

struct tag_map {
    uint32_t row_count;
    struct tag_row *rows;
    struct tag_condition *conditions;
    uint32_t condition_count;
    char *texts; /* labels, one behind the other */
    struct row_search *search;
    uint8_t fields[TAG_KEY_COUNT]; /* keys that the index looks at */
    uint32_t field_count;
    struct flow_needs needs;
    struct ip_addr *names; /* of exporters that rows name one by one, ascending */
    size_t name_count;
    size_t entry_count; /* as pmacct counts */
};
