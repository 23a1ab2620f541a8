/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * pre_tag_map: rows that ask of a flow and set its tags, its label and its TOS. The first row that
 * holds decides; with jeq=NAME the walk goes on at the row whose label= is NAME, further down
 * (jeq=next: at the next row). A row with return=true gives the flow away with what it has, and the
 * walk goes on with nothing set: such a flow counts twice. A tag that a later row sets takes the place of the one before, or is
 * added to it (stack=sum) or or-ed (stack=or); labels are appended, separated by commas.
 *
 * Immutable but for rows set_tag=N++, which count with one atomic each; workers share it under RCU.
 */
#include "base/arena.h"
#include "flow/flow.h"
#include <stdbool.h>

struct text;
struct map_report;
struct tag_map;

/* A bound for the labels of one flow together. */
#define TAG_LABEL_MAX 1024

/* Holds what the rows that held have set; without any it is zeros and an empty label. */
struct tag_result {
    uint64_t tag, tag2;
    struct flow_bytes label; /* borrowed from the map, or from the arena where labels were joined */
    uint8_t tos;
    bool has_tos;
    bool is_label_cut; /* a text did not fit into the label, and was left out */
};

/* Flows that rows with return=true gave away before the end of their walk, with what was set by
 * then. Grows as it must; the caller frees `items`. */
struct tag_returned {
    uint32_t flow; /* index in its batch */
    struct tag_result result;
};
struct tag_returns {
    struct tag_returned *items;
    uint32_t count, capacity;
};

/* -EINVAL: all errors are appended, a line each: "file:line: what; what would be right". */
int tag_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                  struct tag_map **ret_map);
/* Says how a file is to be read. */
struct tag_map_reading {
    bool has_agents;       /* flows are sFlow's */
    bool has_pairs;        /* pre_tag_label_encode_as_map: each label is KEY%VALUE,KEY%VALUE... */
    bool counts_rows_once; /* in the log's line; else as pmacct counts: a row without ip is two */
};
int tag_map_read(const char *path, const struct tag_map_reading *how, struct map_report *report,
                 struct tag_map **ret_map);
void tag_map_free(struct tag_map *map); /* NULL is fine */
/* True if some row has that exporter's address as its `ip`; a prefix is no name. */
bool tag_map_names(const struct tag_map *map, const struct ip_addr *exporter);

/*
 * Walks the rows for the flows of a batch, whose members are final. `labels` has room for TAG_LABEL_MAX
 * bytes for each; `results` for a result each. `returns`, emptied first, gets what was given away. Returns
 * true if some label was cut.
 */
bool tag_map_walk(const struct tag_map *map, const struct flow_batch *batch, struct arena *labels,
                  struct tag_result *results, struct tag_returns *returns);
/* Does the same for one flow, row by row and without the index: what tests compare with. */
void tag_map_scan(const struct tag_map *map, const struct flow *flow, struct arena *labels,
                  struct tag_result *ret_result, struct tag_returns *returns);
/* Returns the name of a key, of some row, that asks for what an export does not tell by itself, as BGP or
 * another map does; NULL: there is none. */
const char *tag_map_asks_beyond_exports(const struct tag_map *map);
/* True if the rows ask for nothing but what the header of a datagram tells: ip, engine_type, engine_id
 * (source_id) and agent_id. */
bool tag_map_asks_headers_only(const struct tag_map *map);
void tag_map_add_needs(const struct tag_map *map, struct flow_needs *needs); /* members it reads */
