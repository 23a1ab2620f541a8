/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of PostgreSQL's columns. Text compares by bytes: all of it is names and lists, none of
 * it words. See pg_dialect.h. */
#include "plugins/pgsql/pg_dialect.h"

#define TEXT_TYPE "text COLLATE \"C\""

/*
 * A key may have some 2,700 bytes, and an AS path of 400 hops alone has 2,800: texts of 64 bytes and
 * more stand in the key by a hash of 64 digits, which no shorter text can be taken for. All its
 * functions are immutable, as an index needs them: decode() makes bytes of a text whose backslashes
 * are doubled.
 */
#define TEXT_KEY                                                                                   \
    "(CASE WHEN octet_length($) > 63"                                                              \
    " THEN encode(sha256(decode(replace($, E'\\\\', E'\\\\\\\\'), 'escape')), 'hex') ELSE $ END)"

const char pg_text_key_as_shown[] =
    "CASE WHEN (octet_length(%1$I) > 63)"
    " THEN encode(sha256(decode(replace(%1$I, E'\\\\'::text, E'\\\\\\\\'::text), 'escape'::text)),"
    " 'hex'::text) ELSE %1$I END";

#define DIALECT(address, mac, time, is_numeric, instants)                                          \
    {                                                                                              \
        .name = "pgsql", .default_db = "pmacct",                                                   \
        .type_names = {[SQL_TYPE_U16] = "integer",  [SQL_TYPE_U32] = "bigint",                     \
                       [SQL_TYPE_U64] = "bigint",   [SQL_TYPE_PROTO] = "smallint",                 \
                       [SQL_TYPE_TEXT] = TEXT_TYPE, [SQL_TYPE_ADDRESS] = (address),                \
                       [SQL_TYPE_MAC] = (mac),      [SQL_TYPE_TIME] = (time)},                     \
        .least = "least", .greatest = "greatest", .name_max = 63, .folds_case = true,              \
        .has_old_port_names = true, .has_numeric_protos = (is_numeric),                            \
        .has_instants = (instants), .text_key = TEXT_KEY                                           \
    }

const struct sql_dialect *pg_dialect_choose(bool is_unified, bool has_instants)
{
    static const struct sql_dialect dialects[2][2] = {
        {DIALECT("inet", "macaddr", "timestamp", true, false),
         DIALECT("inet", "macaddr", "timestamptz", true, true)},
        {DIALECT(TEXT_TYPE, TEXT_TYPE, "timestamp", false, false),
         DIALECT(TEXT_TYPE, TEXT_TYPE, "timestamptz", false, true)},
    };

    return &dialects[is_unified][has_instants];
}
