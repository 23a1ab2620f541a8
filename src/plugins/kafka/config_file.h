/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The file kafka_config_file: properties of librdkafka, one on each line, as pmacct reads them.
 *
 *     global, security.protocol, SASL_SSL
 *     topic, message.timeout.ms, 5000
 *
 * '#' and '!' begin comments; a value may hold commas.
 */
#include <librdkafka/rdkafka.h>
#include <stddef.h>

/*
 * Applies all rows to `conf`. -EINVAL: the first bad row stands in `error` as "FILE:LINE: what is
 * wrong"; -errno: the file cannot be read, and `error` says so.
 */
int config_file_apply(const char *path, rd_kafka_conf_t *conf, char *error, size_t error_size);

/* Returns what makes librdkafka start programs, or run code of others, by this file (NULL: none); NULL
 * if nothing does. */
const char *config_file_starts_programs(const char *path);
