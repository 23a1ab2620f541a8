/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judges a plugin process by its heartbeats and by /proc. See host_watch.h. */
#include "daemon/host_watch.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/thread_state.h"

#define TURN_MAX_NS   (2 * NS_PER_S) /* more at once means that we were stopped ourselves */
#define LINE_NS       (60 * NS_PER_S)
#define DOUBLED_MAX_S 3600

/* The thread that makes the calls of the backend. */
static pid_t calling_thread(const struct host_view *view)
{
    return view->thread > 0 ? view->thread : view->pid;
}

/* A backend that has a thread of its own must give signs itself: what its process does meanwhile, as
 * to spool, says nothing of it. */
static bool stands_for_itself(const struct host_view *view)
{
    return view->thread > 0 && view->sign.place != HOST_LOOPS;
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
    struct thread_state t = thread_state_read(view->pid, calling_thread(view));
    bool has_moved = t.run_ns != w->run_ns && view->sign.place == HOST_WAITS_FOR_FILE;
    w->run_ns = t.run_ns;
    return has_moved || t.state == THREAD_IN_DISK ||
           (view->thread > 0 && thread_state_read(view->pid, view->pid).state == THREAD_IN_DISK);
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
    w->silent_ns = alive || (done && !stands_for_itself(view)) ? 0 : w->silent_ns + elapsed_ns;
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
    size_t place = (size_t)view->sign.place;

    text_append_string(out, place < sizeof places / sizeof places[0] ? places[place] : "nowhere");
    thread_state_describe(view->pid, calling_thread(view), out);
}

int64_t host_watch_double(int64_t timeout_s, unsigned times)
{
    while (times-- > 0 && timeout_s < DOUBLED_MAX_S)
        timeout_s = timeout_s * 2 < DOUBLED_MAX_S ? timeout_s * 2 : DOUBLED_MAX_S;
    return timeout_s;
}
