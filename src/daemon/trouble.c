/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps a line for each kind of failure. See trouble.h. */
#include "daemon/trouble.h"
#include <stdarg.h>
#include <stdio.h>

void trouble_say(struct troubles *troubles, enum trouble_kind kind, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(troubles->lines[kind], TROUBLE_LEN, format, args);
    va_end(args);
}

void trouble_end(struct troubles *troubles, enum trouble_kind kind)
{
    troubles->lines[kind][0] = '\0';
}
