/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the cluster for its list of topics: a question for one topic would make it. See
 * kafka_try_out() in kafka.h. */
#include "base/clock.h"
#include "base/text.h"
#include "plugins/common/trigger.h"
#include "plugins/kafka/kafka.h"
#include "plugins/kafka/registry_open.h"
#include "plugins/message/encoder.h"
#include "plugins/text/file_name.h"
#include "plugins/text/schema_file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MS 10000

struct trial {
    const struct pa_host *host;
    char trouble[512]; /* how a connection failed last */
};

static void keep_trouble(rd_kafka_t *client, int err, const char *reason, void *opaque)
{
    struct trial *t = opaque;

    (void)client;
    if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        snprintf(t->trouble, sizeof t->trouble, "%s", reason);
}

/* The reasons of failures reach the log by way of keep_trouble(). */
static void drop_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text;
}

static bool has_topic(const struct rd_kafka_metadata *cluster, const char *name)
{
    for (int i = 0; i < cluster->topic_cnt; i++)
        if (strcmp(cluster->topics[i].topic, name) == 0)
            return true;
    return false;
}

static void look_for_topic(const struct trial *t, const struct kafka_settings *settings,
                           const struct rd_kafka_metadata *cluster)
{
    struct text name = {0};

    if (settings->messages.destination_count > 0 ||
        file_name_has_columns(settings->messages.destination))
        return; /* there are many */
    file_name_append(settings->messages.destination, NULL, NULL, clock_wall().ns / NS_PER_S, &name);
    if (!has_topic(cluster, text_cstr(&name)))
        t->host->log(
            t->host, PA_LOG_NOTICE,
            "kafka_topic: the cluster shows no topic %s; make it, unless the cluster makes "
            "topics by itself (auto.create.topics.enable)",
            text_cstr(&name));
    text_clear(&name);
}

/* Takes `conf`. */
static int try_cluster(struct trial *t, const struct kafka_settings *settings,
                       rd_kafka_conf_t *conf)
{
    const struct rd_kafka_metadata *cluster;
    char why[512] = "";

    rd_kafka_conf_set_opaque(conf, t);
    rd_kafka_conf_set_error_cb(conf, keep_trouble);
    rd_kafka_conf_set_log_cb(conf, drop_line);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!client) {
        rd_kafka_conf_destroy(conf);
        t->host->log(t->host, PA_LOG_ERROR, "kafka_config_file: %s", why);
        return -EINVAL;
    }
    rd_kafka_resp_err_t err = rd_kafka_metadata(client, 1, NULL, &cluster, ANSWER_MS);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        look_for_topic(t, settings, cluster);
        rd_kafka_metadata_destroy(cluster);
    } else {
        rd_kafka_poll(client, 0); /* tells keep_trouble() what went wrong meanwhile */
        t->host->log(t->host, PA_LOG_ERROR,
                     "kafka_broker_host: the cluster does not answer: %s%s%s",
                     rd_kafka_err2str(err), t->trouble[0] ? "; the last error: " : "", t->trouble);
    }
    rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -EHOSTUNREACH;
}

/* Appends the name of a topic; of many, one that no row gives. */
static void append_some_topic(const struct kafka_settings *settings, struct text *out)
{
    const struct file_name *destination = settings->messages.destination;
    int64_t now_s = clock_wall().ns / NS_PER_S;

    if (file_name_has_columns(destination))
        file_name_append_other(destination, now_s, out);
    else
        file_name_append(destination, NULL, NULL, now_s, out);
    for (size_t i = 0; i < out->len; i++)
        if (strchr(settings->messages.destination_replaces, out->data[i]))
            out->data[i] = '_';
    text_append_string(out, settings->messages.destination_count > 0 ? "_0" : "");
}

/* Asks the registry whether it would take the schemas. */
static int ask_registry(const struct pa_host *host, const struct kafka_settings *settings,
                        struct registry *registry)
{
    char why[512] = "";
    struct text topic = {0};
    int err = 0;

    append_some_topic(settings, &topic);
    for (int kind = 0; kind < (settings->has_markers ? AVRO_SCHEMA_KINDS : 1) && err == 0; kind++)
        err =
            registry_try(registry, text_cstr(&topic), (enum avro_schema_kind)kind, why, sizeof why);
    if (err < 0)
        host->log(host, PA_LOG_ERROR, "kafka_avro_schema_registry: %s", why);
    text_clear(&topic);
    return err;
}

static int try_registry(const struct pa_host *host, const struct pa_schema *schema,
                        const struct kafka_settings *settings)
{
    struct message_settings messages = settings->messages;
    struct encoder *encoder = NULL;
    struct registry *registry = NULL;
    char why[512] = "";
    int err;

    if (!settings->registry_urls)
        return 0;
    messages.avro_schema_file = NULL; /* which is not to be written now */
    err = encoder_new(host, schema, &messages, why, sizeof why, &encoder);
    if (err == 0)
        err = registry_open(host, settings, encoder, why, sizeof why, &registry);
    if (err < 0)
        host->log(host, PA_LOG_ERROR, "%s", why);
    else
        err = ask_registry(host, settings, registry);
    registry_free(registry);
    encoder_free(encoder);
    return err;
}

int kafka_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                  size_t error_size)
{
    struct trial t = {.host = host};
    struct kafka_settings settings;
    rd_kafka_conf_t *conf;
    int err = kafka_settings_read(host, schema, error, error_size, &settings, &conf);

    if (err < 0)
        return err;
    error[0] = '\0'; /* reading has left what does not matter */
    err = try_cluster(&t, &settings, conf);
    if (try_registry(host, schema, &settings) < 0)
        err = -EINVAL;
    if (schema_file_try_out(host, settings.messages.avro_schema_file_key,
                            settings.messages.avro_schema_file) < 0)
        err = -EINVAL;
    if (trigger_try_out(host, "kafka_trigger_exec", settings.trigger_exec) < 0)
        err = -EINVAL;
    kafka_settings_clear(&settings);
    return err;
}
