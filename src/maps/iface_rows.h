/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The rows of a map that ask for an exporter (ip) and its interfaces (in, out), with an index of these
 * three. Embedded in the map; immutable once it is made.
 */
#include "base/address.h"
#include "maps/exporter_names.h"
#include "maps/row_search.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_file;

/* Places of the keys in the map's table. */
struct iface_keys {
    size_t ip, in, out;
};

struct iface_rows {
    const struct map_file *file;
    struct iface_keys keys;
    struct row_search *search;
    bool *is_known; /* by row: the index leaves nothing open */
    struct exporter_names names;
};

/* Borrows the file until it is cleared. */
void iface_rows_init(struct iface_rows *rows, const struct map_file *file,
                     const struct iface_keys *keys);
void iface_rows_clear(struct iface_rows *rows); /* all zero is fine */

/* Returns whether some row is for that address alone. */
bool iface_rows_names(const struct iface_rows *rows, const struct ip_addr *exporter);

/* A look-up of some flows together, at most ROW_TOGETHER. Put each, find all, then ask for the rows. */
enum { IFACE_IP, IFACE_IN, IFACE_OUT, IFACE_FIELDS };
struct iface_lookup {
    struct row_column columns[IFACE_FIELDS];
    struct row_lookup rows;
    const struct ip_addr *exporters[ROW_TOGETHER]; /* borrowed */
};
static inline void iface_lookup_put(struct iface_lookup *lookup, uint32_t index,
                                    const struct ip_addr *exporter, uint32_t in, uint32_t out)
{
    lookup->exporters[index] = exporter;
    row_column_put(&lookup->columns[IFACE_IP], index, row_value_address(exporter));
    row_column_put(&lookup->columns[IFACE_IN], index, row_value_number(in));
    row_column_put(&lookup->columns[IFACE_OUT], index, row_value_number(out));
}
void iface_rows_find(const struct iface_rows *rows, struct iface_lookup *lookup, uint32_t count);
/* Returns the first row from `from` on that holds for the flow at `index`, or ROW_NONE. */
uint32_t iface_rows_next(const struct iface_rows *rows, const struct iface_lookup *lookup,
                         uint32_t index, uint32_t from);
