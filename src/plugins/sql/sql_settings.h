/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The sql_* keys, for `keys` of all SQL plugins (with output_keys for `shared_keys`), and the
 * settings that they make together. */
#include "plugins/common/choice.h"
#include "plugins/sql/sql_dialect.h"
#include "plugins/text/output_keys.h"
#include "plugins/text/value.h"
#include "plugins/text/value_time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_name;
struct row_filter;

extern const struct pa_key sql_keys[];

#define SQL_LOCKINGS(EACH)                                                                         \
    EACH(SQL_LOCK_TABLE, "table") EACH(SQL_LOCK_ROW, "row") EACH(SQL_LOCK_NONE, "none")
#define SQL_TABLE_TYPES(EACH) EACH(SQL_TABLE_ORIGINAL, "original") EACH(SQL_TABLE_BGP, "bgp")
#define SQL_DATA_TYPES(EACH)  EACH(SQL_DATA_TYPED, "typed") EACH(SQL_DATA_UNIFIED, "unified")

enum sql_locking { SQL_LOCKINGS(CHOICE_ENUMERATOR) };       /* sql_locking_style */
enum sql_table_type { SQL_TABLE_TYPES(CHOICE_ENUMERATOR) }; /* sql_table_type */
enum sql_data { SQL_DATA_TYPES(CHOICE_ENUMERATOR) };        /* sql_data */

/* Strings are borrowed from the host; NULL: not set. */
struct sql_settings {
    const struct sql_dialect *dialect;
    const char *db, *host, *port, *user, *password, *ca_file;
    const char *table;            /* as configured, or the one of the version */
    char *default_table;          /* that one; NULL: it is configured */
    struct file_name *table_name; /* the same as a pattern */
    uint32_t tables_max;          /* sql_tables_max */
    char *schema_text;            /* the content of the file sql_table_schema */
    struct file_name *schema;     /* the same as a pattern; NULL: not set */
    uint32_t table_version;       /* 1 to 9 */
    bool is_bgp_table;
    bool is_optimized;    /* only the columns of `aggregate`; else all of the table's version */
    bool creates_table;   /* sql_table_create */
    bool is_exactly_once; /* sql_exactly_once */
    /* Also set when rows are unaggregated: equal rows are two flows. No key is made then. */
    bool dont_try_update;
    bool uses_copy, has_numeric_hosts;
    char delimiter; /* between fields of COPY; as configured */
    enum sql_locking locking;
    struct value_options values;
    enum value_time_style time_style; /* VALUE_TIME_EPOCH: times are whole numbers */
    bool is_utc, has_whole_seconds;
    uint64_t statement_max; /* sql_multi_values, bytes; 0: not set */
    int64_t refresh_s;
    const char *trigger_exec;
    bool is_trigger_async;
    int64_t trigger_s;         /* 0: at each purge */
    struct row_filter *filter; /* sql_preprocess; NULL: all rows pass */
};

/*
 * -EINVAL: what is wrong and what would be right stands in `error`. Reads sql_table_schema, opens
 * nothing else. `dialect` is kept.
 */
int sql_settings_read(const struct pa_host *host, const struct pa_schema *schema,
                      const struct sql_dialect *dialect, char *error, size_t error_size,
                      struct sql_settings *ret_settings);
/* Returns the seconds after which a server that does not answer is asked whether it works, and given
 * up if not: fewer where plugin_timeout is short. */
uint32_t sql_answer_timeout_s(const struct pa_host *host);
/* Returns how many seconds more a statement with so many rows gets. */
uint32_t sql_work_s(uint64_t row_count);
/* Logs which keys have no effect in this database; for a plugin's check. */
void sql_settings_tell(const struct pa_host *host, const struct sql_dialect *dialect);
void sql_settings_clear(struct sql_settings *settings);
