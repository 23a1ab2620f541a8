/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The main thread notes here what it failed to do and will try again when told to, or at its next occasion. It
 * stands here, one line a kind, from the failure until the next success, so that who asks the daemon
 * how it is need not look for the line in the log. The main thread's; facts.h has copies.
 */
#include <stdbool.h>

enum trouble_kind { TROUBLE_MAPS, TROUBLE_TEMPLATES_FILE, TROUBLE_STATS_FILE, TROUBLE_KINDS };
enum { TROUBLE_LEN = 400 };

struct troubles {
    char lines[TROUBLE_KINDS][TROUBLE_LEN]; /* ends of longer ones are cut; empty: there is none */
};

void trouble_say(struct troubles *troubles, enum trouble_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void trouble_end(struct troubles *troubles, enum trouble_kind kind);
