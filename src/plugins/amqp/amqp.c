/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin amqp: rows become messages, and messages go to an exchange. A transaction is done when
 * the broker has confirmed all of it. Each message carries the identity of its rows in headers
 * (identity.h), as a transaction that is sent again after a failure repeats what had arrived.
 */
#include "plugins/amqp/amqp.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/amqp/amqp_settings.h"
#include "plugins/amqp/broker.h"
#include "plugins/message/avro_schema.h"
#include "plugins/message/identity.h"
#include "plugins/message/marker.h"
#include "plugins/message/purge.h"
#include "plugins/message/under_way.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct amqp {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct amqp_settings settings;
    struct encoder *encoder;
    struct packer *packer;
    struct broker *broker;
    struct avro_schema_round schema_round;
    /* Belongs to the transaction under way. */
    struct purge purge;
    struct under_way under_way; /* a message's number + 1 is what the broker gives back */
    struct identity identity;   /* of the hand-over under way */
};

/* ---- open and close ---- */

int amqp_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
               size_t error_size)
{
    struct amqp_settings settings;
    int err = amqp_settings_read(host, schema, error, error_size, &settings);

    if (err < 0)
        return err;
    if (setting_is_on(host, "amqp_markers") && !settings.has_markers)
        host->log(host, PA_LOG_WARNING,
                  "amqp_markers: none are sent: they belong to a purge, not to a row, and a "
                  "routing key with $variables is a row's");
    amqp_settings_clear(&settings);
    return 0;
}

static void message_answered(void *arg, void *message, bool is_unroutable);
static int send_packet(void *arg, const struct packet *packet);
static bool keeps_row(void *arg, const uint8_t *row);

int amqp_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct amqp *a = mem_zalloc(sizeof *a);
    char error[512] = "";
    int err;

    a->host = host;
    a->schema = schema;
    a->purge.host = host;
    a->purge.refresh_key = "amqp_refresh_time";
    a->purge.refresh_variable = "AMQP_REFRESH_TIME";
    a->purge.trigger.key = "amqp_trigger_exec";
    err = amqp_settings_read(host, schema, error, sizeof error, &a->settings);
    if (err == 0)
        err = encoder_new(host, schema, &a->settings.messages, error, sizeof error, &a->encoder);
    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "amqp cannot start: %s",
                  *error ? error : strerrordesc_np(-err));
        amqp_close(a);
        return err;
    }
    a->purge.filter = a->settings.messages.filter;
    a->purge.trigger.program = a->settings.trigger_exec;
    a->purge.trigger.is_async = a->settings.is_trigger_async;
    a->packer =
        packer_new(&a->settings.messages, schema, a->encoder,
                   &(struct packer_sink){.send = send_packet,
                                         .keeps = a->settings.messages.filter ? keeps_row : NULL,
                                         .arg = a});
    a->under_way.packer = a->packer;
    a->under_way.settings = &a->settings.messages;
    a->under_way.schema = schema;
    a->schema_round.refresh_s = a->settings.schema_refresh_s;
    a->broker = broker_new(host, &a->settings, message_answered, a);
    /* A connection that fails now is tried again at the first purge. */
    broker_begin(a->broker);
    *ret_state = a;
    return 0;
}

void amqp_close(void *state)
{
    struct amqp *a = state;

    if (!a)
        return;
    trigger_reap(&a->purge.trigger, a->host, true);
    broker_free(a->broker);
    packer_free(a->packer);
    encoder_free(a->encoder);
    amqp_settings_clear(&a->settings);
    under_way_clear(&a->under_way);
    mem_free(a);
}

/* ---- messages ---- */

/* Takes the rows of a message that no queue got out of what was written. */
static void reject_rows(struct amqp *a, uint32_t number)
{
    struct sent_message m = under_way_get(&a->under_way, number);
    uint32_t count;
    struct sent_row *rows = under_way_find_rows(&a->under_way, &m, &count);

    for (uint32_t i = 0; i < count; i++)
        purge_reject(&a->purge, rows[i].row, "its message is unroutable");
    mem_free(rows);
}

static void message_answered(void *arg, void *message, bool is_unroutable)
{
    struct amqp *a = arg;
    uint32_t number = (uint32_t)(uintptr_t)message - 1;

    if (is_unroutable)
        reject_rows(a, number);
    under_way_remove(&a->under_way, number);
}

static bool is_avro(const struct amqp *a)
{
    return a->settings.messages.output == MESSAGE_OUTPUT_AVRO;
}

static const char *content_type(const struct amqp *a)
{
    return is_avro(a) ? "avro/binary" : "application/json";
}

static int send_packet(void *arg, const struct packet *packet)
{
    struct amqp *a = arg;
    uint32_t number = under_way_add(&a->under_way, packet);

    identity_set_rows(&a->identity, packet->first_row, packet->last_row);
    return broker_publish(a->broker,
                          &(struct broker_message){.routing_key = packet->destination,
                                                   .content_type = content_type(a),
                                                   .value = packet->payload->data,
                                                   .value_len = packet->payload->len,
                                                   .identity = &a->identity,
                                                   .message = (void *)((uintptr_t)number + 1)});
}

static bool keeps_row(void *arg, const uint8_t *row)
{
    struct amqp *a = arg;

    return purge_keeps(&a->purge, row);
}

/* ---- markers and the schema ---- */

static int send_marker(struct amqp *a, const struct text *marker)
{
    uint32_t keys = a->settings.messages.destination_count;
    struct text key = {0};
    int err = 0;

    for (uint32_t i = 0; i < (keys > 0 ? keys : 1) && err == 0; i++) {
        text_reset(&key);
        packer_append_destination(a->packer, i, &key);
        err = broker_publish(a->broker, &(struct broker_message){.routing_key = text_cstr(&key),
                                                                 .content_type = content_type(a),
                                                                 .value = marker->data,
                                                                 .value_len = marker->len});
    }
    text_clear(&key);
    return err;
}

static int send_opening(struct amqp *a)
{
    struct text marker = {0};
    int err;

    marker_append_opening(&marker, is_avro(a), encoder_writer_id(a->encoder));
    err = send_marker(a, &marker);
    text_clear(&marker);
    return err;
}

static int send_closing(struct amqp *a)
{
    struct text marker = {0};
    int err;

    purge_append_closing(&a->purge, is_avro(a), encoder_writer_id(a->encoder), &marker);
    err = send_marker(a, &marker);
    text_clear(&marker);
    return err == 0 ? broker_wait(a->broker) : err;
}

static int send_schema(void *arg, const struct text *message)
{
    struct amqp *a = arg;

    return broker_publish(a->broker, &(struct broker_message){.routing_key = a->settings.schema_key,
                                                              .content_type = "application/json",
                                                              .value = message->data,
                                                              .value_len = message->len});
}

/* ---- transactions ---- */

int amqp_begin(void *state, const struct pa_transaction *transaction)
{
    struct amqp *a = state;
    int err;

    under_way_forget(&a->under_way);
    purge_begin(&a->purge, transaction);
    encoder_set_written(a->encoder, transaction->time_ns);
    packer_set_time(a->packer, transaction->time_ns);
    packer_begin(a->packer, 0);
    if (transaction->row_count == 0 && !a->settings.has_markers)
        return 0;
    err = broker_begin(a->broker);
    if (err == 0 && a->settings.schema_key)
        err = avro_schema_send_due(&a->schema_round, a->encoder, a->settings.has_markers,
                                   send_schema, a);
    return err == 0 && a->settings.has_markers ? send_opening(a) : err;
}

static int begin_handover(struct amqp *a, const struct pa_source *source)
{
    int err = packer_flush(a->packer);

    if (err < 0)
        return err;
    under_way_add_handover(&a->under_way, source);
    identity_of(source, &a->identity);
    packer_begin(a->packer, source->last_seq);
    return 0;
}

int amqp_write(void *state, const struct pa_batch *batch)
{
    struct amqp *a = state;
    int err = 0;

    if (under_way_is_next(&a->under_way, batch))
        err = begin_handover(a, batch->source);
    if (err < 0)
        return err;
    under_way_add_batch(&a->under_way, batch);
    a->purge.written += batch->row_count;
    return packer_add(a->packer, batch);
}

int amqp_commit(void *state, const struct pa_transaction *transaction)
{
    struct amqp *a = state;
    int err = packer_flush(a->packer);

    (void)transaction;
    if (err == 0)
        err = broker_wait(a->broker);
    if (err == 0 && a->settings.has_markers)
        err = send_closing(a);
    if (err < 0)
        return err;
    purge_end(&a->purge);
    under_way_forget(&a->under_way);
    return 0;
}

void amqp_abort(void *state)
{
    struct amqp *a = state;

    broker_abort(a->broker);
    packer_begin(a->packer, 0);
    under_way_forget(&a->under_way);
}
