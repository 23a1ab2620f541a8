/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The values of variable length in rows of a table (AS paths, communities, labels): one copy of
 * each, behind an id that stays as long as some row has it. One thread.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct value_store;

struct value_store *value_store_new(void);
void value_store_free(struct value_store *store); /* NULL is fine */

/* Returns false if the value is not there. The empty value has id 0. */
bool value_store_find(const struct value_store *store, struct pa_bytes value, uint32_t *ret_id);
/* Copies a value that value_store_find() did not find, and returns its id. */
uint32_t value_store_put(struct value_store *store, struct pa_bytes value);
/* Borrowed as long as the value is there; an id that no value has reads as empty. */
struct pa_bytes value_store_at(const struct value_store *store, uint32_t id);

/* Returns the bytes that a value takes, with its books. */
size_t value_store_cost(size_t len);
size_t value_store_bytes(const struct value_store *store);
/* How many values there are, without the empty one. */
uint32_t value_store_count(const struct value_store *store);

/* Forgets all values but those that were kept since value_store_sweep_start(). */
void value_store_sweep_start(struct value_store *store);
void value_store_keep(struct value_store *store, uint32_t id);
void value_store_sweep(struct value_store *store);

/*
 * Numbers the values that one message needs 1, 2, 3...: returns the number of `id`, a new one the
 * first time since value_store_number_start() (`*ret_is_new`).
 */
void value_store_number_start(struct value_store *store);
uint32_t value_store_number(struct value_store *store, uint32_t id, bool *ret_is_new);
