/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys of kafka, and the settings that they make together. */
#include "plugins/common/choice.h"
#include "plugins/text/format.h"
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

struct file_name;
struct row_filter;

extern const struct pa_key kafka_keys[];

/* The outputs; without libavro only the first list is offered. */
#define KAFKA_OUTPUTS_ALWAYS(EACH) EACH(KAFKA_OUTPUT_JSON, "json")
#define KAFKA_OUTPUTS(EACH)        KAFKA_OUTPUTS_ALWAYS(EACH) EACH(KAFKA_OUTPUT_AVRO, "avro")

enum kafka_output { KAFKA_OUTPUTS(CHOICE_ENUMERATOR) };

struct kafka_settings {
    enum kafka_output output;
    struct format_options options;
    struct file_name *topic, *partition_key; /* partition_key NULL: messages have no key */
    uint32_t topic_count;                    /* kafka_topic_rr; 0: one topic of that name */
    int32_t partition;                       /* RD_KAFKA_PARTITION_UA: the library chooses */
    bool is_partitioned_by_key, has_markers;
    uint64_t bytes_max, rows_max; /* of a message; a row that is larger goes alone */
    const char *trigger_exec;     /* borrowed from the host, as is the next; NULL: none */
    const char *avro_schema_file; /* NULL: none */
    bool is_trigger_async;
    struct row_filter *filter; /* kafka_preprocess; NULL: all rows pass */
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
