/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the least that bringing rows to Kafka takes: the lines of a file, which was read before,
 * are packed into messages of SIZE bytes and given to librdkafka with its idempotent producer, until
 * all are acknowledged.
 *
 *     kafka_load BROKERS TOPIC FILE SIZE        {"rows": N, "seconds": S}
 */
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    *(unsigned *)opaque += message->err != 0;
}

static rd_kafka_t *make_producer(const char *brokers, unsigned *failed)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *client;
    char why[256];

    rd_kafka_conf_set(conf, "bootstrap.servers", brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "enable.idempotence", "true", why, sizeof why);
    rd_kafka_conf_set_dr_msg_cb(conf, report);
    rd_kafka_conf_set_opaque(conf, failed);
    client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!client)
        fprintf(stderr, "%s\n", why);
    return client;
}

/* Returns the length of as many whole lines as fit into `size`. */
static size_t next_message(const char *at, const char *end, size_t size)
{
    size_t len = (size_t)(end - at) < size ? (size_t)(end - at) : size;
    const char *last = memrchr(at, '\n', len);

    return last ? (size_t)(last + 1 - at) : len;
}

static uint64_t count_lines(const char *at, size_t len)
{
    uint64_t count = 0;

    for (size_t i = 0; i < len; i++)
        count += at[i] == '\n';
    return count;
}

int main(int argc, char **argv)
{
    FILE *file = argc == 5 ? fopen(argv[3], "rb") : NULL;
    unsigned failed = 0;
    struct stat status;

    if (!file || fstat(fileno(file), &status) < 0) {
        fprintf(stderr, "usage: kafka_load BROKERS TOPIC FILE SIZE\n");
        return 2;
    }
    size_t size = (size_t)strtoull(argv[4], NULL, 10), total = (size_t)status.st_size;
    const char *data = mmap(NULL, total, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fileno(file), 0);
    rd_kafka_t *client = make_producer(argv[1], &failed);
    if (data == MAP_FAILED || !client)
        return 1;
    double begun = now_s();
    for (size_t at = 0; at < total;) {
        size_t len = next_message(data + at, data + total, size);
        rd_kafka_resp_err_t err =
            rd_kafka_producev(client, RD_KAFKA_V_TOPIC(argv[2]),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)(data + at), len),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (!err)
            at += len;
        rd_kafka_poll(client, err ? 10 : 0);
    }
    rd_kafka_flush(client, 60000);
    double seconds = now_s() - begun;
    rd_kafka_destroy(client);
    printf("{\"rows\": %" PRIu64 ", \"seconds\": %.6f}\n", count_lines(data, total), seconds);
    return failed > 0;
}
