/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the daemons read of a plugin what the host says of it. */
#include "base/plugin_key.h"
#include "base/text.h"
#include "config/plugin_description.h"
#include "host/describe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Every type and role stands here once, and one row has everything that a row can have. */
static const struct pa_key keys[] = {
    {"p_bool", PA_KEY_BOOL, 1, PA_ROLE_NONE, "false", 0, 0, NULL, NULL, "a \"quoted\"\tword"},
    {"p_int", PA_KEY_INT, 0, PA_ROLE_REFRESH_TIME, "60", -5, INT64_MAX, NULL, "old|older", "n"},
    {"p_size", PA_KEY_SIZE, 0, PA_ROLE_HISTORY_OFFSET, "4k", 1, 2, NULL, NULL, "\xc3\xa9"},
    {"p_duration", PA_KEY_DURATION, 0, PA_ROLE_HISTORY, NULL, 0, 0, NULL, NULL, NULL},
    {"p_string", PA_KEY_STRING, 0, PA_ROLE_HISTORY_ROUNDOFF, "", 0, 0, NULL, NULL, ""},
    {NULL, 0, 0, 0, NULL, 0, 0, NULL, NULL, NULL},
};
static const struct pa_key shared_keys[] = {
    {"s_choice", PA_KEY_CHOICE, 0, PA_ROLE_OWN_PLACE, "b", 0, 0, "a|b", NULL, "which"},
    {"s_program", PA_KEY_STRING, 0, PA_ROLE_PROGRAM, NULL, 0, 0, NULL, NULL, "runs"},
    {"s_ignored", PA_KEY_IGNORED, 0, PA_ROLE_NONE, NULL, 0, 0, NULL, NULL, "no effect"},
    {NULL, 0, 0, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static void assert_same_text(const char *a, const char *b)
{
    assert_int_equal(a == NULL, b == NULL);
    if (a != NULL)
        assert_string_equal(a, b);
}

static void assert_same_key(const struct pa_key *a, const struct pa_key *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->is_global, b->is_global);
    assert_int_equal(a->role, b->role);
    assert_same_text(a->default_value, b->default_value);
    assert_true(a->min == b->min && a->max == b->max);
    assert_same_text(a->choices, b->choices);
    assert_same_text(a->aliases, b->aliases);
    assert_same_text(a->help, b->help);
}

static void what_the_host_describes_is_what_the_daemon_reads(void **state)
{
    (void)state;
    const struct pa_plugin plugin = {.abi = PA_PLUGIN_ABI,
                                     .flags = PA_PLUGIN_ADDS_UP | PA_PLUGIN_IS_VOLATILE,
                                     .name = "p",
                                     .help = "all kinds of keys",
                                     .keys = keys,
                                     .shared_keys = shared_keys};
    struct text line = {0}, error = {0};
    struct plugin_description *d;

    assert_int_equal(describe_plugin(&plugin, &line), 0);
    assert_int_equal(line.data[line.len - 1], '\n');
    assert_int_equal(plugin_description_parse(line.data, line.len, &error, &d), 0);
    assert_string_equal(d->name, "p");
    assert_string_equal(d->help, "all kinds of keys");
    assert_int_equal(d->flags, plugin.flags);
    assert_int_equal(d->key_count, 8);
    for (size_t i = 0; i < 5; i++)
        assert_same_key(&keys[i], &d->keys[i]);
    for (size_t i = 0; i < 3; i++)
        assert_same_key(&shared_keys[i], &d->keys[5 + i]);
    plugin_description_free(d);
    text_clear(&line);
    text_clear(&error);
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    const struct pa_key bad[] = {
        {"p_bad", PA_KEY_STRING, 0, PA_ROLE_NONE, NULL, 0, 0, NULL, NULL, "\xff"},
        {NULL, 0, 0, 0, NULL, 0, 0, NULL, NULL, NULL},
    };
    const struct pa_plugin plugin = {.abi = PA_PLUGIN_ABI, .name = "p", .help = "h", .keys = bad};
    struct text line = {0};

    assert_int_equal(describe_plugin(&plugin, &line), -EINVAL);
    assert_int_equal(line.len, 0);
    text_clear(&line);
}

static void each_word_stands_for_one_value(void **state)
{
    (void)state;
    for (int type = PA_KEY_BOOL; type <= PA_KEY_IGNORED; type++)
        assert_int_equal(plugin_key_type_find(plugin_key_type_word((enum pa_key_type)type)), type);
    for (int role = PA_ROLE_NONE; role <= PA_ROLE_STARTUP_DELAY; role++)
        assert_int_equal(plugin_key_role_find(plugin_key_role_word((enum pa_key_role)role)), role);
    assert_int_equal(plugin_key_type_find("none"), -ENOENT);
    assert_int_equal(plugin_key_role_find("bool"), -ENOENT);
    assert_null(plugin_key_type_word((enum pa_key_type)(PA_KEY_IGNORED + 1)));
    assert_null(plugin_key_role_word((enum pa_key_role)(PA_ROLE_STARTUP_DELAY + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_host_describes_is_what_the_daemon_reads),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test(each_word_stands_for_one_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
