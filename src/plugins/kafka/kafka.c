/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin kafka: rows become messages, messages go to the cluster, and refused ones are taken
 * apart.
 * Each carries the identity of its rows in headers (identity.h), with the instance's name.
 */
#include "plugins/kafka/kafka.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/kafka/kafka_settings.h"
#include "plugins/kafka/producer.h"
#include "plugins/kafka/registry_open.h"
#include "plugins/message/avro_schema.h"
#include "plugins/message/identity.h"
#include "plugins/message/marker.h"
#include "plugins/message/purge.h"
#include "plugins/message/under_way.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct kafka {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct kafka_settings settings;
    struct encoder *encoder;
    struct packer *packer;
    struct producer *producer;
    struct registry *registry; /* NULL: messages are bare */
    struct text framed;        /* a message with the id of its schema */
    struct avro_schema_round schema_round;
    /* Belongs to the transaction under way. */
    struct purge purge;
    struct under_way under_way;  /* a message's number + 1 is what the producer gives back */
    rd_kafka_headers_t *headers; /* of the hand-over under way, without the places of rows */
    uint32_t *refused;           /* numbers of messages */
    uint32_t refused_count, refused_capacity;
    bool is_refused; /* whether the one message that was sent by itself is refused */
    char refusal[128];
};

/* ---- open and close ---- */

/* Tells what is accepted, because pmacct does, and does not do what it says. */
static void warn_of_settings(const struct pa_host *host, const struct kafka_settings *settings)
{
    uint64_t wanted = (uint64_t)host->setting_number(host, "kafka_multi_values");

    if (setting_text(host, "kafka_avro_schema_registry") &&
        settings->messages.output != MESSAGE_OUTPUT_AVRO)
        host->log(host, PA_LOG_NOTICE,
                  "kafka_avro_schema_registry: has no effect without kafka_output: avro");
    if (setting_is_on(host, "kafka_markers") && !settings->has_markers)
        host->log(host, PA_LOG_WARNING,
                  "kafka_markers: none are sent: they belong to a purge, not to a row, and a topic "
                  "with $variables is a row's");
    if (settings->messages.output != MESSAGE_OUTPUT_AVRO && wanted > settings->messages.bytes_max)
        host->log(host, PA_LOG_WARNING,
                  "kafka_multi_values: %llu bytes are more than a message may have, so messages "
                  "have up to %llu; message.max.bytes in kafka_config_file raises it (and "
                  "max.message.bytes of the topic)",
                  (unsigned long long)wanted, (unsigned long long)settings->messages.bytes_max);
}

int kafka_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size)
{
    struct kafka_settings settings;
    rd_kafka_conf_t *conf;
    int err = kafka_settings_read(host, schema, error, error_size, &settings, &conf);

    if (err < 0)
        return err;
    warn_of_settings(host, &settings);
    err = kafka_settings_try(conf, error, error_size);
    if (err == 0 && settings.registry_urls)
        err = registry_check(host, &settings, error, error_size);
    rd_kafka_conf_destroy(conf);
    kafka_settings_clear(&settings);
    return err;
}

static void message_answered(void *arg, void *message, const char *refusal);
static int send_packet(void *arg, const struct packet *packet);
static bool keeps_row(void *arg, const uint8_t *row);

/* Registers the schemas of the topic before its first message, if it is one that is known now, so that
 * a failure is told at once and a transaction fails before it has sent anything. */
static int prepare_topic(struct kafka *k)
{
    struct text topic = {0};
    int err;

    if (!k->registry || !registry_topic_is_fixed(&k->settings))
        return 0;
    packer_append_destination(k->packer, 0, &topic);
    err = registry_prepare(k->registry, text_cstr(&topic), k->settings.has_markers);
    text_clear(&topic);
    return err;
}

int kafka_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct kafka *k = mem_zalloc(sizeof *k);
    rd_kafka_conf_t *conf = NULL;
    char error[512] = "";
    int err;

    k->host = host;
    k->schema = schema;
    k->purge.host = host;
    k->purge.refresh_key = "kafka_refresh_time";
    k->purge.refresh_variable = "KAFKA_REFRESH_TIME";
    k->purge.trigger.key = "kafka_trigger_exec";
    err = kafka_settings_read(host, schema, error, sizeof error, &k->settings, &conf);
    if (err == 0)
        err = encoder_new(host, schema, &k->settings.messages, error, sizeof error, &k->encoder);
    if (err == 0 && k->settings.registry_urls)
        err = registry_open(host, &k->settings, k->encoder, error, sizeof error, &k->registry);
    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "kafka cannot start: %s",
                  *error ? error : strerrordesc_np(-err));
        if (conf)
            rd_kafka_conf_destroy(conf);
        kafka_close(k);
        return err;
    }
    k->purge.filter = k->settings.messages.filter;
    k->purge.trigger.program = k->settings.trigger_exec;
    k->purge.trigger.is_async = k->settings.is_trigger_async;
    k->packer =
        packer_new(&k->settings.messages, schema, k->encoder,
                   &(struct packer_sink){.send = send_packet,
                                         .keeps = k->settings.messages.filter ? keeps_row : NULL,
                                         .arg = k});
    k->under_way.packer = k->packer;
    k->under_way.settings = &k->settings.messages;
    k->under_way.schema = schema;
    k->schema_round.refresh_s = k->settings.schema_refresh_s;
    k->producer =
        producer_new(&(struct producer_settings){.host = host,
                                                 .conf = conf,
                                                 .partition = k->settings.partition,
                                                 .is_sliced = k->settings.messages.is_sliced,
                                                 .answered = message_answered,
                                                 .arg = k});
    if (k->registry && host->setting_number(host, "kafka_multi_values") > 1)
        host->log(
            host, PA_LOG_NOTICE,
            "kafka_multi_values has no effect with kafka_avro_schema_registry: a message is an "
            "id and one row");
    /* The producer connects while nothing waits; what fails now is tried again. */
    producer_begin(k->producer);
    prepare_topic(k);
    *ret_state = k;
    return 0;
}

static void forget_transaction(struct kafka *k)
{
    if (k->headers)
        rd_kafka_headers_destroy(k->headers);
    k->headers = NULL;
    under_way_forget(&k->under_way);
    k->refused_count = 0;
}

void kafka_close(void *state)
{
    struct kafka *k = state;

    if (!k)
        return;
    trigger_reap(&k->purge.trigger, k->host, true);
    producer_free(k->producer);
    registry_free(k->registry);
    text_clear(&k->framed);
    packer_free(k->packer);
    encoder_free(k->encoder);
    kafka_settings_clear(&k->settings);
    forget_transaction(k);
    under_way_clear(&k->under_way);
    mem_free(k->refused);
    mem_free(k);
}

/* ---- messages ---- */

/* Notes an answer. `message` is a number + 1; NULL: a marker, or the one message that was sent by
 * itself. */
static void message_answered(void *arg, void *message, const char *refusal)
{
    struct kafka *k = arg;
    uint32_t number = (uint32_t)(uintptr_t)message - 1;

    if (refusal)
        snprintf(k->refusal, sizeof k->refusal, "%s", refusal);
    if (!message) {
        k->is_refused = refusal != NULL;
    } else if (refusal) {
        if (k->refused_count == k->refused_capacity) {
            k->refused_capacity = k->refused_capacity ? k->refused_capacity * 2 : 64;
            k->refused = mem_realloc_array(k->refused, k->refused_capacity, sizeof *k->refused);
        }
        k->refused[k->refused_count++] = number;
    } else {
        under_way_remove(&k->under_way, number);
    }
}

static rd_kafka_headers_t *make_headers(const struct kafka *k, const struct pa_source *source)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(5);
    struct identity id;

    identity_of(source, &id);
    rd_kafka_header_add(headers, "core_id", -1, id.core_id, -1);
    rd_kafka_header_add(headers, "instance", -1, k->host->instance_name, -1);
    rd_kafka_header_add(headers, "worker", -1, id.worker, -1);
    rd_kafka_header_add(headers, "seq", -1, id.seq, -1);
    return headers;
}

static rd_kafka_headers_t *with_rows(const rd_kafka_headers_t *headers, uint64_t first,
                                     uint64_t last)
{
    rd_kafka_headers_t *copy = rd_kafka_headers_copy(headers);
    struct identity id;

    identity_set_rows(&id, first, last);
    rd_kafka_header_add(copy, "rows", -1, id.rows, -1);
    return copy;
}

/* Sends a message, behind the id of its schema if there is a registry. One that is too large is
 * answered at once. -EPERM: the registry does not take its schema. */
static int send_message(struct kafka *k, struct producer_message *m, enum avro_schema_kind kind)
{
    int err = 0;

    if (k->registry) {
        err = registry_frame(k->registry, m->topic, kind, m->value, m->value_len, &k->framed);
        m->value = k->framed.data;
        m->value_len = k->framed.len;
    }
    if (err < 0 && m->headers)
        rd_kafka_headers_destroy(m->headers);
    if (err == 0)
        err = producer_send(k->producer, m);
    if (err == -EMSGSIZE)
        message_answered(k, m->message, "larger than message.max.bytes");
    return err == -EMSGSIZE ? 0 : err;
}

static const char not_registered[] = "the schema registry does not take its schema";

static void reject_message(struct kafka *k, uint32_t number, const char *why)
{
    struct sent_message m = under_way_get(&k->under_way, number);
    uint32_t count;
    struct sent_row *rows = under_way_find_rows(&k->under_way, &m, &count);

    for (uint32_t i = 0; i < count; i++)
        purge_reject(&k->purge, rows[i].row, why);
    mem_free(rows);
    under_way_remove(&k->under_way, number);
}

static int send_packet(void *arg, const struct packet *packet)
{
    struct kafka *k = arg;
    uint32_t number = under_way_add(&k->under_way, packet);
    struct producer_message m = {
        .topic = packet->destination,
        .key = packet->key,
        .key_len = packet->key_len,
        .value = packet->payload->data,
        .value_len = packet->payload->len,
        .headers = with_rows(k->headers, packet->first_row, packet->last_row),
        .message = (void *)((uintptr_t)number + 1),
    };

    int err = send_message(k, &m, AVRO_SCHEMA_DATA);
    if (err != -EPERM)
        return err;
    reject_message(k, number, not_registered);
    return 0;
}

static bool keeps_row(void *arg, const uint8_t *row)
{
    struct kafka *k = arg;

    return purge_keeps(&k->purge, row);
}

/* ---- messages that the cluster refuses ---- */

/* Sends rows as one message and waits for the answer. Returns 1 if it is refused. */
static int send_alone(struct kafka *k, const struct sent_message *m, const struct sent_row *rows,
                      uint32_t count)
{
    struct text topic = {0}, key = {0}, payload = {0};
    rd_kafka_headers_t *headers = make_headers(k, &k->under_way.handovers[m->handover]);
    struct producer_message out = {.headers =
                                       with_rows(headers, rows[0].place, rows[count - 1].place)};
    int err;

    rd_kafka_headers_destroy(headers);
    packer_append_names(k->packer, rows[0].batch, rows[0].row, m->turn, &topic, &key);
    for (uint32_t i = 0; i < count; i++)
        encoder_append(k->encoder, rows[i].batch, rows[i].row, &payload);
    if (count == 1 && k->settings.messages.output != MESSAGE_OUTPUT_AVRO)
        payload.len--;
    out.topic = text_cstr(&topic);
    out.key = key.len > 0 ? key.data : NULL;
    out.key_len = key.len;
    out.value = payload.data;
    out.value_len = payload.len;
    k->is_refused = false;
    err = send_message(k, &out, AVRO_SCHEMA_DATA);
    if (err == -EPERM)
        message_answered(k, NULL, not_registered);
    else if (err == 0)
        err = producer_wait(k->producer);
    text_clear(&topic);
    text_clear(&key);
    text_clear(&payload);
    return err == 0 || err == -EPERM ? k->is_refused : err;
}

/* Sends all rows, then halves of what is refused, down to single rows: librdkafka may have put the
 * message into one batch with others that were too large, and of packed rows one may be the
 * culprit. */
static int send_in_halves(struct kafka *k, const struct sent_message *m,
                          const struct sent_row *rows, uint32_t count)
{
    int err = send_alone(k, m, rows, count);

    if (err <= 0)
        return err;
    if (count == 1) {
        purge_reject(&k->purge, rows[0].row, k->refusal);
        return 0;
    }
    err = send_in_halves(k, m, rows, count / 2);
    return err < 0 ? err : send_in_halves(k, m, rows + count / 2, count - count / 2);
}

static int send_refused_again(struct kafka *k)
{
    int err = 0;

    if (k->refused_count > 0)
        k->host->log(k->host, PA_LOG_WARNING,
                     "kafka: %" PRIu32 " messages are refused (%s): sent again in smaller ones",
                     k->refused_count, k->refusal);
    for (uint32_t i = 0; i < k->refused_count && err == 0; i++) {
        struct sent_message m = under_way_get(&k->under_way, k->refused[i]);
        uint32_t count;
        struct sent_row *rows = under_way_find_rows(&k->under_way, &m, &count);
        err = count > 0 ? send_in_halves(k, &m, rows, count) : 0;
        mem_free(rows);
    }
    k->refused_count = 0;
    return err;
}

/* ---- markers and the schema ---- */

static bool is_avro(const struct kafka *k)
{
    return k->settings.messages.output == MESSAGE_OUTPUT_AVRO;
}

static int send_marker(struct kafka *k, const struct text *marker, enum avro_schema_kind kind)
{
    uint32_t topics =
        k->settings.messages.destination_count > 0 ? k->settings.messages.destination_count : 1;
    struct text topic = {0};
    int err = 0;

    for (uint32_t i = 0; i < topics && err == 0; i++) {
        text_reset(&topic);
        packer_append_destination(k->packer, i, &topic);
        struct producer_message m = {
            .topic = text_cstr(&topic), .value = marker->data, .value_len = marker->len};
        err = send_message(k, &m, kind);
    }
    text_clear(&topic);
    return err;
}

static int send_opening(struct kafka *k)
{
    struct text marker = {0};
    int err;

    marker_append_opening(&marker, is_avro(k), encoder_writer_id(k->encoder));
    err = send_marker(k, &marker, AVRO_SCHEMA_INIT);
    text_clear(&marker);
    return err;
}

static int send_closing(struct kafka *k)
{
    struct text marker = {0};
    int err;

    purge_append_closing(&k->purge, is_avro(k), encoder_writer_id(k->encoder), &marker);
    err = send_marker(k, &marker, AVRO_SCHEMA_CLOSE);
    text_clear(&marker);
    return err == 0 ? producer_wait(k->producer) : err;
}

static int send_schema(void *arg, const struct text *message)
{
    struct kafka *k = arg;

    return producer_send(k->producer, &(struct producer_message){.topic = k->settings.schema_topic,
                                                                 .value = message->data,
                                                                 .value_len = message->len});
}

/* ---- transactions ---- */

int kafka_begin(void *state, const struct pa_transaction *transaction)
{
    struct kafka *k = state;
    int err;

    forget_transaction(k);
    purge_begin(&k->purge, transaction);
    encoder_set_written(k->encoder, transaction->time_ns);
    packer_set_time(k->packer, transaction->time_ns);
    packer_begin(k->packer, 0);
    if (transaction->row_count == 0 && !k->settings.has_markers)
        return 0;
    err = prepare_topic(k);
    if (err == 0)
        err = producer_begin(k->producer);
    if (err == 0 && k->settings.schema_topic)
        err = avro_schema_send_due(&k->schema_round, k->encoder, k->settings.has_markers,
                                   send_schema, k);
    return err == 0 && k->settings.has_markers ? send_opening(k) : err;
}

static int begin_handover(struct kafka *k, const struct pa_source *source)
{
    int err = packer_flush(k->packer);

    if (err < 0)
        return err;
    under_way_add_handover(&k->under_way, source);
    if (k->headers)
        rd_kafka_headers_destroy(k->headers);
    k->headers = make_headers(k, source);
    packer_begin(k->packer, source->last_seq);
    return 0;
}

int kafka_write(void *state, const struct pa_batch *batch)
{
    struct kafka *k = state;
    int err = 0;

    if (under_way_is_next(&k->under_way, batch))
        err = begin_handover(k, batch->source);
    if (err < 0)
        return err;
    under_way_add_batch(&k->under_way, batch);
    k->purge.written += batch->row_count;
    return packer_add(k->packer, batch);
}

int kafka_commit(void *state, const struct pa_transaction *transaction)
{
    struct kafka *k = state;
    int err = packer_flush(k->packer);

    (void)transaction;
    if (err == 0)
        err = producer_wait(k->producer);
    if (err == 0)
        err = send_refused_again(k);
    if (err == 0 && k->settings.has_markers)
        err = send_closing(k);
    if (err < 0)
        return err;
    purge_end(&k->purge);
    forget_transaction(k);
    return 0;
}

void kafka_abort(void *state)
{
    struct kafka *k = state;

    producer_abort(k->producer);
    packer_begin(k->packer, 0);
    forget_transaction(k);
}
