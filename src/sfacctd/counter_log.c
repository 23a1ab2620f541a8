/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Appends counter samples to the file sfacctd_counter_file. One buffer holds the lines for one
 * file; a line for another file writes it out first. */
#include "sfacctd/counter_log.h"

#include "base/clock.h"
#include "base/keyed_table.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FLUSH_LEN (64u << 10)
#define FILES_MAX 4096 /* new files; an agent's address is what a datagram says it is */
#define OTHERS    "=other"
#define VARIABLE  "$peer_src_ip"

struct counter_log {
    const char *pattern;
    bool has_variable, is_utc;
    struct text lines, path;
    uint64_t line_count;
    struct ip_addr agent;      /* whose lines they are, if the path names it */
    bool is_beyond;            /* the agent has no file of its own */
    struct keyed_table agents; /* those that have one */
    struct exporter *exporter; /* who sent the last of them: losses are counted there */
    int64_t second;            /* the last time put as text */
    char second_text[32];
    struct log_limit log_limit, beyond_limit;
};

struct logged_agent {
    struct keyed_entry entry;
};

static void discard_agent(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

struct counter_log *counter_log_new(const char *path, bool is_utc)
{
    struct counter_log *log = mem_zalloc(sizeof *log);

    log->pattern = path;
    log->has_variable = strstr(path, VARIABLE) != NULL;
    log->is_utc = is_utc;
    log->second = -1;
    keyed_table_init(&log->agents, SIZE_MAX, discard_agent, NULL);
    return log;
}

void counter_log_free(struct counter_log *log)
{
    if (!log)
        return;
    counter_log_flush(log);
    keyed_table_clear(&log->agents);
    text_clear(&log->lines);
    text_clear(&log->path);
    mem_free(log);
}

/* Returns the file's path. An address in it has neither dots nor colons, as in the print plugin's
 * files. */
static const char *path_of(struct counter_log *log)
{
    const char *variable = log->has_variable ? strstr(log->pattern, VARIABLE) : NULL;
    char agent[IP_TEXT_LEN];

    if (!variable)
        return log->pattern;
    if (log->is_beyond)
        snprintf(agent, sizeof agent, OTHERS);
    else
        ip_addr_format(&log->agent, agent);
    for (char *c = agent; *c; c++)
        if (*c == '.' || *c == ':')
            *c = '_';
    text_reset(&log->path);
    text_append(&log->path, log->pattern, (size_t)(variable - log->pattern));
    text_append_string(&log->path, agent);
    text_append_string(&log->path, variable + strlen(VARIABLE));
    return text_cstr(&log->path);
}

/* Sets whose lines come now, and whether they have a file of their own. */
static void set_agent(struct counter_log *log, const struct ip_addr *agent)
{
    uint64_t key[2];
    uint64_t suppressed;

    log->agent = *agent;
    log->is_beyond = false;
    memcpy(key, agent->bytes, sizeof key);
    if (keyed_table_find(&log->agents, key[0], key[1]))
        return;
    if (log->agents.count < FILES_MAX) {
        struct logged_agent *entry = mem_zalloc(sizeof *entry);
        keyed_table_add(&log->agents, &entry->entry, key[0], key[1]);
        return;
    }
    /* A file that is there already costs nothing more. */
    log->is_beyond = access(path_of(log), F_OK) < 0;
    if (log->is_beyond && log_limit_allow(&log->beyond_limit, &suppressed))
        log_warning("sfacctd_counter_file: %d agents have files; lines of others go to %s",
                    FILES_MAX, path_of(log));
}

static int append_to_file(const char *path, const struct text *lines)
{
    int fd =
        named_file_open_name(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY, 0666);
    int err = 0;

    if (fd < 0)
        return fd;
    /* Writes in one call: lines of several workers must not mix, and a pipe may be full. */
    ssize_t written = write(fd, lines->data, lines->len);
    if (written < 0)
        err = -errno;
    else if ((size_t)written < lines->len)
        err = -ENOSPC;
    if (close(fd) < 0 && err == 0)
        err = -errno;
    return err;
}

void counter_log_flush(struct counter_log *log)
{
    const char *path;
    uint64_t suppressed;
    int err;

    if (log->lines.len == 0)
        return;
    path = path_of(log);
    err = append_to_file(path, &log->lines);
    if (err < 0) {
        counter_add(&log->exporter->counters.counter_lines_lost, log->line_count);
        if (log_limit_allow(&log->log_limit, &suppressed))
            log_warning("sfacctd_counter_file %s: %s; %llu lines are lost", path,
                        named_file_error(err), (unsigned long long)log->line_count);
    }
    text_reset(&log->lines);
    log->line_count = 0;
}

struct text *counter_log_begin(struct counter_log *log, const struct ip_addr *agent)
{
    if (log->has_variable && !ip_addr_equal(agent, &log->agent)) {
        counter_log_flush(log);
        set_agent(log, agent);
    }
    return &log->lines;
}

void counter_log_end(struct counter_log *log, struct exporter *exporter)
{
    log->exporter = exporter;
    log->line_count++;
    if (log->lines.len >= FLUSH_LEN)
        counter_log_flush(log);
}

void counter_log_put_time(struct counter_log *log, struct text *out, int64_t time_ns)
{
    int64_t second = time_ns / NS_PER_S;

    if (second != log->second) {
        time_t t = (time_t)second;
        struct tm tm;
        if (log->is_utc)
            gmtime_r(&t, &tm);
        else
            localtime_r(&t, &tm);
        strftime(log->second_text, sizeof log->second_text, "%Y-%m-%d %H:%M:%S", &tm);
        log->second = second;
    }
    text_append_printf(out, "%s.%06u", log->second_text,
                       (unsigned)(time_ns % NS_PER_S / NS_PER_US));
}
