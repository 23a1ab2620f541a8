/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * An UPDATE, read and handed on as announcements and withdrawals (RFC 4271 section 6.3, RFC 4760,
 * RFC 7606).
 */
#include "bgp/attr_store.h"
#include "bgp/message.h"
#include "bgp/path_attr.h"

/* The functions that paths go to, in batches of one family. */
struct update_sink {
    void (*announce)(void *arg, enum address_family family, const struct rib_nlri *nlri,
                     size_t count, struct path_attrs *attrs);
    void (*withdraw)(void *arg, enum address_family family, const struct rib_nlri *nlri,
                     size_t count);
    void (*end_of_rib)(void *arg, enum address_family family);
    void *arg;
};

struct update_result {
    enum attr_outcome outcome; /* the worst; ATTR_OUTCOME_RESET: send `error` */
    uint8_t bad_type;          /* type code of the attribute that led to it, 0: none did */
    const char *reason;        /* a constant; NULL: all was well */
    struct notification error;
    uint32_t announced_count, withdrawn_count; /* NLRI */
    uint32_t treated_as_withdrawn_count;       /* announced, but not to be used */
    uint32_t no_next_hop_count;                /* of those: nothing can be sent to the next hop */
    uint32_t attrs_discarded_count;
    uint32_t foreign_count; /* fields of families that the session did not agree on, passed over */
};

/* True unless it is 0.0.0.0, ::, or a multicast address. */
bool update_next_hop_is_usable(const struct ip_addr *next_hop);

/* NLRI that stand before an error in the message may have gone to the sink already. */
void update_apply(struct reader body, const struct attr_context *context, struct attr_store *store,
                  const struct update_sink *sink, struct update_result *ret_result);
