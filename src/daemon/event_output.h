/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Event records go to a broker or a file by an instance of the plugin kafka, amqp or print that nobody has to name in
 * `plugins`: where a key says to what topic, with what routing key or to what file they go, it is made, with all
 * that instances have. Its keys are the plugin's own behind a prefix.
 */
#include "base/event.h"
#include "config/config_key.h"

struct config;
struct text;

struct event_output {
    const char *name;   /* of the instance: sflow_counters */
    const char *prefix; /* of its keys: sfacctd_counter */
    const struct event_table *events;
    bool has_writer_id; /* each record ends with it, as those of flows do */
    bool has_file;      /* they may go to a file instead, the key PREFIX_file */
    /* No worker makes them but a thread of another sort (pipeline/event_producer.h): the instance has one lane, and
     * workers do not know it. Such outputs come behind all others. */
    bool is_foreign;
    const char *
        switch_key; /* the instance is made only where this key is true, or its service runs; NULL: always */
};

/* Adds the instance if the configuration asks for it; after config_find_instances(), and before the
 * tables are added. -EINVAL: as appended to `errors`. */
int event_output_find(const struct event_output *output, struct config *config,
                      struct text *errors);

/*
 * The rows of an output's keys, in a table of global keys: the key of the plugin is what follows the
 * prefix. `what` is what is sent, `variables` what names may hold. Types and bounds are those of the
 * plugins' own rows.
 */
/* clang-format off */
/* NOLINTBEGIN(bugprone-macro-parentheses): what is put in stands between commas */
#define KEY_ROWS_EVENT_OUTPUT(prefix, what, variables) \
    {prefix "_kafka_topic", KEY_STRING, \
     .help = what " go to this topic of Kafka, by an instance of the plugin kafka; " variables}, \
    {prefix "_kafka_topic_rr", KEY_INT, .max = 10000, .default_value = "0", \
     .help = "messages go to this many topics in turn: TOPIC_0, TOPIC_1 and so on; 0: to the one"}, \
    {prefix "_kafka_broker_host", KEY_STRING, .default_value = "127.0.0.1", \
     .help = "brokers to ask for the cluster, separated by commas, each with or without :port"}, \
    {prefix "_kafka_broker_port", KEY_INT, .min = 1, .max = 65535, .default_value = "9092", \
     .help = "TCP port of brokers that are named without one"}, \
    {prefix "_kafka_partition", KEY_INT, .min = -1, .max = INT32_MAX, .default_value = "-1", \
     .help = "partition of all messages; -1: spread over all, or by the message's key"}, \
    {prefix "_kafka_partition_key", KEY_STRING, .help = "key of messages; " variables}, \
    {prefix "_kafka_config_file", KEY_STRING, \
     .help = "file of librdkafka's properties, as for kafka_config_file"}, \
    {prefix "_kafka_retry", KEY_IGNORED, .help = "what the cluster does not take is tried again until it does"}, \
    {prefix "_amqp_routing_key", KEY_STRING, \
     .help = what " go to an exchange with this routing key, by an instance of the plugin amqp; " variables}, \
    {prefix "_amqp_routing_key_rr", KEY_INT, .max = 10000, .default_value = "0", \
     .help = "messages have this many routing keys in turn: KEY_0, KEY_1 and so on; 0: the one"}, \
    {prefix "_amqp_host", KEY_STRING, .default_value = "127.0.0.1", \
     .help = "broker to connect to, a name or an address"}, \
    {prefix "_amqp_port", KEY_INT, .max = 65535, .default_value = "0", \
     .help = "its TCP port; 0: 5672, or 5671 with a file of certificates"}, \
    {prefix "_amqp_conn_ca_file", KEY_STRING, \
     .help = "connect by TLS; the broker's certificate is signed by one in this file (PEM)"}, \
    {prefix "_amqp_user", KEY_STRING, .default_value = "guest", .help = "as whom"}, \
    {prefix "_amqp_passwd", KEY_STRING, .default_value = "guest", .help = "with which password"}, \
    {prefix "_amqp_vhost", KEY_STRING, .default_value = "/", .help = "virtual host of the broker"}, \
    {prefix "_amqp_exchange", KEY_STRING, .default_value = "pmacct", \
     .help = "exchange to publish to; made if it is not there, but for those named amq.*"}, \
    {prefix "_amqp_exchange_type", KEY_CHOICE, .default_value = "direct", \
     .choices = KEY_CHOICES({"direct", 0}, {"fanout", 1}, {"topic", 2}, {"headers", 3}), \
     .help = "type of the exchange"}, \
    {prefix "_amqp_persistent_msg", KEY_BOOL, .default_value = "false", \
     .help = "messages are persistent and the exchange is durable"}, \
    {prefix "_amqp_frame_max", KEY_INT, .min = 4096, .max = INT32_MAX, .default_value = "131072", \
     .help = "most bytes of a frame to ask the broker for"}, \
    {prefix "_amqp_heartbeat_interval", KEY_INT, .max = 65535, .default_value = "0", \
     .help = "seconds of silence after which the connection counts as dead; 0: never"}, \
    {prefix "_amqp_retry", KEY_IGNORED, .help = "what the broker does not take is tried again until it does"}
/* NOLINTEND(bugprone-macro-parentheses) */
/* clang-format on */
