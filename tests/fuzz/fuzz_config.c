/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as a configuration file. The text is parsed, its instances are found, and
 * its lines are checked against a key of each type. */
#include "base/text.h"
#include "config/config.h"

struct settings {
    bool flag;
    int64_t number, size, time;
    int16_t small;
    uint16_t port;
    const char *string;
    int choice;
};
static const struct config_key keys[] = {
    {.name = "b", KEY_BOOL_AT(struct settings, flag)},
    {.name = "i", KEY_INT_AT(struct settings, number, -5, 100)},
    {.name = "z", KEY_SIZE_AT(struct settings, size, 0, INT64_MAX)},
    {.name = "d", KEY_DURATION_AT(struct settings, time, 0, INT64_MAX), .default_value = "1m"},
    {.name = "n", KEY_INT_AT(struct settings, small, -1, 9)},
    {.name = "p", KEY_INT_AT(struct settings, port, 1, UINT16_MAX)},
    {.name = "s", KEY_STRING_AT(struct settings, string), .aliases = "string|text"},
    {.name = "c",
     KEY_CHOICE_AT(struct settings, choice),
     .choices = KEY_CHOICES({"x", 1}, {"yy", 2})},
    {0},
};
static const struct config_key instance_keys[] = {
    {.name = "aggregate", KEY_STRING_AT(struct settings, string), .scope = SCOPE_INSTANCE},
    {.name = "filter", KEY_STRING_AT(struct settings, string), .scope = SCOPE_BOUND},
    {0},
};
static struct pa_key plugin_keys[] = {
    {.name = "h", .type = PA_KEY_DURATION, .role = PA_ROLE_HISTORY},
    {.name = "s", .type = PA_KEY_STRING},
    {0}};
static char plugin_name[] = "p";
static const struct plugin_description plugin = {
    .name = plugin_name, .keys = plugin_keys, .key_count = 2};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct settings instance_settings[1024];
    struct settings settings;
    struct text errors = {0}, warnings = {0};

    if (size > 2048) /* at two bytes an instance, all fit; longer ones only cost time */
        return 0;
    struct config *config = config_new();
    config_read_text(config, "fuzz", (const char *)data, size, &errors);
    config_find_instances(config, &errors);
    config_add_table(config, keys, &settings);
    config_add_instance_table(config, instance_keys, instance_settings,
                              sizeof instance_settings[0]);
    config_add_plugin(config, &plugin);
    config_check(config, &errors, &warnings);
    config_free(config);
    text_clear(&errors);
    text_clear(&warnings);
    return 0;
}
