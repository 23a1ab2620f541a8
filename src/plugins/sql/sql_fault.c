/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts the words of faults together, and logs them. See sql_fault.h. */
#include "plugins/sql/sql_fault.h"
#include "base/clock.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOG_AGAIN_NS (600 * NS_PER_S)

/* Puts the text into one line: the messages of client libraries have several. */
static void put_line(char *out, size_t size, const char *text)
{
    size_t len = 0;

    for (; *text && len + 1 < size; text++) {
        bool is_space = *text == '\n' || *text == '\t' || *text == '\r' || *text == ' ';
        if (!is_space)
            out[len++] = *text;
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    }
    while (len > 0 && out[len - 1] == ' ')
        len--;
    out[len] = 0;
}

void sql_fault_change(struct sql_fault *fault, const struct sql_fault_row *row, int id)
{
    fault->id = id;
    fault->kind = row->kind;
    fault->counter = row->counter;
}

void sql_fault_set(struct sql_fault *fault, const struct sql_fault_row *row, int id,
                   const char *words)
{
    char all[2 * sizeof fault->text];

    *fault = (struct sql_fault){0};
    sql_fault_change(fault, row, id);
    snprintf(all, sizeof all, "%s%s%s", words, row->remedy ? "; " : "",
             row->remedy ? row->remedy : "");
    put_line(fault->text, sizeof fault->text, all);
}

int sql_fault_errno(const struct sql_fault *fault)
{
    switch (fault->kind) {
    case SQL_FAULT_ROW:
        return -EILSEQ;
    case SQL_FAULT_SETUP:
        return -EINVAL;
    default:
        return -EAGAIN;
    }
}

void sql_fault_tell(struct sql_fault_log *log, const struct pa_host *host,
                    const struct sql_fault *fault, const char *doing)
{
    int level = fault->kind == SQL_FAULT_RETRY ? PA_LOG_WARNING : PA_LOG_ERROR;
    int64_t now_ns = clock_mono().ns;

    if (!strcmp(log->text, fault->text) && now_ns - log->time_ns < LOG_AGAIN_NS)
        return;
    memcpy(log->text, fault->text, sizeof log->text);
    log->time_ns = now_ns;
    host->log(host, level, "cannot %s: %s", doing, fault->text);
}
