/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of kafka's keys, and the properties of librdkafka that follow from them. See
 * kafka_settings.h. */
#include "plugins/kafka/kafka_settings.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/common/key_rows.h"
#include "plugins/common/setting.h"
#include "plugins/kafka/config_file.h"
#include "plugins/text/file_name.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Most characters of a topic's name (https://kafka.apache.org, class Topic): at most 249 of
 * [a-zA-Z0-9._-]. */
#define TOPIC_NAME_MAX 249
/* Bytes of message.max.bytes that are not for rows: headers, key, the batch around the message. */
#define MESSAGE_OVERHEAD 1024

/* clang-format off */
const struct pa_key kafka_keys[] = {
    KEY_ROWS_TIME("kafka", "", NULL),
    {.name = "kafka_broker_host", .type = PA_KEY_STRING, .default_value = "127.0.0.1",
     .help = "brokers to ask for the cluster, separated by commas, each with or without :port"},
    {.name = "kafka_broker_port", .type = PA_KEY_INT, .default_value = "9092", .min = 1, .max = 65535,
     .help = "TCP port of brokers that are named without one"},
    {.name = "kafka_config_file", .type = PA_KEY_STRING,
     .help = "file of librdkafka's properties, TLS and SASL among them: lines of `global, PROPERTY, VALUE` or `topic, PROPERTY, VALUE`"},
    {.name = "kafka_topic", .type = PA_KEY_STRING, .default_value = "pmacct.acct",
     .help = "topic, with strftime(3) conversions of the time bin and $variables, any primitive of `aggregate`"},
    {.name = "kafka_topic_rr", .type = PA_KEY_INT, .default_value = "0", .max = 10000,
     .help = "messages go to this many topics in turn: TOPIC_0, TOPIC_1 and so on; 0: to the one"},
    {.name = "kafka_partition", .type = PA_KEY_INT, .default_value = "-1", .min = -1, .max = INT32_MAX,
     .help = "partition of all messages; -1: spread over all, or by the message's key"},
    {.name = "kafka_partition_dynamic", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "partition by kafka_partition_key: equal keys, one partition"},
    {.name = "kafka_partition_key", .type = PA_KEY_STRING,
     .help = "key of messages: text with $variables, any primitive of `aggregate`"},
    {.name = "kafka_partition_by_key", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "partition by all that is in `aggregate`: the same for equal keys, from whatever collector"},
    {.name = "kafka_multi_values", .type = PA_KEY_SIZE, .default_value = "0", .max = 1000000000,
     .help = "JSON: rows are packed into messages of so many bytes, a line each; Avro: of so many rows; 0: a message for each row"},
    {.name = "kafka_output", .type = PA_KEY_CHOICE, .default_value = "json", .choices = CHOICE_TEXT(MESSAGE_OUTPUTS),
     .help = "how rows are written"},
    {.name = "kafka_avro_schema_file", .type = PA_KEY_STRING, .aliases = "avro_schema_file|avro_schema_output_file",
     .help = "Avro: file to write the schema to, at start"},
    {.name = "kafka_avro_schema_topic", .type = PA_KEY_STRING,
     .help = "Avro: topic of messages that carry the schema, in JSON"},
    {.name = "kafka_avro_schema_refresh_time", .type = PA_KEY_INT, .default_value = "60", .min = 1, .max = 86400,
     .help = "Avro: seconds from one message with the schema to the next, at purges"},
    {.name = "kafka_avro_schema_registry", .type = PA_KEY_STRING,
     .help = "Avro: schema registries that know the schema, as http://HOST:PORT or https://USER:PASSWORD@HOST, separated by commas; messages begin with its id"},
    {.name = "kafka_avro_schema_registry_ca_file", .type = PA_KEY_STRING,
     .help = "certificates (PEM) one of which must have signed the registry's; without it those that the system trusts"},
    {.name = "kafka_markers", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "messages before and after each purge that say so"},
    KEY_ROWS_PREPROCESS("kafka", "minp, minf, minb, minbpp, minppf"),
    KEY_ROWS_TRIGGER("kafka"),
    KEY_ROW_NUM_PROTOS("kafka"),
    KEY_ROWS_WRITERS("kafka"),
    {.name = NULL},
};
/* clang-format on */

/* ---- names ---- */

static int read_name(const struct pa_host *host, const struct pa_schema *schema, const char *key,
                     const struct kafka_settings *s, char *error, size_t error_size,
                     struct file_name **ret_name)
{
    const struct file_name_context context = {.purpose = FILE_NAME_TOPIC,
                                              .schema = schema,
                                              .is_utc = s->messages.options.is_utc,
                                              .refresh = setting_text(host, "kafka_refresh_time"),
                                              .history = setting_text(host, "kafka_history")};
    char why[256] = "";
    int err = file_name_new(setting_text(host, key), &context, why, sizeof why, ret_name);

    if (err < 0)
        snprintf(error, error_size, "%s: %s", key, why);
    return err;
}

/* Checks the text between conversions and variables, whose values are made to fit. */
static int check_topic(const char *key, const char *topic, char *error, size_t error_size)
{
    for (const char *c = topic; *c; c++) {
        bool is_legal = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') ||
                        (*c >= 'A' && *c <= 'Z') || strchr("._-$%", *c);
        if (!is_legal) {
            snprintf(error, error_size,
                     "%s: '%c' cannot be in a topic's name: only letters, digits, '.', '_', '-'",
                     key, *c);
            return -EINVAL;
        }
    }
    if (strlen(topic) <= TOPIC_NAME_MAX && strcmp(topic, ".") != 0 && strcmp(topic, "..") != 0)
        return 0;
    snprintf(error, error_size, "%s: a topic's name has 1 to 249 characters and is not . or ..",
             key);
    return -EINVAL;
}

static int read_routes(const struct pa_host *host, const struct pa_schema *schema,
                       struct kafka_settings *s, char *error, size_t error_size)
{
    bool is_dynamic = setting_is_on(host, "kafka_partition_dynamic");
    int err;

    s->messages.destination_count = (uint32_t)host->setting_number(host, "kafka_topic_rr");
    s->partition = (int32_t)host->setting_number(host, "kafka_partition");
    s->messages.is_sliced = setting_is_on(host, "kafka_partition_by_key");
    if (s->partition >= 0 && (is_dynamic || s->messages.is_sliced))
        return setting_refuse(
            error, error_size,
            "kafka_partition: one partition, or many by kafka_partition_dynamic or "
            "kafka_partition_by_key; not both");
    if (is_dynamic && !setting_text(host, "kafka_partition_key"))
        return setting_refuse(
            error, error_size,
            "kafka_partition_dynamic: needs kafka_partition_key: a text with $variables");
    if (s->messages.is_sliced &&
        (setting_text(host, "kafka_partition_key") || s->messages.destination_count > 0))
        return setting_refuse(
            error, error_size,
            "kafka_partition_by_key: makes the messages' keys itself, and equal rows "
            "must meet in one topic: it goes "
            "with neither kafka_partition_key nor kafka_topic_rr");
    err = check_topic("kafka_topic", setting_text(host, "kafka_topic"), error, error_size);
    if (err == 0)
        err =
            read_name(host, schema, "kafka_topic", s, error, error_size, &s->messages.destination);
    if (err == 0 && setting_text(host, "kafka_partition_key"))
        err =
            read_name(host, schema, "kafka_partition_key", s, error, error_size, &s->messages.key);
    if (err == 0 && file_name_has_columns(s->messages.destination))
        s->has_markers = false; /* a marker is a purge's, and such a topic a row's */
    return err;
}

/* ---- librdkafka ---- */

/* Makes "10.0.0.1:9092,[::1]:9093,kafka:9092" of "10.0.0.1, [::1]:9093, kafka" and port 9092. */
static void append_brokers(struct text *out, const char *hosts, int64_t port)
{
    while (*hosts) {
        size_t len = strcspn(hosts, ", ");
        const char *colon = memchr(hosts, ':', len), *bracket = memchr(hosts, ']', len);
        bool is_bare_ipv6 =
            colon && !bracket && memchr(colon + 1, ':', len - (size_t)(colon + 1 - hosts));
        if (len > 0) {
            text_append_printf(out, is_bare_ipv6 ? "%s[%.*s]" : "%s%.*s", out->len > 0 ? "," : "",
                               (int)len, hosts);
            if (is_bare_ipv6 || !colon || (bracket && bracket + 1 == hosts + len))
                text_append_printf(out, ":%lld", (long long)port);
        }
        hosts += len;
        hosts += strspn(hosts, ", ");
    }
}

static int conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error,
                    size_t error_size)
{
    return rd_kafka_conf_set(conf, name, value, error, error_size) == RD_KAFKA_CONF_OK ? 0
                                                                                       : -EINVAL;
}

static int make_conf(const struct pa_host *host, char *error, size_t error_size,
                     rd_kafka_conf_t **ret_conf)
{
    static const char *const properties[][2] = {
        {"enable.idempotence", "true"},
        {"acks", "all"},
        {"log.queue", "true"}, /* log lines come to the instance's thread */
        {"client.id", "pathacct"},
        /* A failure must show while the daemon still waits for an orderly end. */
        {"message.timeout.ms", "20000"},
        /* Less than the timeout: a topic that is not there must not look like a timeout. */
        {"topic.metadata.propagation.max.ms", "10000"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct text brokers = {0};
    char why[512] = "";
    int err = 0;

    append_brokers(&brokers, host->setting(host, "kafka_broker_host"),
                   host->setting_number(host, "kafka_broker_port"));
    if (conf_set(conf, "bootstrap.servers", text_cstr(&brokers), why, sizeof why) < 0) {
        snprintf(error, error_size, "kafka_broker_host: %s", why);
        err = -EINVAL;
    }
    text_clear(&brokers);
    for (size_t i = 0; i < sizeof properties / sizeof properties[0] && err == 0; i++)
        err = conf_set(conf, properties[i][0], properties[i][1], error, error_size);
    if (err == 0 && setting_text(host, "kafka_config_file")) {
        err = config_file_apply(setting_text(host, "kafka_config_file"), conf, why, sizeof why);
        if (err < 0)
            snprintf(error, error_size, "kafka_config_file: %s", why);
    }
    if (err < 0) {
        rd_kafka_conf_destroy(conf);
        return err;
    }
    *ret_conf = conf;
    return 0;
}

int kafka_settings_try(const rd_kafka_conf_t *conf, char *error, size_t error_size)
{
    rd_kafka_conf_t *copy = rd_kafka_conf_dup(conf);
    rd_kafka_t *producer;
    char why[512] = "";

    rd_kafka_conf_set(copy, "bootstrap.servers", NULL, NULL, 0);
    rd_kafka_conf_set(copy, "log_level", "0", NULL, 0);
    producer = rd_kafka_new(RD_KAFKA_PRODUCER, copy, why, sizeof why);
    if (!producer) {
        rd_kafka_conf_destroy(copy);
        snprintf(error, error_size, "kafka_config_file: %s", why);
        return -EINVAL;
    }
    rd_kafka_destroy(producer);
    return 0;
}

static void read_size(const struct pa_host *host, struct kafka_settings *s,
                      const rd_kafka_conf_t *conf)
{
    uint64_t wanted = (uint64_t)host->setting_number(host, "kafka_multi_values"), limit;
    char text[32] = "";
    size_t size = sizeof text;

    rd_kafka_conf_get(conf, "message.max.bytes", text, &size);
    limit = strtoull(text, NULL, 10);
    limit = limit > UINT64_C(2) * MESSAGE_OVERHEAD ? limit - MESSAGE_OVERHEAD : MESSAGE_OVERHEAD;
    s->messages.rows_max = UINT32_MAX;
    s->messages.bytes_max = limit;
    if (wanted == 0 || s->registry_urls) { /* readers expect one datum behind an id */
        s->messages.rows_max = 1;
    } else if (s->messages.output == MESSAGE_OUTPUT_AVRO) {
        s->messages.rows_max = wanted;
    } else if (wanted < limit) {
        s->messages.bytes_max = wanted;
    }
}

/* Reads where the schema of Avro goes. */
static int read_schema(const struct pa_host *host, struct kafka_settings *s, char *error,
                       size_t error_size)
{
    const char *topic = setting_text(host, "kafka_avro_schema_topic");
    const char *urls = setting_text(host, "kafka_avro_schema_registry");

    s->messages.avro_schema_file = setting_text(host, "kafka_avro_schema_file");
    s->messages.avro_schema_file_key = "kafka_avro_schema_file";
    s->schema_refresh_s = host->setting_number(host, "kafka_avro_schema_refresh_time");
    s->registry_ca_file = setting_text(host, "kafka_avro_schema_registry_ca_file");
    if (s->messages.output != MESSAGE_OUTPUT_AVRO)
        urls = NULL; /* there is no schema to be registered */
#ifndef WITH_REGISTRY
    if (urls)
        return setting_refuse(error, error_size,
                              "kafka_avro_schema_registry: this build has no schema registry "
                              "(-DWITH_REGISTRY=OFF)");
#endif
    s->registry_urls = urls;
    if (s->messages.output != MESSAGE_OUTPUT_JSON)
        s->schema_topic = topic;
    if (topic && strpbrk(topic, "$%"))
        return setting_refuse(error, error_size,
                              "kafka_avro_schema_topic: is one topic, without conversions and "
                              "variables");
    return topic ? check_topic("kafka_avro_schema_topic", topic, error, error_size) : 0;
}

int kafka_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                        size_t error_size, struct kafka_settings *ret_settings,
                        rd_kafka_conf_t **ret_conf)
{
    struct kafka_settings s = {0};
    rd_kafka_conf_t *conf = NULL;
    int err;

    output_options_read(host, &s.messages.options);
    s.messages.options.values.has_numeric_protos = setting_is_on(host, "kafka_num_protos");
    s.has_markers = setting_is_on(host, "kafka_markers");
    s.trigger_exec = setting_text(host, "kafka_trigger_exec");
    s.is_trigger_async = setting_is_on(host, "kafka_trigger_exec_async");
    s.messages.destination_max = TOPIC_NAME_MAX;
    s.messages.destination_replaces = "+=,@:";
    s.messages.output =
        (enum message_output)setting_choice(host, "kafka_output", MESSAGE_OUTPUT_JSON);
    err = read_schema(host, &s, error, error_size);
    if (err == 0)
        err = read_routes(host, schema, &s, error, error_size);
    if (err == 0)
        err = make_conf(host, error, error_size, &conf);
    if (err == 0)
        read_size(host, &s, conf);
    if (err == 0)
        err = row_filter_read(host, "kafka", false, schema, error, error_size, &s.messages.filter);
    if (err < 0) {
        kafka_settings_clear(&s);
        if (conf)
            rd_kafka_conf_destroy(conf);
        return err;
    }
    *ret_settings = s;
    *ret_conf = conf;
    return 0;
}

void kafka_settings_clear(struct kafka_settings *settings)
{
    message_settings_clear(&settings->messages);
}
