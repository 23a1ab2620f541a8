/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Octets and IPv4 addresses as decimal text. Each octet's text with a dot behind it is copied
 * whole, as no processor can guess how many digits the next one has. All functions write up to 3
 * bytes more than they return.
 */
#include <stdint.h>
#include <string.h>

struct octet_text {
    char text[4]; /* with a dot, not terminated */
    uint32_t len; /* of it, with the dot */
};
extern const struct octet_text octet_texts[256];

/* Writes the octet with its dot; returns the end. */
static inline char *octet_put_dotted(char *out, uint8_t octet)
{
    memcpy(out, octet_texts[octet].text, sizeof octet_texts[octet].text);
    return out + octet_texts[octet].len;
}

static inline char *octet_put(char *out, uint8_t octet)
{
    return octet_put_dotted(out, octet) - 1;
}

/* "192.0.2.1" of 4 octets. */
static inline char *octets_put_ipv4(char *out, const uint8_t *octets)
{
    out = octet_put_dotted(out, octets[0]);
    out = octet_put_dotted(out, octets[1]);
    out = octet_put_dotted(out, octets[2]);
    return octet_put(out, octets[3]);
}
