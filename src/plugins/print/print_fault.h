/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Says why rows cannot be written now: which file, and what a person can do about it. */
#include "plugins/pathacct_plugin.h"
#include "plugins/print/file_lock.h"
#include <stdint.h>

/* The fault that was said last; all zero: nothing. */
struct print_fault {
    char *name;
    int error;
    int64_t said_ns;
};

/* Returns what an error of a file means; `err` is a negative errno. */
const char *print_fault_words(int err);
/* Returns what a person can do about an error, a positive errno. */
const char *print_fault_remedy(int error);
/*
 * Says once for each file and error, and again when it lasts, that `name` cannot be written. `err`
 * is a negative errno. Returns -EAGAIN: all this a person may repair, and rows wait for it.
 */
int print_fault_say(struct print_fault *fault, const struct pa_host *host, const char *name,
                    int err);
/* The same for a file that another process has locked: an error each minute, unless that process is of
 * a daemon that has ended, as then it goes by itself. */
int print_fault_say_locked(struct print_fault *fault, const struct pa_host *host, const char *name,
                           const struct file_lock_holder *holder);
/* Forgets what was said, as writing has succeeded or ends. */
void print_fault_clear(struct print_fault *fault);
