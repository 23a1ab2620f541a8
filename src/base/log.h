/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Log lines to stderr, a file or syslog. Logging never blocks: lines go into a bounded queue that a
 * thread of its own writes out; when it is full lines are lost, counted, and the count is logged
 * when there is room. Before log_start() and after log_stop() lines are written directly, with their time. Any
 * thread may log.
 *
 * A line: "ISO-time LEVEL ( name/type ): text", as operators of pmacct know it; one event, one
 * line, lower case, no full stop.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARNING,
    LOG_LEVEL_NOTICE,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG
};

struct log_settings {
    const char *name;            /* "core" or the instance's name */
    const char *type;            /* "nfacctd", "print" */
    const char *file;            /* NULL: none */
    const char *syslog_facility; /* "daemon", "local0"...; NULL: none */
    const char *syslog_ident;    /* NULL: the type */
    bool stderr_too;             /* also when a file or syslog is in use */
    bool stderr_timestamp;       /* prefix lines on stderr with the time */
    bool debug;
};

/* From now on lines that no log takes yet are held until log_start() or log_stop(), but for errors.
 * For what is said of a start before its log is known. If there was no start, log_stop() leaves out
 * those that only inform. */
void log_hold(void);
/* Copies the settings. -errno: the file cannot be opened, and nothing has changed. */
int log_start(const struct log_settings *settings);
/* Whether syslog_facility may be this; in any case. */
bool log_facility_is_known(const char *name);
/* A line below all others on standard error, if that is a terminal that the log writes to, until the
 * next one takes its place; "" for none. It is no line of the log. Cut to the terminal's width. */
void log_show(const char *line);
void log_reopen(void); /* the file, after rotation (SIGHUP) */
void log_stop(void);   /* writes what is queued, at most 2 s long */
uint64_t log_lost_count(void);

/* The last lines, for who asks what was said: LOG_KEPT_BYTES of them at most, from log_keep() on. */
enum { LOG_LINE_MAX = 4000, LOG_KEPT_BYTES = 256 << 10 };
struct log_line {
    uint64_t number; /* from 1 */
    int64_t at_ns;   /* wall clock */
    enum log_level level;
    size_t len;
    char text[LOG_LINE_MAX]; /* "( name/type ): text", not terminated */
};
void log_keep(void);
/* Copies the first line whose number is `number` or more; any thread, which may log meanwhile. False:
 * there is none. */
bool log_kept(uint64_t number, struct log_line *ret_line);
uint64_t log_kept_next(void); /* the number of the next line; 0: none are kept */
const char *log_level_name(enum log_level level); /* as lines have it: WARN */
bool log_level_is_on(enum log_level level);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Logs a line as it is, which another process has formatted. */
void log_forward(enum log_level level, const char *name, const char *type, const char *text);

#define log_error(...)   log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_write(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_level_is_on(LOG_LEVEL_DEBUG))                                                      \
            log_write(LOG_LEVEL_DEBUG, __VA_ARGS__);                                               \
    } while (0)

/*
 * A rate limit for one cause (and exporter, where it stands in per-exporter state): 5 lines, then
 * one every 30 s. When a line is allowed again *ret_suppressed says how many were not. Owned by one
 * thread; all zero is a fresh one.
 */
struct log_limit {
    int64_t window_start_ns;
    uint32_t in_window;
    uint64_t suppressed;
};
bool log_limit_allow(struct log_limit *limit, uint64_t *ret_suppressed);
/* For lines of debug: so many in each second. Owned by one thread; all zero is a fresh one. */
struct log_rate {
    int64_t second;
    uint32_t in_second;
    uint64_t suppressed;
};
bool log_rate_allow(struct log_rate *rate, uint32_t per_second, uint64_t *ret_suppressed);
/* Does the same as log_limit_allow() with a burst of so many lines: for what many can cause. */
bool log_limit_allow_burst(struct log_limit *limit, uint32_t burst, uint64_t *ret_suppressed);
