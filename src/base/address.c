/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text forms: RFC 5952 for IPv6 (checked against inet_ntop(3) by its test), dotted quad for IPv4.
 * Backends print millions of IPv4 addresses a second, so these are put together from a table of
 * octets.
 */
#include "base/address.h"
#include "base/octets.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <xxhash.h>

static const uint8_t v4_mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static const char hex_digits[16] = "0123456789abcdef";

static bool is_mapped(const struct ip_addr *a)
{
    return memcmp(a->bytes, v4_mapped, sizeof v4_mapped) == 0;
}

static char *hex_group_format(char *out, unsigned group)
{
    for (int shift = group > 0xfff  ? 12
                     : group > 0xff ? 8
                     : group > 0xf  ? 4
                                    : 0;
         shift >= 0; shift -= 4)
        *out++ = hex_digits[group >> shift & 15];
    return out;
}

static char *v6_format(char *out, const uint8_t *bytes)
{
    unsigned groups[8];
    /* RFC 5952 section 4.2.2: a single zero group is not shortened, hence the length of 1. */
    int best_start = -1, best_len = 1;

    for (int i = 0, run = 0; i < 8; i++) {
        const uint8_t *group = bytes + (size_t)i * 2;
        groups[i] = (unsigned)(group[0] << 8 | group[1]);
        run = groups[i] == 0 ? run + 1 : 0;
        if (run > best_len) { /* the first of equal ones: section 4.2.3 */
            best_len = run;
            best_start = i - run + 1;
        }
    }
    /* Section 5: an IPv4 address within is written as one, in the well-known prefixes ::ffff:0:0/96
     * and ::/96. */
    bool has_v4 = best_start == 0 && (best_len == 6 || (best_len == 5 && groups[5] == 0xffff));
    int group_count = has_v4 ? 6 : 8;
    for (int i = 0; i < group_count; i++) {
        if (i == best_start) {
            *out++ = ':';
            *out++ = ':';
            i += best_len - 1;
            continue;
        }
        if (i > 0 && out[-1] != ':')
            *out++ = ':';
        out = hex_group_format(out, groups[i]);
    }
    if (!has_v4)
        return out;
    if (out[-1] != ':')
        *out++ = ':';
    return octets_put_ipv4(out, bytes + 12);
}

static unsigned family_bits(const struct ip_addr *a)
{
    return (unsigned)ip_addr_wire_len(a) * 8;
}

bool ip_addr_is_zero(const struct ip_addr *a)
{
    static const uint8_t zero[16];
    size_t prefix_len = is_mapped(a) ? sizeof v4_mapped : 0;

    return memcmp(a->bytes + prefix_len, zero, sizeof zero - prefix_len) == 0;
}

/* The order follows the bytes, not `family`, so that it agrees with ip_addr_equal(). */
static int order_rank(const struct ip_addr *a)
{
    return a->family == IP_NONE ? 0 : is_mapped(a) ? 1 : 2;
}

int ip_addr_compare(const struct ip_addr *a, const struct ip_addr *b)
{
    int rank_a = order_rank(a), rank_b = order_rank(b);
    return rank_a != rank_b ? rank_a - rank_b : memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

uint64_t ip_addr_hash(const struct ip_addr *a)
{
    return XXH3_64bits(a->bytes, sizeof a->bytes);
}

int ip_addr_parse(const char *text, struct ip_addr *ret_addr)
{
    uint8_t bytes[16];

    if (inet_pton(AF_INET, text, bytes) == 1)
        *ret_addr = ip_addr_v4(bytes);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        *ret_addr = ip_addr_v6(bytes);
    else
        return -EINVAL;
    return 0;
}

size_t ip_addr_format(const struct ip_addr *a, char out[IP_TEXT_LEN])
{
    char *end = out;

    if (a->family == IP_V4)
        end = octets_put_ipv4(out, a->bytes + 12);
    else if (a->family == IP_V6)
        end = v6_format(out, a->bytes);
    *end = '\0';
    return (size_t)(end - out);
}

int ip_addr_from_sockaddr(const struct sockaddr_storage *sa, struct ip_addr *ret_addr,
                          uint16_t *ret_port)
{
    if (sa->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        uint8_t bytes[4];
        memcpy(bytes, &in.sin_addr, sizeof bytes);
        *ret_addr = ip_addr_v4(bytes);
        *ret_port = ntohs(in.sin_port);
        return 0;
    }
    if (sa->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        *ret_addr = ip_addr_v6(in6.sin6_addr.s6_addr);
        if (is_mapped(ret_addr))
            ret_addr->family = IP_V4;
        *ret_port = ntohs(in6.sin6_port);
        return 0;
    }
    return -EAFNOSUPPORT;
}

socklen_t ip_addr_to_sockaddr(const struct ip_addr *a, uint16_t port,
                              struct sockaddr_storage *ret_sa)
{
    memset(ret_sa, 0, sizeof *ret_sa);
    if (a->family == IP_V4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, a->bytes + 12, 4);
        memcpy(ret_sa, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(in6.sin6_addr.s6_addr, a->bytes, 16);
    memcpy(ret_sa, &in6, sizeof in6);
    return sizeof in6;
}

bool ip_prefix_contains(const struct ip_prefix *p, const struct ip_addr *a)
{
    if (p->addr.family != a->family || a->family == IP_NONE)
        return false;
    struct ip_addr network = ip_addr_mask(a, p->len);
    return memcmp(network.bytes, p->addr.bytes, sizeof network.bytes) == 0;
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
    return a->len == b->len && a->addr.family == b->addr.family &&
           memcmp(a->addr.bytes, b->addr.bytes, sizeof a->addr.bytes) == 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix)
{
    const char *slash = strchr(text, '/');
    size_t addr_len = slash ? (size_t)(slash - text) : strlen(text);
    char addr_text[IP_TEXT_LEN];
    struct ip_addr addr;

    if (addr_len >= sizeof addr_text)
        return -EINVAL;
    memcpy(addr_text, text, addr_len);
    addr_text[addr_len] = '\0';
    if (ip_addr_parse(addr_text, &addr) < 0)
        return -EINVAL;

    unsigned len = family_bits(&addr);
    if (slash) {
        unsigned value = 0;
        size_t digit_count = strspn(slash + 1, "0123456789");
        if (digit_count < 1 || digit_count > 3 || slash[1 + digit_count] != '\0')
            return -EINVAL;
        for (size_t i = 1; i <= digit_count; i++)
            value = value * 10 + (unsigned)(slash[i] - '0');
        if (value > len)
            return -EINVAL;
        len = value;
    }
    *ret_prefix = (struct ip_prefix){ip_addr_mask(&addr, len), (uint8_t)len};
    return memcmp(ret_prefix->addr.bytes, addr.bytes, sizeof addr.bytes) == 0 ? 0 : -ERANGE;
}

int ip_network_parse(const char *text, struct ip_prefix *ret_prefix)
{
    int err = ip_prefix_parse(text, ret_prefix);

    return err == -ERANGE ? 0 : err;
}

size_t ip_prefix_format(const struct ip_prefix *p, char out[IP_PREFIX_TEXT_LEN])
{
    size_t len = ip_addr_format(&p->addr, out);

    if (p->addr.family == IP_NONE)
        return len;
    out[len++] = '/';
    len = (size_t)(octet_put(out + len, p->len) - out);
    out[len] = '\0';
    return len;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mac_addr_parse(const char *text, struct mac_addr *ret_mac)
{
    struct mac_addr mac;

    for (size_t i = 0; i < sizeof mac.bytes; i++) {
        int value = hex_value(*text);
        if (value < 0)
            return -EINVAL;
        text++;
        if (hex_value(*text) >= 0)
            value = value << 4 | hex_value(*text++);
        mac.bytes[i] = (uint8_t)value;
        if (i + 1 < sizeof mac.bytes && *text++ != ':')
            return -EINVAL;
    }
    if (*text != '\0')
        return -EINVAL;
    *ret_mac = mac;
    return 0;
}

size_t mac_addr_format(const struct mac_addr *m, char out[MAC_TEXT_LEN])
{
    for (size_t i = 0; i < sizeof m->bytes; i++) {
        out[3 * i] = hex_digits[m->bytes[i] >> 4];
        out[3 * i + 1] = hex_digits[m->bytes[i] & 15];
        out[3 * i + 2] = ':';
    }
    out[MAC_TEXT_LEN - 1] = '\0';
    return MAC_TEXT_LEN - 1;
}
