/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Callers append records to one of two buffers under a lock that is held for a copy; the log thread
 * swaps the buffers and writes the full one out without the lock. So a pipe that nobody reads, or a
 * dead disk, delays that thread alone.
 *
 * The log is the one file-level variable of the project: every line of code may have to say
 * something, and passing a log to each would say nothing. A forked child has no log thread: it must
 * not log before exec.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/thread.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_LEN      (512u << 10) /* two of them: 1 MiB */
#define TEXT_MAX        LOG_LINE_MAX /* with time and level a line stays within PIPE_BUF */
#define LINE_MAX_LEN    (TEXT_MAX + 40)
#define STOP_TIMEOUT_NS (2 * NS_PER_S)
#define SINK_WAIT_MS    100
#define SHOWN_MAX       256 /* of the line below all others */
#define LIMIT_BURST     5
#define LIMIT_PERIOD_NS (30 * NS_PER_S)

static const struct {
    const char *name;
    int syslog_priority;
} levels[] = {
    [LOG_LEVEL_ERROR] = {"ERROR", LOG_ERR},      [LOG_LEVEL_WARNING] = {"WARN", LOG_WARNING},
    [LOG_LEVEL_NOTICE] = {"NOTICE", LOG_NOTICE}, [LOG_LEVEL_INFO] = {"INFO", LOG_INFO},
    [LOG_LEVEL_DEBUG] = {"DEBUG", LOG_DEBUG},
};

static const struct {
    const char *name;
    int facility;
} facilities[] = {
    {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},
    {"daemon", LOG_DAEMON}, {"kern", LOG_KERN},         {"mail", LOG_MAIL},
    {"news", LOG_NEWS},     {"user", LOG_USER},         {"uucp", LOG_UUCP},
    {"lpr", LOG_LPR},       {"ftp", LOG_FTP},           {"local0", LOG_LOCAL0},
    {"local1", LOG_LOCAL1}, {"local2", LOG_LOCAL2},     {"local3", LOG_LOCAL3},
    {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},     {"local6", LOG_LOCAL6},
    {"local7", LOG_LOCAL7},
};

/* A record is followed in the buffer by `len` bytes: "( name/type ): text". */
struct record {
    int64_t at_ns;
    uint32_t len;
    enum log_level level;
};

struct buffer {
    size_t len;
    char *data;
};

/* A descriptor that lines go to in pieces of whole lines, at most PIPE_BUF long, which a pipe takes
 * whole. */
struct sink {
    int fd; /* -1: not in use */
    bool has_timestamp;
    bool may_skip; /* another sink has the lines too: do not wait for this one */
    bool is_stuck;
    size_t len;
    uint32_t line_count;
    char data[PIPE_BUF];
};

struct log_thread {
    struct thread thread;
    struct buffer *front, *back; /* callers fill front; under the lock */
    struct buffer buffers[2];
    uint64_t lost_count;                       /* not yet reported; under the lock */
    bool wants_reopen, is_stopping, has_ended; /* under the lock */
    char shown[SHOWN_MAX];                     /* what log_show() asks for; under the lock */
    bool has_shown_changed;                    /* likewise */
    _Atomic int64_t stop_deadline_ns;
    /* These belong to the log thread: */
    char *file, *syslog_ident;
    int syslog_facility; /* -1: none */
    struct sink file_sink, stderr_sink;
    bool has_terminal;   /* stderr_sink writes to one */
    char bar[SHOWN_MAX]; /* that stands on it now; "" */
};

/* Lines of before the start, each a level and a text that a zero ends. */
struct held {
    size_t len;
    char data[16u << 10];
};

/* The last lines as records, in a ring of bytes; all under the lock. Places count bytes since the
 * start and are taken modulo the size. */
struct line_ring {
    uint64_t begin, end;
    uint64_t first_number, next_number; /* of the lines at `begin` and at `end` */
    char data[LOG_KEPT_BYTES];
};

static struct {
    pthread_mutex_t lock;
    struct line_ring *kept;    /* NULL: lines are not kept */
    struct held *held;         /* from log_hold() to the start; NULL: none are held */
    bool lacks_stamp;          /* lines on stderr have no time */
    pthread_cond_t wake;       /* the log thread: there is something to do */
    pthread_cond_t ended;      /* log_stop(): the log thread has ended */
    struct log_thread *thread; /* NULL: write directly */
    char *name, *type;
    _Atomic bool has_debug;
    _Atomic uint64_t lost_count;
} the_log = {.lock = PTHREAD_MUTEX_INITIALIZER,
             .wake = PTHREAD_COND_INITIALIZER,
             .ended = PTHREAD_COND_INITIALIZER};

static void lines_lost(uint64_t count)
{
    atomic_fetch_add_explicit(&the_log.lost_count, count, memory_order_relaxed);
}

/* ---- the log thread ---- */

/* False: the sink takes nothing, and there is no more time to wait for it. */
static bool sink_wait(const struct log_thread *t, struct sink *sink)
{
    struct pollfd pollfd = {.fd = sink->fd, .events = POLLOUT};

    for (;;) {
        int64_t deadline_ns = atomic_load_explicit(&t->stop_deadline_ns, memory_order_relaxed);
        bool is_late = deadline_ns != 0 && clock_mono().ns >= deadline_ns;
        bool may_wait = !is_late && !(sink->may_skip && sink->is_stuck);
        int ready = poll(&pollfd, 1, may_wait ? SINK_WAIT_MS : 0);
        sink->is_stuck = ready == 0;
        if (ready > 0)
            return true;
        if ((ready < 0 && errno != EINTR) || is_late || sink->may_skip)
            return false;
    }
}

static void sink_flush(const struct log_thread *t, struct sink *sink)
{
    size_t done = 0;

    while (done < sink->len && sink_wait(t, sink)) {
        /* Not file_write_all(): before each part it is seen whether there is time left to wait. */
        ssize_t len = write(sink->fd, sink->data + done, sink->len - done);
        if (len > 0)
            done += (size_t)len;
        else if (errno != EINTR && errno != EAGAIN)
            break;
    }
    if (done < sink->len)
        lines_lost(sink->line_count);
    sink->len = 0;
    sink->line_count = 0;
}

static size_t timestamp_format(char *out, size_t size, int64_t at_ns)
{
    time_t seconds = (time_t)(at_ns / NS_PER_S);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    return strftime(out, size, "%Y-%m-%dT%H:%M:%SZ ", &utc);
}

static void sink_add(const struct log_thread *t, struct sink *sink, const struct record *record,
                     const char *text)
{
    if (sink->fd < 0)
        return;
    if (sink->len + LINE_MAX_LEN > sizeof sink->data)
        sink_flush(t, sink);
    char *out = sink->data + sink->len;
    size_t len = 0;
    if (sink->has_timestamp)
        len = timestamp_format(out, LINE_MAX_LEN, record->at_ns);
    len += (size_t)snprintf(out + len, LINE_MAX_LEN - len, "%s %.*s", levels[record->level].name,
                            (int)record->len, text);
    out[len++] = '\n';
    sink->len += len;
    sink->line_count++;
}

static void record_write(struct log_thread *t, const struct record *record, const char *text)
{
    sink_add(t, &t->file_sink, record, text);
    sink_add(t, &t->stderr_sink, record, text);
    if (t->syslog_facility >= 0)
        syslog(levels[record->level].syslog_priority, "%.*s", (int)record->len, text);
}

static void line_write(struct log_thread *t, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void line_write(struct log_thread *t, enum log_level level, const char *format, ...)
{
    char text[TEXT_MAX];
    va_list args;

    int prefix_len = snprintf(text, sizeof text, "( %s/%s ): ", the_log.name, the_log.type);
    va_start(args, format);
    vsnprintf(text + prefix_len, sizeof text - (size_t)prefix_len, format, args);
    va_end(args);
    struct record record = {clock_wall().ns, (uint32_t)strlen(text), level};
    record_write(t, &record, text);
}

/* ---- the line below all others ---- */

static void bar_put(struct log_thread *t, const char *text, size_t len)
{
    struct sink *sink = &t->stderr_sink;

    if (sink->len + len > sizeof sink->data)
        sink_flush(t, sink);
    memcpy(sink->data + sink->len, text, len);
    sink->len += len;
}

/* Takes it away, so that lines can be written where it stood. */
static void bar_erase(struct log_thread *t)
{
    static const char erase[] = "\r\033[K";

    if (t->bar[0])
        bar_put(t, erase, sizeof erase - 1);
}

static void bar_draw(struct log_thread *t)
{
    struct winsize size = {0};
    size_t len = strlen(t->bar);

    if (len == 0)
        return;
    /* In the last column some terminals begin another line. */
    if (ioctl(t->stderr_sink.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && len >= size.ws_col)
        len = size.ws_col - 1u;
    bar_put(t, t->bar, len);
}

static void bar_change(struct log_thread *t, const char *text)
{
    bar_erase(t);
    memcpy(t->bar, text, sizeof t->bar);
    bar_draw(t);
    sink_flush(t, &t->stderr_sink);
}

static void buffer_write(struct log_thread *t, struct buffer *buffer, uint64_t lost_count)
{
    bar_erase(t);
    for (size_t pos = 0; pos < buffer->len;) {
        struct record record;
        memcpy(&record, buffer->data + pos, sizeof record);
        record_write(t, &record, buffer->data + pos + sizeof record);
        pos += sizeof record + record.len;
    }
    buffer->len = 0;
    if (lost_count > 0)
        line_write(t, LOG_LEVEL_WARNING,
                   "%llu lines lost: the log could not be written fast enough",
                   (unsigned long long)lost_count);
    bar_draw(t);
    sink_flush(t, &t->file_sink);
    sink_flush(t, &t->stderr_sink);
}

/* O_NONBLOCK: a FIFO without a reader is an error, not a wait. */
static int file_open(const char *path)
{
    return named_file_open_name(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_NONBLOCK, 0644);
}

static void file_reopen(struct log_thread *t)
{
    if (!t->file)
        return;
    int fd = file_open(t->file);
    if (fd < 0) {
        line_write(t, LOG_LEVEL_ERROR,
                   "%s: cannot be opened again: %s; lines go on to the old file", t->file,
                   named_file_error(fd));
        return;
    }
    close(t->file_sink.fd);
    t->file_sink.fd = fd;
}

static void log_thread_main(void *arg)
{
    struct log_thread *t = arg;
    char shown[SHOWN_MAX];

    pthread_mutex_lock(&the_log.lock);
    for (;;) {
        while (t->front->len == 0 && !t->wants_reopen && !t->has_shown_changed && !t->is_stopping)
            pthread_cond_wait(&the_log.wake, &the_log.lock);
        if (t->front->len == 0 && !t->wants_reopen && !t->has_shown_changed)
            break;
        struct buffer *full = t->front;
        t->front = t->back;
        t->back = full;
        uint64_t lost_count = t->lost_count;
        bool wants_reopen = t->wants_reopen, has_shown_changed = t->has_shown_changed;
        t->lost_count = 0;
        t->wants_reopen = t->has_shown_changed = false;
        memcpy(shown, t->shown, sizeof shown);
        pthread_mutex_unlock(&the_log.lock);
        if (wants_reopen)
            file_reopen(t);
        if (full->len > 0 || lost_count > 0)
            buffer_write(t, full, lost_count);
        if (has_shown_changed)
            bar_change(t, shown);
        pthread_mutex_lock(&the_log.lock);
    }
    t->has_ended = true;
    pthread_cond_signal(&the_log.ended);
    pthread_mutex_unlock(&the_log.lock);
}

/* ---- callers ---- */

/* The text may hold what a peer sent: no byte of it may begin a line or steer a terminal. */
static void controls_replace(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    }
}

static void direct_write(enum log_level level, const char *text)
{
    char stamp[40] = "";

    if (!the_log.lacks_stamp)
        timestamp_format(stamp, sizeof stamp, clock_wall().ns);
    dprintf(STDERR_FILENO, "%s%s %s\n", stamp, levels[level].name, text);
}

/* Holds a line until there is a log. Errors do not wait: the process may be about to end. */
static bool hold(enum log_level level, const char *message)
{
    struct held *held = the_log.held;
    size_t len = strlen(message) + 1;

    if (!held || level == LOG_LEVEL_ERROR || sizeof held->data - held->len < len + 1)
        return false;
    held->data[held->len] = (char)level;
    memcpy(held->data + held->len + 1, message, len);
    held->len += len + 1;
    return true;
}

static void queue_append(struct log_thread *t, enum log_level level, const char *text, size_t len)
{
    struct record record = {clock_wall().ns, (uint32_t)len, level};
    struct buffer *front = t->front;

    if (BUFFER_LEN - front->len < sizeof record + len) {
        t->lost_count++;
        lines_lost(1);
        return;
    }
    memcpy(front->data + front->len, &record, sizeof record);
    memcpy(front->data + front->len + sizeof record, text, len);
    bool was_empty = front->len == 0;
    front->len += sizeof record + len;
    if (was_empty)
        pthread_cond_signal(&the_log.wake);
}

static void ring_copy(struct line_ring *kept, uint64_t place, void *data, size_t len, bool is_read)
{
    size_t at = place % sizeof kept->data;
    size_t first = len < sizeof kept->data - at ? len : sizeof kept->data - at;

    if (is_read) {
        memcpy(data, kept->data + at, first);
        memcpy((char *)data + first, kept->data, len - first);
    } else {
        memcpy(kept->data + at, data, first);
        memcpy(kept->data, (char *)data + first, len - first);
    }
}

static void ring_keep(struct line_ring *kept, enum log_level level, char *text, size_t len)
{
    struct record record = {clock_wall().ns, (uint32_t)len, level}, oldest;

    while (kept->end - kept->begin + sizeof record + len > sizeof kept->data) {
        ring_copy(kept, kept->begin, &oldest, sizeof oldest, true);
        kept->begin += sizeof oldest + oldest.len;
        kept->first_number++;
    }
    ring_copy(kept, kept->end, &record, sizeof record, false);
    ring_copy(kept, kept->end + sizeof record, text, len, false);
    kept->end += sizeof record + len;
    kept->next_number++;
}

void log_keep(void)
{
    struct line_ring *kept = mem_zalloc(sizeof *kept);

    kept->first_number = kept->next_number = 1;
    pthread_mutex_lock(&the_log.lock);
    if (!the_log.kept) {
        the_log.kept = kept;
        kept = NULL;
    }
    pthread_mutex_unlock(&the_log.lock);
    mem_free(kept);
}

bool log_kept(uint64_t number, struct log_line *ret_line)
{
    struct record record;

    pthread_mutex_lock(&the_log.lock);
    struct line_ring *kept = the_log.kept;
    bool is_there = kept && number < kept->next_number && kept->first_number < kept->next_number;
    if (is_there) {
        uint64_t place = kept->begin, at = kept->first_number;
        for (;; at++) {
            ring_copy(kept, place, &record, sizeof record, true);
            if (at >= number)
                break;
            place += sizeof record + record.len;
        }
        ret_line->number = at;
        ret_line->at_ns = record.at_ns;
        ret_line->level = record.level;
        ret_line->len = record.len;
        ring_copy(kept, place + sizeof record, ret_line->text, record.len, true);
    }
    pthread_mutex_unlock(&the_log.lock);
    return is_there;
}

uint64_t log_kept_next(void)
{
    pthread_mutex_lock(&the_log.lock);
    uint64_t number = the_log.kept ? the_log.kept->next_number : 0;
    pthread_mutex_unlock(&the_log.lock);
    return number;
}

const char *log_level_name(enum log_level level)
{
    return levels[level].name;
}

/* NULL for name and type: the process's own. */
static void line_put(enum log_level level, const char *name, const char *type, const char *message)
{
    char text[TEXT_MAX];

    pthread_mutex_lock(&the_log.lock);
    if (!name && hold(level, message)) {
        pthread_mutex_unlock(&the_log.lock);
        return;
    }
    if (!name)
        name = the_log.name ? the_log.name : "core";
    if (!type)
        type = the_log.type ? the_log.type : program_invocation_short_name;
    int len = snprintf(text, sizeof text, "( %s/%s ): %s", name, type, message);
    if ((size_t)len >= sizeof text)
        len = sizeof text - 1;
    controls_replace(text, (size_t)len);
    if (the_log.kept)
        ring_keep(the_log.kept, level, text, (size_t)len);
    bool is_queued = the_log.thread != NULL;
    if (is_queued)
        queue_append(the_log.thread, level, text, (size_t)len);
    pthread_mutex_unlock(&the_log.lock);
    if (!is_queued)
        direct_write(level, text);
}

static void log_thread_free(struct log_thread *t)
{
    if (!t)
        return;
    if (t->file_sink.fd >= 0)
        close(t->file_sink.fd);
    mem_free(t->buffers[0].data);
    mem_free(t->buffers[1].data);
    mem_free(t->file);
    mem_free(t->syslog_ident);
    mem_free(t);
}

static int facility_find(const char *name)
{
    for (size_t i = 0; i < sizeof facilities / sizeof facilities[0]; i++) {
        if (strcasecmp(facilities[i].name, name) == 0)
            return facilities[i].facility;
    }
    return -EINVAL;
}

bool log_facility_is_known(const char *name)
{
    return facility_find(name) >= 0;
}

/* Allocates without the lock: running out of memory is logged. */
static void names_set(const struct log_settings *settings)
{
    char *name = mem_strdup(settings->name), *type = mem_strdup(settings->type);

    pthread_mutex_lock(&the_log.lock);
    char *old_name = the_log.name, *old_type = the_log.type;
    the_log.name = name;
    the_log.type = type;
    pthread_mutex_unlock(&the_log.lock);
    mem_free(old_name);
    mem_free(old_type);
}

/* The lines that were held are said now, to whatever log there is, but for those beyond a level. */
static void held_release(enum log_level level)
{
    pthread_mutex_lock(&the_log.lock);
    struct held *held = the_log.held;
    the_log.held = NULL;
    pthread_mutex_unlock(&the_log.lock);
    for (size_t pos = 0; held && pos < held->len; pos += 2 + strlen(held->data + pos + 1))
        if ((enum log_level)held->data[pos] <= level)
            log_write((enum log_level)held->data[pos], "%s", held->data + pos + 1);
    mem_free(held);
}

void log_hold(void)
{
    struct held *held = mem_zalloc(sizeof *held);

    pthread_mutex_lock(&the_log.lock);
    if (!the_log.thread && !the_log.held) {
        the_log.held = held;
        held = NULL;
    }
    pthread_mutex_unlock(&the_log.lock);
    mem_free(held);
}

static void log_stop_thread(void)
{
    struct timespec deadline;

    pthread_mutex_lock(&the_log.lock);
    struct log_thread *t = the_log.thread;
    the_log.thread = NULL;
    if (t) {
        t->has_shown_changed = t->has_shown_changed || t->shown[0] != 0;
        t->shown[0] = 0;
        t->is_stopping = true;
        atomic_store_explicit(&t->stop_deadline_ns, clock_mono().ns + STOP_TIMEOUT_NS,
                              memory_order_relaxed);
        pthread_cond_signal(&the_log.wake);
    }
    pthread_mutex_unlock(&the_log.lock);
    if (!t)
        return;

    /* The thread gives up at its deadline, unless a write(2) holds it: then it is left behind with
     * what it uses. */
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += STOP_TIMEOUT_NS / NS_PER_S + 1;
    pthread_mutex_lock(&the_log.lock);
    while (!t->has_ended &&
           pthread_cond_clockwait(&the_log.ended, &the_log.lock, CLOCK_MONOTONIC, &deadline) == 0)
        ;
    bool has_ended = t->has_ended;
    pthread_mutex_unlock(&the_log.lock);
    if (!has_ended) {
        pthread_detach(t->thread.id);
        return;
    }
    thread_join(&t->thread);
    if (t->syslog_facility >= 0)
        closelog();
    log_thread_free(t);
}

int log_start(const struct log_settings *settings)
{
    struct log_thread *t = mem_zalloc(sizeof *t);
    bool has_other = settings->file || settings->syslog_facility;
    int err = 0;

    t->syslog_facility = -1;
    t->file_sink.fd = -1;
    t->file_sink.has_timestamp = true;
    t->stderr_sink = (struct sink){.fd = settings->stderr_too || !has_other ? STDERR_FILENO : -1,
                                   .has_timestamp = settings->stderr_timestamp,
                                   .may_skip = has_other};
    t->has_terminal = t->stderr_sink.fd >= 0 && isatty(t->stderr_sink.fd);
    if (settings->file) {
        err = file_open(settings->file);
        if (err < 0)
            goto fail;
        t->file_sink.fd = err;
        t->file = mem_strdup(settings->file);
    }
    if (settings->syslog_facility) {
        err = facility_find(settings->syslog_facility);
        if (err < 0)
            goto fail;
        t->syslog_facility = err;
        t->syslog_ident =
            mem_strdup(settings->syslog_ident ? settings->syslog_ident : settings->type);
    }
    t->buffers[0].data = mem_alloc(BUFFER_LEN);
    t->buffers[1].data = mem_alloc(BUFFER_LEN);
    t->front = &t->buffers[0];
    t->back = &t->buffers[1];
    log_stop_thread(); /* if it was started before */

    if (t->syslog_facility >= 0)
        openlog(t->syslog_ident, LOG_PID, t->syslog_facility);
    names_set(settings);
    atomic_store_explicit(&the_log.has_debug, settings->debug, memory_order_relaxed);
    err = thread_start(&t->thread, "log", log_thread_main, t);
    if (err < 0)
        goto fail;
    pthread_mutex_lock(&the_log.lock);
    the_log.thread = t;
    the_log.lacks_stamp = !settings->stderr_timestamp;
    pthread_mutex_unlock(&the_log.lock);
    held_release(LOG_LEVEL_DEBUG);
    return 0;
fail:
    log_thread_free(t);
    return err;
}

void log_show(const char *line)
{
    pthread_mutex_lock(&the_log.lock);
    struct log_thread *t = the_log.thread;
    if (t && t->has_terminal) {
        snprintf(t->shown, sizeof t->shown, "%s", line);
        controls_replace(t->shown, strlen(t->shown));
        t->has_shown_changed = true;
        pthread_cond_signal(&the_log.wake);
    }
    pthread_mutex_unlock(&the_log.lock);
}

void log_reopen(void)
{
    pthread_mutex_lock(&the_log.lock);
    if (the_log.thread) {
        the_log.thread->wants_reopen = true;
        pthread_cond_signal(&the_log.wake);
    }
    pthread_mutex_unlock(&the_log.lock);
}

void log_stop(void)
{
    held_release(LOG_LEVEL_NOTICE);
    log_stop_thread();
    pthread_mutex_lock(&the_log.lock);
    struct line_ring *kept = the_log.kept;
    the_log.kept = NULL;
    pthread_mutex_unlock(&the_log.lock);
    mem_free(kept);
}

uint64_t log_lost_count(void)
{
    return atomic_load_explicit(&the_log.lost_count, memory_order_relaxed);
}

bool log_level_is_on(enum log_level level)
{
    return level != LOG_LEVEL_DEBUG ||
           atomic_load_explicit(&the_log.has_debug, memory_order_relaxed);
}

void log_write(enum log_level level, const char *format, ...)
{
    char message[TEXT_MAX];
    int saved_errno = errno; /* for %m, and for the caller's own use after it logged */
    va_list args;

    if (!log_level_is_on(level))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    line_put(level, NULL, NULL, message);
    errno = saved_errno;
}

void log_forward(enum log_level level, const char *name, const char *type, const char *text)
{
    line_put(level, name, type, text);
}

bool log_limit_allow(struct log_limit *limit, uint64_t *ret_suppressed)
{
    return log_limit_allow_burst(limit, LIMIT_BURST, ret_suppressed);
}

bool log_limit_allow_burst(struct log_limit *limit, uint32_t burst, uint64_t *ret_suppressed)
{
    int64_t now_ns = clock_mono().ns;
    bool is_over = now_ns - limit->window_start_ns >= LIMIT_PERIOD_NS;

    if (is_over && limit->suppressed == 0)
        limit->in_window = 0; /* it was quiet for a whole period */
    if (limit->in_window >= burst && !is_over) {
        limit->suppressed++;
        return false;
    }
    if (limit->in_window < burst)
        limit->in_window++;
    limit->window_start_ns = now_ns;
    *ret_suppressed = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

bool log_rate_allow(struct log_rate *rate, uint32_t per_second, uint64_t *ret_suppressed)
{
    int64_t second = clock_mono().ns / NS_PER_S;

    if (second != rate->second) {
        rate->second = second;
        rate->in_second = 0;
    }
    if (rate->in_second >= per_second) {
        rate->suppressed++;
        return false;
    }
    rate->in_second++;
    *ret_suppressed = rate->suppressed;
    rate->suppressed = 0;
    return true;
}
