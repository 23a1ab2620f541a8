/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Makes a number of a row's aggregate key that is the same in all processes and on all machines,
 * for as long as `aggregate` is: the values themselves are hashed, not ids in a dictionary, by a
 * function without a seed. The time bin does not count, so that all bins of a key have one number.
 */
#include "plugins/pathacct_plugin.h"

struct row_hash;

struct row_hash *row_hash_new(const struct pa_schema *schema); /* copies what it needs */
void row_hash_free(struct row_hash *hash);                     /* NULL is fine */
uint64_t row_hash_of(struct row_hash *hash, const struct pa_batch *batch, const uint8_t *row);
