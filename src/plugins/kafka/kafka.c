/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin kafka: rows become messages, messages go to the cluster, and refused ones are taken
 * apart.
 *
 * Each message carries the identity of its rows in headers: core_id, instance, worker and seq of
 * the hand-over, and the places of its first and last row in it. Packing depends on nothing else,
 * so that (all of these) is the same whenever the same rows are sent again, and a reader that keeps
 * one message of each identity has every row exactly once.
 */
#include "plugins/kafka/kafka.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/common/purge_log.h"
#include "plugins/common/row_filter.h"
#include "plugins/common/trigger.h"
#include "plugins/kafka/encoder.h"
#include "plugins/kafka/kafka_settings.h"
#include "plugins/kafka/packer.h"
#include "plugins/kafka/producer.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* A message under way, with all that is needed to find its rows again. */
struct kafka_message {
    uint64_t route, first_row, last_row;
    uint32_t handover, topic_turn;
    uint32_t next_free; /* the next free place in the table, if this one is free */
};

/* A batch under way. Its rows stay where they are until the transaction ends
 * (PA_PLUGIN_KEEPS_HANDOVERS). */
struct kept_batch {
    struct pa_batch batch;
    uint32_t handover;
};

struct kafka {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct kafka_settings settings;
    struct encoder *encoder;
    struct packer *packer;
    struct producer *producer;
    struct trigger trigger;
    /* Belongs to the transaction under way. */
    struct pa_transaction transaction;
    struct mono_time begun;
    uint64_t written;
    struct row_filter_sums left_out; /* by kafka_preprocess */
    struct pa_source *handovers;     /* the hand-overs that have had rows */
    uint32_t handover_count, handover_capacity;
    rd_kafka_headers_t *headers; /* of the hand-over under way, without the places of rows */
    struct kept_batch *batches;
    uint32_t batch_count, batch_capacity;
    struct kafka_message *messages; /* in flight or refused, and free places */
    uint32_t message_count, message_capacity, first_free; /* number + 1; 0: none */
    uint32_t *refused;                                    /* numbers of messages */
    uint32_t refused_count, refused_capacity;
    bool is_refused; /* whether the one message that was sent by itself is refused */
    char refusal[128];
};

/* ---- open and close ---- */

int kafka_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size)
{
    struct kafka_settings settings;
    rd_kafka_conf_t *conf;
    int err = kafka_settings_read(host, schema, error, error_size, &settings, &conf);

    if (err < 0)
        return err;
    err = kafka_settings_try(conf, error, error_size);
    rd_kafka_conf_destroy(conf);
    kafka_settings_clear(&settings);
    return err;
}

static void message_answered(void *arg, void *message, const char *refusal);
static int send_packet(void *arg, const struct packet *packet);
static void refuse_row(void *arg, const uint8_t *row);
static bool keeps_row(void *arg, const uint8_t *row);

int kafka_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct kafka *k = mem_zalloc(sizeof *k);
    rd_kafka_conf_t *conf = NULL;
    char error[512] = "";
    int err;

    k->host = host;
    k->schema = schema;
    k->trigger.key = "kafka_trigger_exec";
    err = kafka_settings_read(host, schema, error, sizeof error, &k->settings, &conf);
    if (err == 0)
        err = encoder_new(host, schema, &k->settings, error, sizeof error, &k->encoder);
    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "kafka cannot start: %s",
                  *error ? error : strerrordesc_np(-err));
        if (conf)
            rd_kafka_conf_destroy(conf);
        kafka_close(k);
        return err;
    }
    k->trigger.program = k->settings.trigger_exec;
    k->trigger.is_async = k->settings.is_trigger_async;
    k->packer = packer_new(&k->settings, schema, k->encoder,
                           &(struct packer_sink){.send = send_packet,
                                                 .refuse = refuse_row,
                                                 .keeps = k->settings.filter ? keeps_row : NULL,
                                                 .arg = k});
    k->producer =
        producer_new(&(struct producer_settings){.host = host,
                                                 .conf = conf,
                                                 .partition = k->settings.partition,
                                                 .is_sliced = k->settings.is_partitioned_by_key,
                                                 .answered = message_answered,
                                                 .arg = k});
    /* The producer connects while nothing waits; what fails now is tried again. */
    producer_begin(k->producer);
    *ret_state = k;
    return 0;
}

static void forget_transaction(struct kafka *k)
{
    if (k->headers)
        rd_kafka_headers_destroy(k->headers);
    k->headers = NULL;
    k->handover_count = k->batch_count = k->message_count = k->first_free = k->refused_count = 0;
}

void kafka_close(void *state)
{
    struct kafka *k = state;

    if (!k)
        return;
    trigger_reap(&k->trigger, k->host, true);
    producer_free(k->producer);
    packer_free(k->packer);
    encoder_free(k->encoder);
    kafka_settings_clear(&k->settings);
    forget_transaction(k);
    mem_free(k->handovers);
    mem_free(k->batches);
    mem_free(k->messages);
    mem_free(k->refused);
    mem_free(k);
}

/* ---- messages ---- */

/* Makes room for one more element of `size` bytes and returns the array. */
static void *array_grow(void *array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 64;
    return mem_realloc_array(array, *capacity, size);
}

static uint32_t take_message(struct kafka *k)
{
    uint32_t number = k->first_free;

    if (number > 0) {
        k->first_free = k->messages[number - 1].next_free;
        return number - 1;
    }
    k->messages =
        array_grow(k->messages, k->message_count, &k->message_capacity, sizeof *k->messages);
    return k->message_count++;
}

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
        k->refused =
            array_grow(k->refused, k->refused_count, &k->refused_capacity, sizeof *k->refused);
        k->refused[k->refused_count++] = number;
    } else {
        k->messages[number].next_free = k->first_free;
        k->first_free = number + 1;
    }
}

static rd_kafka_headers_t *make_headers(const struct kafka *k, const struct pa_source *source)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(5);
    char text[33];

    for (size_t i = 0; i < sizeof source->core_id; i++)
        snprintf(text + 2 * i, sizeof text - 2 * i, "%02x", source->core_id[i]);
    rd_kafka_header_add(headers, "core_id", -1, text, -1);
    rd_kafka_header_add(headers, "instance", -1, k->host->instance_name, -1);
    snprintf(text, sizeof text, "%" PRIu32, source->worker);
    rd_kafka_header_add(headers, "worker", -1, text, -1);
    snprintf(text, sizeof text, "%" PRIu64, source->last_seq);
    rd_kafka_header_add(headers, "seq", -1, text, -1);
    return headers;
}

static rd_kafka_headers_t *with_rows(const rd_kafka_headers_t *headers, uint64_t first,
                                     uint64_t last)
{
    rd_kafka_headers_t *copy = rd_kafka_headers_copy(headers);
    char text[48], *end = text + text_format_uint(text, first);

    *end++ = '-';
    end += text_format_uint(end, last);
    rd_kafka_header_add(copy, "rows", -1, text, end - text);
    return copy;
}

static int send_packet(void *arg, const struct packet *packet)
{
    struct kafka *k = arg;
    uint32_t number = take_message(k);
    const struct producer_message m = {
        .topic = packet->topic,
        .key = packet->key,
        .key_len = packet->key_len,
        .value = packet->payload->data,
        .value_len = packet->payload->len,
        .headers = with_rows(k->headers, packet->first_row, packet->last_row),
        .message = (void *)((uintptr_t)number + 1),
    };

    k->messages[number] = (struct kafka_message){.route = packet->route,
                                                 .first_row = packet->first_row,
                                                 .last_row = packet->last_row,
                                                 .handover = k->handover_count - 1,
                                                 .topic_turn = packet->topic_turn};
    int err = producer_send(k->producer, &m);
    if (err != -EMSGSIZE)
        return err;
    message_answered(k, m.message, "larger than message.max.bytes");
    return 0;
}

static void refuse_row(void *arg, const uint8_t *row)
{
    struct kafka *k = arg;

    k->host->reject_row(k->host, row, "it has no form in Avro");
    k->written--;
}

static bool keeps_row(void *arg, const uint8_t *row)
{
    struct kafka *k = arg;

    if (row_filter_passes(k->settings.filter, row, &k->left_out))
        return true;
    k->written--;
    return false;
}

/* ---- messages that the cluster refuses ---- */

/* A row of a refused message, to be sent again. */
struct refused_row {
    const struct pa_batch *batch;
    const uint8_t *row;
    uint64_t place;
};

/* Sends rows as one message and waits for the answer. Returns 1 if it is refused. */
static int send_alone(struct kafka *k, const struct kafka_message *m,
                      const struct refused_row *rows, uint32_t count)
{
    struct text topic = {0}, key = {0}, payload = {0};
    rd_kafka_headers_t *headers = make_headers(k, &k->handovers[m->handover]);
    struct producer_message out = {.headers =
                                       with_rows(headers, rows[0].place, rows[count - 1].place)};
    int err;

    rd_kafka_headers_destroy(headers);
    packer_append_names(k->packer, rows[0].batch, rows[0].row, m->topic_turn, &topic, &key);
    for (uint32_t i = 0; i < count; i++)
        encoder_append(k->encoder, rows[i].batch, rows[i].row, &payload);
    if (count == 1 && k->settings.output == KAFKA_OUTPUT_JSON)
        payload.len--;
    out.topic = text_cstr(&topic);
    out.key = key.len > 0 ? key.data : NULL;
    out.key_len = key.len;
    out.value = payload.data;
    out.value_len = payload.len;
    k->is_refused = false;
    err = producer_send(k->producer, &out);
    if (err == -EMSGSIZE)
        message_answered(k, NULL, "larger than message.max.bytes");
    else if (err == 0)
        err = producer_wait(k->producer);
    text_clear(&topic);
    text_clear(&key);
    text_clear(&payload);
    return err == 0 || err == -EMSGSIZE ? k->is_refused : err;
}

/* Sends all rows, then halves of what is refused, down to single rows: librdkafka may have put the
 * message into one batch with others that were too large, and of packed rows one may be the
 * culprit. */
static int send_in_halves(struct kafka *k, const struct kafka_message *m,
                          const struct refused_row *rows, uint32_t count)
{
    int err = send_alone(k, m, rows, count);

    if (err <= 0)
        return err;
    if (count == 1) {
        k->host->reject_row(k->host, rows[0].row, k->refusal);
        k->written--;
        return 0;
    }
    err = send_in_halves(k, m, rows, count / 2);
    return err < 0 ? err : send_in_halves(k, m, rows + count / 2, count - count / 2);
}

static struct refused_row *find_rows(struct kafka *k, const struct kafka_message *m,
                                     uint32_t *ret_count)
{
    const struct row_filter *filter = k->settings.filter;
    struct refused_row *rows = NULL;
    struct row_filter_sums left_out = {0}; /* counted before */
    uint32_t count = 0, capacity = 0;

    for (uint32_t i = 0; i < k->batch_count; i++) {
        const struct pa_batch *batch = &k->batches[i].batch;
        if (k->batches[i].handover != m->handover)
            continue;
        for (uint32_t r = 0; r < batch->row_count; r++) {
            uint64_t place = batch->first_row + r;
            const uint8_t *row = batch->rows + (size_t)r * k->schema->row_size;
            if (place < m->first_row || place > m->last_row ||
                (filter && !row_filter_passes(filter, row, &left_out)) ||
                packer_route(k->packer, batch, row) != m->route)
                continue;
            rows = array_grow(rows, count, &capacity, sizeof *rows);
            rows[count++] = (struct refused_row){batch, row, place};
        }
    }
    *ret_count = count;
    return rows;
}

static int send_refused_again(struct kafka *k)
{
    int err = 0;

    if (k->refused_count > 0)
        k->host->log(k->host, PA_LOG_WARNING,
                     "kafka: %" PRIu32 " messages are refused (%s): sent again in smaller ones",
                     k->refused_count, k->refusal);
    for (uint32_t i = 0; i < k->refused_count && err == 0; i++) {
        struct kafka_message m = k->messages[k->refused[i]];
        uint32_t count;
        struct refused_row *rows = find_rows(k, &m, &count);
        err = count > 0 ? send_in_halves(k, &m, rows, count) : 0;
        mem_free(rows);
    }
    k->refused_count = 0;
    return err;
}

/* ---- markers ---- */

static int send_marker(struct kafka *k, const struct text *marker)
{
    uint32_t topics = k->settings.topic_count > 0 ? k->settings.topic_count : 1;
    struct text topic = {0};
    int err = 0;

    for (uint32_t i = 0; i < topics && err == 0; i++) {
        text_reset(&topic);
        packer_append_topic(k->packer, i, &topic);
        err = producer_send(k->producer, &(struct producer_message){.topic = text_cstr(&topic),
                                                                    .value = marker->data,
                                                                    .value_len = marker->len});
    }
    text_clear(&topic);
    return err;
}

static int send_opening(struct kafka *k)
{
    const char *writer_id = encoder_writer_id(k->encoder);
    struct text marker = {0};
    int err;

    text_append_string(&marker, "{\"event_type\": \"purge_init\", \"writer_id\": ");
    text_append_json_string(&marker, writer_id, strlen(writer_id));
    text_append_string(&marker, "}");
    err = send_marker(k, &marker);
    text_clear(&marker);
    return err;
}

static double seconds_since(struct mono_time begun)
{
    return (double)(clock_mono().ns - begun.ns) / (double)NS_PER_S;
}

static int send_closing(struct kafka *k)
{
    const char *writer_id = encoder_writer_id(k->encoder);
    struct text marker = {0};
    int err;

    text_append_string(&marker, "{\"event_type\": \"purge_close\", \"writer_id\": ");
    text_append_json_string(&marker, writer_id, strlen(writer_id));
    text_append_printf(&marker,
                       ", \"purged_entries\": %" PRIu64 ", \"total_entries\": %" PRIu64
                       ", \"duration\": %.0f}",
                       k->written, k->transaction.row_count, seconds_since(k->begun));
    err = send_marker(k, &marker);
    text_clear(&marker);
    return err == 0 ? producer_wait(k->producer) : err;
}

/* ---- transactions ---- */

int kafka_begin(void *state, const struct pa_transaction *transaction)
{
    struct kafka *k = state;
    int err;

    trigger_reap(&k->trigger, k->host, false);
    forget_transaction(k);
    k->transaction = *transaction;
    k->transaction.sources = NULL;
    k->begun = clock_mono();
    k->written = 0;
    k->left_out = (struct row_filter_sums){0};
    encoder_set_written(k->encoder, transaction->time_ns);
    packer_set_time(k->packer, transaction->time_ns);
    packer_begin(k->packer, 0);
    purge_log_start(k->host, &k->transaction);
    if (transaction->row_count == 0 && !k->settings.has_markers)
        return 0;
    err = producer_begin(k->producer);
    return err == 0 && k->settings.has_markers ? send_opening(k) : err;
}

static bool is_same_handover(const struct pa_source *a, const struct pa_source *b)
{
    return a->worker == b->worker && a->last_seq == b->last_seq &&
           memcmp(a->core_id, b->core_id, sizeof a->core_id) == 0;
}

static int begin_handover(struct kafka *k, const struct pa_source *source)
{
    int err = packer_flush(k->packer);

    if (err < 0)
        return err;
    k->handovers =
        array_grow(k->handovers, k->handover_count, &k->handover_capacity, sizeof *k->handovers);
    k->handovers[k->handover_count++] = *source;
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

    if (k->handover_count == 0 ||
        !is_same_handover(&k->handovers[k->handover_count - 1], batch->source))
        err = begin_handover(k, batch->source);
    if (err < 0)
        return err;
    k->batches = array_grow(k->batches, k->batch_count, &k->batch_capacity, sizeof *k->batches);
    k->batches[k->batch_count++] = (struct kept_batch){*batch, k->handover_count - 1};
    k->written += batch->row_count;
    return packer_add(k->packer, batch);
}

static void run_trigger(struct kafka *k)
{
    struct trigger_facts facts = {0};

    if (!k->trigger.program || !k->transaction.ends_epoch)
        return;
    trigger_facts_add(&facts, "INSTANCE_NAME=%s", k->host->instance_name);
    trigger_facts_add(&facts, "KAFKA_REFRESH_TIME=%s",
                      k->host->setting(k->host, "kafka_refresh_time"));
    trigger_facts_add(&facts, "TOTAL_ELEM_NUMBER=%" PRIu64, k->transaction.row_count);
    trigger_facts_add(&facts, "EFFECTIVE_ELEM_NUMBER=%" PRIu64, k->written);
    trigger_facts_add(&facts, "ELAPSED_TIME=%.0f", seconds_since(k->begun));
    trigger_run(&k->trigger, k->host, &facts);
    trigger_facts_clear(&facts);
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
    if (k->settings.filter)
        row_filter_count(k->host, &k->left_out);
    purge_log_end(k->host, &k->transaction, k->written, k->transaction.row_count,
                  seconds_since(k->begun));
    run_trigger(k);
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
