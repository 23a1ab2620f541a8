/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The columns that an instance writes: stamps, the primitives of `aggregate` under the names that
 * the table's version has for them, and, without sql_optimize_clauses, the other columns of that
 * version with their blank values. sql_columns_value() gives the value of each for a row. One
 * thread uses them.
 */
#include "base/text.h"
#include "plugins/sql/sql_dialect.h"
#include "plugins/text/value.h"
#include "plugins/text/value_time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sql_settings;

enum sql_value_kind {
    SQL_VALUE_NUMBER,
    SQL_VALUE_TEXT,
    SQL_VALUE_BLOB,
    SQL_VALUE_INSTANT, /* number is seconds since 1970, where the dialect has_unix_times */
};

/* A value for the database. Text is valid UTF-8 without NUL, whatever the network sent. */
struct sql_value {
    enum sql_value_kind kind;
    uint64_t number;
    const char *text; /* SQL_VALUE_TEXT and _BLOB; not terminated */
    size_t len;
};

/* A role tells what happens to the stored value when a row of equal key comes. */
enum sql_role {
    SQL_ROLE_KEY,
    SQL_ROLE_SUM,
    SQL_ROLE_OR,
    SQL_ROLE_MIN, /* the least known value; a _residual goes with the time before it */
    SQL_ROLE_MAX,
    SQL_ROLE_REPLACE, /* stamp_updated */
};

enum sql_source {
    SQL_SOURCE_COLUMN,
    /* The microseconds of a time whose seconds stand in the column before this one. */
    SQL_SOURCE_RESIDUAL,
    SQL_SOURCE_STAMP_INSERTED,
    SQL_SOURCE_STAMP_UPDATED,
    SQL_SOURCE_BLANK
};

struct sql_column {
    char *name;
    enum sql_type type;
    enum sql_role role;
    enum sql_source source;
    bool is_number;            /* its values are numbers */
    const char *default_value; /* as it stands in SQL: 0, '' */
    /* How the value is made. */
    struct value value;
    struct text scratch, clean;
    char plain[VALUE_PLAIN_MAX];
};

struct sql_columns {
    struct sql_column *items;
    uint32_t count, key_count;
    const struct sql_settings *settings;
    int32_t bin_offset;
    int64_t updated_ns;
    struct value_time times, stamps; /* stamps have whole seconds */
};

/*
 * -EINVAL: two primitives would share a column; `error` says what to do instead. Borrows
 * `settings`; neither it nor the columns may move while they live.
 */
int sql_columns_init(struct sql_columns *columns, const struct sql_settings *settings,
                     const struct pa_schema *schema, char *error, size_t error_size);
void sql_columns_clear(struct sql_columns *columns);

/* Sets the time of writing, for stamp_updated. */
void sql_columns_set_written(struct sql_columns *columns, int64_t time_ns);
/* Valid until the next call for the same column, and while the batch is valid. */
struct sql_value sql_columns_value(struct sql_columns *columns, uint32_t index,
                                   const struct pa_batch *batch, const uint8_t *row);
/* Returns NULL if no column has that name (names compare in any case). */
const struct sql_column *sql_columns_find(const struct sql_columns *columns, const char *name);
