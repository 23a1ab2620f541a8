/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Talks to librdkafka: sends, counts answers, tells refusals from failures, and logs. See
 * producer.h. */
#include "plugins/kafka/producer.h"
#include "base/memory.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <xxhash.h>

#define TOPIC_SLOTS 2048 /* a power of two; half of them are used */
#define POLL_MS     100

struct topic {
    char *name; /* NULL: a free slot */
    rd_kafka_topic_t *handle;
};

struct producer {
    struct producer_settings s;
    rd_kafka_t *client; /* NULL: the next producer_begin() makes one */
    int event_fd; /* becomes readable when librdkafka has something to say between transactions */
    struct topic topics[TOPIC_SLOTS];
    uint32_t topic_count;
    uint64_t outstanding, made;
    bool has_failed;
    char failure[512], logged[512];
    char trouble[512]; /* how a connection failed last; "" since all was well */
};

/* ---- what librdkafka tells; all from within rd_kafka_poll() on our thread ---- */

static void note_failure(struct producer *p, const char *topic, const char *why)
{
    const struct pa_host *host = p->s.host;

    if (!p->has_failed)
        snprintf(p->failure, sizeof p->failure, "%s%s%s", topic ? topic : "", topic ? ": " : "",
                 why);
    p->has_failed = true;
    if (strcmp(p->failure, p->logged) == 0)
        return;
    host->log(host, PA_LOG_WARNING, "kafka: %s%s%s", p->failure,
              p->trouble[0] ? "; the last error: " : "", p->trouble);
    memcpy(p->logged, p->failure, sizeof p->logged);
}

/* True for errors that no repetition helps, and that other messages must not wait for. */
static bool is_refusal(rd_kafka_resp_err_t err)
{
    switch (err) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        return true;
    default:
        return false;
    }
}

static void delivery_report(rd_kafka_t *client, const rd_kafka_message_t *m, void *opaque)
{
    struct producer *p = opaque;
    const struct pa_host *host = p->s.host;

    (void)client;
    p->outstanding--;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        host->count(host, "kafka_messages", 1);
        host->count(host, "kafka_message_bytes", m->len);
        p->s.answered(p->s.arg, m->_private, NULL);
    } else if (is_refusal(m->err)) {
        host->count(host, "kafka_refused_messages", 1);
        p->s.answered(p->s.arg, m->_private, rd_kafka_err2str(m->err));
    } else {
        host->count(host, "kafka_failed_messages", 1);
        note_failure(p, rd_kafka_topic_name(m->rkt), rd_kafka_err2str(m->err));
    }
}

static void error_report(rd_kafka_t *client, int err, const char *reason, void *opaque)
{
    struct producer *p = opaque;
    const struct pa_host *host = p->s.host;
    char text[512];

    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        host->log(host, PA_LOG_INFO, "kafka: %s", reason);
    else if (err != RD_KAFKA_RESP_ERR__FATAL) /* log_line() has logged it too */
        snprintf(p->trouble, sizeof p->trouble, "%s", reason);
    if (err != RD_KAFKA_RESP_ERR__FATAL)
        return;
    rd_kafka_fatal_error(client, text, sizeof text);
    note_failure(p, NULL, text);
}

/* Logs a line of librdkafka's, with a level of syslog(3). The functions that know what becomes of
 * rows log that, so these lines are only the details. */
static void log_line(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    struct producer *p = rd_kafka_opaque(client);

    p->s.host->log(p->s.host, level <= 4 ? PA_LOG_INFO : PA_LOG_DEBUG, "kafka: %s: %s", facility,
                   text);
}

static void events_ready(void *state, int fd)
{
    struct producer *p = state;
    uint64_t count;

    if (read(fd, &count, sizeof count) > 0 && p->client)
        rd_kafka_poll(p->client, 0);
}

/* Chooses the partition by the slice's number, which is the key: the same slice goes to the same
 * partition, whoever sends it. librdkafka's hash of the key would put two slices on one partition
 * and none on another. */
static int32_t partition_of_slice(const rd_kafka_topic_t *topic, const void *key, size_t key_len,
                                  int32_t partition_count, void *topic_opaque, void *message)
{
    char digits[8] = "";

    (void)topic, (void)topic_opaque, (void)message;
    if (key_len < sizeof digits)
        memcpy(digits, key, key_len);
    return (int32_t)(strtol(digits, NULL, 10) % partition_count);
}

/* ---- life ---- */

struct producer *producer_new(const struct producer_settings *settings)
{
    struct producer *p = mem_zalloc(sizeof *p);
    const struct pa_host *host = settings->host;

    p->s = *settings;
    p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rd_kafka_conf_set_opaque(p->s.conf, p);
    rd_kafka_conf_set_dr_msg_cb(p->s.conf, delivery_report);
    rd_kafka_conf_set_error_cb(p->s.conf, error_report);
    rd_kafka_conf_set_log_cb(p->s.conf, log_line);
    if (p->event_fd >= 0)
        host->watch(host, p->event_fd, events_ready, p);
    return p;
}

static void forget_topics(struct producer *p)
{
    for (uint32_t i = 0; i < TOPIC_SLOTS; i++) {
        if (!p->topics[i].name)
            continue;
        rd_kafka_topic_destroy(p->topics[i].handle);
        mem_free(p->topics[i].name);
        p->topics[i] = (struct topic){0};
    }
    p->topic_count = 0;
}

static void drop_client(struct producer *p)
{
    if (!p->client)
        return;
    forget_topics(p);
    /* Messages under way may still arrive: readers know them by their headers. */
    rd_kafka_purge(p->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                  RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy_flags(p->client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    p->client = NULL;
    p->outstanding = 0;
}

void producer_free(struct producer *p)
{
    if (!p)
        return;
    drop_client(p);
    if (p->event_fd >= 0) {
        p->s.host->watch(p->s.host, p->event_fd, NULL, NULL);
        close(p->event_fd);
    }
    rd_kafka_conf_destroy(p->s.conf);
    mem_free(p);
}

int producer_begin(struct producer *p)
{
    static const uint64_t one = 1;
    rd_kafka_queue_t *queue;
    rd_kafka_conf_t *conf;
    char why[512] = "";

    p->has_failed = false;
    if (p->client)
        return 0;
    conf = rd_kafka_conf_dup(p->s.conf);
    p->client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!p->client) {
        rd_kafka_conf_destroy(conf);
        note_failure(p, NULL, why);
        return -EIO;
    }
    if (p->made++ > 0)
        p->s.host->count(p->s.host, "kafka_producers_renewed", 1);
    rd_kafka_set_log_queue(p->client, NULL);
    queue = rd_kafka_queue_get_main(p->client);
    if (p->event_fd >= 0)
        rd_kafka_queue_io_event_enable(queue, p->event_fd, &one, sizeof one);
    rd_kafka_queue_destroy(queue);
    return 0;
}

void producer_abort(struct producer *p)
{
    drop_client(p);
}

/* ---- topics ---- */

static rd_kafka_topic_t *make_topic(struct producer *p, const char *name)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(p->client);
    rd_kafka_topic_t *handle;

    if (p->s.is_sliced)
        rd_kafka_topic_conf_set_partitioner_cb(conf, partition_of_slice);
    handle = rd_kafka_topic_new(p->client, name, conf);
    if (!handle)
        rd_kafka_topic_conf_destroy(conf);
    return handle;
}

/* Finds a topic or makes it. Names with a time in them are used for a while only: when there are
 * too many, all are made anew. */
static rd_kafka_topic_t *find_topic(struct producer *p, const char *name)
{
    uint32_t slot;

    if (p->topic_count == TOPIC_SLOTS / 2)
        forget_topics(p);
    slot = (uint32_t)XXH3_64bits(name, strlen(name)) & (TOPIC_SLOTS - 1);
    while (p->topics[slot].name && strcmp(p->topics[slot].name, name) != 0)
        slot = (slot + 1) & (TOPIC_SLOTS - 1);
    if (!p->topics[slot].name) {
        rd_kafka_topic_t *handle = make_topic(p, name);
        if (!handle)
            return NULL;
        p->topics[slot] = (struct topic){mem_strdup(name), handle};
        p->topic_count++;
    }
    return p->topics[slot].handle;
}

/* ---- messages ---- */

static rd_kafka_resp_err_t hand_over(struct producer *p, const struct producer_message *m,
                                     rd_kafka_topic_t *topic)
{
    /* librdkafka promises to leave key and value alone, but not in its types. */
    void *key = (void *)(uintptr_t)m->key, *value = (void *)(uintptr_t)m->value;
    rd_kafka_vu_t vus[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = p->s.partition},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, m->value_len}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = m->message},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key, m->key_len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = m->headers},
    };
    size_t count = sizeof vus / sizeof vus[0] - (m->headers ? 0 : 1);
    rd_kafka_error_t *error = rd_kafka_produceva(p->client, vus, count);
    rd_kafka_resp_err_t err = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;

    rd_kafka_error_destroy(error);
    return err;
}

/* One turn of waiting for the cluster; librdkafka calls back in it. */
static void wait_a_turn(struct producer *p, bool flushes)
{
    if (p->s.host->beat(p->s.host) < 0)
        note_failure(p, NULL, "given up: the time to end is over");
    else if (flushes)
        rd_kafka_flush(p->client, POLL_MS); /* does not linger for more messages, and calls back */
    else
        rd_kafka_poll(p->client, POLL_MS);
}

int producer_send(struct producer *p, const struct producer_message *m)
{
    rd_kafka_topic_t *topic = p->has_failed ? NULL : find_topic(p, m->topic);
    rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

    if (!topic && !p->has_failed)
        note_failure(p, m->topic, rd_kafka_err2str(rd_kafka_last_error()));
    while (!p->has_failed) {
        err = hand_over(p, m, topic);
        if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
            break;
        /* Messages that nobody takes time out here, which is a failure. */
        wait_a_turn(p, false);
    }
    if (!p->has_failed && err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->outstanding++;
        rd_kafka_poll(p->client, 0);
        return 0;
    }
    if (m->headers)
        rd_kafka_headers_destroy(m->headers);
    if (!p->has_failed && err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        p->s.host->count(p->s.host, "kafka_refused_messages", 1);
        return -EMSGSIZE;
    }
    if (!p->has_failed)
        note_failure(p, m->topic, rd_kafka_err2str(err));
    return -EAGAIN;
}

int producer_wait(struct producer *p)
{
    while (p->outstanding > 0 && !p->has_failed)
        wait_a_turn(p, true);
    if (p->has_failed)
        return -EAGAIN;
    p->logged[0] = p->trouble[0] = 0;
    return 0;
}
