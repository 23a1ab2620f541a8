/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rows by exporter and interfaces: the index gives candidates, and cells are asked where it leaves
 * something open. */
#include "maps/iface_rows.h"

#include "base/memory.h"
#include "maps/map_file.h"

static bool choose(struct row_choice *choices, size_t *count, uint8_t field, enum map_type type,
                   const struct map_cell *cell)
{
    bool is_choice = row_choice_of_cell(&choices[*count], field, type, cell);

    *count += is_choice;
    return is_choice || !cell;
}

static void index_row(struct iface_rows *rows, size_t index)
{
    struct map_cell *const *cells = rows->file->rows[index].cells;
    struct row_choice choices[IFACE_FIELDS];
    size_t count = 0;
    bool is_whole = choose(choices, &count, IFACE_IP, MAP_PREFIX, cells[rows->keys.ip]);

    is_whole = choose(choices, &count, IFACE_IN, MAP_NUMBER, cells[rows->keys.in]) && is_whole;
    is_whole = choose(choices, &count, IFACE_OUT, MAP_NUMBER, cells[rows->keys.out]) && is_whole;
    rows->is_known[index] =
        row_search_add(rows->search, (uint32_t)index, choices, count) && is_whole;
}

void iface_rows_init(struct iface_rows *rows, const struct map_file *file,
                     const struct iface_keys *keys)
{
    *rows = (struct iface_rows){.file = file, .keys = *keys, .search = row_search_new()};
    rows->is_known = mem_calloc(file->row_count + 1, sizeof *rows->is_known);
    for (size_t i = 0; i < file->row_count; i++)
        index_row(rows, i);
    row_search_finish(rows->search);
    exporter_names_init(&rows->names, file, keys->ip);
}

void iface_rows_clear(struct iface_rows *rows)
{
    row_search_free(rows->search);
    mem_free(rows->is_known);
    exporter_names_clear(&rows->names);
}

bool iface_rows_names(const struct iface_rows *rows, const struct ip_addr *exporter)
{
    return exporter_names_has(&rows->names, exporter);
}

void iface_rows_find(const struct iface_rows *rows, struct iface_lookup *lookup, uint32_t count)
{
    row_search_start(rows->search, lookup->columns, count, &lookup->rows);
    row_search_settle(rows->search, lookup->columns, count, &lookup->rows);
}

static bool row_holds(const struct iface_rows *rows, uint32_t row,
                      const struct iface_lookup *lookup, uint32_t index)
{
    struct map_cell *const *cells = rows->file->rows[row].cells;

    return map_cell_has_address(cells[rows->keys.ip], lookup->exporters[index]) &&
           map_cell_has_number(cells[rows->keys.in], lookup->columns[IFACE_IN].low[index]) &&
           map_cell_has_number(cells[rows->keys.out], lookup->columns[IFACE_OUT].low[index]);
}

uint32_t iface_rows_next(const struct iface_rows *rows, const struct iface_lookup *lookup,
                         uint32_t index, uint32_t from)
{
    uint32_t row = row_search_next(rows->search, lookup->columns, &lookup->rows, index, from);

    while (row != ROW_NONE && !rows->is_known[row] && !row_holds(rows, row, lookup, index))
        row = row_search_next(rows->search, lookup->columns, &lookup->rows, index, row + 1);
    return row;
}
