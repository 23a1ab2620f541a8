/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tries server, rights and table. What has to be made for that is made in transactions that are
 * rolled back: a server knows best what it would refuse. See pgsql_try_out() in pgsql.h. */
#include "plugins/pgsql/pgsql.h"

#include "base/text.h"
#include "plugins/common/trigger.h"
#include "plugins/pgsql/pgsql_state.h"

#include <errno.h>

static int run_statement(struct pgsql *p, const char *sql)
{
    int err = pg_connection_run(p->connection, sql, 0, NULL);

    return err < 0 ? pgsql_failed(p, err) : 0;
}

static int try_progress(struct pgsql *p)
{
    int err = run_statement(p, "BEGIN");

    if (err == 0)
        err = pg_progress_prepare(&p->progress, &p->fault);
    return err < 0 ? err : run_statement(p, "ROLLBACK");
}

static int try_table(struct pgsql *p)
{
    struct text name = {0};
    int err = 0;

    if (sql_tables_name_now(&p->settings, &name)) {
        err = run_statement(p, "BEGIN");
        if (err == 0)
            err = pg_target_look(&p->context, text_cstr(&name), &p->fault);
        if (err == 0)
            err = run_statement(p, "ROLLBACK");
    }
    text_clear(&name);
    return err;
}

/* A session that is closed takes its transaction with it, so a failure needs no ROLLBACK. */
static int try_server(struct pgsql *p)
{
    int err = pgsql_connect(p);

    if (err == 0 && p->settings.is_exactly_once)
        err = try_progress(p);
    if (err == 0)
        err = try_table(p);
    if (err < 0)
        p->host->log(p->host, PA_LOG_ERROR, "%s", p->fault.text);
    return err;
}

int pgsql_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                  size_t error_size)
{
    void *state = NULL;
    int err = pgsql_open(host, schema, &state);

    (void)error, (void)error_size; /* all is logged */
    if (err == 0) {
        const struct pgsql *p = state;
        err = try_server(state);
        if (trigger_try_out(host, "sql_trigger_exec", p->settings.trigger_exec) < 0)
            err = -EINVAL;
    }
    pgsql_close(state);
    return err;
}
