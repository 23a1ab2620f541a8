/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Capabilities of a BGP speaker (RFC 5492): what an OPEN announces, and what two of them agree on.
 * A row per capability that we understand; others are ignored, as the RFC wants.
 */
#include "base/reader.h"
#include "base/writer.h"
#include "bgp/address_family.h"

/* Sets of families are bit masks: 1u << enum address_family. */
struct capabilities {
    uint32_t families;
    uint32_t add_path_receive, add_path_send; /* RFC 7911 */
    uint32_t extended_next_hop;               /* IPv4 NLRI with an IPv6 next hop (RFC 8950) */
    uint32_t as;                              /* with has_four_octet_as (RFC 6793) */
    bool is_present;                          /* announced any at all, known to us or not */
    bool has_multiprotocol;                   /* announced any family, ours or not (RFC 4760) */
    bool has_four_octet_as;
    bool has_route_refresh;    /* RFC 2918 */
    bool has_extended_message; /* RFC 8654 */
    bool has_graceful_restart; /* RFC 4724: may send End-of-RIB; others may not */
    uint32_t ignored;          /* malformed ones that were taken as not understood */
};

/* The features that both sides announced; the others must not be used. */
struct session_features {
    uint32_t families;
    uint32_t add_path; /* their NLRI carry path identifiers */
    uint32_t extended_next_hop;
    bool has_four_octet_as, has_extended_message, has_graceful_restart, has_route_refresh;
};

/* Returns all that we can do. `add_path`: offer to receive it. */
struct capabilities capabilities_own(uint32_t as, bool add_path);
/* Returns our offer to a peer whose offer is known: families, ADD-PATH and next hops that are of
 * no use to it are left out. A peer that announced no capability is offered none, as it may not
 * know what they are (RFC 5492 section 3). */
struct capabilities capabilities_mirror(const struct capabilities *own,
                                        const struct capabilities *theirs);
struct session_features capabilities_negotiate(const struct capabilities *own,
                                               const struct capabilities *theirs);

/* Reads the value of one Capabilities optional parameter and adds it to `caps`. -EBADMSG: it is
 * so malformed that the OPEN cannot be trusted. */
int capabilities_parse(struct reader value, struct capabilities *caps);
/* Writes all of `caps`, as the value of one optional parameter. */
void capabilities_write(struct writer *w, const struct capabilities *caps);
