/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * librdkafka's mock cluster as a program, so that tests can have faults on command. It prints the
 * brokers' addresses, then "ok" or "error: why" for each line of standard input, and ends when the
 * input does.
 *
 *     topic NAME PARTITIONS        make a topic
 *     down BROKER | up BROKER      cut all connections and take no new ones, or take them again;
 *                                  -1: all brokers
 *     rtt BROKER MS                answer that many milliseconds late
 *     errors API COUNT ERROR       answer the next COUNT requests of an API key with an error (key
 *                                  0 is Produce, 22 InitProducerId)
 *     leader TOPIC PARTITION BROKER  make a broker the leader of a partition
 *     topic-error TOPIC ERROR      answer requests for its metadata with an error; 0: no longer
 */
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static rd_kafka_resp_err_t push_errors(rd_kafka_mock_cluster_t *cluster, int api, int count,
                                       int error)
{
    rd_kafka_resp_err_t *errors = calloc((size_t)count, sizeof *errors);

    if (!errors)
        return RD_KAFKA_RESP_ERR__FAIL;
    for (int i = 0; i < count; i++)
        errors[i] = (rd_kafka_resp_err_t)error;
    rd_kafka_mock_push_request_errors_array(cluster, (int16_t)api, (size_t)count, errors);
    free(errors);
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t obey(rd_kafka_mock_cluster_t *cluster, const char *line)
{
    char topic[256];
    int a, b, c;

    if (sscanf(line, "topic %255s %d", topic, &a) == 2)
        return rd_kafka_mock_topic_create(cluster, topic, a, 1);
    if (sscanf(line, "down %d", &a) == 1)
        return rd_kafka_mock_broker_set_down(cluster, a);
    if (sscanf(line, "up %d", &a) == 1)
        return rd_kafka_mock_broker_set_up(cluster, a);
    if (sscanf(line, "rtt %d %d", &a, &b) == 2)
        return rd_kafka_mock_broker_set_rtt(cluster, a, b);
    if (sscanf(line, "errors %d %d %d", &a, &b, &c) == 3 && b > 0)
        return push_errors(cluster, a, b, c);
    if (sscanf(line, "leader %255s %d %d", topic, &a, &b) == 3)
        return rd_kafka_mock_partition_set_leader(cluster, topic, a, b);
    if (sscanf(line, "topic-error %255s %d", topic, &a) == 2) {
        rd_kafka_mock_topic_set_error(cluster, topic, (rd_kafka_resp_err_t)a);
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    return RD_KAFKA_RESP_ERR__INVALID_ARG;
}

int main(int argc, char **argv)
{
    int broker_count = argc > 1 ? atoi(argv[1]) : 1;
    char error[256], line[1024];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, NULL); /* the library would log that it knows no brokers */
    rd_kafka_t *owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    rd_kafka_mock_cluster_t *cluster =
        owner ? rd_kafka_mock_cluster_new(owner, broker_count) : NULL;

    signal(SIGPIPE, SIG_IGN);
    if (!cluster) {
        fprintf(stderr, "no mock cluster\n");
        return 1;
    }
    puts(rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        rd_kafka_resp_err_t err = obey(cluster, line);
        if (err)
            printf("error: %s\n", rd_kafka_err2str(err));
        else
            puts("ok");
        fflush(stdout);
    }
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(owner);
    return 0;
}
