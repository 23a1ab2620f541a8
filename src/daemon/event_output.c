/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds out whether events go to a broker, and to which. See event_output.h. */
#include "daemon/event_output.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/config.h"
#include <errno.h>
#include <string.h>

int event_output_find(const struct event_output *output, struct config *config, struct text *errors)
{
    /* A plugin is asked for by the key that has no default: where the records go. */
    static const struct {
        const char *plugin, *key;
    } plugins[] = {{"kafka", "kafka_topic"}, {"amqp", "amqp_routing_key"}, {"print", "file"}};
    const size_t count = sizeof plugins / sizeof plugins[0] - (output->has_file ? 0 : 1);
    struct config_found_line line, other = {0};
    int err = 0;

    for (size_t i = 0; i < count && err == 0; i++) {
        char *key = mem_printf("%s_%s", output->prefix, plugins[i].key);
        if (config_find_line(config, key, &line)) {
            if (other.key) {
                text_append_printf(errors,
                                   "%s: %s: they go to one %s, and %s names another; leave one "
                                   "of the two out\n",
                                   line.place, line.key, output->has_file ? "place" : "broker",
                                   other.key);
                err = -EINVAL;
            } else {
                err = config_add_implicit(config, plugins[i].plugin, output->name, output->prefix,
                                          line.place, errors);
            }
            other = line;
        }
        mem_free(key);
    }
    return err;
}
