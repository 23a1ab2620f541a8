/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The exporters that rows of a map name one by one; a prefix is no name. Immutable. */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>

struct map_file;

struct exporter_names {
    struct ip_addr *names; /* ascending */
    size_t count;
};

/* `key` is the place of `ip` in the map's table of keys. Borrows nothing. */
void exporter_names_init(struct exporter_names *names, const struct map_file *file, size_t key);
void exporter_names_clear(struct exporter_names *names);
bool exporter_names_has(const struct exporter_names *names, const struct ip_addr *exporter);
