/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how a configuration is checked: which value wins where several lines set a key, and what
 * each fault is called. The tables here stand for those of the core and of two plugins. */
#include "config/config.h"

#include "base/text.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum as_source { AS_UNSET, AS_LONGEST, AS_EXPORT, AS_BGP };
struct core_settings {
    bool debug;
    uint16_t port;
    int64_t pipe_size, wait_s;
    const char *ip;
    enum as_source as_source, fallback;
    bool wants_bgp;
    int lucky_count, lucky[4];
};
static int check_even(const char *value, struct text *error)
{
    if (atoi(value) % 2 == 0)
        return 0;
    text_append_string(error, "an even number");
    return -EINVAL;
}
static int parse_lucky(const char *value, void *settings, struct text *errors)
{
    struct core_settings *core = settings;
    int err = 0;

    core->lucky[core->lucky_count++] = core->port; /* port is set already */
    for (const char *c = value ? value : "7"; *c; c++)
        if (*c >= '0' && *c <= '9') {
            core->lucky[core->lucky_count++] = *c - '0';
        } else {
            text_append_printf(errors, "'%c' is not lucky\n", *c);
            err = -EINVAL;
        }
    return err;
}
static const struct config_key core_keys[] = {
    {.name = "lucky", .type = KEY_STRING, .parse = parse_lucky},
    {.name = "debug", KEY_BOOL_AT(struct core_settings, debug), .default_value = "false"},
    {.name = "nfacctd_port",
     KEY_INT_AT(struct core_settings, port, 1, 65535),
     .default_value = "2100",
     .aliases = "listen_port",
     .check = check_even},
    {.name = "nfacctd_pipe_size", KEY_SIZE_AT(struct core_settings, pipe_size, 1, INT64_MAX)},
    {.name = "shutdown_timeout",
     KEY_DURATION_AT(struct core_settings, wait_s, 0, INT64_MAX),
     .default_value = "30"},
    {.name = "nfacctd_ip", KEY_STRING_AT(struct core_settings, ip)},
    {.name = "nfacctd_as",
     KEY_CHOICE_AT(struct core_settings, as_source),
     .default_value = "netflow",
     .choices = KEY_CHOICES({"netflow", AS_EXPORT}, {"bgp", AS_BGP}, {"longest", AS_LONGEST},
                            {"sflow", AS_EXPORT})},
    {"fallback", KEY_CHOICE_AT(struct core_settings, fallback),
     .choices = KEY_CHOICES({"bgp", AS_BGP})},
    {"source", KEY_CHOICE_AT(struct core_settings, wants_bgp),
     .choices = KEY_CHOICES({"bgp", true})},
    {0},
};

struct instance_settings {
    const char *aggregate, *filter;
};
static const struct config_key instance_keys[] = {
    {.name = "aggregate",
     KEY_STRING_AT(struct instance_settings, aggregate),
     .scope = SCOPE_INSTANCE,
     .default_value = "src_host"},
    {.name = "aggregate_filter",
     KEY_STRING_AT(struct instance_settings, filter),
     .scope = SCOPE_BOUND},
    {0},
};

static struct pa_key print_keys[] = {
    {.name = "print_output",
     .type = PA_KEY_CHOICE,
     .default_value = "formatted",
     .choices = "formatted|csv|json"},
    {.name = "print_refresh_time",
     .type = PA_KEY_DURATION,
     .role = PA_ROLE_REFRESH_TIME,
     .default_value = "60",
     .min = 1,
     .max = 86400},
    {.name = "print_history", .type = PA_KEY_DURATION, .role = PA_ROLE_HISTORY},
    {.name = "print_cache_entries", .type = PA_KEY_IGNORED},
    {.name = "timestamps_utc", .type = PA_KEY_BOOL, .default_value = "false"},
    {0},
};
static struct pa_key kafka_keys[] = {
    {.name = "kafka_topic", .type = PA_KEY_STRING, .default_value = "pmacct.acct"},
    {.name = "kafka_place",
     .type = PA_KEY_STRING,
     .role = PA_ROLE_OWN_PLACE,
     .default_value = "/default"},
    {.name = "timestamps_utc", .type = PA_KEY_BOOL, .default_value = "false"},
    {.name = "kafka_history", .type = PA_KEY_DURATION, .role = PA_ROLE_HISTORY},
    {0},
};
static char print_name[] = "print", kafka_name[] = "kafka";
static const struct plugin_description print_plugin = {
    .name = print_name, .keys = print_keys, .key_count = 5};
static const struct plugin_description kafka_plugin = {
    .name = kafka_name, .keys = kafka_keys, .key_count = 4};

struct loaded {
    struct config *config;
    struct core_settings core;
    struct instance_settings instances[8];
    struct text errors, warnings;
    int result;
};

static void finish(struct loaded *l)
{
    int err = config_find_instances(l->config, &l->errors);
    config_add_table(l->config, core_keys, &l->core);
    config_add_instance_table(l->config, instance_keys, l->instances, sizeof l->instances[0]);
    config_add_plugin(l->config, &print_plugin);
    config_add_plugin(l->config, &kafka_plugin);
    l->result = config_check(l->config, &l->errors, &l->warnings);
    if (err < 0)
        l->result = err;
}

static void read_text(struct loaded *l, const char *text)
{
    *l = (struct loaded){.config = config_new()};
    assert_int_equal(config_read_text(l->config, "t", text, strlen(text), &l->errors), 0);
}

static void load(struct loaded *l, const char *text)
{
    read_text(l, text);
    finish(l);
}

static void unload(struct loaded *l)
{
    config_free(l->config);
    text_clear(&l->errors);
    text_clear(&l->warnings);
}

static void assert_contains(struct text *text, const char *wanted)
{
    if (!strstr(text_cstr(text), wanted))
        fail_msg("no '%s' in:\n%s", wanted, text_cstr(text));
}

static void assert_fine(struct loaded *l)
{
    if (l->result != 0)
        fail_msg("%d: %s", l->result, text_cstr(&l->errors));
    assert_int_equal(l->errors.len, 0);
}

#define TWO_INSTANCES "plugins: print[a], kafka[b]\n"

static void defaults_hold_where_no_line_speaks(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES);
    assert_fine(&l);
    assert_false(l.core.debug);
    assert_int_equal(l.core.port, 2100);
    assert_int_equal(l.core.wait_s, 30);
    assert_null(l.core.ip);
    assert_int_equal(l.core.as_source, AS_EXPORT);
    assert_int_equal(l.core.fallback, AS_UNSET);
    assert_false(l.core.wants_bgp);
    assert_int_equal(l.core.lucky_count, 2);
    assert_int_equal(l.core.lucky[0], 2100);
    assert_int_equal(l.core.lucky[1], 7);
    assert_string_equal(l.instances[0].aggregate, "src_host");
    assert_null(l.instances[1].filter);
    assert_string_equal(config_place(l.config, "nfacctd_port", CONFIG_GLOBAL), "default");
    assert_false(config_is_set(l.config, "nfacctd_port", CONFIG_GLOBAL));
    unload(&l);
}

static void values_of_every_type_arrive_in_settings(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "Debug: TRUE\n"
                           "listen_port: 2056\n"
                           "nfacctd_pipe_size: 4M\n"
                           "shutdown_timeout: 2m\n"
                           "nfacctd_ip: ::1\n"
                           "nfacctd_as: BGP\n"
                           "source: bgp\n");
    assert_fine(&l);
    assert_true(l.core.debug);
    assert_int_equal(l.core.port, 2056);
    assert_int_equal(l.core.pipe_size, 4 * 1024 * 1024);
    assert_int_equal(l.core.wait_s, 120);
    assert_string_equal(l.core.ip, "::1");
    assert_int_equal(l.core.as_source, AS_BGP);
    assert_string_equal(config_value(l.config, "nfacctd_as", CONFIG_GLOBAL), "bgp");
    assert_true(l.core.wants_bgp);
    assert_string_equal(config_place(l.config, "nfacctd_port", CONFIG_GLOBAL), "t:3");
    unload(&l);
}

/* Two words may stand for one enumerator; each setting keeps the word that was written. */
static void words_that_mean_the_same_keep_their_spelling(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "nfacctd_as: SFlow\n");
    assert_fine(&l);
    assert_int_equal(l.core.as_source, AS_EXPORT);
    assert_string_equal(config_value(l.config, "nfacctd_as", CONFIG_GLOBAL), "sflow");
    unload(&l);
}

/* Each fault is an error with its place, and not a bad value that `strict_config: false` would
 * forgive. */
static void a_key_that_parses_for_itself_reports_line_by_line(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "lucky: 12\nlucky: 3\n");
    assert_fine(&l);
    assert_int_equal(l.core.lucky_count, 2);
    assert_int_equal(l.core.lucky[1], 3);
    unload(&l);
    load(&l, TWO_INSTANCES "strict_config: false\nlucky: 1x2y\n");
    assert_int_equal(l.result, -EINVAL);
    assert_string_equal(text_cstr(&l.errors),
                        "t:3: lucky: 'x' is not lucky\nt:3: lucky: 'y' is not lucky\n");
    unload(&l);
}

static void instances_take_type_name_and_defaults_from_plugins(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "plugins: print\nplugins: print[ x y ] ,Kafka\n");
    assert_fine(&l);
    assert_int_equal(config_instance_count(l.config), 2);
    assert_string_equal(config_instance_at(l.config, 0)->name, "x y");
    assert_string_equal(config_instance_at(l.config, 1)->type, "kafka");
    assert_string_equal(config_instance_at(l.config, 1)->name, "default_kafka");
    unload(&l);
}

static void without_plugins_the_missing_memory_table_is_named(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "debug: true\n");
    assert_int_equal(l.result, -EINVAL);
    assert_contains(&l.errors, "plugins: print[matrix]");
    unload(&l);
}

/* Without plugins no key can have an effect, which is said once and not of each key. */
static void empty_plugins_are_the_one_error(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "plugins: \naggregate: src_host\nprint_output: json\n");
    assert_int_equal(l.result, -EINVAL);
    assert_contains(&l.errors, "t:1: plugins: no plugin type in ''");
    assert_int_equal(l.warnings.len, 0);
    unload(&l);
}

static void the_last_line_wins_and_unbound_overwrites_bound(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "plugins: print[a], print[b]\n"
             "aggregate[a]: dst_host\n"
             "aggregate: src_as\n"
             "aggregate[b]: dst_as\n"
             "debug: true\n"
             "debug: false\n");
    assert_fine(&l);
    assert_string_equal(l.instances[0].aggregate, "src_as");
    assert_string_equal(l.instances[1].aggregate, "dst_as");
    assert_false(l.core.debug);
    assert_contains(&l.warnings,
                    "t:3: aggregate: this unbound line takes the place of the one for 'a' at t:2");
    assert_contains(&l.warnings, "t:6: debug: takes the place of t:5");
    assert_null(strstr(text_cstr(&l.warnings),
                       "t:4")); /* a bound line after an unbound one is what binding is for */
    unload(&l);
}

static void the_command_line_overrides_the_file(void **state)
{
    struct loaded l;
    (void)state;
    read_text(&l, TWO_INSTANCES "nfacctd_port: 2102\naggregate[a]: dst_host\n");
    config_set(l.config, "nfacctd_port", NULL, "2104", "-l");
    config_set(l.config, "aggregate", NULL, "proto", "-c");
    finish(&l);
    assert_fine(&l);
    assert_int_equal(l.core.port, 2104);
    assert_string_equal(l.instances[0].aggregate, "proto");
    assert_string_equal(config_place(l.config, "nfacctd_port", CONFIG_GLOBAL), "-l");
    assert_int_equal(l.warnings.len, 0);
    unload(&l);
}

/* A user of pmacct reported the first typo; the other lines have one error of each kind. */
static void all_errors_of_a_file_are_reported_at_once(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "nfaccttd_port: 2100\n"   /* 2: a typing error */
                           "isis_daemon: true\n"     /* 3: pmacct's, refused */
                           "nfacctd_port: 70000\n"   /* 4: out of range */
                           "nfacctd_port[a]: 2100\n" /* 5: global but bound */
                           "aggregate_filter: tcp\n" /* 6: bound but global */
                           "print_output[b]: json\n" /* 7: of another plugin */
                           "print_output[c]: json\n" /* 8: no such instance */
                           "print_output: xml\n"     /* 9: no such choice */
                           "debug: maybe\n"          /* 10 */
                           "nfacctd_ip:\n"           /* 11: no value */
                           "shutdown_timeout: 1M\n"  /* 12: months only where bins are made */
                           "nfacctd_pipe_size: 9999999999999G\n" /* 13: beyond 64 bits */
                           "zzzzzz: 1\n"                         /* 14: nothing is near */
                           "nfacctd_port: 2101\n");              /* 15: the key's own check */
    assert_int_equal(l.result, -EINVAL);
    assert_contains(&l.errors, "t:2: nfaccttd_port: unknown key; did you mean nfacctd_port?");
    assert_contains(&l.errors, "t:3: isis_daemon: not supported: ");
    assert_contains(&l.errors, "use BGP, or the exporters' own routing fields");
    assert_contains(
        &l.errors, "t:4: nfacctd_port: bad value '70000'; expected a whole number from 1 to 65535");
    assert_contains(&l.errors, "t:5: nfacctd_port[a]: ");
    assert_contains(&l.errors, "t:6: aggregate_filter: must say for which instance");
    assert_contains(&l.errors,
                    "t:7: print_output[b]: a key of plugin print, but 'b' is an instance of kafka");
    assert_contains(&l.errors,
                    "t:8: print_output[c]: no instance has that name; `plugins` names a, b");
    assert_contains(&l.errors,
                    "t:9: print_output: bad value 'xml'; expected one of formatted, csv, json");
    assert_contains(&l.errors, "t:10: debug: bad value 'maybe'; expected true or false");
    assert_null(strstr(text_cstr(&l.errors), "t:11:")); /* an empty value: not set */
    assert_contains(&l.errors, "t:12: shutdown_timeout: bad value '1M'");
    assert_contains(&l.errors, "t:13: nfacctd_pipe_size: bad value");
    assert_contains(&l.errors, "t:14: zzzzzz: unknown key\n");
    assert_contains(&l.errors, "t:15: nfacctd_port: bad value '2101'; expected an even number");
    unload(&l);
}

static void strict_config_false_warns_and_goes_on(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "nfaccttd_port: 2100\n"
                           "nfacctd_port: 70000\n"
                           "nfacctd_ip[a]: ::1\n"
                           "strict_config: false\n");
    assert_fine(&l);
    assert_contains(&l.warnings, "t:2: nfaccttd_port: unknown key");
    assert_contains(&l.warnings, "t:3: nfacctd_port: bad value '70000'");
    assert_contains(&l.warnings, "the line is left out");
    assert_int_equal(l.core.port, 2100);
    assert_string_equal(l.core.ip, "::1"); /* as pmacct: a bound global counts for all */
    unload(&l);
}

static void keys_without_effect_give_one_notice(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES
         "plugin_pipe_size: 1000000\nprint_cache_entries: 5\nplugin_buffer_size[a]: 1000\n");
    assert_fine(&l);
    assert_contains(&l.warnings,
                    "no effect here: plugin_pipe_size (t:2), print_cache_entries (t:3), "
                    "plugin_buffer_size (t:4)\n");
    assert_int_equal(l.warnings.len, strcspn(text_cstr(&l.warnings), "\n") + 1);
    unload(&l);
}

static void a_key_of_a_plugin_that_no_instance_uses_is_in_a_notice(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "plugins: print[a]\nkafka_topic: x\n");
    assert_fine(&l);
    assert_contains(&l.warnings, "have no effect here: kafka_topic (t:2)");
    unload(&l);
}

static void a_key_of_a_plugin_that_is_not_installed_is_in_a_notice(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "amqp_no_such_key: x\nkafka_no_such_key: x\n");
    assert_contains(&l.warnings, "have no effect here: amqp_no_such_key (t:2)");
    assert_contains(&l.errors, "t:3: kafka_no_such_key: unknown key");
    unload(&l);
}

/* pmacct has one place for them all; here a plugin that is configured has its own. */
static void a_key_of_no_configured_plugin_counts_for_those_that_are(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "plugins: print[a], print[b]\nkafka_history: 1m\namqp_refresh_time: 5\n"
             "kafka_history[b]: 2m\nkafka_topic: x\n");
    assert_fine(&l);
    assert_int_equal(config_number(l.config, "print_history", 0), 60);
    assert_int_equal(config_number(l.config, "print_history", 1), 120);
    assert_int_equal(config_number(l.config, "print_refresh_time", 1), 5);
    assert_contains(&l.warnings, "count for those that are, as in pmacct: kafka_history (t:2), "
                                 "amqp_refresh_time (t:3), kafka_history (t:4)\n");
    assert_contains(&l.warnings, "no effect here: kafka_topic (t:5)");
    unload(&l);
    load(&l, TWO_INSTANCES "kafka_history: 1m\nprint_history[b]: 2m\n");
    assert_fine(&l);
    assert_int_equal(config_number(l.config, "print_history", 0), 0);
    assert_int_equal(config_number(l.config, "kafka_history", 1), 120);
    unload(&l);
    load(&l, "plugins: print[a]\nkafka_history: soon\n");
    assert_int_equal(l.result, -EINVAL);
    assert_contains(&l.errors, "t:2: kafka_history: bad value 'soon'");
    unload(&l);
}

static void a_choice_that_only_pmacct_has_says_what_to_use(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "nfacctd_as: igp\nprint_output: Custom\nprint_output: xml\n");
    assert_int_equal(l.result, -EINVAL);
    assert_contains(&l.errors, "t:2: nfacctd_as: igp is not supported: IS-IS is not spoken; use "
                               "longest");
    assert_contains(&l.errors, "t:3: print_output: custom is not supported: ");
    assert_contains(&l.errors, "t:4: print_output: bad value 'xml'");
    unload(&l);
}

/* Only one instance may serve at a place such as a socket, so its name may stand in one instance's
 * line. */
static void two_instances_at_one_place_are_an_error(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "plugins: kafka[a], kafka[b], kafka[c]\nkafka_topic: x\nkafka_topic[b]: y\n"
             "kafka_place: /p\nkafka_place[c]: /q\n");
    assert_int_equal(l.result, -EINVAL);
    assert_contains(&l.errors, "t:4: kafka_place: 'a' and 'b' would both have '/p'; give each its "
                               "own: kafka_place[b]: ...");
    assert_null(strstr(text_cstr(&l.errors), "'c'"));
    unload(&l);
    load(&l, "plugins: kafka[a], kafka[b]\nkafka_place[b]: /p\n");
    assert_fine(&l);
    unload(&l);
    load(&l, "plugins: kafka[a], kafka[b]\n");
    assert_contains(&l.errors, "t:1: kafka_place: 'a' and 'b' would both have '/default'");
    unload(&l);
}

static void a_key_of_two_plugins_counts_for_both(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, TWO_INSTANCES "timestamps_utc: Yes\n");
    assert_fine(&l);
    assert_string_equal(config_value(l.config, "timestamps_utc", 0), "Yes");
    assert_int_equal(config_number(l.config, "timestamps_utc", 1), 1);
    assert_int_equal(config_number(l.config, "no_such_key", 1), 0);
    assert_int_equal(l.warnings.len, 0);
    unload(&l);
}

static void unknown_and_duplicate_instances_are_errors(void **state)
{
    struct loaded l;
    (void)state;
    load(&l, "plugins: prnt[a], nfprobe[b], print[c], kafka[c], print[], print[x/y]\n");
    assert_int_equal(l.result, -EINVAL);
    assert_contains(&l.errors, "t:1: plugins: no plugin 'prnt': installed: print, kafka");
    assert_contains(&l.errors, "t:1: plugins: no plugin 'nfprobe': this is a collector");
    assert_contains(&l.errors, "t:1: plugins: two instances are named 'c'");
    assert_contains(&l.errors, "t:1: plugins: no instance name in 'print[]'");
    assert_contains(&l.errors, "print[x/y]");
    unload(&l);
}

struct seen {
    size_t count;
    int64_t refresh, history;
    const char *output;
};
static void see(void *arg, const struct config_setting *setting)
{
    struct seen *seen = arg;
    seen->count++;
    if (strcmp(setting->key->name, "print_refresh_time") == 0)
        seen->refresh = setting->number;
    if (strcmp(setting->key->name, "print_output") == 0)
        seen->output = setting->value;
}

static void a_host_gets_all_settings_of_its_instance(void **state)
{
    struct loaded l;
    struct seen seen = {0};
    struct config_setting setting;
    (void)state;
    load(&l, TWO_INSTANCES "print_refresh_time: 5m\nprint_output[a]: json\nprint_history: 2M\n");
    assert_fine(&l);
    config_each_setting(l.config, 0, see, &seen);
    assert_int_equal(seen.count, 5);
    assert_int_equal(seen.refresh, 300);
    assert_string_equal(seen.output, "json");
    assert_true(config_role(l.config, 0, PA_ROLE_HISTORY, &setting));
    assert_int_equal(setting.number, -2); /* calendar months */
    assert_string_equal(setting.place, "t:4");
    assert_false(config_role(l.config, 1, PA_ROLE_REFRESH_TIME, &setting));
    unload(&l);
}

/* ---- an instance that nobody names in `plugins` ---- */

static const struct config_key log_keys[] = {
    {.name = "log_kafka_topic", .type = KEY_STRING},
    {.name = "log_kafka_place", .type = KEY_STRING, .default_value = "/log"},
    {0},
};

static void load_with_log(struct loaded *l, const char *text)
{
    struct config_found_line line;

    read_text(l, text);
    assert_int_equal(config_find_instances(l->config, &l->errors), 0);
    if (config_find_line(l->config, "log_kafka_topic", &line))
        assert_int_equal(
            config_add_implicit(l->config, "kafka", "log", "log", line.place, &l->errors), 0);
    config_add_table(l->config, log_keys, NULL);
    config_add_plugin(l->config, &print_plugin);
    config_add_plugin(l->config, &kafka_plugin);
    l->result = config_check(l->config, &l->errors, &l->warnings);
}

static void an_implicit_instance_is_set_by_keys_with_its_prefix(void **state)
{
    (void)state;
    struct loaded l;

    load_with_log(&l, "plugins: kafka[a]\n"
                      "log_kafka_topic: events\n"
                      "kafka_topic: flows\n"
                      "kafka_place: /flows\n"
                      "timestamps_utc: true\n");
    assert_fine(&l);
    assert_int_equal(config_instance_count(l.config), 2);
    assert_string_equal(config_instance_at(l.config, 1)->place, "t:2");
    assert_string_equal(config_value(l.config, "kafka_topic", 0), "flows");
    assert_string_equal(config_value(l.config, "kafka_topic", 1), "events");
    assert_string_equal(config_place(l.config, "kafka_topic", 1), "t:2");
    /* Its default is that of the key with the prefix, whatever unbound lines say. */
    assert_string_equal(config_value(l.config, "kafka_place", 1), "/log");
    assert_int_equal(config_number(l.config, "timestamps_utc", 1), 1);
    unload(&l);
    load_with_log(&l, "plugins: kafka[a]\nlog_kafka_topic: x\nkafka_place[log]: /bound\n");
    assert_fine(&l);
    assert_string_equal(config_value(l.config, "kafka_place", 1), "/bound");
    unload(&l);
}

static void no_line_or_an_empty_one_makes_no_implicit_instance(void **state)
{
    (void)state;
    struct loaded l;

    load_with_log(&l, "plugins: print\nlog_kafka_topic: x\nlog_kafka_topic:\n");
    assert_int_equal(config_instance_count(l.config), 1);
    unload(&l);
    load_with_log(&l, "plugins: print\nlog_kafka_topic: x\nkafka_topic: y\n");
    assert_int_equal(l.result, 0);
    assert_contains(&l.warnings, "have no effect here: kafka_topic (t:3)");
    unload(&l);
    load_with_log(&l, "plugins: print\nlog_kafka_topic: x\nkafka_history: 1m\n");
    assert_int_equal(l.result, 0);
    assert_int_equal(config_number(l.config, "print_history", 0), 60);
    assert_int_equal(config_number(l.config, "kafka_history", 1), 0);
    assert_contains(&l.warnings, "as in pmacct: kafka_history (t:3)");
    unload(&l);
    load_with_log(&l, "plugins: kafka\nlog_kafka_topic: x\nkafka_history: 1m\n");
    assert_int_equal(config_number(l.config, "kafka_history", 0), 60);
    assert_int_equal(config_number(l.config, "kafka_history", 1), 0);
    assert_int_equal(l.warnings.len, 0);
    unload(&l);
    read_text(&l, "plugins: print[log]\n");
    assert_int_equal(config_find_instances(l.config, &l.errors), 0);
    assert_int_equal(config_add_implicit(l.config, "kafka", "log", "log", "t:9", &l.errors),
                     -EINVAL);
    assert_contains(&l.errors, "t:9: plugins: two instances are named 'log'");
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_hold_where_no_line_speaks),
        cmocka_unit_test(values_of_every_type_arrive_in_settings),
        cmocka_unit_test(words_that_mean_the_same_keep_their_spelling),
        cmocka_unit_test(a_key_that_parses_for_itself_reports_line_by_line),
        cmocka_unit_test(instances_take_type_name_and_defaults_from_plugins),
        cmocka_unit_test(without_plugins_the_missing_memory_table_is_named),
        cmocka_unit_test(empty_plugins_are_the_one_error),
        cmocka_unit_test(the_last_line_wins_and_unbound_overwrites_bound),
        cmocka_unit_test(the_command_line_overrides_the_file),
        cmocka_unit_test(all_errors_of_a_file_are_reported_at_once),
        cmocka_unit_test(strict_config_false_warns_and_goes_on),
        cmocka_unit_test(keys_without_effect_give_one_notice),
        cmocka_unit_test(a_key_of_a_plugin_that_no_instance_uses_is_in_a_notice),
        cmocka_unit_test(a_key_of_a_plugin_that_is_not_installed_is_in_a_notice),
        cmocka_unit_test(a_key_of_no_configured_plugin_counts_for_those_that_are),
        cmocka_unit_test(a_choice_that_only_pmacct_has_says_what_to_use),
        cmocka_unit_test(two_instances_at_one_place_are_an_error),
        cmocka_unit_test(a_key_of_two_plugins_counts_for_both),
        cmocka_unit_test(unknown_and_duplicate_instances_are_errors),
        cmocka_unit_test(a_host_gets_all_settings_of_its_instance),
        cmocka_unit_test(an_implicit_instance_is_set_by_keys_with_its_prefix),
        cmocka_unit_test(no_line_or_an_empty_one_makes_no_implicit_instance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
