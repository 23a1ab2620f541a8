/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The database of places that geoipv2_file names: a MaxMind DB, in which libmaxminddb finds
 * addresses. It works on a sealed copy in memory, as a mapped file that somebody cuts would end the
 * process. Immutable; workers share it under RCU.
 */
#include "base/address.h"
#include "flow/flow.h"
#include <stdbool.h>
#include <stdint.h>

struct text;
struct geoip;

/* Holds what is known of an address; empty and 0 where nothing is. */
struct geoip_place {
    struct country_code country; /* country.iso_code */
    struct postal_code postal;   /* postal.code; what is longer is cut at a character */
    double latitude, longitude;  /* location; finite */
};

/* -errno: the file cannot be read or is no such database; a line with the remedy is appended. */
int geoip_read(const char *path, struct text *errors, struct geoip **ret_geoip);
void geoip_free(struct geoip *geoip); /* NULL is fine */

/* Finds where the database has the values of an address: many addresses share one place. False: it
 * has none. */
bool geoip_find(const struct geoip *geoip, const struct ip_addr *addr, uint32_t *ret_offset);
void geoip_place_at(const struct geoip *geoip, uint32_t offset, struct geoip_place *ret_place);
