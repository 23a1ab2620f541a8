/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces in a list, and a store that finds them by scope, kind and id. See saved_pieces.h. */
#include "flow/saved_pieces.h"
#include "base/keyed_table.h"
#include "base/memory.h"
#include "base/text.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct saved_pieces *saved_pieces_new(void)
{
    struct saved_pieces *pieces = mem_zalloc(sizeof *pieces);

    pieces->end = &pieces->first;
    return pieces;
}

void saved_pieces_free(struct saved_pieces *pieces)
{
    while (pieces && pieces->first) {
        struct saved_piece *piece = pieces->first;
        pieces->first = piece->next;
        json_decref(piece->value);
        mem_free(piece);
    }
    mem_free(pieces);
}

void saved_pieces_add(struct saved_pieces *pieces, uint64_t scope, uint8_t kind, uint64_t id,
                      json_t *value)
{
    struct saved_piece *piece = mem_zalloc(sizeof *piece);

    *piece = (struct saved_piece){.scope = scope, .kind = kind, .id = id, .value = value};
    *pieces->end = piece;
    pieces->end = &piece->next;
    pieces->count++;
}

/* A piece that is kept. Lists hold the oldest one first. */
struct kept {
    struct keyed_entry entry; /* scope and kind, id */
    struct kept_scope *scope;
    struct keyed_list *list; /* of the store, or of its scope */
    char *text;              /* jansson allocated it */
};

struct kept_scope {
    struct kept self;
    struct keyed_list templates, options;
};

struct saved_store {
    struct keyed_table index;
    struct keyed_list scopes;
};

static void no_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    (void)entry;
}

struct saved_store *saved_store_new(void)
{
    struct saved_store *store = mem_zalloc(sizeof *store);

    keyed_table_init(&store->index, SIZE_MAX, no_discard, NULL);
    return store;
}

static struct kept *kept_find(const struct saved_store *store, uint64_t scope, uint8_t kind,
                              uint64_t id)
{
    return (struct kept *)keyed_table_find(&store->index, scope << 8 | kind, id);
}

static void kept_add(struct saved_store *store, struct kept *kept, struct keyed_list *list,
                     const struct saved_piece *piece)
{
    kept->list = list;
    keyed_table_index(&store->index, &kept->entry, piece->scope << 8 | piece->kind, piece->id);
    keyed_list_push(list, &kept->entry);
}

static void kept_remove(struct saved_store *store, struct kept *kept)
{
    keyed_table_unindex(&store->index, &kept->entry);
    keyed_list_take(kept->list, &kept->entry);
    free(kept->text); /* NOLINT: jansson allocated it */
    mem_free(kept);
}

static void scope_remove(struct saved_store *store, struct kept_scope *scope)
{
    while (scope->templates.oldest)
        kept_remove(store, (struct kept *)scope->templates.oldest);
    while (scope->options.oldest)
        kept_remove(store, (struct kept *)scope->options.oldest);
    kept_remove(store, &scope->self);
}

static void store_empty(struct saved_store *store)
{
    while (store->scopes.oldest)
        scope_remove(store, (struct kept_scope *)store->scopes.oldest);
}

void saved_store_free(struct saved_store *store)
{
    if (!store)
        return;
    store_empty(store);
    keyed_table_clear(&store->index);
    mem_free(store);
}

/* Returns the place of a piece that is new; NULL: its scope is not known, so nobody could load it. */
static struct kept *kept_new(struct saved_store *store, const struct saved_piece *piece)
{
    if (piece->kind == SAVED_SCOPE) {
        struct kept_scope *scope = mem_zalloc(sizeof *scope);
        kept_add(store, &scope->self, &store->scopes, piece);
        return &scope->self;
    }
    struct kept_scope *scope = (struct kept_scope *)kept_find(store, piece->scope, SAVED_SCOPE, 0);
    if (!scope)
        return NULL;
    struct kept *kept = mem_zalloc(sizeof *kept);
    kept_add(store, kept, piece->kind == SAVED_TEMPLATE ? &scope->templates : &scope->options,
             piece);
    return kept;
}

static void take_piece(struct saved_store *store, const struct saved_piece *piece)
{
    struct kept *kept = kept_find(store, piece->scope, piece->kind, piece->id);

    if (!piece->value) {
        if (kept && piece->kind == SAVED_SCOPE)
            scope_remove(store, (struct kept_scope *)kept);
        else if (kept)
            kept_remove(store, kept);
        return;
    }
    if (!kept)
        kept = kept_new(store, piece);
    else if (piece->kind != SAVED_SCOPE)
        keyed_list_renew(kept->list, &kept->entry);
    if (!kept)
        return;
    free(kept->text); /* NOLINT: jansson allocated it */
    kept->text = json_dumps(piece->value, 0);
}

void saved_store_take(struct saved_store *store, struct saved_pieces *pieces)
{
    if (pieces->is_all)
        store_empty(store);
    for (const struct saved_piece *piece = pieces->first; piece; piece = piece->next)
        take_piece(store, piece);
    saved_pieces_free(pieces);
}

static void write_kept(const struct keyed_entry *entry, bool is_first, struct text *out)
{
    if (!is_first)
        text_append_string(out, ", ");
    text_append_string(out, ((const struct kept *)entry)->text);
}

static void write_scope(const struct kept_scope *scope, struct text *out)
{
    const char *head = scope->self.text;

    text_append(out, head, strlen(head) - 1); /* its object goes on */
    text_append_string(out, ", \"templates\": [");
    for (const struct keyed_entry *e = scope->templates.newest; e; e = e->older)
        write_kept(e, e == scope->templates.newest, out);
    text_append_string(out, "], \"options\": [");
    for (const struct keyed_entry *e = scope->options.oldest; e; e = e->newer)
        write_kept(e, e == scope->options.oldest, out);
    text_append_string(out, "]}");
}

size_t saved_store_write(const struct saved_store *store, bool has_before, struct text *out)
{
    size_t count = 0;

    for (const struct keyed_entry *e = store->scopes.newest; e; e = e->older) {
        text_append_string(out, has_before || count > 0 ? ",\n" : "");
        write_scope((const struct kept_scope *)e, out);
        count++;
    }
    return count;
}
