/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts SQL text together. s and t, source and target, are prefixes that the caller chooses. See
 * sql_statement.h. */
#include "plugins/sql/sql_statement.h"
#include "base/text.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <string.h>

const char sql_progress_create[] =
    "CREATE TABLE IF NOT EXISTS " SQL_PROGRESS_TABLE " (core_id CHAR(32) NOT NULL,"
    " instance VARCHAR(255) NOT NULL, worker INTEGER NOT NULL, seq BIGINT NOT NULL,"
    " updated BIGINT NOT NULL, PRIMARY KEY (core_id, instance, worker))";

/* No start of the core has that name, so versions that know nothing of the row pass over it; its time
 * never comes, so that they keep it. */
#define VERSION_ROW SQL_PROGRESS_VERSION_ROW
#define STRING(x)   #x
#define VALUE(x)    STRING(x)
const char sql_progress_ask_version[] =
    "SELECT seq FROM " SQL_PROGRESS_TABLE " WHERE core_id = '" VERSION_ROW "'";
const char sql_progress_insert_version[] =
    "INSERT INTO " SQL_PROGRESS_TABLE " (core_id, instance, worker, seq, updated)"
    " VALUES ('" VERSION_ROW "', '', 0, " VALUE(SQL_PROGRESS_VERSION) ", 9223372036854775807)";

const char sql_progress_parted[] =
    "a part of these hand-overs is in the database and a part is not; "
    "was " SQL_PROGRESS_TABLE " changed by hand?";

int sql_progress_judge(const struct pa_transaction *transaction,
                       uint64_t (*find_seq)(const void *arg, uint32_t worker), const void *arg)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        uint64_t seq = find_seq(arg, source->worker);
        if (seq < source->first_seq)
            continue;
        done++;
        if (seq < source->last_seq)
            return -EINVAL;
    }
    if (done == 0)
        return 0;
    return done == transaction->source_count ? 1 : -EINVAL;
}

void sql_core_id_format(char out[SQL_CORE_ID_LEN + 1], const uint8_t core_id[16])
{
    for (int i = 0; i < 16; i++) {
        *out++ = "0123456789abcdef"[core_id[i] >> 4];
        *out++ = "0123456789abcdef"[core_id[i] & 15];
    }
    *out = 0;
}

/* ---- names ---- */

static void append_quoted(struct text *out, const char *name, size_t len, bool folds)
{
    text_append_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c == '"')
            text_append_char(out, '"');
        text_append_char(out, folds && c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c);
    }
    text_append_char(out, '"');
}

void sql_append_name(struct text *out, const char *name)
{
    append_quoted(out, name, strlen(name), false);
}

static size_t schema_len(const char *table)
{
    const char *dot = strrchr(table, '.');

    return dot && dot > table && dot[1] ? (size_t)(dot - table) : 0;
}

static void append_schema(struct text *out, const struct sql_dialect *dialect, const char *table)
{
    size_t len = schema_len(table);

    if (len == 0)
        return;
    append_quoted(out, table, len, dialect->folds_case);
    text_append_char(out, '.');
}

static const char *bare_name(const char *table)
{
    size_t len = schema_len(table);

    return len > 0 ? table + len + 1 : table;
}

void sql_append_table(struct text *out, const struct sql_dialect *dialect, const char *table)
{
    append_schema(out, dialect, table);
    append_quoted(out, bare_name(table), strlen(bare_name(table)), dialect->folds_case);
}

static void append_bare_key_name(struct text *out, const struct sql_dialect *dialect,
                                 const char *table)
{
    append_quoted(out, bare_name(table), strlen(bare_name(table)), dialect->folds_case);
    out->len--; /* the quote comes again behind the suffix */
    text_append_string(out, "_key\"");
}

void sql_append_key_name(struct text *out, const struct sql_dialect *dialect, const char *table)
{
    append_schema(out, dialect, table);
    append_bare_key_name(out, dialect, table);
}

/* ---- lists of columns ---- */

static void append_prefixed(struct text *out, const char *prefix, const char *name)
{
    size_t len = strlen(prefix);

    text_append_string(out, prefix);
    sql_append_name(out, name);
    if (len > 0 && prefix[len - 1] == '(')
        text_append_char(out, ')');
}

void sql_append_columns(struct text *out, const struct sql_columns *columns, const char *prefix)
{
    for (uint32_t i = 0; i < columns->count; i++) {
        text_append_string(out, i ? ", " : "");
        append_prefixed(out, prefix, columns->items[i].name);
    }
}

void sql_append_keys(struct text *out, const struct sql_columns *columns, const char *prefix)
{
    const char *comma = "";

    for (uint32_t i = 0; i < columns->count; i++) {
        if (columns->items[i].role != SQL_ROLE_KEY)
            continue;
        text_append_string(out, comma);
        append_prefixed(out, prefix, columns->items[i].name);
        comma = ", ";
    }
}

void sql_append_text_key(struct text *out, const struct sql_dialect *dialect, const char *prefix,
                         const char *name)
{
    const char *p = dialect->text_key ? dialect->text_key : "$";

    for (; *p; p++)
        if (*p == '$')
            append_prefixed(out, prefix, name);
        else
            text_append_char(out, *p);
}

void sql_append_key_match(struct text *out, const struct sql_columns *columns, const char *target,
                          const char *source)
{
    const char *and = "";

    if (columns->key_count == 0)
        text_append_string(out, "1 = 1"); /* `aggregate: none` has no key */
    for (uint32_t i = 0; i < columns->count; i++) {
        if (columns->items[i].role != SQL_ROLE_KEY)
            continue;
        text_append_string(out, and);
        append_prefixed(out, target, columns->items[i].name);
        text_append_string(out, " = ");
        append_prefixed(out, source, columns->items[i].name);
        and = " AND ";
    }
}

/* ---- adding up ---- */

/* Appends COALESCE(t."x", 0). */
static void append_stored(struct text *out, const char *target, const struct sql_column *c)
{
    text_append_string(out, "COALESCE(");
    append_prefixed(out, target, c->name);
    text_append_printf(out, ", %s)", c->default_value);
}

/*
 * Appends the least or greatest of the stored and the new value. A value that is the column's
 * default is not known and does not count: CASE WHEN s."x" = 0 THEN t."x" WHEN t."x" = 0 THEN s."x"
 * ELSE min(t."x", s."x") END
 */
static void append_extreme(struct text *out, const struct sql_column *c, const char *function,
                           const char *target, const char *source)
{
    text_append_string(out, "CASE WHEN ");
    append_prefixed(out, source, c->name);
    text_append_printf(out, " = %s THEN ", c->default_value);
    append_stored(out, target, c);
    text_append_string(out, " WHEN ");
    append_stored(out, target, c);
    text_append_printf(out, " = %s THEN ", c->default_value);
    append_prefixed(out, source, c->name);
    text_append_printf(out, " ELSE %s(", function);
    append_stored(out, target, c);
    text_append_string(out, ", ");
    append_prefixed(out, source, c->name);
    text_append_string(out, ") END");
}

/*
 * Appends the microseconds of whichever time `time` wins: CASE WHEN s."t" < t."t" ... THEN s."r"
 * WHEN s."t" = t."t" THEN min(t."r", s."r") ELSE t."r" END
 */
static void append_residual(struct text *out, const struct sql_column *c,
                            const struct sql_column *time, const struct sql_dialect *dialect,
                            const char *target, const char *source)
{
    bool is_min = c->role == SQL_ROLE_MIN;

    text_append_string(out, "CASE WHEN ");
    append_prefixed(out, source, time->name);
    text_append_string(out, " = ");
    append_stored(out, target, time);
    text_append_printf(out, " THEN %s(", is_min ? dialect->least : dialect->greatest);
    append_stored(out, target, c);
    text_append_string(out, ", ");
    append_prefixed(out, source, c->name);
    text_append_string(out, ") WHEN ");
    append_prefixed(out, source, time->name);
    text_append_printf(out, " <> %s AND (", time->default_value);
    append_stored(out, target, time);
    text_append_printf(out, " = %s OR ", time->default_value);
    append_prefixed(out, source, time->name);
    text_append_string(out, is_min ? " < " : " > ");
    append_stored(out, target, time);
    text_append_string(out, ") THEN ");
    append_prefixed(out, source, c->name);
    text_append_string(out, " ELSE ");
    append_stored(out, target, c);
    text_append_string(out, " END");
}

static void append_combined(struct text *out, const struct sql_columns *columns, uint32_t index,
                            const struct sql_dialect *dialect, const char *target,
                            const char *source)
{
    const struct sql_column *c = &columns->items[index];

    switch (c->role) {
    case SQL_ROLE_SUM:
    case SQL_ROLE_OR:
        append_stored(out, target, c);
        text_append_string(out, c->role == SQL_ROLE_SUM ? " + " : " | ");
        append_prefixed(out, source, c->name);
        break;
    case SQL_ROLE_MIN:
    case SQL_ROLE_MAX:
        if (c->source == SQL_SOURCE_RESIDUAL)
            append_residual(out, c, c - 1, dialect, target, source);
        else
            append_extreme(out, c, c->role == SQL_ROLE_MIN ? dialect->least : dialect->greatest,
                           target, source);
        break;
    default:
        append_prefixed(out, source, c->name);
    }
}

void sql_append_update(struct text *out, const struct sql_columns *columns,
                       const struct sql_dialect *dialect, const char *target, const char *source)
{
    const char *comma = "";

    for (uint32_t i = columns->count; i-- > 0;) {
        if (columns->items[i].role == SQL_ROLE_KEY)
            continue;
        text_append_string(out, comma);
        sql_append_name(out, columns->items[i].name);
        text_append_string(out, " = ");
        append_combined(out, columns, i, dialect, target, source);
        comma = ", ";
    }
}

/* ---- definitions ---- */

void sql_append_definition(struct text *out, const struct sql_dialect *dialect,
                           const struct sql_column *column)
{
    sql_append_name(out, column->name);
    text_append_printf(out, " %s NOT NULL DEFAULT %s", dialect->type_names[column->type],
                       column->default_value);
}

void sql_append_create_table(struct text *out, const struct sql_dialect *dialect,
                             const struct sql_columns *columns, const char *table)
{
    text_append_string(out, "CREATE TABLE IF NOT EXISTS ");
    sql_append_table(out, dialect, table);
    for (uint32_t i = 0; i < columns->count; i++) {
        text_append_string(out, i ? ", " : " (");
        sql_append_definition(out, dialect, &columns->items[i]);
    }
    text_append_string(out, ")");
}

static void append_key_terms(struct text *out, const struct sql_dialect *dialect,
                             const struct sql_columns *columns)
{
    const char *before = " (";

    for (uint32_t i = 0; i < columns->count; i++) {
        const struct sql_column *c = &columns->items[i];
        if (c->role != SQL_ROLE_KEY)
            continue;
        text_append_string(out, before);
        if (c->type == SQL_TYPE_TEXT)
            sql_append_text_key(out, dialect, "", c->name);
        else
            sql_append_name(out, c->name);
        before = ", ";
    }
    text_append_string(out, ")");
}

void sql_append_create_key(struct text *out, const struct sql_dialect *dialect,
                           const struct sql_columns *columns, const char *table)
{
    bool has_schema_on_index = dialect->has_schema_on_index;

    text_append_string(out, "CREATE UNIQUE INDEX IF NOT EXISTS ");
    if (has_schema_on_index)
        append_schema(out, dialect, table);
    append_bare_key_name(out, dialect, table);
    text_append_string(out, " ON ");
    if (has_schema_on_index)
        append_quoted(out, bare_name(table), strlen(bare_name(table)), dialect->folds_case);
    else
        sql_append_table(out, dialect, table);
    append_key_terms(out, dialect, columns);
}
