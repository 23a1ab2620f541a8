/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Keeps what exporters say in options data (RFC 7011 section 3.4.2.2): sampling rates, names of
 * interfaces, VRFs and applications, route distinguishers. Each is kept for the observation domain
 * and for the exporter as a whole; a lookup asks the domain first. One worker owns the store.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/shared_table.h"
#include "flow/flow.h"
#include "nfacctd/element.h"
#include "nfacctd/saved_marks.h"

enum option_kind {
    OPTION_SAMPLER_RATE,   /* by samplerId or selectorId */
    OPTION_TEMPLATE_RATE,  /* by template id */
    OPTION_INTERFACE_RATE, /* by option_interface_id() */
    OPTION_DEFAULT_RATE,   /* 0; the last of the rates */
    OPTION_INTERFACE_NAME, /* by ifIndex */
    OPTION_VRF_NAME,       /* by VRF id */
    OPTION_VRF_RD,         /* by VRF id */
    OPTION_APPLICATION,    /* by application id */
    OPTION_KIND_COUNT,
};
/* Returns the word of a kind, as it is saved and shown: sampler_rate. */
const char *option_kind_name(enum option_kind kind);

/* The longest name that is kept. Names of interfaces, VRFs and applications are shorter, and there
 * may be many of them. */
#define OPTION_TEXT_MAX 255

struct option_group;

struct option {
    struct shared_entry entry;  /* scope and kind, id: the table's key */
    struct option_group *group; /* of its scope; rates are linked there, and others */
    struct option *next_in_group, *previous_in_group;
    uint64_t scope;
    enum option_kind kind;
    uint64_t id;
    uint64_t number; /* rate or route distinguisher */
    int64_t used_ns; /* said again or looked up, to the second */
    uint32_t text_len;
    uint8_t text[];
};

struct option_store {
    struct shared_table table;
    uint32_t max;
    uint64_t evicted_count;    /* that went to make room */
    struct flow_batch *batch;  /* emptied before a text goes that its flows may show */
    uint64_t generation;       /* grows with each change */
    struct saved_marks *marks; /* borrowed; NULL: nothing is saved */
    struct keyed_table groups; /* struct option_group by scope */
    size_t rate_count;         /* of the options, so many are rates */
    uint64_t rate_generation;  /* grows when a rate changes, comes or goes; from 1 */
    int64_t now_ns;            /* arrival of the message that is read */
    bool has_interface_rates;  /* some exporter samples its interfaces at different rates */
};

/* Two numbers that name the observation domain and its exporter. */
struct option_scope {
    uint64_t domain, source;
};

void option_store_init(struct option_store *store, uint32_t max, struct flow_batch *batch);
void option_store_clear(struct option_store *store);

/* An entry holds a number or a text; a text has OPTION_TEXT_MAX bytes at most. When all `max` are in
 * use another one goes, as base/share.h says; `owner` is the share of the exporter. */
void option_store_put_number(struct option_store *store, struct table_share *owner, uint64_t scope,
                             enum option_kind kind, uint64_t id, uint64_t number);
void option_store_put_text(struct option_store *store, struct table_share *owner, uint64_t scope,
                           enum option_kind kind, uint64_t id, const uint8_t *text, size_t len);
/* Forgets what was said for a scope. */
void option_store_forget(struct option_store *store, uint64_t scope);
/* Gives all of the scope `from` to `to`, but for what that one has itself. */
void option_store_inherit(struct option_store *store, uint64_t from, uint64_t to);

/* Looking something up counts as its use. */
bool option_store_number(struct option_store *store, const struct option_scope *scope,
                         enum option_kind kind, uint64_t id, uint64_t *ret_number);
/* Borrowed until the batch is emptied; length 0 if nobody said. */
struct flow_bytes option_store_text(struct option_store *store, const struct option_scope *scope,
                                    enum option_kind kind, uint64_t id);

/* Returns the id of an interface in one direction (0 ingress, 1 egress), for options that tell them
 * apart; others have the interface's number alone. */
static inline uint64_t option_interface_id(uint64_t interface, uint32_t direction)
{
    return interface | (uint64_t)(direction + 1) << 40;
}

/* Finds what is held for that scope, without using it; borrowed until the next change. */
const struct option *option_store_peek(const struct option_store *store, uint64_t scope,
                                       enum option_kind kind, uint64_t id);

/* The rates of a scope, whoever they are for. */
struct option_rates {
    uint64_t rate;    /* which all of them say; 0: they differ */
    int64_t since_ns; /* the first one's arrival */
};
/* False: the scope has none. */
bool option_store_rates(const struct option_store *store, uint64_t scope,
                        struct option_rates *ret_rates);

/* The facts of an options record that the store does not keep. */
struct option_facts {
    struct ip_addr exporter_ipv4, exporter_ipv6; /* by element; none: not said */
    int64_t system_init_ms;                      /* 0: not said */
    bool is_usable;                              /* it held something that we know */
    bool has_long_text;                          /* a name of more than OPTION_TEXT_MAX, not kept */
};

/* Takes over one options data record: `values` and `value_lens` are those of `fields`. Values that
 * do not have a possible length count as absent. */
void option_store_take_record(struct option_store *store, struct table_share *owner,
                              const struct option_scope *scope, const struct template_field *fields,
                              uint16_t field_count, const uint8_t *const *values,
                              const uint16_t *value_lens, struct option_facts *ret_facts);

/* Returns whether records of these fields tell of sampling. */
bool option_fields_tell_rate(const struct template_field *fields, uint16_t field_count);
