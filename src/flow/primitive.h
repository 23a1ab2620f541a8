/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The table of primitives: those of primitives.def, and in the process's own copy those that a file
 * of aggregate_primitives adds. The main thread makes it at start; it is immutable afterwards. */
#include "flow/decoder.h"
#include "flow/flow.h"
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

/* Built-in primitives have the same index in every table. */
enum primitive_index {
#define PRIMITIVE(name, ...) PRIMITIVE_##name,
#define COUNTER(name, ...)   PRIMITIVE_##name,
#include "flow/primitives.def"
#undef PRIMITIVE
#undef COUNTER
    PRIMITIVE_mpls_vpn_rd_origin, /* not for `aggregate`: comes with mpls_vpn_rd */
    PRIMITIVE_COUNT
};

#define PRIMITIVE_CUSTOM (-1) /* instead of a member */

struct primitive {
    const char *name; /* in `aggregate` */
    const char *json_name, *csv_title, *sql_name;
    const char *help;
    uint8_t kind, format, combine;  /* PA_KIND_, PA_FORMAT_, PA_COMBINE_ */
    uint16_t json_place, csv_place; /* ascending in outputs */
    uint16_t width;                 /* PA_KIND_FIXED: bytes; else 0, the kind says it */
    int16_t member;                 /* enum flow_member, or PRIMITIVE_CUSTOM */
    uint32_t flow_offset;           /* of the value in a flow */
};

extern const struct primitive primitives[PRIMITIVE_COUNT]; /* the built-in ones */

/*
 * Returns the column that carries the primitive, without offset and value names, for schema_add().
 */
struct pa_column primitive_column(const struct primitive *primitive);

/* ---- the process's table ---- */

struct primitive_table;

#define PRIMITIVE_CUSTOM_MAX 256

struct primitive_table *primitive_table_new(void);        /* the built-in ones */
void primitive_table_free(struct primitive_table *table); /* NULL is fine */

/* The way that a custom primitive prints. */
enum custom_semantics { CUSTOM_UINT, CUSTOM_HEX, CUSTOM_IP, CUSTOM_MAC, CUSTOM_TEXT, CUSTOM_RAW };

struct custom_primitive {
    const char *name;
    uint32_t enterprise;
    uint16_t element;
    bool is_reverse; /* the reverse element (RFC 5103) */
    uint16_t len;    /* bytes on the wire; 0: variable */
    enum custom_semantics semantics;
};
/*
 * Adds a custom primitive and lays out its place in the tail of a flow. It takes the place of a
 * built-in one that pmacct does not have. 1: it was not added, since one that pmacct has keeps its
 * name, which `error` says. -EEXIST: the name is an output's; -EINVAL: no name for output and columns, or a length that these semantics cannot have; -ENOSPC:
 * too many. `error` then gets what was expected instead.
 */
int primitive_table_add(struct primitive_table *table, const struct custom_primitive *custom,
                        struct text *error);

size_t primitive_table_count(const struct primitive_table *table);
const struct primitive *primitive_table_at(const struct primitive_table *table, size_t index);
/* NULL if no primitive has the name. */
const struct primitive *primitive_table_find(const struct primitive_table *table, const char *name);

/* Fields and stride are what decoders (struct decoder_settings) and batches (struct flow_batch)
 * need; borrowed until the table changes. */
const struct custom_field *primitive_table_custom_fields(const struct primitive_table *table,
                                                         uint32_t *ret_count);
uint32_t primitive_table_flow_stride(const struct primitive_table *table); /* a multiple of 8 */

/* ---- the value of `aggregate` ---- */

struct primitive_list {
    /* Each primitive once, in the order of the text; borrowed from the table. */
    const struct primitive **items;
    size_t count;
};
void primitive_list_clear(struct primitive_list *list);
/*
 * Parses names separated by commas; "none" is none. mpls_vpn_rd_origin follows mpls_vpn_rd, and the
 * longitude the latitude.
 * Counters that are always there (packets, bytes) are only in the list if they are named. -EINVAL:
 * `error` gets every wrong name, with the nearest right one or why it is refused.
 */
int primitive_list_parse(const struct primitive_table *table, const char *text, struct text *error,
                         struct primitive_list *ret_list);

/*
 * A sum over both ends of flows (sum_host and the like) makes two entries of a flow: one by the
 * primitive's own member, one by what the other end has. Returns that member; -1: it is no sum.
 */
int primitive_other_end(const struct primitive *primitive);
/*
 * Returns the first sum of a list, NULL if there is none. Beside it the list keeps only what is the
 * same from either end; the names of all others are appended to `left_out`.
 */
const struct primitive *primitive_list_sum(struct primitive_list *list, struct text *left_out);

/* Returns why a primitive that pmacct has is refused here; NULL if it is not such a one. */
const char *primitive_refusal(const char *name);
