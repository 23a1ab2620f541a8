/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connects and looks for the exchange; makes nothing. See amqp_try_out() in amqp.h. */
#include "plugins/amqp/amqp.h"
#include "plugins/amqp/amqp_settings.h"
#include "plugins/amqp/broker.h"
#include "plugins/common/trigger.h"
#include "plugins/text/schema_file.h"
#include <errno.h>

static int try_broker(const struct pa_host *host, const struct amqp_settings *settings)
{
    bool has_exchange;
    char why[512] = "";
    int err = broker_try(host, settings, why, sizeof why, &has_exchange);

    if (err < 0)
        host->log(host, PA_LOG_ERROR, "%s", why);
    else if (!has_exchange)
        host->log(host, PA_LOG_NOTICE,
                  "amqp_exchange: the broker has no exchange %s that we may use: it is made at the "
                  "start; bind a queue to it",
                  settings->exchange);
    return err;
}

int amqp_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                 size_t error_size)
{
    struct amqp_settings settings;
    int err = amqp_settings_read(host, schema, error, error_size, &settings);

    if (err < 0)
        return err;
    err = try_broker(host, &settings);
    if (schema_file_try_out(host, settings.messages.avro_schema_file_key,
                            settings.messages.avro_schema_file) < 0)
        err = -EINVAL;
    if (trigger_try_out(host, "amqp_trigger_exec", settings.trigger_exec) < 0)
        err = -EINVAL;
    amqp_settings_clear(&settings);
    return err;
}
