/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a plugin's description and the list of --keys say the same of every key, and that
 * each refused key has a reason. Both are JSON, which jansson reads. */
#include "base/text.h"
#include "config/config.h"
#include "config/unsupported.h"
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char description[] =
    "{\"abi\": 1, \"name\": \"print\", \"help\": \"rows as text\", \"flags\": 0, \"keys\": ["
    "{\"name\": \"print_output\", \"type\": \"choice\", \"global\": false, \"role\": \"none\", "
    "\"default\": \"csv\","
    " \"min\": 0, \"max\": 0, \"choices\": \"json|csv\", \"aliases\": null, \"help\": \"form of a "
    "\\\"row\\\"\"},"
    "{\"name\": \"print_refresh_time\", \"type\": \"duration\", \"role\": \"refresh_time\", "
    "\"default\": \"60\","
    " \"min\": 1, \"max\": 86400, \"aliases\": \"refresh|print_interval\"}]}";

static void a_description_gives_its_keys(void **state)
{
    struct plugin_description *d;
    struct text error = {0};
    (void)state;
    assert_int_equal(plugin_description_parse(description, strlen(description), &error, &d), 0);
    assert_string_equal(d->name, "print");
    assert_int_equal(d->key_count, 2);
    assert_int_equal(d->keys[0].type, PA_KEY_CHOICE);
    assert_string_equal(d->keys[0].choices, "json|csv");
    assert_null(d->keys[0].aliases);
    assert_int_equal(d->keys[1].role, PA_ROLE_REFRESH_TIME);
    assert_int_equal(d->keys[1].max, 86400);
    assert_null(d->keys[2].name);
    plugin_description_free(d);
    text_clear(&error);
}

static void a_bad_description_is_refused_with_its_reason(void **state)
{
    static const struct {
        const char *json;
        int err;
    } cases[] = {
        {"", -EBADMSG},
        {"[]", -EBADMSG},
        {"{\"abi\": 1}", -EBADMSG},
        {"{\"abi\": 2, \"name\": \"x\", \"keys\": []}", -EPROTONOSUPPORT},
        {"{\"abi\": 1, \"name\": \"x\", \"keys\": {}}", -EBADMSG},
        {"{\"abi\": 1, \"name\": \"x\", \"keys\": [{\"name\": \"k\", \"type\": \"matrix\"}]}",
         -EBADMSG},
        {"{\"abi\": 1, \"name\": \"x\", \"keys\": [{\"name\": \"k\", \"type\": \"choice\"}]}",
         -EBADMSG},
        {"{\"abi\": 1, \"name\": \"x\", \"keys\": [{\"name\": 7, \"type\": \"int\"}]}", -EBADMSG},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct plugin_description *d;
        struct text error = {0};
        assert_int_equal(plugin_description_parse(cases[i].json, strlen(cases[i].json), &error, &d),
                         cases[i].err);
        assert_true(error.len > 0);
        text_clear(&error);
    }
}

static json_t *listed(const struct config *config)
{
    char *data = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&data, &len);
    config_list(config, file, CONFIG_LIST_JSON);
    fclose(file);
    json_t *json = json_loadb(data, len, 0, NULL);
    free(data);
    assert_non_null(json);
    return json;
}

static json_t *find_named(json_t *array, const char *name)
{
    json_t *item;
    size_t i;
    json_array_foreach(array, i, item) if (strcmp(json_string_value(json_object_get(item, "name")),
                                                  name) == 0) return item;
    return NULL;
}

static void the_list_holds_every_key_and_leaves_claimed_ones_out_of_the_refused(void **state)
{
    struct plugin_description *d;
    struct text error = {0};
    static const struct config_key keys[] = {{.name = "tunnel_0", .type = KEY_STRING}, {0}};
    struct config *config = config_new();
    (void)state;
    assert_int_equal(plugin_description_parse(description, strlen(description), &error, &d), 0);
    assert_int_equal(config_find_instances(config, &error), 0);
    config_add_plugin(config, d);
    config_add_table(config, keys, NULL); /* a row of unsupported.def that a table now claims */
    json_t *json = listed(config), *all = json_object_get(json, "keys");
    json_t *unsupported = json_object_get(json, "unsupported");
    assert_int_equal(json_array_size(all),
                     2 + 2 + 1); /* plugins, strict_config; print's; tunnel_0 */
    json_t *output = find_named(all, "print_output");
    assert_string_equal(json_string_value(json_object_get(output, "help")), "form of a \"row\"");
    assert_string_equal(json_string_value(json_object_get(output, "plugin")), "print");
    assert_string_equal(json_string_value(json_object_get(output, "scope")), "instance");
    assert_non_null(find_named(unsupported, "isis_daemon"));
    assert_null(find_named(unsupported, "tunnel_0"));
    json_decref(json);
    config_free(config);
    plugin_description_free(d);
    text_clear(&error);
}

static void a_program_without_plugins_lists_neither_their_keys_nor_foreign_ones(void **state)
{
    struct plugin_description *d;
    struct text error = {0};
    static const struct config_key keys[] = {{.name = "own", .type = KEY_STRING}, {0}};
    static const struct config_key foreign[] = {
        {.name = "nfacctd_port", .type = KEY_INT, .aliases = "sfacctd_port|tunnel_0"}, {0}};
    struct config *config = config_new();
    (void)state;
    assert_int_equal(plugin_description_parse(description, strlen(description), &error, &d), 0);
    config_add_plugin(config, d);
    config_add_table(config, keys, NULL);
    config_add_foreign_table(config, foreign);
    config_add_foreign_table(config, config_plugins_keys);
    json_t *json = listed(config), *all = json_object_get(json, "keys");
    json_t *unsupported = json_object_get(json, "unsupported");
    assert_int_equal(json_array_size(all), 2); /* strict_config, own */
    json_t *port = find_named(unsupported, "nfacctd_port");
    assert_string_equal(json_string_value(json_object_get(port, "effect")), "foreign");
    assert_non_null(find_named(unsupported, "plugins"));
    assert_null(find_named(unsupported, "tunnel_0")); /* an alias of what stands there */
    json_decref(json);
    config_free(config);
    plugin_description_free(d);
    text_clear(&error);
}

static void every_refused_key_has_reason_and_remedy_and_stands_once(void **state)
{
    struct unsupported_key row, other;
    (void)state;
    for (size_t i = 0; unsupported_at(i, &row); i++) {
        assert_true(row.effect != UNSUPPORTED_REFUSED || (*row.reason && *row.remedy));
        for (size_t k = i + 1; unsupported_at(k, &other); k++)
            assert_string_not_equal(row.name, other.name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_gives_its_keys),
        cmocka_unit_test(a_bad_description_is_refused_with_its_reason),
        cmocka_unit_test(the_list_holds_every_key_and_leaves_claimed_ones_out_of_the_refused),
        cmocka_unit_test(a_program_without_plugins_lists_neither_their_keys_nor_foreign_ones),
        cmocka_unit_test(every_refused_key_has_reason_and_remedy_and_stands_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
