/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions of a pa_host as a backend calls them, over the lists of struct fake_host. */
#include "support/fake_host.h"
#include "base/memory.h"
#include "sandbox/program_start.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A backend that asks for a key that it did not declare ends here, as it would in the real host. */
static const struct pa_key *find_key(const struct fake_host *host, const char *name)
{
    for (int i = 0; i < 2; i++)
        for (const struct pa_key *key = i ? host->shared_keys : host->keys; key->name; key++)
            if (!strcmp(key->name, name))
                return key;
    fprintf(stderr, "%s is not among the backend's keys\n", name);
    abort();
}

static const char *get(const struct pa_host *pa, const char *name)
{
    const struct fake_host *host = pa->own;
    const struct pa_key *key = find_key(host, name);

    for (uint32_t i = host->setting_count; i-- > 0;)
        if (!strcmp(host->settings[i][0], name))
            return host->settings[i][1];
    return key->default_value;
}

static int64_t choice_number(const char *choices, const char *value)
{
    size_t len = strlen(value);

    for (int64_t number = 0; choices; number++) {
        if (strncmp(choices, value, len) == 0 && (choices[len] == '|' || choices[len] == 0))
            return number;
        choices = strchr(choices, '|');
        if (choices)
            choices++;
    }
    return -1;
}

static int64_t get_number(const struct pa_host *pa, const char *name)
{
    const struct pa_key *key = find_key(pa->own, name);
    const char *value = get(pa, name);

    if (key->type == PA_KEY_CHOICE)
        return choice_number(key->choices, value ? value : "");
    if (!value)
        return 0;
    return strcmp(value, "true") == 0 ? 1 : strtoll(value, NULL, 10);
}

__attribute__((format(printf, 3, 4))) static void keep_log(const struct pa_host *pa, int level,
                                                           const char *format, ...)
{
    struct fake_host *host = pa->own;
    size_t len = strlen(host->log);
    va_list args;

    (void)level;
    if (len + 2 > sizeof host->log)
        return;
    va_start(args, format);
    vsnprintf(host->log + len, sizeof host->log - len - 1, format, args);
    va_end(args);
    strcat(host->log, "\n");
}

static void count(const struct pa_host *pa, const char *name, uint64_t n)
{
    struct fake_host *host = pa->own;
    uint32_t i = 0;

    while (i < host->counter_count && strcmp(host->counters[i].name, name) != 0)
        i++;
    if (i == host->counter_count)
        host->counters[host->counter_count++].name = name;
    host->counters[i].value += n;
}

uint64_t fake_host_counter(const struct fake_host *host, const char *name)
{
    for (uint32_t i = 0; i < host->counter_count; i++)
        if (strcmp(host->counters[i].name, name) == 0)
            return host->counters[i].value;
    return 0;
}

static void reject_row(const struct pa_host *pa, const uint8_t *row, const char *why)
{
    struct fake_host *host = pa->own;

    (void)row, (void)why;
    host->rejected_count++;
}

static int watch(const struct pa_host *pa, int fd, void (*fn)(void *, int), void *state)
{
    (void)pa, (void)fd, (void)fn, (void)state;
    return 0;
}

static int beat(const struct pa_host *pa)
{
    struct fake_host *host = pa->own;

    host->beat_count++;
    return 0;
}

static void note_wait(const struct pa_host *pa, enum pa_wait what)
{
    struct fake_host *host = pa->own;

    host->last_wait = what;
}

/* Starts what the test set for the key, as a host without a filter does. */
static int start_program(const struct pa_host *pa, const char *key, char *const *variables,
                         int *ret_pid)
{
    char path[PATH_MAX];
    const char *value = get(pa, key);

    if (!value)
        return -ENOENT;
    snprintf(path, sizeof path, "%s", value);
    char **environment = program_environment(variables, environ);
    struct program program = {.path = path,
                              .arguments = (char *[]){path, NULL},
                              .environment = environment,
                              .stdin_fd = -1,
                              .has_standard_fds_only = true};
    int err = program_start(&program, ret_pid);
    mem_free(environment);
    return err;
}

void fake_host_init(struct fake_host *host, const struct pa_key *keys,
                    const struct pa_key *shared_keys)
{
    *host = (struct fake_host){.keys = keys, .shared_keys = shared_keys};
    host->host = (struct pa_host){.own = host,
                                  .instance_name = "test",
                                  .plugin_name = "print",
                                  .daemon_name = "nfacctd",
                                  .setting = get,
                                  .setting_number = get_number,
                                  .log = keep_log,
                                  .count = count,
                                  .reject_row = reject_row,
                                  .watch = watch,
                                  .beat = beat,
                                  .wait = note_wait,
                                  .timeout_s = 120,
                                  .start_program = start_program};
    host->core_id[0] = 1;
    fake_host_set(host, "timestamps_utc", "true");
}

void fake_host_set(struct fake_host *host, const char *key, const char *value)
{
    host->settings[host->setting_count][0] = key;
    host->settings[host->setting_count++][1] = value;
}

struct pa_transaction fake_host_transaction(const struct fake_host *host, struct pa_source *source,
                                            uint64_t first, uint64_t last, int64_t time_s)
{
    *source = (struct pa_source){.first_seq = first, .last_seq = last};
    memcpy(source->core_id, host->core_id, sizeof source->core_id);
    return (struct pa_transaction){.source_count = 1,
                                   .sources = source,
                                   .epoch = last,
                                   .time_ns = time_s * 1000000000,
                                   .ends_epoch = 1};
}
