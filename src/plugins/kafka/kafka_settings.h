/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys of kafka, and the settings that they make together. */
#include "plugins/message/message_settings.h"
#include <librdkafka/rdkafka.h>

extern const struct pa_key kafka_keys[];

struct kafka_settings {
    struct message_settings messages;
    int32_t partition; /* RD_KAFKA_PARTITION_UA: the library chooses */
    bool has_markers, is_trigger_async;
    /* Borrowed from the host; NULL: none. */
    const char *trigger_exec;
    const char *schema_topic; /* of messages with the Avro schemas */
    const char *registry_urls, *registry_ca_file;
    int64_t schema_refresh_s;
};

/*
 * -EINVAL: what is wrong and what would be right stands in `error`. Reads kafka_config_file, opens
 * nothing else. `ret_conf` belongs to the caller; it lacks callbacks.
 */
int kafka_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                        size_t error_size, struct kafka_settings *ret_settings,
                        rd_kafka_conf_t **ret_conf);
void kafka_settings_clear(struct kafka_settings *settings);

/* Checks whether librdkafka can work with all properties together; connects to nothing. -EINVAL as
 * above. */
int kafka_settings_try(const rd_kafka_conf_t *conf, char *error, size_t error_size);
