/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The identity of a message's rows, as texts for its headers: core_id, worker and seq of their
 * hand-over, and the places of the first and the last of them in it. Packing depends on nothing
 * else, so the identity is the same whenever the same rows are sent again, and a reader that keeps
 * one message of each has every row exactly once.
 */
#include "plugins/pathacct_plugin.h"

struct identity {
    char core_id[33]; /* in hexadecimal digits */
    char worker[11];
    char seq[21];
    char rows[42]; /* "first-last" */
};

void identity_of(const struct pa_source *source, struct identity *ret_identity); /* without rows */
void identity_set_rows(struct identity *identity, uint64_t first, uint64_t last);
