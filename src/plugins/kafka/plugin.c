/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object kafka.so exports. */
#include "plugins/common/own_plugin.h"
#include "plugins/kafka/config_file.h"
#include "plugins/kafka/kafka.h"
#include "plugins/kafka/kafka_settings.h"
#include "plugins/text/output_keys.h"

const char *own_plugin_why_free(const struct pa_host *host)
{
    return config_file_starts_programs(host->setting(host, "kafka_config_file"));
}

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    /* A message that is out cannot be taken back, so it names the rows in it. */
    .flags = PA_PLUGIN_KEEPS_HANDOVERS | PA_PLUGIN_TRIES_OUT,
    .name = "kafka",
    .help = "rows as JSON or Avro, in messages to topics of Apache Kafka",
    .keys = kafka_keys,
    .shared_keys = output_keys,
    .check = kafka_check,
    .open = kafka_open,
    .begin = kafka_begin,
    .write = kafka_write,
    .commit = kafka_commit,
    .abort = kafka_abort,
    .close = kafka_close,
    .try_out = kafka_try_out,
};
