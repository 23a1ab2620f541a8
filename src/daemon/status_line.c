/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts the line together out of what the main thread knows. See status_line.h. */
#include "daemon/status_line.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/daemon_private.h"
#include "daemon/health.h"
#include <inttypes.h>
#include <string.h>

/* The manager is told so often at most, but at once when something is not well; a reload stays for a
 * minute. */
enum { AGAIN_S = 10, RELOAD_S = 60 };

static uint64_t count_datagrams(const struct daemon *d)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < d->crew.worker_count; i++)
        count += counter_get(&worker_counters(d->crew.workers[i])->datagrams);
    return count;
}

/* Appends how much arrives, where anything can. */
static void append_rate(struct daemon *d, struct text *out)
{
    struct status_line *line = &d->status_line;
    uint64_t now = count_datagrams(d), passed_s = d->seconds - line->rate_since_s;

    if (d->crew.worker_count > 0)
        text_append_printf(out, ": %" PRIu64 " datagrams a second",
                           passed_s > 0 ? (now - line->datagrams) / passed_s : 0);
    line->datagrams = now;
    line->rate_since_s = d->seconds;
}

/* Appends what is not well. */
static void append_faults(const struct daemon *d, bool is_moving, struct text *out)
    ON_THREAD(main_thread)
{
    if (!is_moving)
        text_append_string(out, "a thread stands still (the log names it)");
    for (int kind = 0; kind < TROUBLE_KINDS; kind++)
        if (d->troubles.lines[kind][0])
            text_append_printf(out, "%s%s", out->len ? "; " : "", d->troubles.lines[kind]);
    for (uint32_t i = 0; i < d->instance_count; i++) {
        const struct config_instance *identity = d->instances[i]->identity;
        struct supervisor_status status;
        supervisor_status(d->supervisor, i, &status);
        const char *fault = health_plugin_fault(&status);
        if (fault)
            text_append_printf(out, "%splugin %s[%s]: %s", out->len ? "; " : "", identity->type,
                               identity->name, fault);
    }
}

static void tell(struct daemon *d, const char *prefix, const char *text) ON_THREAD(main_thread)
{
    struct status_line *line = &d->status_line;

    if (*prefix == 0 && line->told && strcmp(line->told, text) == 0)
        return;
    service_tell(&d->watchdog.service, "%sSTATUS=%.900s", prefix, text);
    mem_free(line->told);
    line->told = mem_strdup(text);
}

void status_line_ready(struct daemon *d)
{
    tell(d, "READY=1\n", d->status);
    d->status_line.next_s = d->seconds + AGAIN_S;
}

void status_line_reloaded(struct daemon *d, const char *what)
{
    tell(d, "READY=1\n", what);
    d->status_line.next_s = d->seconds + RELOAD_S;
}

void status_line_tick(struct daemon *d, bool is_moving, const char *progress)
{
    struct status_line *line = &d->status_line;
    struct text faults = {0}, text = {0};
    bool was_well = !line->told || strncmp(line->told, "not well", strlen("not well")) != 0;

    THREAD_ASSERT(main_thread);
    if (d->watchdog.service.fd < 0 || d->is_reloading || d->is_stopping)
        return;
    append_faults(d, is_moving, &faults);
    if (faults.len > 0) {
        text_append_printf(&text, "not well: %s", text_cstr(&faults));
        tell(d, "", text_cstr(&text));
    } else if (d->seconds >= line->next_s || !was_well || *progress || line->has_progress) {
        bool is_holding = atomic_load_explicit(&d->crew.is_holding, memory_order_relaxed);
        text_append_string(&text, is_holding ? "waits for the tables of BGP peers" : "well");
        append_rate(d, &text);
        text_append_printf(&text, "; %s%s%s", d->status, *progress ? "; " : "", progress);
        tell(d, "", text_cstr(&text));
        line->next_s = d->seconds + AGAIN_S;
        line->has_progress = *progress != 0;
    }
    text_clear(&faults);
    text_clear(&text);
}

void status_line_clear(struct status_line *line)
{
    mem_free(line->told);
}
