/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judges a plugin process by its heartbeats and by /proc. See host_watch.h. */
#include "daemon/host_watch.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TURN_MAX_NS     (2 * NS_PER_S) /* more at once means that we were stopped ourselves */
#define LINE_NS         (60 * NS_PER_S)
#define DOUBLED_MAX_S   3600
#define NS_PER_TICK     (NS_PER_S / 100)
#define IN_THE_DISK     'D'
#define RUN_TIME_FIELDS " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu"

/* The kernel says this of a thread; see proc(5). */
struct thread_state {
    char state;      /* R, S, D...; 0: it cannot be read */
    uint64_t run_ns; /* on a CPU so far */
};

/* Reads a file of the process's main thread; "" if it cannot be read. */
static void read_proc(pid_t pid, const char *name, char *content, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)pid, (int)pid, name);
    (void)file_read_start(path, content, size);
}

static struct thread_state thread_state_read(pid_t pid)
{
    struct thread_state t = {0};
    unsigned long long user = 0, system = 0;
    char content[1024];

    read_proc(pid, "stat", content, sizeof content);
    const char *behind_name = strrchr(content, ')'); /* the name may hold anything */
    if (behind_name != NULL)
        sscanf(behind_name + 1, RUN_TIME_FIELDS, &t.state, &user, &system);
    read_proc(pid, "schedstat", content, sizeof content);
    /* Not every kernel counts nanoseconds. */
    t.run_ns = content[0] != '\0' ? strtoull(content, NULL, 10) : (user + system) * NS_PER_TICK;
    return t;
}

void host_watch_start(struct host_watch *w)
{
    w->silent_ns = w->slow_ns = w->told_ns = 0;
}

static bool is_alive(struct host_watch *w, const struct host_view *view)
{
    bool has_beaten = view->sign.beat != w->beat;

    w->beat = view->sign.beat;
    switch (view->sign.place) {
    case HOST_WAITS_FOR_READER:
    case HOST_WAITS_FOR_PROGRAM:
        return true;
    default:
        break;
    }
    if (has_beaten)
        return true;
    struct thread_state t = thread_state_read(view->pid);
    bool has_moved = t.run_ns != w->run_ns && view->sign.place == HOST_WAITS_FOR_FILE;
    w->run_ns = t.run_ns;
    return has_moved || t.state == IN_THE_DISK;
}

static bool has_done_something(struct host_watch *w, const struct host_view *view)
{
    bool has_drained = view->spooled_count < w->spooled_count;
    bool has_done = has_drained || view->acked_count != w->acked_count ||
                    view->commits != w->commits || view->spooled_count != w->spooled_count;

    w->acked_count = view->acked_count;
    w->commits = view->commits;
    w->spooled_count = view->spooled_count;
    if (view->commits > 0 || has_drained)
        w->hung_count = 0;
    return has_done;
}

static bool is_slow(struct host_watch *w, const struct host_view *view, int64_t elapsed_ns,
                    int64_t patience_ns)
{
    int64_t first_ns = patience_ns > 0 && patience_ns < LINE_NS ? patience_ns : LINE_NS;

    if (view->sign.place == HOST_WAITS_FOR_READER || view->sign.place == HOST_LOOPS)
        return false;
    w->slow_ns += elapsed_ns;
    if (w->told_ns == 0 ? w->slow_ns < first_ns : w->slow_ns - w->told_ns < LINE_NS)
        return false;
    w->told_ns = w->slow_ns;
    return true;
}

enum host_verdict host_watch_turn(struct host_watch *w, const struct host_view *view,
                                  int64_t elapsed_ns, int64_t patience_ns)
{
    bool alive = view->waiting_count == 0 || is_alive(w, view);
    bool done = has_done_something(w, view);

    if (elapsed_ns > TURN_MAX_NS)
        elapsed_ns = TURN_MAX_NS;
    w->silent_ns = alive || done ? 0 : w->silent_ns + elapsed_ns;
    if (patience_ns > 0 && w->silent_ns >= patience_ns)
        return HOST_HANGS;
    if (done || view->is_failing || view->waiting_count == 0)
        w->slow_ns = w->told_ns = 0;
    else if (alive) /* of one that says nothing nobody knows whether it is slow */
        return is_slow(w, view, elapsed_ns, patience_ns) ? HOST_IS_SLOW : HOST_IS_FINE;
    return HOST_IS_FINE;
}

void host_watch_describe(const struct host_view *view, struct text *out)
{
    static const char *const places[] = {
        [HOST_LOOPS] = "between two calls of its backend",
        [HOST_CALLS] = "at work in its backend",
        [HOST_WAITS_FOR_FILE] = "waiting for a file",
        [HOST_WAITS_FOR_READER] = "waiting for the reader of a stream",
        [HOST_WAITS_FOR_PROGRAM] = "waiting for the program that it has started",
    };
    struct thread_state t = thread_state_read(view->pid);
    size_t place = (size_t)view->sign.place;
    char where[128];

    text_append_string(out, place < sizeof places / sizeof places[0] ? places[place] : "nowhere");
    read_proc(view->pid, "wchan", where, sizeof where);
    if (t.state != '\0')
        text_append_printf(out, " (the kernel: state %c%s%s)", t.state,
                           where[0] != '\0' && strcmp(where, "0") != 0 ? " in " : "",
                           strcmp(where, "0") != 0 ? where : "");
}

int64_t host_watch_double(int64_t timeout_s, unsigned times)
{
    while (times-- > 0 && timeout_s < DOUBLED_MAX_S)
        timeout_s = timeout_s * 2 < DOUBLED_MAX_S ? timeout_s * 2 : DOUBLED_MAX_S;
    return timeout_s;
}
