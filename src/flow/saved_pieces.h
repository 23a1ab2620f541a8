/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A decoder says in pieces what is to be kept over a restart, and each time only those that changed
 * since the last one. There is a piece for each scope (an exporter, an observation domain), template
 * and option. A store holds the newest of each, as text, and so can
 * write all of them at any time. One thread at a time uses an object; nothing locks.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;
struct text;

/* The kind of a piece; an option's is SAVED_OPTION plus its own, up to UINT8_MAX. */
enum saved_kind { SAVED_SCOPE, SAVED_TEMPLATE, SAVED_OPTION };

struct saved_piece {
    struct saved_piece *next;
    uint64_t scope;       /* below 2^48, never used again by the same decoder */
    uint8_t kind;         /* enum saved_kind */
    uint64_t id;          /* within scope and kind; 0: the scope itself */
    struct json_t *value; /* an object; NULL: it is gone, and with a scope all that it held */
};

struct saved_pieces {
    struct saved_piece *first, **end;
    size_t count;
    bool is_all; /* nothing that was saved before holds any more */
};

struct saved_pieces *saved_pieces_new(void);
void saved_pieces_free(struct saved_pieces *pieces); /* NULL is fine */
/* Takes `value`. A scope comes before what it holds, and what is older before what is newer. */
void saved_pieces_add(struct saved_pieces *pieces, uint64_t scope, uint8_t kind, uint64_t id,
                      struct json_t *value);

struct saved_store;

struct saved_store *saved_store_new(void);
void saved_store_free(struct saved_store *store); /* NULL is fine */
/* Takes over what changed, and frees it. */
void saved_store_take(struct saved_store *store, struct saved_pieces *pieces);
/* Appends the scopes as JSON objects, each with "templates" and "options" added, the newest first;
 * commas are between them and behind what `out` holds if `has_before`. Returns how many there are. */
size_t saved_store_write(const struct saved_store *store, bool has_before, struct text *out);
