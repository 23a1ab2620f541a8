/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Makes the registry that kafka's keys name. */
#include "plugins/kafka/kafka_settings.h"
#include "plugins/kafka/registry.h"

struct encoder;

/* Checks the addresses. -EINVAL: what is wrong stands in `error`. Opens nothing. */
int registry_check(const struct pa_host *host, const struct kafka_settings *settings, char *error,
                   size_t error_size);
/* Host and encoder are borrowed for the registry's life. Connects to nothing yet. Errors as above. */
int registry_open(const struct pa_host *host, const struct kafka_settings *settings,
                  const struct encoder *encoder, char *error, size_t error_size,
                  struct registry **ret_registry);
/* Whether messages go to one topic, whose name does not depend on rows or the time. */
bool registry_topic_is_fixed(const struct kafka_settings *settings);
