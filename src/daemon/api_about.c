/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages about the daemon itself: its configuration and its log. */
#include "base/log.h"
#include "base/memory.h"
#include "config/config.h"
#include "daemon/api_private.h"
#include <stdlib.h>
#include <string.h>

enum { LINES_DEFAULT = 200, LINES_MAX = 2000 };

struct settings_walk {
    const struct config *config;
    json_t *list;
};

static json_t *string_or_null(const char *text)
{
    return text ? api_string(text, strlen(text)) : json_null();
}

static void put_setting(void *arg, const struct config_shown *shown)
{
    struct settings_walk *walk = arg;
    const char *instance = shown->instance == CONFIG_GLOBAL
                               ? NULL
                               : config_instance_at(walk->config, shown->instance)->name;

    json_array_append_new(walk->list,
                          json_pack("{s:s,s:o,s:o,s:o}", "key", shown->key, "instance",
                                    string_or_null(instance), "value", string_or_null(shown->value),
                                    "place", string_or_null(shown->place)));
}

char *api_configuration_text(const struct config *config)
{
    struct settings_walk walk = {config, json_array()};

    THREAD_ASSERT(main_thread);
    config_show(config, put_setting, &walk);
    json_t *root = json_pack("{s:o}", "settings", walk.list);
    char *text = json_dumps(root, JSON_COMPACT), *result = mem_strdup(text);
    free(text); /* NOLINT: jansson allocated it */
    json_decref(root);
    return result;
}

json_t *api_page_configuration(struct api_call *call)
{
    return json_loads(call->api->configuration, 0, NULL);
}

json_t *api_page_log(struct api_call *call)
{
    uint64_t after = 0, limit = LINES_DEFAULT, next = log_kept_next();
    struct log_line *line;
    json_t *list;

    if (!api_number(call, "after", UINT64_MAX - 1, &after) ||
        !api_number(call, "limit", LINES_MAX, &limit))
        return NULL;
    line = mem_alloc(sizeof *line);
    list = json_array();
    if (next > limit && after < next - limit - 1)
        after = next - limit - 1;
    for (uint64_t n = 0; n < limit && log_kept(after + 1, line); n++) {
        after = line->number;
        json_array_append_new(
            list, json_pack("{s:I,s:o,s:s,s:o}", "number", (json_int_t)line->number, "time",
                            api_time(line->at_ns), "level", log_level_name(line->level), "text",
                            api_string(line->text, line->len)));
        next = line->number + 1 > next ? line->number + 1 : next;
    }
    mem_free(line);
    return json_pack("{s:o,s:I}", "lines", list, "next", (json_int_t)next);
}
