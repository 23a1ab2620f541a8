/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * IP addresses, prefixes and MAC addresses in network byte order, IPv4 and IPv6 in one code.
 *
 * An IPv4 address is kept in its mapped form ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2), so that
 * bytes compare alike whichever family carried them (a 6PE next hop is mapped too); `family` says
 * how to print it. sizeof is 17 and the alignment 1, so that keys can be packed.
 */
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

enum ip_family { IP_NONE = 0, IP_V4 = 4, IP_V6 = 6 };

struct ip_addr {
    uint8_t bytes[16];
    uint8_t family; /* enum ip_family; IP_NONE: no address, all bytes 0 */
};

/* `len` counts in the address's own family: 0..32 or 0..128; bits beyond it are 0. */
struct ip_prefix {
    struct ip_addr addr;
    uint8_t len;
};

struct mac_addr {
    uint8_t bytes[6];
};

#define IP_TEXT_LEN        46 /* with the terminating zero */
#define IP_PREFIX_TEXT_LEN 50
#define MAC_TEXT_LEN       18

static inline struct ip_addr ip_addr_v4(const uint8_t bytes[4])
{
    struct ip_addr a = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, IP_V4};
    memcpy(a.bytes + 12, bytes, 4);
    return a;
}

static inline struct ip_addr ip_addr_v6(const uint8_t bytes[16])
{
    struct ip_addr a;
    memcpy(a.bytes, bytes, 16);
    a.family = IP_V6;
    return a;
}

/* The address of `family` whose bytes are at `wire`. It is composed where it is to be: a copy of
 * one that was just put together makes the processor wait for its own stores. */
static inline void ip_addr_put(struct ip_addr *to, uint8_t family, const uint8_t *wire)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (family == IP_V4) {
        memcpy(to->bytes, mapped, sizeof mapped);
        memcpy(to->bytes + 12, wire, 4);
    } else if (family == IP_V6) {
        memcpy(to->bytes, wire, 16);
    } else {
        memset(to->bytes, 0, sizeof to->bytes);
    }
    to->family = family;
}

/* The address's own bytes, 4 or 16 of them (0 for none). */
static inline const uint8_t *ip_addr_wire(const struct ip_addr *a)
{
    return a->family == IP_V4 ? a->bytes + 12 : a->bytes;
}
static inline size_t ip_addr_wire_len(const struct ip_addr *a)
{
    return a->family == IP_V4 ? 4 : a->family == IP_V6 ? 16 : 0;
}

/* Whether both are the same place on the network: a mapped IPv6 address equals its IPv4 one. */
static inline bool ip_addr_equal(const struct ip_addr *a, const struct ip_addr *b)
{
    return memcmp(a->bytes, b->bytes, 16) == 0 && (a->family == 0) == (b->family == 0);
}
/* Whether it is none, 0.0.0.0 or ::. */
bool ip_addr_is_zero(const struct ip_addr *a);
/* Orders by family first: none, then IPv4 (mapped too), then IPv6; then by the bytes. */
int ip_addr_compare(const struct ip_addr *a, const struct ip_addr *b);
uint64_t ip_addr_hash(const struct ip_addr *a); /* equal addresses hash alike */

/* -EINVAL: not an address. Accepts what inet_pton(3) accepts. */
int ip_addr_parse(const char *text, struct ip_addr *ret_addr);
/* RFC 5952; "" for none. Returns the length without the terminating zero. */
size_t ip_addr_format(const struct ip_addr *a, char out[IP_TEXT_LEN]);
/* A mapped IPv6 socket address becomes IPv4. -EAFNOSUPPORT for others than AF_INET and AF_INET6. */
int ip_addr_from_sockaddr(const struct sockaddr_storage *sa, struct ip_addr *ret_addr,
                          uint16_t *ret_port);
socklen_t ip_addr_to_sockaddr(const struct ip_addr *a, uint16_t port,
                              struct sockaddr_storage *ret_sa);

/* The first `bits` of 64, as they stand in memory. */
static inline uint64_t ip_mask_word(unsigned bits)
{
    uint64_t mask = bits == 0 ? 0 : bits >= 64 ? UINT64_MAX : ~(UINT64_MAX >> bits);

    return htobe64(mask);
}

/* The network of `a` under a mask of `len` bits of its family. It is composed where it is to be, as
 * by ip_addr_put(). */
static inline void ip_addr_put_masked(struct ip_addr *to, const struct ip_addr *a, unsigned len)
{
    unsigned bits = a->family == IP_V4 ? len + 96 : len;
    uint64_t high, low;

    memcpy(&high, a->bytes, sizeof high);
    memcpy(&low, a->bytes + sizeof high, sizeof low);
    high &= ip_mask_word(bits);
    low &= ip_mask_word(bits < 64 ? 0 : bits - 64);
    memcpy(to->bytes, &high, sizeof high);
    memcpy(to->bytes + sizeof high, &low, sizeof low);
    to->family = a->family;
}
static inline struct ip_addr ip_addr_mask(const struct ip_addr *a, unsigned len)
{
    struct ip_addr masked;

    ip_addr_put_masked(&masked, a, len);
    return masked;
}
/* Addresses of the other family are never contained. */
bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a);
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
/* "a.b.c.d/len" or a bare address (its full length). -EINVAL malformed, -ERANGE host bits set. */
int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix);
/* The same for files that people write, as pmacct reads them: host bits do not count, "10.0.0.1/8" is
 * 10.0.0.0/8. */
int ip_network_parse(const char *text, struct ip_prefix *ret_prefix);
size_t ip_prefix_format(const struct ip_prefix *p, char out[IP_PREFIX_TEXT_LEN]);

int mac_addr_parse(const char *text, struct mac_addr *ret_mac);
size_t mac_addr_format(const struct mac_addr *m, char out[MAC_TEXT_LEN]); /* lower case, colons */
