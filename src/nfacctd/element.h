/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Information elements (RFC 7012) that flows are made from: elements.def as an array, and the
 * lengths that each type may have. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reader.h"
#include "flow/flow.h"

#define ENTERPRISE_REVERSE UINT32_C(29305) /* RFC 5103 section 6.1 */
/* Stands for NetFlow v9's scope field types, which have numbers of their own (RFC 3954 section
 * 6.1). It never appears on the wire. */
#define ENTERPRISE_V9_SCOPE UINT32_C(0xffffffff)
/* Stands for the first of two elements that describe a packet in a packet; see plan_builder.c. */
#define ENTERPRISE_OUTER   UINT32_C(0xfffffffe)
#define FIELD_LEN_VARIABLE 65535 /* RFC 7011 section 7 */

enum element_type {
    ELEMENT_UINT,           /* 1 to 8 bytes (RFC 7011 section 6.2), more if the surplus is 0; the
                        low-order ones if the member is shorter */
    ELEMENT_UINT_V4,        /* says something of the IPv4 address */
    ELEMENT_UINT_V6,        /* says something of the IPv6 address */
    ELEMENT_UINT_RESPONDER, /* of the way back: biflow as firewalls export it */
    ELEMENT_TCP_FLAGS,
    ELEMENT_IPV4,
    ELEMENT_IPV6,
    /* No element's own: an address field as long as the other family's, or of variable length. */
    ELEMENT_IPV4_BY_LEN,
    ELEMENT_IPV6_BY_LEN,
    ELEMENT_MAC,
    ELEMENT_TIME_S,  /* since the Unix epoch */
    ELEMENT_TIME_MS, /* since the Unix epoch */
    /* RFC 7011 section 6.1.9: the fraction's low 11 bits are ignored. 16 bytes: seconds since 1970
     * and microseconds, 8 bytes each, as some exporters have them. */
    ELEMENT_TIME_NTP_US,
    ELEMENT_TIME_NTP_NS,   /* RFC 7011 section 6.1.10; 16 bytes: likewise */
    ELEMENT_TIME_UPTIME,   /* since the exporter started, in ms (nfacctd_time_secs: s) */
    ELEMENT_TIME_DELTA_US, /* before the export time */
    ELEMENT_SYSTEM_INIT,   /* when it started, in ms since the Unix epoch */
    ELEMENT_FLOW_ID,       /* names the flow of a total */
    ELEMENT_ICMP,          /* type, code, or type << 8 | code */
    ELEMENT_TEXT,
    ELEMENT_RD,
    ELEMENT_LABEL,        /* label, 3 bits of traffic class, bottom of stack: 3 bytes; or a whole
                             entry of RFC 3032, with its time to live: 4 */
    ELEMENT_SEGMENT_ID,   /* RFC 8138's registry: type in the top byte, 1 VXLAN, 2 NVGRE */
    ELEMENT_SEGMENT_LIST, /* IPv6 addresses */
    ELEMENT_APPLICATION,  /* RFC 6759: a byte and whatever follows, named by options */
    ELEMENT_FRAME_ETHERNET,
    ELEMENT_FRAME_IP,
    ELEMENT_FRAME_MPLS,
};

struct element {
    uint32_t enterprise;
    uint16_t id;
    uint16_t member; /* enum flow_member */
    enum element_type type;
    const char *name;
};
/* An element has one row: two for the same do not compile. */
enum element_row {
#define ELEMENT(enterprise, id, ...) ELEMENT_ROW_##enterprise##_##id,
#include "nfacctd/elements.def"
#undef ELEMENT
    ELEMENT_ROW_COUNT
};
extern const struct element elements[ELEMENT_ROW_COUNT];

/* Lists of rows, each in their order; ELEMENT_ROW_COUNT ends one. */
#define ELEMENT_ID_LISTS 256u
struct element_lists {
    uint16_t first_of_member[FLOW_MEMBER_COUNT], next_of_member[ELEMENT_ROW_COUNT];
    uint16_t first_of_id[ELEMENT_ID_LISTS], next_of_id[ELEMENT_ROW_COUNT]; /* by its low bits */
    uint16_t first_frame, next_frame[ELEMENT_ROW_COUNT]; /* that hold the first bytes of a packet */
};
/* Returns the lists, which are made once. Any thread. */
const struct element_lists *element_lists(void);

struct template_field {
    uint32_t enterprise;
    uint16_t id, len;
};

/* Returns the first row of that element, also for a reverse one; NULL: it is not known. */
const struct element *element_find(uint32_t enterprise, uint16_t id);
/* Returns whether a value of that type holds the first bytes of a packet. */
static inline bool element_type_is_frame(enum element_type type)
{
    return type == ELEMENT_FRAME_ETHERNET || type == ELEMENT_FRAME_IP || type == ELEMENT_FRAME_MPLS;
}
/* Returns whether a value of that type can be read from `len` bytes. */
bool element_type_fits(enum element_type type, size_t len);
/* Returns whether the field has a length from which its element cannot be read. */
bool template_field_is_misfit(const struct template_field *field);
/* Returns whether the field has a variable length, and its element cannot be read from each. */
bool template_field_may_misfit(const struct template_field *field);
/* Returns whether the field is a number that may have more than 64 bits. */
bool template_field_is_large(const struct template_field *field);
/* Returns the type by which a field is read whose element is of `type`. */
enum element_type element_type_as_read(enum element_type type, size_t len);

/* Reads the length of a field of variable length (RFC 7011 section 7). */
static inline uint16_t element_variable_len(struct reader *r)
{
    uint16_t len = reader_u8(r);

    return len == 255 ? reader_u16(r) : len;
}

/* Reads the 16 bytes of a field whose element is an IPv4 address. They hold one that is mapped or has
 * zeros before it, or an IPv6 address. */
struct ip_addr element_ipv4_in_16(const uint8_t *value);
/* Returns whether a number is beyond 64 bits. */
bool element_uint_is_large(const uint8_t *value, size_t len);
/* Reads a number of any length; 0 if it is beyond 64 bits. */
uint64_t element_uint(const uint8_t *value, size_t len);
/* Makes a key of an applicationId: its number, or if that is beyond 64 bits a hash. */
uint64_t element_application_key(const uint8_t *value, size_t len);
