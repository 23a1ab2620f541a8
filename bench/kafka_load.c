/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the least that bringing rows to Kafka takes: the lines of a file, which was read before,
 * are packed into messages of SIZE bytes and given to librdkafka with its idempotent producer, until
 * all are acknowledged.
 *
 *     kafka_load BROKERS TOPIC FILE SIZE        {"rows": N, "seconds": S}
 */
#include "message_load.h"
#include <librdkafka/rdkafka.h>
#include <stdint.h>
#include <stdio.h>

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

int main(int argc, char **argv)
{
    struct message_load load;
    unsigned failed = 0;

    if (!message_load_open(&load, argc, argv, "kafka_load BROKERS TOPIC FILE SIZE"))
        return 2;
    rd_kafka_t *client = make_producer(argv[1], &failed);
    if (!client)
        return 1;
    message_load_begin(&load);
    for (size_t at = 0; at < load.len;) {
        size_t len = message_load_next(&load, at);
        rd_kafka_resp_err_t err =
            rd_kafka_producev(client, RD_KAFKA_V_TOPIC(argv[2]),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)(load.data + at), len),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (!err)
            at += len;
        rd_kafka_poll(client, err ? 10 : 0);
    }
    rd_kafka_flush(client, 60000);
    message_load_end(&load);
    rd_kafka_destroy(client);
    return failed > 0;
}
