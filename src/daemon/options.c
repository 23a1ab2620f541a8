/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the command line: pmacct's letters, and a few long options of our own. See options.h. */
#include "daemon/options.h"
#include "base/memory.h"
#include "daemon/daemon.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct key_option common_options[] = {
    {'D', "daemonize", "true", NULL, "run in the background"},
    {'d', "debug", "true", NULL, "log more"},
    {'S', "syslog", NULL, "FACILITY", "log to syslog"},
    {'F', "pidfile", NULL, "FILE", "write the process id there"},
    {0},
};

const struct key_option flow_options[] = {
    {'L', "NAME_ip", NULL, "ADDRESS", "receive on this address"},
    {'l', "NAME_port", NULL, "PORT", "receive on this UDP port"},
    {'c', "aggregate", NULL, "LIST", "primitives that make a row's key"},
    {'P', "plugins", NULL, "LIST", "instances of plugins: type[name],..."},
    {'n', "networks_file", NULL, "FILE",
     "whose networks are whose; see nfacctd_as and nfacctd_net"},
    {'t', "ports_file", NULL, "FILE", NULL},
    {'O', "print_output", NULL, "FORMAT", "json, csv or formatted"},
    {'o', "print_output_file", NULL, "FILE", "write there instead of to stdout"},
    {'M', "print_markers", "true", NULL, "mark the start and end of output"},
    {'A', "print_output_file_append", "true", NULL, "append to the output file"},
    {'E', "print_output_separator", NULL, "CHARACTER", "between columns of CSV"},
    {'r', "print_refresh_time", NULL, "SECONDS", "write that often"},
    {'R', "NAME_renormalize", "true", NULL, "multiply by the sampling rate"},
    {'u', "print_num_protos", "true", NULL, "protocols as numbers"},
    {'I', "pcap_savefile", NULL, "FILE", "read exports from a capture file"},
    {'Z', "pcap_savefile_delay", NULL, "SECONDS", "wait before reading it"},
    {'W', "pcap_savefile_wait", "true", NULL, "after it wait for a signal"},
    {'Y', "pcap_savefile_replay", NULL, "COUNT", "read it so many times; 0: for ever"},
    {'p', "imt_path", NULL, "PATH", NULL},
    {'b', "imt_buckets", NULL, "COUNT", NULL},
    {'m', "imt_mem_pools_number", NULL, "COUNT", NULL},
    {'s', "imt_mem_pools_size", NULL, "BYTES", NULL},
    {0},
};

enum long_option { LONG_CHECK = 256, LONG_KEYS };
static const struct option long_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {"check", no_argument, NULL, LONG_CHECK},
    {"keys", optional_argument, NULL, LONG_KEYS},
    {NULL, 0, NULL, 0},
};

static const struct key_option *find_option(const struct key_option *options, int letter)
{
    for (; options->letter; options++)
        if (options->letter == letter)
            return options;
    return NULL;
}

static const struct key_option *key_option(const struct daemon_description *description, int letter)
{
    const struct key_option *own = find_option(description->options, letter);

    return own ? own : find_option(common_options, letter);
}

/* Sets a key for all instances: "name[instance]" may stand in no option. */
static void set_key(const struct key_option *option, const char *argument, const char *daemon_name,
                    struct config *config)
{
    const char origin[] = {'-', option->letter, 0};
    char *key = strncmp(option->key, "NAME_", 5) == 0
                    ? mem_printf("%s_%s", daemon_name, option->key + 5)
                    : mem_strdup(option->key);

    config_set(config, key, NULL, option->value ? option->value : argument, origin);
    mem_free(key);
}

static int dry_run(const char *word, struct options *options, struct text *errors)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the word is not optional */
    if (strcmp(word, "config") == 0)
        options->action = ACTION_CHECK;
    else if (strcmp(word, "setup") == 0)
        options->action = ACTION_SETUP;
    else {
        text_append_printf(errors, "-T: '%s' is neither config nor setup\n", word);
        return -EINVAL;
    }
    return 0;
}

static int list_format(const char *word, struct options *options, struct text *errors)
{
    if (word && strcmp(word, "json") != 0) {
        text_append_printf(errors, "--keys: '%s' is no format; write --keys or --keys=json\n",
                           word);
        return -EINVAL;
    }
    options->list_format = word ? CONFIG_LIST_JSON : CONFIG_LIST_TEXT;
    return 0;
}

static int read_one(int letter, struct options *options, struct text *errors)
{
    switch (letter) {
    case 'h':
        options->action = ACTION_HELP;
        return 0;
    case 'V':
        options->action = ACTION_VERSION;
        return 0;
    case 'a':
        options->action = ACTION_PRIMITIVES;
        return 0;
    case 'T':
        return dry_run(optarg, options, errors);
    case LONG_CHECK:
        options->action = ACTION_CHECK;
        return 0;
    case LONG_KEYS:
        options->action = ACTION_KEYS;
        return list_format(optarg, options, errors);
    default:
        return -EINVAL;
    }
}

static char *letters_append(const struct key_option *options, char *out)
{
    for (; options->letter; options++) {
        *out++ = options->letter;
        if (!options->value)
            *out++ = ':';
    }
    return out;
}

/* A program without flows has no primitives to list (-a). */
static void letters_make(const struct daemon_description *description, char *out)
{
    out += sprintf(out, ":hV%sf:T:", description->decoder ? "a" : "");
    out = letters_append(common_options, out);
    out = letters_append(description->options, out);
    *out = 0;
}

int options_read(int argc, char **argv, const struct daemon_description *description,
                 struct config *config, struct text *errors, struct options *ret_options)
{
    char letters[128];
    struct options options = {.action = ACTION_RUN};
    int letter, file_err = 0, err = 0;

    letters_make(description, letters);
    /* The arguments are read twice: lines of the file come first, so that options win over them. */
    for (optind = 1; (letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1;)
        if (letter == 'f')
            options.file = optarg;
    if (options.file)
        file_err = config_read_file(config, options.file, errors);
    for (optind = 1; (letter = getopt_long(argc, argv, letters, long_options, NULL)) != -1;) {
        const struct key_option *option = key_option(description, letter);
        if (letter == 'f')
            continue;
        if (option)
            set_key(option, optarg, description->name, config);
        else if (letter == '?' || letter == ':') {
            text_append_printf(errors, "%s: %s; see --help\n", argv[optind - 1],
                               letter == '?' ? "no such option" : "needs a value");
            err = -EINVAL;
        } else if (read_one(letter, &options, errors) < 0) {
            err = -EINVAL;
        }
    }
    if (optind < argc) {
        text_append_printf(errors, "%s: not an option; the configuration file follows -f\n",
                           argv[optind]);
        err = -EINVAL;
    }
    options.is_unusable = err < 0 || (file_err < 0 && file_err != -EINVAL);
    *ret_options = options;
    return file_err < 0 ? file_err : err;
}

static void print_options(const struct key_option *options)
{
    for (; options->letter; options++)
        if (options->help)
            printf("  -%c %-15s  %s\n", options->letter, options->argument ? options->argument : "",
                   options->help);
}

void options_print_help(const struct daemon_description *description)
{
    printf("usage: %s -f FILE [OPTION...]\n\n", description->name);
    printf("  -f FILE            the configuration; see nfacctd.conf(5)\n");
    printf("  --check            say all that is wrong with it and end; also -T config\n");
    printf("  -T setup           the same, and try ports, folders, databases, brokers\n");
    printf("  --keys[=json]      list all configuration keys: name, type, default, meaning\n");
    if (description->decoder)
        printf("  -a                 list all primitives\n");
    printf("  -h, --help         this\n");
    printf("  -V, --version      version\n\nOptions that stand above the configuration file:\n");
    print_options(description->options);
    print_options(common_options);
}
