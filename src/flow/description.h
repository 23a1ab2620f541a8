/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A decoder describes what exporters have told it, for people: each template and option as a JSON
 * object. It is made in slices, and it is bounded. The worker makes it and gives it away whole; from
 * then on it is immutable.
 */
#include "base/address.h"
#include "base/keyed_table.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DESCRIPTION_BYTES_MAX = 16 << 20 };

enum description_kind { DESCRIPTION_TEMPLATE, DESCRIPTION_OPTION, DESCRIPTION_KIND_COUNT };

/* Names a range of `json`. */
struct description_item {
    struct ip_addr exporter;
    uint8_t kind; /* enum description_kind */
    uint32_t offset, len;
};

struct description {
    int64_t taken_ns; /* when it was complete, wall clock; 0: it is not yet */
    uint64_t counts[DESCRIPTION_KIND_COUNT]; /* all, also those that there was no room for */
    struct text json;
    struct description_item *items;
    size_t item_count, item_capacity;
    /* The decoder's own: where it goes on. */
    enum description_kind stage;
    struct keyed_cursor cursor;
};

struct description *description_new(void);
void description_free(struct description *description); /* NULL is fine */
/* Begins an object, which the caller appends to the text; NULL: there is no more room. */
struct text *description_begin(struct description *description, enum description_kind kind,
                               const struct ip_addr *exporter);
void description_end(struct description *description);
/* Forgets all of a kind, the last one that was begun. */
void description_drop(struct description *description, enum description_kind kind);
