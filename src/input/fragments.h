/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Reassembly of IP fragments in capture files (RFC 791 section 3.2, RFC 8200 section 4.5). Bounded:
 * a new datagram takes the place of the one begun first. Fragments that overlap without being the
 * same spoil their datagram (RFC 5722). One thread.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stdint.h>

struct fragments;

struct fragment {
    struct ip_addr source, destination;
    uint32_t id;
    uint32_t offset; /* bytes, a multiple of 8 */
    bool is_last;
    const uint8_t *data;
    uint32_t len;
    int64_t time_ns; /* the capture's clock */
};

struct fragments *fragments_new(uint32_t max_datagrams, int64_t timeout_ns);
void fragments_free(struct fragments *fragments);
/* True when it was the last that was missing: the whole IP payload, borrowed until the next
 * call. */
bool fragments_add(struct fragments *fragments, const struct fragment *fragment,
                   const uint8_t **ret_data, uint32_t *ret_len);
/* Datagrams that never became whole: too old, spoilt, displaced; those still waiting included. */
uint64_t fragments_lost(const struct fragments *fragments);
