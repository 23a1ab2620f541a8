/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The types of PostgreSQL's columns. Text compares by bytes: all of it is names and lists, none of
 * it words. See pg_dialect.h. */
#include "plugins/pgsql/pg_dialect.h"

#include <stddef.h>

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

#define DIALECT(address, mac, time, table, as_table, instants)                                     \
    {                                                                                              \
        .name = "pgsql", .default_db = "pmacct",                                                   \
        .type_names = {[SQL_TYPE_U16] = "integer",                                                 \
                       [SQL_TYPE_U32] = "bigint",                                                  \
                       [SQL_TYPE_U64] = "bigint",                                                  \
                       [SQL_TYPE_PROTO] = "smallint",                                              \
                       [SQL_TYPE_TEXT] = TEXT_TYPE,                                                \
                       [SQL_TYPE_ADDRESS] = (address),                                             \
                       [SQL_TYPE_MAC] = (mac),                                                     \
                       [SQL_TYPE_TIME] = (time),                                                   \
                       [SQL_TYPE_REAL] = "double precision"},                                      \
        .least = "least", .greatest = "greatest", .name_max = 63, .folds_case = true,              \
        .old_table = (table), .old_as_table = (as_table), .has_numeric_protos = true,              \
        .has_copy = true, .has_instants = (instants), .text_key = TEXT_KEY                         \
    }
#define TYPED(time, instants) DIALECT("inet", "macaddr", time, NULL, "acct_as", instants)
#define UNIFIED(time, instants)                                                                    \
    DIALECT(TEXT_TYPE, TEXT_TYPE, time, "acct_uni", "acct_uni", instants)

const struct sql_dialect *pg_dialect_choose(bool is_unified, bool has_instants)
{
    static const struct sql_dialect dialects[2][2] = {
        {TYPED("timestamp", false), TYPED("timestamptz", true)},
        {UNIFIED("timestamp", false), UNIFIED("timestamptz", true)},
    };

    return &dialects[is_unified][has_instants];
}
