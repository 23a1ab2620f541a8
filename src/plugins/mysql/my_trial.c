/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tries server, rights and table: statements are prepared and not run, for a server knows best what
 * it would refuse. See my_plugin_try_out() in my_plugin.h. */
#include "plugins/mysql/my_plugin.h"

#include "base/text.h"
#include "plugins/common/trigger.h"
#include "plugins/mysql/my_state.h"

#include <errno.h>

static int try_server(struct my_plugin *p)
{
    struct text name = {0};
    int err = my_connect(p);

    if (err == 0 && p->settings.is_exactly_once)
        err = my_progress_prepare(&p->progress, true, &p->fault);
    if (err == 0 && sql_tables_name_now(&p->settings, &name)) {
        err = my_connection_open(p->side);
        if (err < 0)
            p->fault = *my_connection_fault(p->side);
        else
            err = my_target_look(&p->context, text_cstr(&name), &p->fault);
    }
    text_clear(&name);
    if (err < 0)
        p->host->log(p->host, PA_LOG_ERROR, "%s", p->fault.text);
    return err;
}

int my_plugin_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                      size_t error_size)
{
    void *state = NULL;
    int err = my_plugin_open(host, schema, &state);

    (void)error, (void)error_size; /* all is logged */
    if (err == 0) {
        const struct my_plugin *p = state;
        err = try_server(state);
        if (trigger_try_out(host, "sql_trigger_exec", p->settings.trigger_exec) < 0)
            err = -EINVAL;
    }
    my_plugin_close(state);
    return err;
}
