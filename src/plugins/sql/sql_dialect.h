/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A dialect holds what differs between databases, as far as the common SQL layer must know: a const
 * struct per database (and, where keys change the types, per choice), chosen by its plugin.
 */
#include <stdbool.h>
#include <stdint.h>

/* The kinds of values that columns hold; a dialect has a type's name for each. */
enum sql_type {
    SQL_TYPE_U16, /* 0 to 65535 */
    SQL_TYPE_U32,
    SQL_TYPE_U64,
    SQL_TYPE_PROTO, /* an IP protocol by number */
    SQL_TYPE_TEXT,
    SQL_TYPE_ADDRESS,
    SQL_TYPE_NUMERIC_ADDRESS, /* sql_num_hosts: IPv4 as a number, IPv6 as 16 bytes */
    SQL_TYPE_MAC,
    SQL_TYPE_TIME,
    SQL_TYPE_REAL, /* handed over as text: 52.516700 */
    SQL_TYPE_COUNT
};

struct sql_dialect {
    const char *name; /* of the plugin */
    const char *default_db;
    const char *type_names[SQL_TYPE_COUNT];
    const char *least, *greatest; /* functions of two values: "min", "max" */
    uint32_t name_max;            /* most bytes of a table's name; 0: no bound */
    /* The database makes names lower case that are not quoted, so ours are made so. */
    bool folds_case;
    /* Default tables below version 6, and those of them that have AS numbers; NULL: acct. */
    const char *old_table, *old_as_table;
    bool has_old_port_names; /* tables below version 8 have src_port, not port_src */
    bool has_numeric_protos; /* default tables hold protocols by number */
    bool has_instants; /* SQL_TYPE_TIME has a fraction and a time zone: no _residual columns */
    bool has_schema_on_index; /* CREATE INDEX schema.name ON table, not name ON schema.table */
    bool has_numeric_hosts;   /* sql_num_hosts means something */
    bool has_copy;            /* so does sql_use_copy */
    bool has_multi_values;    /* and sql_multi_values */
    bool
        has_unix_times; /* the database makes a SQL_TYPE_TIME of seconds since 1970: those are given */
    /* In the key of a table that we make this expression stands for a text, where the database
     * bounds the length of a key; $ is the column. NULL: the column itself does. */
    const char *text_key;
};
