/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects and finds exporters that maps name. */
#include "maps/exporter_names.h"

#include "base/memory.h"
#include "maps/map_file.h"
#include <stdlib.h>

static int compare_names(const void *a, const void *b)
{
    return ip_addr_compare(a, b);
}

static bool is_one_address(const struct map_item *item)
{
    return !item->is_negated && item->prefix.len == (item->prefix.addr.family == IP_V4 ? 32 : 128);
}

void exporter_names_init(struct exporter_names *names, const struct map_file *file, size_t key)
{
    size_t capacity = 0;

    for (size_t i = 0; i < file->row_count; i++)
        capacity += file->rows[i].cells[key] ? file->rows[i].cells[key]->item_count : 0;
    names->names = mem_calloc(capacity + 1, sizeof *names->names);
    names->count = 0;
    for (size_t i = 0; i < file->row_count; i++) {
        const struct map_cell *cell = file->rows[i].cells[key];
        for (size_t k = 0; cell && k < cell->item_count; k++)
            if (is_one_address(&cell->items[k]))
                names->names[names->count++] = cell->items[k].prefix.addr;
    }
    qsort(names->names, names->count, sizeof *names->names, compare_names);
}

void exporter_names_clear(struct exporter_names *names)
{
    mem_free(names->names);
}

bool exporter_names_has(const struct exporter_names *names, const struct ip_addr *exporter)
{
    return bsearch(exporter, names->names, names->count, sizeof *names->names, compare_names) !=
           NULL;
}
