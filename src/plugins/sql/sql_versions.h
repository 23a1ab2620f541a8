/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * pmacct's default tables: where their columns depart from the names in the table of primitives,
 * which columns each has, and its name. The rest of the SQL layer knows nothing of versions.
 */
#include "plugins/sql/sql_columns.h"

struct sql_settings;

/* Returns the column of a primitive (its name in `aggregate`); `usual` if the version has no other
 * name for it. */
const char *sql_version_name(const struct sql_settings *settings, const char *primitive,
                             const char *usual);

/* A column of a default table, which is written even if `aggregate` does not fill it. */
struct sql_blank {
    const char *name;
    enum sql_type type;
    enum sql_role role;
    const char *text; /* its value */
};

/* Gives the columns of the settings' table, one after the other; false: there are no more. */
bool sql_version_blank(const struct sql_settings *settings, uint32_t index,
                       struct sql_blank *ret_blank);

/* -EINVAL: the settings' table is one of pmacct's that cannot have all of the schema; `error` says
 * what to do. pmacct does not start then. */
int sql_version_check(const struct sql_settings *settings, const struct pa_schema *schema,
                      char *error, size_t error_size);

/* Returns the name of the settings' table where sql_table does not say it; the caller frees it with
 * mem_free. */
char *sql_version_table(const struct sql_settings *settings, const struct pa_schema *schema);
