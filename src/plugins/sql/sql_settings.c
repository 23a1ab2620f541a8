/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of sql_* keys, and how they are read and checked together. See sql_settings.h. */
#include "plugins/sql/sql_settings.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/common/key_rows.h"
#include "plugins/common/row_filter.h"
#include "plugins/common/setting.h"
#include "plugins/sql/sql_versions.h"
#include "plugins/text/file_name.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA_FILE_MAX     ((size_t)1024 * 1024)
#define ANSWER_TIMEOUT_S    20
#define ROWS_PER_S_AT_LEAST 5000

/* clang-format off */
const struct pa_key sql_keys[] = {
    {.name = "sql_db", .type = PA_KEY_STRING, .role = PA_ROLE_OUTPUT,
     .help = "name of the database, by default pmacct; sqlite3: its file, by default /tmp/pmacct.db"},
    {.name = "sql_host", .type = PA_KEY_STRING, .default_value = "localhost",
     .help = "the server; pgsql: a path is the folder of its Unix socket; mysql: unix:/path is its socket"},
    {.name = "sql_port", .type = PA_KEY_INT, .min = 1, .max = 65535, .help = "the server's port"},
    {.name = "sql_user", .type = PA_KEY_STRING, .default_value = "pmacct", .help = "who connects"},
    {.name = "sql_passwd", .type = PA_KEY_STRING, .default_value = "arealsmartpwd", .help = "with which password"},
    {.name = "sql_conn_ca_file", .type = PA_KEY_STRING,
     .help = "certificate authority; with it the server must show a certificate of that authority"},
    {.name = "sql_table", .type = PA_KEY_STRING,
     .help = "table, by default acct or the one that pmacct has for sql_table_version (acct_v7, acct_bgp), with strftime(3) conversions and $variables: acct_%Y%m%d, acct_$peer_src_ip"},
    {.name = "sql_tables_max", .type = PA_KEY_INT, .default_value = "10000", .min = 1, .max = 1000000,
     .help = "tables with values of $variables in their names, but for their time, that are written to within a day; rows of further values go to one with =other in their place"},
    {.name = "sql_table_version", .type = PA_KEY_INT, .min = 1, .max = 9,
     .help = "which of pmacct's tables it is, by default 1, with sql_table_create 9: decides the names of columns"},
    {.name = "sql_table_type", .type = PA_KEY_CHOICE, .choices = CHOICE_TEXT(SQL_TABLE_TYPES),
     .help = "bgp: pmacct's table for paths; the default when aggregate has primitives of paths"},
    {.name = "sql_table_schema", .type = PA_KEY_STRING,
     .help = "file with the CREATE TABLE of sql_table, run when that table is not there; conversions and variables as in sql_table"},
    {.name = "sql_table_create", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "make table and key from aggregate, and add a column when aggregate has grown"},
    {.name = "sql_optimize_clauses", .type = PA_KEY_BOOL,
     .help = "write the columns of aggregate alone, not all of the table's version; the default with sql_table_create"},
    {.name = "sql_exactly_once", .type = PA_KEY_BOOL, .default_value = "true",
     .help = "keep the table pathacct_progress, by which no row is written twice; false: at least once"},
    {.name = "sql_dont_try_update", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "insert rows without looking for one of equal key; where a unique key says that there is one they are added up all the same"},
    {.name = "sql_use_copy", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "pgsql, with sql_dont_try_update: COPY straight into the table"},
    {.name = "sql_delimiter", .type = PA_KEY_STRING, .default_value = ",",
     .help = "accepted; what goes through COPY is escaped, so any value may hold it"},
    {.name = "sql_data", .type = PA_KEY_CHOICE, .default_value = "typed", .choices = CHOICE_TEXT(SQL_DATA_TYPES),
     .help = "pgsql: addresses as inet and macaddr, or as text"},
    {.name = "sql_timestamptz", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "pgsql: times as timestamptz with microseconds, without _residual columns"},
    {.name = "sql_locking_style", .type = PA_KEY_CHOICE, .default_value = "table", .choices = CHOICE_TEXT(SQL_LOCKINGS),
     .help = "pgsql, where no unique key can settle who writes first, and mysql: one writer at a time to a table, or all"},
    KEY_ROW_NUM_PROTOS("sql"),
    {.name = "sql_num_hosts", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "sqlite3: IPv4 addresses as numbers, IPv6 addresses as 16 bytes; mysql: as 4 and 16 bytes"},
    KEY_ROWS_TIME("sql", "; its start is stamp_inserted", NULL),
    KEY_ROWS_PREPROCESS("sql", "qnum, minp, minf, minb, minbpp, minppf, maxp, maxf, maxb, maxbpp, maxppf, fss, fsrc, usrf, adjb"),
    KEY_ROWS_TRIGGER("sql"),
    {.name = "sql_trigger_time", .type = PA_KEY_DURATION,
     .help = "run it after the first purge of each such interval instead"},
    {.name = "sql_multi_values", .type = PA_KEY_SIZE, .min = 1024, .max = 1073741824,
     .help = "mysql: bytes of an INSERT of many rows, by default 1M, and never more than the server's max_allowed_packet"},
    {.name = "sql_recovery_backup_host", .type = PA_KEY_STRING, .aliases = "sql_backup_host",
     .help = "accepted: there is no second database; what the first does not take waits in memory and in plugin_spool_dir"},
    KEY_ROWS_WRITERS("sql"),
    {.name = NULL},
};
/* clang-format on */

/* True if there is a primitive that makes pmacct write into its table for BGP. src_as and dst_as
 * are older and do not count. */
static bool has_path_primitives(const struct pa_schema *schema)
{
    static const char *const names[] = {
        "std_comm",     "ext_comm",     "lrg_comm",     "as_path",     "local_pref",
        "med",          "peer_src_as",  "peer_dst_as",  "peer_src_ip", "peer_dst_ip",
        "src_std_comm", "src_ext_comm", "src_lrg_comm", "src_as_path", "src_local_pref",
        "src_med",      "src_roa",      "dst_roa",      "mpls_vpn_rd", "path_match",
        "path_source",  "path_id"};

    for (uint32_t i = 0; i < schema->column_count; i++)
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (strcmp(schema->columns[i].name, names[k]) == 0)
                return true;
    return false;
}

static void read_table_kind(const struct pa_host *host, const struct pa_schema *schema,
                            struct sql_settings *s)
{
    const char *optimizes = setting_text(host, "sql_optimize_clauses");
    int type = has_path_primitives(schema) ? SQL_TABLE_BGP : SQL_TABLE_ORIGINAL;

    s->creates_table = setting_is_on(host, "sql_table_create");
    s->table_version = (uint32_t)host->setting_number(host, "sql_table_version");
    if (s->table_version == 0)
        s->table_version = s->creates_table ? 9 : 1;
    s->is_bgp_table = setting_choice(host, "sql_table_type", type) == SQL_TABLE_BGP;
    s->is_optimized = optimizes ? setting_is_on(host, "sql_optimize_clauses") : s->creates_table;
}

static int read_name(const struct pa_host *host, const struct pa_schema *schema,
                     struct sql_settings *s, bool is_text, const char *pattern, const char *key,
                     char *error, size_t error_size, struct file_name **ret_name)
{
    const struct file_name_context context = {.purpose = FILE_NAME_TABLE,
                                              .schema = schema,
                                              .is_utc = s->is_utc,
                                              .is_text = is_text,
                                              .refresh = setting_text(host, "sql_refresh_time"),
                                              .history = setting_text(host, "sql_history")};
    int len = snprintf(error, error_size, "%s: ", key), err;

    if (len < 0 || (size_t)len >= error_size)
        return -EINVAL;
    err = file_name_new(pattern, &context, error + len, error_size - (size_t)len, ret_name);
    if (err == 0)
        *error = 0;
    return err;
}

static int read_schema_file(const char *path, char *error, size_t error_size, char **ret_text)
{
    struct text text = {0};
    int err = file_read(path, SCHEMA_FILE_MAX, &text);

    if (err == 0 && (text.len == 0 || memchr(text.data, 0, text.len)))
        err = -EBADMSG;
    if (err == 0)
        *ret_text = mem_strndup(text.data, text.len);
    else if (err != -EFBIG && err != -EBADMSG)
        snprintf(error, error_size, "sql_table_schema: cannot read %s: %s", path,
                 strerrordesc_np(-err));
    else
        snprintf(error, error_size,
                 "sql_table_schema: %s is not a text of 1 byte to 1 MB; it should hold the CREATE "
                 "TABLE of sql_table",
                 path);
    text_clear(&text);
    return err < 0 ? -EINVAL : 0;
}

static int read_names(const struct pa_host *host, const struct pa_schema *schema,
                      struct sql_settings *s, char *error, size_t error_size)
{
    const char *path = setting_text(host, "sql_table_schema");
    int err;

    s->tables_max = (uint32_t)host->setting_number(host, "sql_tables_max");
    s->table = setting_text(host, "sql_table");
    if (!s->table)
        s->table = s->default_table = sql_version_table(s, schema);
    err =
        read_name(host, schema, s, false, s->table, "sql_table", error, error_size, &s->table_name);
    if (err < 0 || !path)
        return err;
    if (s->creates_table) {
        snprintf(error, error_size,
                 "sql_table_create and sql_table_schema both say how the table is made; leave one "
                 "of them out");
        return -EINVAL;
    }
    err = read_schema_file(path, error, error_size, &s->schema_text);
    if (err < 0)
        return err;
    return read_name(host, schema, s, true, s->schema_text, "sql_table_schema", error, error_size,
                     &s->schema);
}

uint32_t sql_answer_timeout_s(const struct pa_host *host)
{
    uint32_t quarter_s = host->timeout_s / 4;

    if (host->timeout_s == 0 || quarter_s >= ANSWER_TIMEOUT_S)
        return ANSWER_TIMEOUT_S;
    return quarter_s > 0 ? quarter_s : 1;
}

uint32_t sql_work_s(uint64_t row_count)
{
    return (uint32_t)(row_count / ROWS_PER_S_AT_LEAST);
}

void sql_settings_tell(const struct pa_host *host, const struct sql_dialect *dialect)
{
    const char *preprocess = setting_text(host, "sql_preprocess");

    if (preprocess && strstr(preprocess, "recover"))
        host->log(host, PA_LOG_NOTICE,
                  "sql_preprocess: recover has no effect: there is no second database; the "
                  "counters preprocess_left_out_* say what was left out");
    if (setting_text(host, "sql_recovery_backup_host"))
        host->log(host, PA_LOG_WARNING,
                  "sql_recovery_backup_host: no effect: there is no second database; what %s does "
                  "not take waits in memory, and on disk where plugin_spool_dir names a folder, "
                  "and is written later",
                  dialect->name);
    if (host->setting_number(host, "sql_multi_values") > 0 && !dialect->has_multi_values)
        host->log(host, PA_LOG_NOTICE,
                  "sql_multi_values: no effect in %s, where all rows go through one statement",
                  dialect->name);
    if (setting_is_on(host, "sql_num_hosts") && !dialect->has_numeric_hosts)
        host->log(host, PA_LOG_NOTICE,
                  "sql_num_hosts: no effect in %s, as in pmacct: its addresses have a type of "
                  "their own",
                  dialect->name);
    if (setting_is_on(host, "sql_use_copy") &&
        (!dialect->has_copy || !setting_is_on(host, "sql_dont_try_update")))
        host->log(host, PA_LOG_NOTICE, "sql_use_copy: no effect %s",
                  dialect->has_copy
                      ? "without sql_dont_try_update: true: rows are copied into a temporary "
                        "table, and from there added up"
                      : "here: this database has no COPY");
}

int sql_settings_read(const struct pa_host *host, const struct pa_schema *schema,
                      const struct sql_dialect *dialect, char *error, size_t error_size,
                      struct sql_settings *ret_settings)
{
    const char *delimiter = setting_text(host, "sql_delimiter");
    struct format_options options;
    struct sql_settings s = {.dialect = dialect};
    int err;

    output_options_read(host, &options);
    s.values = options.values;
    s.values.has_numeric_protos =
        setting_is_on(host, "sql_num_protos") || dialect->has_numeric_protos;
    s.time_style = options.time_style;
    s.is_utc = options.is_utc;
    s.has_whole_seconds = options.has_whole_seconds;
    s.db = setting_text(host, "sql_db");
    if (!s.db)
        s.db = dialect->default_db;
    s.host = setting_text(host, "sql_host");
    s.port = setting_text(host, "sql_port");
    s.user = setting_text(host, "sql_user");
    s.password = setting_text(host, "sql_passwd");
    s.ca_file = setting_text(host, "sql_conn_ca_file");
    s.is_exactly_once = setting_is_on(host, "sql_exactly_once");
    s.dont_try_update = setting_is_on(host, "sql_dont_try_update") || schema->is_unaggregated;
    s.uses_copy = setting_is_on(host, "sql_use_copy") && dialect->has_copy && s.dont_try_update;
    s.has_numeric_hosts = setting_is_on(host, "sql_num_hosts") && dialect->has_numeric_hosts;
    s.delimiter = delimiter ? *delimiter : ',';
    s.locking = (enum sql_locking)setting_choice(host, "sql_locking_style", SQL_LOCK_TABLE);
    s.statement_max = (uint64_t)host->setting_number(host, "sql_multi_values");
    s.refresh_s = host->setting_number(host, "sql_refresh_time");
    s.trigger_exec = setting_text(host, "sql_trigger_exec");
    s.is_trigger_async = setting_is_on(host, "sql_trigger_exec_async");
    s.trigger_s = host->setting_number(host, "sql_trigger_time");
    read_table_kind(host, schema, &s);
    err = read_names(host, schema, &s, error, error_size);
    if (err == 0)
        err = row_filter_read(host, "sql", true, schema, error, error_size, &s.filter);
    if (err < 0) {
        sql_settings_clear(&s);
        return err;
    }
    *ret_settings = s;
    return 0;
}

void sql_settings_clear(struct sql_settings *settings)
{
    file_name_free(settings->table_name);
    file_name_free(settings->schema);
    mem_free(settings->schema_text);
    mem_free(settings->default_table);
    row_filter_free(settings->filter);
    settings->table_name = settings->schema = NULL;
    settings->schema_text = settings->default_table = NULL;
    settings->filter = NULL;
}
