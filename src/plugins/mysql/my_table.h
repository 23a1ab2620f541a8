/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A table as the server describes it: its columns, its engine, and whether its unique keys tell which
 * rows are the same. */
#include "plugins/mysql/my_connection.h"
#include <stdbool.h>
#include <stdint.h>

struct sql_columns;

/*
 * Tables that we make have one unique key: the time bin, and this column, which the server makes of
 * all columns of the key. An index of the columns themselves could have 3,072 bytes and 16 columns.
 */
#define MY_KEY_NAME "pathacct_key"

struct my_column {
    char *name;
    char *expression; /* by which the server makes its values; "" if it does not */
    bool is_text;     /* numbers are compared with it as text, too */
    bool is_blind;    /* texts that differ in case alone are the same to it */
    /* Bytes of the longest UTF-8 sequence that its character set has: 4, 3 or (ASCII) 1. */
    uint8_t sequence_max;
    uint64_t char_max, byte_max; /* of texts; 0: unbounded */
    bool needs_value;            /* INSERT must name it */
    bool has_constant_default;
    bool tells_apart; /* where INSERT does not name it, it is never the same for two rows */
};

struct my_table {
    struct my_column *columns;
    uint32_t column_count;
    char *engine;
    bool has_transactions;
    bool is_for_all;        /* a unique key adds up rows of equal key, and no other is in its way */
    bool has_own_key;       /* MY_KEY_NAME is there... */
    bool is_own_key_narrow; /* ...but lacks columns of the key */
    char *
        narrow_index; /* a unique key that takes some of our rows for the same; NULL: there is none */
};

/* Asks the server. `table` is as configured: NAME or DATABASE.NAME. -ENOENT: there is no such table.
 * Other failures are the connection's. */
int my_table_look_up(struct my_connection *connection, const char *table,
                     const struct sql_columns *columns, struct my_table *ret_table);
void my_table_clear(struct my_table *table);
/* Returns NULL if there is none; names compare in any case. */
const struct my_column *my_table_find(const struct my_table *table, const char *name);
