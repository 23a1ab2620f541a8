/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shares the room of indexes among the texts of a row. See pg_fit.h. */
#include "plugins/pgsql/pg_fit.h"

#include "plugins/sql/sql_columns.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void pg_fit_maxes(const struct pg_table *table, const struct sql_columns *columns,
                  const size_t *lens, const size_t *char_counts, size_t *ret_maxes)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct pg_table_column *c = pg_table_find(table, columns->items[i].name);
        bool is_too_long = c && c->char_max > 0 && char_counts[i] > c->char_max;
        ret_maxes[i] = is_too_long ? c->char_max : PG_FIT_NO_BOUND;
    }
    for (uint32_t i = 0; i < table->room_count; i++) {
        const struct pg_room *room = &table->rooms[i];
        size_t sum = 0, share = room->len / room->column_count;
        for (uint32_t k = 0; k < room->column_count; k++)
            sum += least(lens[room->columns[k]], ret_maxes[room->columns[k]]);
        for (uint32_t k = 0; sum > room->len && k < room->column_count; k++)
            if (lens[room->columns[k]] > share)
                ret_maxes[room->columns[k]] = least(ret_maxes[room->columns[k]], share ? share : 1);
    }
}
