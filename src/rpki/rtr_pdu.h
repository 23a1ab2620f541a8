/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Messages between a router and an RPKI cache: RFC 6810 (version 0) and RFC 8210 (version 1), section 5
 * of both. Pure functions.
 */
#include "rpki/roa_table.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum rtr_type {
    RTR_SERIAL_NOTIFY = 0,
    RTR_SERIAL_QUERY = 1,
    RTR_RESET_QUERY = 2,
    RTR_CACHE_RESPONSE = 3,
    RTR_IPV4_PREFIX = 4,
    RTR_IPV6_PREFIX = 6,
    RTR_END_OF_DATA = 7,
    RTR_CACHE_RESET = 8,
    RTR_ROUTER_KEY = 9, /* version 1 */
    RTR_ERROR_REPORT = 10,
};

/* The codes of error reports (RFC 8210 section 12). */
enum rtr_error {
    RTR_ERROR_CORRUPT = 0,
    RTR_ERROR_INTERNAL = 1,
    RTR_ERROR_NO_DATA = 2, /* the only one after which a session goes on */
    RTR_ERROR_VERSION = 4,
    RTR_ERROR_TYPE = 5,
};

enum { RTR_HEADER_LEN = 8, RTR_LEN_MAX = 65536, RTR_TEXT_LEN = 128 };

/* A message of a cache. Which members count is a matter of the type. */
struct rtr_pdu {
    uint8_t version, type;
    uint16_t session;     /* its id; of an error report the code */
    uint32_t serial;      /* of Serial Notify and End of Data */
    bool is_announcement; /* of a prefix; else it is withdrawn */
    struct roa roa;
    bool has_intervals; /* End of Data of version 1; in seconds */
    uint32_t refresh_s, retry_s, expire_s;
    char text[RTR_TEXT_LEN]; /* of an error report, printable */
};

/* Takes the first message of a stream. Returns its length; 0: it is not all there yet; -EBADMSG: it is
 * none, and nothing behind it can be read. Types that are not known are given with their header alone. */
int rtr_pdu_parse(const uint8_t *data, size_t len, struct rtr_pdu *ret_pdu);

/* Put a message of ours together; return its length, at most RTR_QUERY_MAX. */
enum { RTR_QUERY_MAX = 12 };
size_t rtr_reset_query(uint8_t *out, uint8_t version);
size_t rtr_serial_query(uint8_t *out, uint8_t version, uint16_t session, uint32_t serial);
