/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads kafka_config_file line by line. librdkafka decides what a property means and which values
 * it takes. See config_file.h. */
#include "plugins/kafka/config_file.h"
#include "base/memory.h"
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct place {
    const char *path;
    unsigned line;
    char *error;
    size_t error_size;
};

static int refuse_line(const struct place *place, const char *what, const char *why)
{
    snprintf(place->error, place->error_size, "%s:%u: %s: %s", place->path, place->line, what, why);
    return -EINVAL;
}

/* Cuts blanks off both ends, in place. */
static char *trim_blanks(char *text)
{
    char *end = text + strlen(text);

    while (end > text && isspace((unsigned char)end[-1]))
        *--end = 0;
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* Returns what is wrong with properties that the meaning of a commit rests on. */
static const char *find_conflict(const char *name, const char *value)
{
    bool is_off = !strcmp(value, "false") || !strcmp(value, "0");

    if (!strcmp(name, "acks") || !strcmp(name, "request.required.acks"))
        return !strcmp(value, "all") || !strcmp(value, "-1")
                   ? NULL
                   : "only 'all': rows are given up once the cluster has them safely";
    if (!strcmp(name, "enable.idempotence"))
        return is_off ? "must stay true: without it a retry may write messages twice and out of "
                        "order"
                      : NULL;
    if (!strcmp(name, "transactional.id"))
        return "transactions are not used; readers tell repetitions by the messages' headers";
    if (!strcmp(name, "log.queue"))
        return "is set by the plugin";
    return NULL;
}

static int apply_line(rd_kafka_conf_t *conf, rd_kafka_topic_conf_t *topic_scratch, char *line,
                      const struct place *place)
{
    char *name = strchr(line, ','), *value = name ? strchr(name + 1, ',') : NULL;
    const char *conflict;
    char why[256];
    rd_kafka_conf_res_t result;

    if (!name || !value)
        return refuse_line(place, line,
                           "expected global, PROPERTY, VALUE or topic, PROPERTY, VALUE");
    *name++ = *value++ = 0;
    line = trim_blanks(line);
    name = trim_blanks(name);
    value = trim_blanks(value);
    conflict = find_conflict(name, value);
    if (conflict)
        return refuse_line(place, name, conflict);
    if (!strcmp(line, "topic")) {
        result = rd_kafka_topic_conf_set(topic_scratch, name, value, why, sizeof why);
        if (result != RD_KAFKA_CONF_OK)
            return refuse_line(place, name, why);
    } else if (strcmp(line, "global") != 0) {
        return refuse_line(place, line, "neither global nor topic");
    }
    /* Properties of topics become the default of all topics. */
    result = rd_kafka_conf_set(conf, name, value, why, sizeof why);
    return result == RD_KAFKA_CONF_OK ? 0 : refuse_line(place, name, why);
}

int config_file_apply(const char *path, rd_kafka_conf_t *conf, char *error, size_t error_size)
{
    struct place place = {.path = path, .error = error, .error_size = error_size};
    rd_kafka_topic_conf_t *topic_scratch;
    FILE *file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int err = 0;

    if (!file) {
        err = -errno;
        snprintf(error, error_size, "cannot read %s: %s", path, strerrordesc_np(-err));
        return err;
    }
    topic_scratch = rd_kafka_topic_conf_new();
    while (err == 0 && getline(&line, &size, file) >= 0) {
        char *text = trim_blanks(line);
        place.line++;
        if (*text && *text != '#' && *text != '!')
            err = apply_line(conf, topic_scratch, text, &place);
    }
    if (err == 0 && ferror(file)) {
        err = -EIO;
        snprintf(error, error_size, "cannot read %s", path);
    }
    rd_kafka_topic_conf_destroy(topic_scratch);
    free(line); /* getline() allocated it */
    fclose(file);
    return err;
}

static bool property_is(const rd_kafka_conf_t *conf, const char *name, const char *part)
{
    char value[4096];
    size_t size = sizeof value;

    return rd_kafka_conf_get(conf, name, value, &size) == RD_KAFKA_CONF_OK &&
           strcasestr(value, part) != NULL;
}

const char *config_file_starts_programs(const char *path)
{
    rd_kafka_conf_t *conf;
    const char *what = NULL;
    char error[256];

    if (!path)
        return NULL;
    conf = rd_kafka_conf_new();
    /* An error is told when the backend is opened; what was read until then counts. */
    (void)config_file_apply(path, conf, error, sizeof error);
    if (property_is(conf, "security.protocol", "sasl") &&
        property_is(conf, "sasl.mechanisms", "GSSAPI"))
        what = "librdkafka starts kinit for sasl.mechanisms GSSAPI";
    else if (property_is(conf, "plugin.library.paths", "/") ||
             property_is(conf, "plugin.library.paths", "."))
        what = "librdkafka loads code of others by plugin.library.paths";
    rd_kafka_conf_destroy(conf);
    return what;
}
