/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Keys that pmacct keeps in one place, whichever plugin's name they begin with: sql_history is
 * kafka_history there. Here a key is its own plugin's; where no such plugin is configured, or where the
 * line names an instance of another one, it counts as that one's key of the same ending.
 */
#include <stddef.h>

struct config;
struct config_claim;

/* Returns the claim of this instance's plugin on the key that `key` stands for; NULL: there is none. */
const struct config_claim *twin_key_claim(const struct config *config, const char *key,
                                          size_t instance);
