/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object amqp.so exports. */
#include "plugins/amqp/amqp.h"
#include "plugins/amqp/amqp_settings.h"
#include "plugins/text/output_keys.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    /* A message that is out cannot be taken back, so it names the rows in it. */
    .flags = PA_PLUGIN_KEEPS_HANDOVERS | PA_PLUGIN_TRIES_OUT,
    .name = "amqp",
    .help = "rows as JSON or Avro, in messages to an exchange of an AMQP 0-9-1 broker (RabbitMQ)",
    .keys = amqp_keys,
    .shared_keys = output_keys,
    .check = amqp_check,
    .open = amqp_open,
    .begin = amqp_begin,
    .write = amqp_write,
    .commit = amqp_commit,
    .abort = amqp_abort,
    .close = amqp_close,
    .try_out = amqp_try_out,
};
