/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The command line: each option is a configuration key that stands after those of the file, or an
 * action. */
#include "base/text.h"
#include "config/config.h"
#include <stdbool.h>

/* An option that stands for a line of the configuration. */
struct key_option {
    char letter;       /* 0 ends a table */
    const char *key;   /* "NAME_" stands for the daemon's name */
    const char *value; /* for options without an argument; NULL: the argument is the value */
    const char *argument, *help; /* help NULL: the option is not here; the key says what to do */
};
extern const struct key_option flow_options[]; /* those of daemons of flows */

struct daemon_description;

enum action {
    ACTION_RUN,
    ACTION_CHECK,
    ACTION_SETUP,
    ACTION_HELP,
    ACTION_VERSION,
    ACTION_PRIMITIVES,
    ACTION_KEYS
};

struct options {
    enum action action;
    const char *file;                    /* -f; NULL: none */
    enum config_list_format list_format; /* for ACTION_KEYS */
    bool is_unusable; /* a wrong command line or an unreadable file: further checks would mislead */
};

/*
 * Reads the arguments: sets keys in `config` after the file of -f has been read into it. -EINVAL:
 * what is wrong with the command line or with the file's syntax is appended to `errors`.
 */
int options_read(int argc, char **argv, const struct daemon_description *description,
                 struct config *config, struct text *errors, struct options *ret_options);
void options_print_help(const struct daemon_description *description);
