/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Logs, counts and triggers what belongs to a purge of any SQL plugin. See sql_purge.h. */
#include "plugins/sql/sql_purge.h"
#include "base/memory.h"
#include "plugins/common/purge_log.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/text/file_name.h"
#include <inttypes.h>
#include <string.h>

void sql_purge_init(struct sql_purge *purge, const struct pa_host *host,
                    const struct sql_settings *settings, const struct pa_schema *schema)
{
    *purge = (struct sql_purge){.host = host, .settings = settings, .schema = schema};
    purge->trigger.key = "sql_trigger_exec";
    purge->trigger.program = settings->trigger_exec;
    purge->trigger.is_async = settings->is_trigger_async;
}

void sql_purge_clear(struct sql_purge *purge)
{
    trigger_reap(&purge->trigger, purge->host, true);
}

void sql_purge_begin(struct sql_purge *purge, const struct pa_transaction *transaction)
{
    trigger_reap(&purge->trigger, purge->host, false);
    purge->begun = clock_mono();
    purge->row_count = transaction->row_count;
    purge->left_out = (struct row_filter_sums){0};
    purge->inserted = purge->updated = 0;
    if (purge->settings->filter)
        row_filter_begin(purge->settings->filter, transaction->row_count, transaction->epoch);
    purge_log_start(purge->host, transaction);
}

struct pa_batch sql_purge_filter(struct sql_purge *purge, const struct pa_batch *batch)
{
    if (!purge->settings->filter)
        return *batch;
    return row_filter_apply(purge->settings->filter, batch, &purge->left_out);
}

struct pa_batch sql_purge_rest(struct sql_purge *purge)
{
    if (!purge->settings->filter)
        return (struct pa_batch){0};
    return row_filter_rest(purge->settings->filter);
}

static double seconds_since(struct mono_time begun)
{
    return (double)(clock_mono().ns - begun.ns) / (double)NS_PER_S;
}

/* Sets the variables of pmacct's docs/TRIGGER_VARS. Those about one purge are set only if each
 * purge runs the program. */
static void add_facts(const struct sql_purge *purge, const struct pa_transaction *transaction,
                      const char *table, double seconds, struct trigger_facts *facts)
{
    const struct sql_settings *s = purge->settings;
    const char *history = purge->host->setting(purge->host, "sql_history");
    const char *backup = purge->host->setting(purge->host, "sql_recovery_backup_host");

    trigger_facts_add(facts, "INSTANCE_NAME=%s", purge->host->instance_name);
    trigger_facts_add(facts, "SQL_DB=%s", s->db);
    trigger_facts_add(facts, "SQL_TABLE=%s", s->table);
    if (file_name_has_time(s->table_name) || file_name_has_columns(s->table_name))
        trigger_facts_add(facts, "EFFECTIVE_SQL_TABLE=%s", table);
    trigger_facts_add(facts, "SQL_HOST=%s", s->host ? s->host : "");
    trigger_facts_add(facts, "SQL_USER=%s", s->user ? s->user : "");
    if (backup && *backup)
        trigger_facts_add(facts, "SQL_RECOVERY_BACKUP_HOST=%s", backup);
    trigger_facts_add(facts, "SQL_REFRESH_TIME=%" PRId64, s->refresh_s);
    if (s->trigger_s > 0)
        return;
    trigger_facts_add(facts, "TOTAL_ELEM_NUMBER=%" PRIu64, transaction->row_count);
    trigger_facts_add(facts, "EFFECTIVE_ELEM_NUMBER=%" PRIu64, purge->inserted + purge->updated);
    trigger_facts_add(facts, "INSERT_QUERIES_NUMBER=%" PRIu64, purge->inserted);
    trigger_facts_add(facts, "UPDATE_QUERIES_NUMBER=%" PRIu64, purge->updated);
    trigger_facts_add(facts, "ELAPSED_TIME=%.0f", seconds);
    if (!history || !*history || purge->schema->bin_seconds == 0)
        return;
    int64_t delay_s = purge->host->setting_number(purge->host, "sql_startup_delay");
    int64_t time_s = transaction->time_ns / NS_PER_S - delay_s - 1;
    trigger_facts_add(facts, "SQL_HISTORY_BASETIME=%" PRId64,
                      time_s - time_s % purge->schema->bin_seconds);
    trigger_facts_add(facts, "SQL_HISTORY_TIMESLOT=%" PRIu32, purge->schema->bin_seconds);
}

static bool is_due(struct sql_purge *purge, const struct pa_transaction *transaction)
{
    int64_t length_ns = purge->settings->trigger_s * NS_PER_S;

    if (!purge->settings->trigger_exec || !transaction->ends_epoch)
        return false;
    if (length_ns > 0 && purge->triggered_ns > 0 &&
        transaction->time_ns / length_ns == purge->triggered_ns / length_ns)
        return false;
    purge->triggered_ns = transaction->time_ns;
    return true;
}

void sql_purge_end(struct sql_purge *purge, const struct pa_transaction *transaction,
                   const char *table)
{
    double seconds = seconds_since(purge->begun);
    struct trigger_facts facts = {0};

    if (purge->settings->filter)
        row_filter_count(purge->host, &purge->left_out);
    purge_log_end(purge->host, transaction, purge->inserted + purge->updated,
                  transaction->row_count, seconds);
    if (!is_due(purge, transaction))
        return;
    add_facts(purge, transaction, table, seconds, &facts);
    trigger_run(&purge->trigger, purge->host, &facts);
    trigger_facts_clear(&facts);
}
