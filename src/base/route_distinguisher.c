/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads route distinguishers as people write them. */
#include "base/route_distinguisher.h"

#include "base/address.h"
#include "base/reader.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TYPE_AS2, TYPE_ADDRESS, TYPE_AS4 };

/* Reads a number that ends at `end`, a character; returns what follows it, NULL if there is none. */
static const char *take_number(const char *text, char end, uint64_t max, uint64_t *ret_number)
{
    char *rest;

    if (!isdigit((unsigned char)*text))
        return NULL;
    errno = 0;
    *ret_number = strtoull(text, &rest, 10);
    if (errno != 0 || *ret_number > max || *rest != end)
        return NULL;
    return end ? rest + 1 : rest;
}

static const char *take_address(const char *text, uint64_t *ret_number)
{
    const char *colon = strchr(text, ':');
    char copy[IP_TEXT_LEN] = "";
    struct ip_addr addr;

    if (!colon || (size_t)(colon - text) >= sizeof copy)
        return NULL;
    memcpy(copy, text, (size_t)(colon - text));
    if (ip_addr_parse(copy, &addr) < 0 || addr.family != IP_V4)
        return NULL;
    *ret_number = wire_u32(ip_addr_wire(&addr));
    return colon + 1;
}

int route_distinguisher_parse(const char *text, uint64_t *ret_rd)
{
    uint64_t type, administrator, number;
    const char *rest = take_number(text, ':', TYPE_AS4, &type);

    if (!rest)
        return -EINVAL;
    if (type == TYPE_ADDRESS)
        rest = take_address(rest, &administrator);
    else
        rest = take_number(rest, ':', type == TYPE_AS2 ? UINT16_MAX : UINT32_MAX, &administrator);
    if (!rest || !take_number(rest, '\0', type == TYPE_AS2 ? UINT32_MAX : UINT16_MAX, &number))
        return -EINVAL;
    *ret_rd = type << 48 | administrator << (type == TYPE_AS2 ? 32 : 16) | number;
    return 0;
}
