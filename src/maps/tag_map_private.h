/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The files that make a pre_tag_map share this: tag_map.c reads the map, tag_walk.c walks it. Rows are
 * numbered in the order of the file. */
#include "maps/row_search.h"
#include "maps/tag_condition.h"
#include "maps/tag_map.h"
#include <stdatomic.h>

enum tag_stack { STACK_REPLACE, STACK_SUM, STACK_OR };

/* Holds what the walk reads of each row that a flow has. Four of them fit into a cache line. */
struct tag_row {
    _Atomic uint64_t tag;     /* of a row set_tag=N++ the next one */
    uint32_t first_condition; /* in the map's conditions; its others follow, up to the next row's */
    uint32_t
        open_count : 6; /* of its conditions, the first ones: those that the index leaves open */
    uint32_t stack : 2; /* enum tag_stack */
    uint32_t has_tag : 1, counts : 1;
    uint32_t does_more : 1; /* it sets more than a tag, or the walk goes on */
};

/* Says in the index that a row sets this tag and nothing more, for every flow of which it is a candidate. */
static inline uint32_t tag_note(uint32_t tag)
{
    return tag + 1;
}
static inline uint32_t tag_of_note(uint32_t note)
{
    return note - 1;
}

/* Holds what a row does beside setting a tag. */
struct tag_deed {
    uint64_t tag2;
    uint32_t jump;        /* row to go on at; 0: the walk ends here */
    uint32_t label_place; /* in the map's texts */
    uint32_t label_len : 11;
    uint32_t tos : 8;
    uint32_t has_tag2 : 1, has_tos : 1, returns : 1;
};

struct tag_map {
    uint32_t row_count;
    struct tag_row *rows;   /* one more than there are */
    struct tag_deed *deeds; /* by row */
    struct tag_condition *conditions;
    uint32_t condition_count;
    bool asks_headers_only;
    bool has_open; /* some row has conditions that the index leaves open */
    char *texts;   /* labels, one behind the other */
    struct row_search *search;
    uint8_t fields[TAG_KEY_COUNT]; /* keys that the index looks at */
    uint32_t field_count;
    struct flow_needs needs;
    struct ip_addr *names; /* of exporters that rows name one by one, ascending */
    size_t name_count;
    size_t entry_count;   /* as pmacct counts */
    unsigned agent_line;  /* of the first row with agent_id; 0: none */
    unsigned return_line; /* of the first row with return=true; 0: none */
};
