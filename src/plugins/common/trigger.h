/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys *_trigger_exec: run a program of the operator's after each purge. All its children are
 * waited for. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pa_host;

#define TRIGGER_CHILDREN_MAX  16
#define TRIGGER_VARIABLES_MAX 32

struct trigger {
    const char *key;     /* the key that names the program, for logs; borrowed */
    const char *program; /* borrowed; NULL: none */
    bool is_async;
    pid_t children[TRIGGER_CHILDREN_MAX];
    uint32_t child_count;
};

/* Variables for the program's environment, instead of those of the same name in ours. */
struct trigger_facts {
    char *variables[TRIGGER_VARIABLES_MAX]; /* NAME=value */
    uint32_t count;
};

void trigger_facts_add(struct trigger_facts *facts, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void trigger_facts_clear(struct trigger_facts *facts);

/* Whether `program` (NULL: none) can be run. If not, that is logged as an error: -errno. */
int trigger_try_out(const struct pa_host *host, const char *key, const char *program);
/* Runs the program, and waits for it unless `is_async`. Failures are logged. */
void trigger_run(struct trigger *trigger, const struct pa_host *host,
                 const struct trigger_facts *facts);
/* Collects children that have ended; with `waits` it waits for all of them. */
void trigger_reap(struct trigger *trigger, const struct pa_host *host, bool waits);
