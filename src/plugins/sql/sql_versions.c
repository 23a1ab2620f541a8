/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of versions and columns, as pmacct 1.7.7 writes them and its sql/README.* say. */
#include "plugins/sql/sql_versions.h"
#include "base/memory.h"
#include "plugins/sql/sql_settings.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum kind { ANY, ORIGINAL, BGP };

static bool is_kind(const struct sql_settings *settings, enum kind kind)
{
    return kind == ANY || settings->is_bgp_table == (kind == BGP);
}

const char *sql_version_name(const struct sql_settings *settings, const char *primitive,
                             const char *usual)
{
    /* The primitives that have another column, up to which version and in which kind of table. */
    static const struct {
        const char *primitive, *name;
        uint32_t until;
        enum kind kind;
        bool is_port;
    } names[] = {
        {"tag", "agent_id", 8, ANY, false},       {"src_as", "ip_src", 5, ORIGINAL, false},
        {"dst_as", "ip_dst", 5, ORIGINAL, false}, {"src_port", "src_port", 7, ANY, true},
        {"dst_port", "dst_port", 7, ANY, true},   {"sum_port", "src_port", 7, ANY, true},
        {"sum_as", "ip_src", 5, ORIGINAL, false},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(primitive, names[i].primitive) == 0 &&
            settings->table_version <= names[i].until && is_kind(settings, names[i].kind) &&
            (!names[i].is_port || settings->dialect->has_old_port_names))
            return names[i].name;
    return usual;
}

bool sql_version_blank(const struct sql_settings *settings, uint32_t index,
                       struct sql_blank *ret_blank)
{
    /* The versions that have a column; `primitive`: the column's name is the one that
     * sql_version_name() gives. */
    static const struct {
        const char *name, *primitive;
        uint32_t from, until;
        enum kind kind;
        enum sql_type type;
        enum sql_role role;
        const char *text;
    } blanks[] = {
        {"mac_src", NULL, 1, 9, ORIGINAL, SQL_TYPE_MAC, SQL_ROLE_KEY, "0:0:0:0:0:0"},
        {"mac_dst", NULL, 1, 9, ORIGINAL, SQL_TYPE_MAC, SQL_ROLE_KEY, "0:0:0:0:0:0"},
        {"ip_src", NULL, 1, 9, ORIGINAL, SQL_TYPE_ADDRESS, SQL_ROLE_KEY, "0.0.0.0"},
        {"ip_dst", NULL, 1, 9, ORIGINAL, SQL_TYPE_ADDRESS, SQL_ROLE_KEY, "0.0.0.0"},
        {"port_src", "src_port", 1, 9, ORIGINAL, SQL_TYPE_U16, SQL_ROLE_KEY, "0"},
        {"port_dst", "dst_port", 1, 9, ORIGINAL, SQL_TYPE_U16, SQL_ROLE_KEY, "0"},
        {"ip_proto", NULL, 1, 9, ORIGINAL, SQL_TYPE_PROTO, SQL_ROLE_KEY, "0"},
        {"tag", "tag", 2, 9, ORIGINAL, SQL_TYPE_U64, SQL_ROLE_KEY, "0"},
        {"vlan", NULL, 2, 9, ORIGINAL, SQL_TYPE_U16, SQL_ROLE_KEY, "0"},
        {"tos", NULL, 3, 9, ORIGINAL, SQL_TYPE_U16, SQL_ROLE_KEY, "0"},
        {"flows", NULL, 4, 9, ORIGINAL, SQL_TYPE_U64, SQL_ROLE_SUM, "0"},
        {"class_id", NULL, 5, 9, ORIGINAL, SQL_TYPE_TEXT, SQL_ROLE_KEY, "unknown"},
        {"as_src", NULL, 6, 9, ORIGINAL, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
        {"as_dst", NULL, 6, 9, ORIGINAL, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
        {"tag", "tag", 1, 9, BGP, SQL_TYPE_U64, SQL_ROLE_KEY, "0"},
        {"as_src", NULL, 1, 9, BGP, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
        {"as_dst", NULL, 1, 9, BGP, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
        {"peer_as_src", NULL, 1, 9, BGP, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
        {"peer_as_dst", NULL, 1, 9, BGP, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
        {"peer_ip_src", NULL, 1, 9, BGP, SQL_TYPE_ADDRESS, SQL_ROLE_KEY, "0.0.0.0"},
        {"peer_ip_dst", NULL, 1, 9, BGP, SQL_TYPE_ADDRESS, SQL_ROLE_KEY, "0.0.0.0"},
        {"comms", NULL, 1, 9, BGP, SQL_TYPE_TEXT, SQL_ROLE_KEY, ""},
        {"as_path", NULL, 1, 9, BGP, SQL_TYPE_TEXT, SQL_ROLE_KEY, ""},
        {"local_pref", NULL, 1, 9, BGP, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
        {"med", NULL, 1, 9, BGP, SQL_TYPE_U32, SQL_ROLE_KEY, "0"},
    };

    for (size_t i = 0; i < sizeof blanks / sizeof blanks[0]; i++) {
        if (settings->table_version < blanks[i].from || settings->table_version > blanks[i].until ||
            !is_kind(settings, blanks[i].kind) || index-- > 0)
            continue;
        *ret_blank = (struct sql_blank){
            .name = blanks[i].primitive
                        ? sql_version_name(settings, blanks[i].primitive, blanks[i].name)
                        : blanks[i].name,
            .type = blanks[i].type,
            .role = blanks[i].role,
            .text = blanks[i].text,
        };
        return true;
    }
    return false;
}

static bool has(const struct pa_schema *schema, const char *primitive)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].name, primitive) == 0)
            return true;
    return false;
}

static bool has_as(const struct pa_schema *schema)
{
    return has(schema, "src_as") || has(schema, "dst_as");
}

/* Returns the first version whose table of that kind takes the primitive, 10 if none does; measured with
 * 1.7.7.
 * Columns that no table has but that pmacct writes all the same are not its matter. */
static uint32_t first_version(const char *primitive, bool is_bgp)
{
    enum { NEVER = 10 };
    static const struct {
        const char *primitive;
        uint32_t original, bgp;
    } versions[] = {
        {"vlan", 2, NEVER},     {"tag", 2, 1},          {"tos", 3, NEVER},
        {"flows", 4, NEVER},    {"class", 5, NEVER},    {"tcpflags", 7, NEVER},
        {"src_mac", 1, NEVER},  {"dst_mac", 1, NEVER},  {"sum_mac", 1, NEVER},
        {"src_host", 1, NEVER}, {"dst_host", 1, NEVER}, {"sum_host", 1, NEVER},
        {"src_port", 1, NEVER}, {"dst_port", 1, NEVER}, {"sum_port", 1, NEVER},
        {"proto", 1, NEVER},    {"std_comm", NEVER, 1}, {"ext_comm", NEVER, 1},
        {"as_path", NEVER, 1},
    };

    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (strcmp(primitive, versions[i].primitive) == 0)
            return is_bgp ? versions[i].bgp : versions[i].original;
    return 1;
}

int sql_version_check(const struct sql_settings *settings, const struct pa_schema *schema,
                      char *error, size_t error_size)
{
    uint32_t version = settings->table_version, first;

    /* A table of our own has what is asked for, and so has one whose columns are not the version's. */
    if (settings->creates_table || settings->is_optimized)
        return 0;
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const char *name = schema->columns[i].name;
        first = first_version(name, settings->is_bgp_table);
        if (first <= version)
            continue;
        if (first <= 9)
            snprintf(
                error, error_size,
                "aggregate: pmacct's tables have a column for %s from version %u on; say which "
                "the table is with sql_table_version (%u now), or set sql_optimize_clauses: "
                "true, by which only what aggregate names is written",
                name, first, version);
        else
            snprintf(error, error_size,
                     "aggregate: pmacct's %s table does not take %s; set "
                     "sql_optimize_clauses: true, by which only what aggregate names is written%s",
                     settings->is_bgp_table ? "BGP" : "original", name,
                     settings->is_bgp_table
                         ? " (sql_table_type is bgp where primitives of paths or "
                           "peers are in aggregate)"
                         : ", or sql_table_type: bgp");
        return -EINVAL;
    }
    return 0;
}

/* pmacct has no name for version 9, nor for those of a table for paths. */
char *sql_version_table(const struct sql_settings *settings, const struct pa_schema *schema)
{
    const struct sql_dialect *dialect = settings->dialect;
    uint32_t version = settings->table_version;
    const char *name = NULL;

    if (settings->creates_table || version == 9)
        return mem_strdup("acct");
    if (settings->is_bgp_table)
        return mem_strdup(version == 1 ? "acct_bgp" : "acct");
    if (version < 6)
        name = has_as(schema) ? dialect->old_as_table : dialect->old_table;
    name = name ? name : "acct";
    return version == 1 ? mem_strdup(name) : mem_printf("%s_v%u", name, version);
}
