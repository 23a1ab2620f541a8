/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the registry that kafka's keys name. See registry_open.h. */
#include "plugins/kafka/registry_open.h"
#include "plugins/text/file_name.h"

int registry_check(const struct pa_host *host, const struct kafka_settings *settings, char *error,
                   size_t error_size)
{
    struct registry_http *http = NULL;
    int err = registry_http_new(host, settings->registry_urls, settings->registry_ca_file, error,
                                error_size, &http);

    registry_http_free(http);
    return err;
}

int registry_open(const struct pa_host *host, const struct kafka_settings *settings,
                  const struct encoder *encoder, char *error, size_t error_size,
                  struct registry **ret_registry)
{
    struct registry_settings s = {
        .host = host,
        .post = registry_http_post,
        .has_many_topics = file_name_has_columns(settings->messages.destination),
    };
    int err = registry_http_new(host, settings->registry_urls, settings->registry_ca_file, error,
                                error_size, &s.http);

    if (err < 0)
        return err;
    for (int kind = 0; kind < AVRO_SCHEMA_KINDS; kind++)
        s.schemas[kind] = avro_schema_text((enum avro_schema_kind)kind, encoder);
    *ret_registry = registry_new(&s);
    return 0;
}

bool registry_topic_is_fixed(const struct kafka_settings *settings)
{
    return !file_name_has_columns(settings->messages.destination) &&
           !file_name_has_time(settings->messages.destination);
}
