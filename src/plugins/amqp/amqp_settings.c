/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of amqp's keys, and what follows from them. See amqp_settings.h. */
#include "plugins/amqp/amqp_settings.h"
#include "plugins/common/key_rows.h"
#include "plugins/common/setting.h"
#include "plugins/text/file_name.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Most bytes of a name on the wire: a short string (AMQP 0-9-1 section 4.2.5.3). */
#define SHORT_STRING_MAX 255
#define PORT             5672
#define PORT_TLS         5671
/* A message of RabbitMQ has at most 16 MiB from version 4 on (max_message_size). */
#define MESSAGE_MAX (16 << 20)

/* clang-format off */
const struct pa_key amqp_keys[] = {
    KEY_ROWS_TIME("amqp", "", "amqp_time_roundoff"),
    {.name = "amqp_host", .type = PA_KEY_STRING, .default_value = "127.0.0.1",
     .help = "broker to connect to, a name or an address"},
    {.name = "amqp_port", .type = PA_KEY_INT, .default_value = "0", .max = 65535,
     .help = "its TCP port; 0: 5672, or 5671 with amqp_conn_ca_file"},
    {.name = "amqp_user", .type = PA_KEY_STRING, .default_value = "guest", .help = "as whom"},
    {.name = "amqp_passwd", .type = PA_KEY_STRING, .default_value = "guest", .help = "with which password"},
    {.name = "amqp_conn_ca_file", .type = PA_KEY_STRING,
     .help = "connect by TLS; the broker's certificate must be of amqp_host, and signed by one in this file (PEM)"},
    {.name = "amqp_vhost", .type = PA_KEY_STRING, .default_value = "/", .help = "virtual host of the broker"},
    {.name = "amqp_exchange", .type = PA_KEY_STRING, .default_value = "pmacct",
     .help = "exchange to publish to; made if it is not there, but for those named amq.*"},
    {.name = "amqp_exchange_type", .type = PA_KEY_CHOICE, .default_value = "direct", .choices = CHOICE_TEXT(EXCHANGE_TYPES),
     .help = "type of the exchange"},
    {.name = "amqp_routing_key", .type = PA_KEY_STRING, .default_value = "acct",
     .help = "routing key, with strftime(3) conversions of the time bin and $variables, any primitive of `aggregate`"},
    {.name = "amqp_routing_key_rr", .type = PA_KEY_INT, .default_value = "0", .max = 10000,
     .help = "messages have this many routing keys in turn: KEY_0, KEY_1 and so on; 0: the one"},
    {.name = "amqp_persistent_msg", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "messages are persistent and the exchange is durable: they outlive the broker, in durable queues"},
    {.name = "amqp_frame_max", .type = PA_KEY_INT, .default_value = "131072", .min = 4096, .max = INT32_MAX,
     .help = "most bytes of a frame to ask the broker for"},
    {.name = "amqp_heartbeat_interval", .type = PA_KEY_INT, .default_value = "0", .max = 65535,
     .help = "seconds of silence after which the connection counts as dead; 0: never"},
    {.name = "amqp_multi_values", .type = PA_KEY_SIZE, .default_value = "0", .max = MESSAGE_MAX,
     .help = "JSON: rows are packed into messages of so many bytes, a line each; Avro: of so many rows; 0: a message for each row"},
    {.name = "amqp_output", .type = PA_KEY_CHOICE, .default_value = "json", .choices = CHOICE_TEXT(MESSAGE_OUTPUTS),
     .help = "how rows are written"},
    {.name = "amqp_avro_schema_file", .type = PA_KEY_STRING, .aliases = "avro_schema_file|avro_schema_output_file",
     .help = "Avro: file to write the schema to, at start"},
    {.name = "amqp_avro_schema_routing_key", .type = PA_KEY_STRING,
     .help = "Avro: routing key of messages that carry the schema, in JSON"},
    {.name = "amqp_avro_schema_refresh_time", .type = PA_KEY_INT, .default_value = "60", .min = 1, .max = 86400,
     .help = "Avro: seconds from one message with the schema to the next, at purges"},
    {.name = "amqp_markers", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "messages before and after each purge that say so"},
    KEY_ROWS_PREPROCESS("amqp", "minp, minf, minb, minbpp, minppf"),
    KEY_ROWS_TRIGGER("amqp"),
    KEY_ROW_NUM_PROTOS("amqp"),
    KEY_ROWS_WRITERS("amqp"),
    {.name = NULL},
};
/* clang-format on */

static int read_routing_key(const struct pa_host *host, const struct pa_schema *schema,
                            struct amqp_settings *s, char *error, size_t error_size)
{
    const char *pattern = host->setting(host, "amqp_routing_key");
    const struct file_name_context context = {.purpose = FILE_NAME_TOPIC,
                                              .schema = schema,
                                              .is_utc = s->messages.options.is_utc,
                                              .is_text = true,
                                              .refresh = setting_text(host, "amqp_refresh_time"),
                                              .history = setting_text(host, "amqp_history")};
    char why[256] = "";
    int err = file_name_new(pattern, &context, why, sizeof why, &s->messages.destination);

    if (err < 0)
        snprintf(error, error_size, "amqp_routing_key: %s", why);
    else if (file_name_has_columns(s->messages.destination))
        s->has_markers = false; /* a marker is a purge's, and such a key a row's */
    return err;
}

static int check_names(const struct pa_host *host, char *error, size_t error_size)
{
    static const char *const keys[] = {"amqp_vhost", "amqp_exchange",
                                       "amqp_avro_schema_routing_key"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = setting_text(host, keys[i]);
        if (value && strlen(value) > SHORT_STRING_MAX) {
            snprintf(error, error_size, "%s: has more than 255 bytes, the most that AMQP can carry",
                     keys[i]);
            return -EINVAL;
        }
    }
    return 0;
}

static void read_size(const struct pa_host *host, struct message_settings *m)
{
    uint64_t wanted = (uint64_t)host->setting_number(host, "amqp_multi_values");

    m->bytes_max = MESSAGE_MAX;
    m->rows_max = UINT32_MAX;
    if (wanted == 0)
        m->rows_max = 1;
    else if (m->output == MESSAGE_OUTPUT_AVRO)
        m->rows_max = wanted;
    else
        m->bytes_max = wanted;
}

static void read_connection(const struct pa_host *host, struct amqp_settings *s)
{
    s->broker_host = host->setting(host, "amqp_host");
    s->user = host->setting(host, "amqp_user");
    s->password = host->setting(host, "amqp_passwd");
    s->ca_file = setting_text(host, "amqp_conn_ca_file");
    s->port = (int)host->setting_number(host, "amqp_port");
    if (s->port == 0)
        s->port = s->ca_file ? PORT_TLS : PORT;
    s->vhost = host->setting(host, "amqp_vhost");
    s->exchange = host->setting(host, "amqp_exchange");
    s->exchange_type = host->setting(host, "amqp_exchange_type");
    s->frame_max = (int)host->setting_number(host, "amqp_frame_max");
    s->heartbeat_s = (int)host->setting_number(host, "amqp_heartbeat_interval");
    s->is_persistent = setting_is_on(host, "amqp_persistent_msg");
}

static void read_messages(const struct pa_host *host, struct message_settings *m)
{
    output_options_read(host, &m->options);
    m->options.values.has_numeric_protos = setting_is_on(host, "amqp_num_protos");
    m->output = (enum message_output)setting_choice(host, "amqp_output", MESSAGE_OUTPUT_JSON);
    m->destination_count = (uint32_t)host->setting_number(host, "amqp_routing_key_rr");
    m->destination_max = SHORT_STRING_MAX;
    m->destination_replaces = "";
    m->avro_schema_file = setting_text(host, "amqp_avro_schema_file");
    m->avro_schema_file_key = "amqp_avro_schema_file";
    read_size(host, m);
}

int amqp_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                       size_t error_size, struct amqp_settings *ret_settings)
{
    struct amqp_settings s = {0};
    int err = check_names(host, error, error_size);

    if (err < 0)
        return err;
    read_connection(host, &s);
    read_messages(host, &s.messages);
    s.has_markers = setting_is_on(host, "amqp_markers");
    s.trigger_exec = setting_text(host, "amqp_trigger_exec");
    s.is_trigger_async = setting_is_on(host, "amqp_trigger_exec_async");
    s.schema_refresh_s = host->setting_number(host, "amqp_avro_schema_refresh_time");
    if (s.messages.output != MESSAGE_OUTPUT_JSON)
        s.schema_key = setting_text(host, "amqp_avro_schema_routing_key");
    err = read_routing_key(host, schema, &s, error, error_size);
    if (err == 0)
        err = row_filter_read(host, "amqp", false, schema, error, error_size, &s.messages.filter);
    if (err < 0) {
        amqp_settings_clear(&s);
        return err;
    }
    *ret_settings = s;
    return 0;
}

void amqp_settings_clear(struct amqp_settings *settings)
{
    message_settings_clear(&settings->messages);
}
