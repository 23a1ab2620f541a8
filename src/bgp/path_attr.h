/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Path attributes of an UPDATE (RFC 4271 section 4.3): a row per attribute with its flags and its
 * check, and what a malformed one leads to (RFC 7606). Values are found here and borrowed from the
 * message; attr_store.h turns them into an interned set.
 */
#include "base/reader.h"
#include "bgp/address_family.h"
#include "bgp/as_path.h"
#include "bgp/capability.h"
#include "bgp/message.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum path_attr {
    ATTR_ORIGIN,
    ATTR_AS_PATH,
    ATTR_NEXT_HOP,
    ATTR_MED,
    ATTR_LOCAL_PREF,
    ATTR_ATOMIC_AGGREGATE,
    ATTR_AGGREGATOR,
    ATTR_COMMUNITIES,
    ATTR_ORIGINATOR_ID,
    ATTR_CLUSTER_LIST,
    ATTR_MP_REACH,
    ATTR_MP_UNREACH,
    ATTR_EXT_COMMUNITIES,
    ATTR_AS4_PATH,
    ATTR_AS4_AGGREGATOR,
    ATTR_LARGE_COMMUNITIES,
    ATTR_ONLY_TO_CUSTOMER,
    ATTR_AIGP,
    ATTR_PREFIX_SID,
    ATTR_COUNT
};

/* Outcomes of RFC 7606 section 2, the more severe the greater. */
enum attr_outcome {
    ATTR_OUTCOME_OK,
    ATTR_OUTCOME_DISCARD,  /* of the attribute */
    ATTR_OUTCOME_WITHDRAW, /* the UPDATE's announcements are treated as withdrawals */
    ATTR_OUTCOME_RESET,    /* of the session */
};

/* The facts of a session that tell how to read its UPDATEs. */
struct attr_context {
    bool is_internal; /* the peer is in our AS */
    struct session_features features;
};

struct attr_value {
    const uint8_t *data; /* NULL: absent */
    size_t len;
};

struct attr_list {
    struct attr_value values[ATTR_COUNT]; /* only of those that stand */
    struct attr_value received;           /* all of them, as they came */
    bool has_others;                      /* anything but MP_UNREACH_NLRI */
    uint32_t discarded_count;
    enum attr_outcome outcome; /* the most severe one */
    uint8_t bad_type;          /* type code of the attribute that led to it */
    const char *reason;        /* what is wrong with it; NULL: nothing */
    struct notification error; /* of ATTR_OUTCOME_RESET */
};

/* Walks all attributes, keeps the good ones. */
void attr_list_parse(struct reader attributes, const struct attr_context *context,
                     struct attr_list *ret_list);
/* Reads the next attribute of a list in wire form. `ret_whole` has its flags, type and length too.
 * False: there is none, or the rest cannot be read. */
bool attr_next(struct reader *attributes, uint8_t *ret_type, struct attr_value *ret_value,
               struct attr_value *ret_whole);
/* Returns the row of a type code; -1: one that we do not know. */
int attr_find(uint8_t type);
/* Raises the outcome. `reason` is a constant. */
void attr_list_raise(struct attr_list *list, enum attr_outcome outcome, uint8_t type,
                     const char *reason);
/* The AS path, after the merge with AS4_PATH (RFC 6793 section 4.2.3), which uses the other two. The list
 * has AS_PATH. */
void attr_list_as_path(const struct attr_list *list, bool has_four_octet_as, struct as_path *path,
                       struct as_path *as4_path, struct as_path *merged);
/* The metric of the first TLV of type 1 (RFC 7311 section 3), and the label index (RFC 8669 section
 * 3.1). False: the attribute is absent or has none. */
bool attr_list_aigp(const struct attr_list *list, uint64_t *ret_metric);
bool attr_list_label_index(const struct attr_list *list, uint32_t *ret_index);
/* The type code of RFC 4271 and its name, for logs. */
uint8_t attr_type(enum path_attr attr);
const char *attr_name(uint8_t type); /* "attribute" for those that we do not know */

/* MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760), taken apart. */
struct mp_reach {
    /* NULL: the family is not agreed on in this session, and the NLRI is passed over. */
    const struct address_family_info *family;
    enum address_family index;
    struct ip_addr next_hop; /* family IP_NONE in MP_UNREACH */
    struct reader nlri;
};
/* -EBADMSG: the session must be reset (RFC 7606 sections 7.11 and 7.12). */
int mp_reach_parse(const struct attr_value *value, const struct attr_context *context,
                   struct mp_reach *ret_reach);
int mp_unreach_parse(const struct attr_value *value, const struct attr_context *context,
                     struct mp_reach *ret_unreach);
