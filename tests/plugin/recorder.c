/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A backend for tests that writes rows as lines of text to a file and misbehaves on demand. Each
 * commit is one write(2) of rows and identities together, so that a kill finds all of it or nothing.
 *
 *     B <worker> <first seq> <last seq> a transaction begins with these
 *     R <key> <path> <packets>          a row
 *     H <worker> <seq> <first row> <rows> a batch, if this is the keeper (keeper.c)
 *     D <core_id> <worker> <last seq>   done up to here
 *     C <rows> <ends_epoch> <is_last>   the transaction is complete
 *     W <mapping>                       memory of the daemon that it could write to (scribble.h)
 */
#include "plugins/pathacct_plugin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "scribble.h"

#define BUFFER_SIZE (8u << 20)
#define POISON      666

#ifndef RECORDER_NAME
#define RECORDER_NAME  "recorder"
#define RECORDER_FLAGS 0
#endif
static const bool is_keeper = (RECORDER_FLAGS & PA_PLUGIN_KEEPS_HANDOVERS) != 0;

struct recorder {
    const struct pa_host *host;
    const struct pa_schema *schema;
    const struct pa_column *key, *path, *packets;
    int fd;
    char *buffer;
    size_t len;
};

static const struct pa_key keys[] = {
    {"recorder_file", PA_KEY_STRING, 0, PA_ROLE_NONE, NULL, 0, 0, NULL, NULL, "where rows go"},
    {"recorder_trouble", PA_KEY_STRING, 0, PA_ROLE_NONE, NULL, 0, 0, NULL, NULL,
     "while this file exists: \"fail\" in it refuses, \"ask\" asks for what is no key, \"begin\" "
     "dies at the begin, \"die\" after a commit, and removes it, \"hang\" sleeps in the begin, "
     "\"spin\" runs there, \"slow\" beats there, \"scribble\" writes over shared memory after a "
     "commit, and removes it; \"scribblehang\" never comes back from that; with \"write\" and "
     "\"commit\" these stand still while somebody else has the file locked"},
    {"recorder_refresh_time", PA_KEY_DURATION, 0, PA_ROLE_REFRESH_TIME, "60", 1, 0, NULL, NULL,
     "epoch"},
    {NULL, 0, 0, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static const struct pa_column *column(const struct pa_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].name, name) == 0)
            return &schema->columns[i];
    return NULL;
}

static int has_trouble(const struct recorder *r, const char *word)
{
    const char *path = r->host->setting(r->host, "recorder_trouble");
    char content[16] = "";
    FILE *f = path != NULL ? fopen(path, "r") : NULL;
    if (f == NULL)
        return 0;
    size_t len = fread(content, 1, sizeof content - 1, f);
    content[len] = '\0';
    fclose(f);
    return strncmp(content, word, strlen(word)) == 0;
}

static int recorder_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                          size_t error_size)
{
    const struct recorder asking = {.host = host};
    if (has_trouble(&asking, "ask"))
        host->setting(host, "recorder_undeclared");
    if (host->setting(host, "recorder_file") == NULL)
        snprintf(error, error_size, "recorder_file must be set");
    else if (column(schema, "packets") == NULL)
        snprintf(error, error_size, "there must be packets");
    else {
        host->log(host, PA_LOG_NOTICE, "recorder_file: it would do");
        host->log(host, PA_LOG_INFO, "nobody has to know this");
        return 0;
    }
    return -EINVAL;
}

static int recorder_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                            size_t error_size)
{
    const struct recorder asking = {.host = host};
    (void)schema;
    host->log(host, PA_LOG_WARNING, "recorder_file: it may be too small");
    if (!has_trouble(&asking, "shut"))
        return 0;
    host->log(host, PA_LOG_NOTICE, "recorder_file: it is red");
    host->log(host, PA_LOG_ERROR, "recorder_file: it is locked");
    snprintf(error, error_size, "recorder_file: it does not open");
    return -EIO;
}

static int recorder_open(const struct pa_host *host, const struct pa_schema *schema,
                         void **ret_state)
{
    struct recorder *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -ENOMEM;
    r->host = host;
    r->schema = schema;
    r->key = column(schema, "dst_as");
    r->path = column(schema, "as_path");
    r->packets = column(schema, "packets");
    r->buffer = malloc(BUFFER_SIZE);
    r->fd =
        open(host->setting(host, "recorder_file"), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    *ret_state = r;
    return r->fd < 0 ? -errno : 0;
}

/* Looks for the source in the file, line by line, so files should be small. */
static int is_done(const struct recorder *r, const struct pa_source *source)
{
    char id[33], name[33];
    unsigned worker;
    unsigned long long seq;
    int found = 0;
    for (int i = 0; i < 16; i++)
        snprintf(id + 2 * i, 3, "%02x", source->core_id[i]);
    FILE *f = fopen(r->host->setting(r->host, "recorder_file"), "r");
    char line[256];
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "D %32s %u %llu", name, &worker, &seq) == 3 && strcmp(id, name) == 0 &&
            worker == source->worker && seq >= source->last_seq)
            found = 1;
    if (f != NULL)
        fclose(f);
    return found;
}

static int note_begin(const struct recorder *r, const struct pa_transaction *t)
{
    for (uint32_t i = 0; i < t->source_count; i++)
        if (dprintf(r->fd, "B %u %llu %llu\n", t->sources[i].worker,
                    (unsigned long long)t->sources[i].first_seq,
                    (unsigned long long)t->sources[i].last_seq) < 0)
            return -errno;
    return 0;
}

/* Only with "slow" there is a sign of life meanwhile. */
static void stand_still(const struct recorder *r)
{
    while (has_trouble(r, "hang"))
        usleep(100000);
    while (has_trouble(r, "spin"))
        ;
    while (has_trouble(r, "slow") && r->host->beat(r->host) == 0)
        usleep(10000);
}

static void stand_in(const struct recorder *r, const char *function)
{
    int fd = has_trouble(r, function)
                 ? open(r->host->setting(r->host, "recorder_trouble"), O_RDONLY | O_CLOEXEC)
                 : -1;
    if (fd < 0)
        return;
    flock(fd, LOCK_SH);
    close(fd);
}

static int recorder_begin(void *state, const struct pa_transaction *t)
{
    struct recorder *r = state;
    uint32_t done = 0;
    int dies = has_trouble(r, "begin");
    r->len = 0;
    if (has_trouble(r, "ask"))
        r->host->setting_number(r->host, "recorder_undeclared");
    if (has_trouble(r, "fail"))
        return -EAGAIN;
    int err = note_begin(r, t);
    stand_still(r);
    if (dies)
        abort();
    if (err < 0)
        return err;
    for (uint32_t i = 0; i < t->source_count; i++)
        done += (uint32_t)is_done(r, &t->sources[i]);
    if (done == 0)
        return 0;
    r->host->count(r->host, "repeated", done);
    if (done == t->source_count)
        return PA_DONE_ALREADY;
    r->host->log(r->host, PA_LOG_ERROR, "half of a transaction is done");
    abort();
}

static int recorder_write(void *state, const struct pa_batch *batch)
{
    struct recorder *r = state;
    stand_in(r, "write");
    if (is_keeper && batch->source != NULL)
        r->len +=
            (size_t)snprintf(r->buffer + r->len, BUFFER_SIZE - r->len, "H %u %llu %llu %u\n",
                             batch->source->worker, (unsigned long long)batch->source->last_seq,
                             (unsigned long long)batch->first_row, batch->row_count);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = batch->rows + (size_t)i * r->schema->row_size;
        uint32_t key, path;
        uint64_t packets;
        memcpy(&key, row + r->key->offset, sizeof key);
        memcpy(&path, row + r->path->offset, sizeof path);
        memcpy(&packets, row + r->packets->offset, sizeof packets);
        if (packets == POISON)
            abort();
        if (packets == POISON + 1) {
            r->host->reject_row(r->host, row, "unlucky number");
            continue;
        }
        r->len += (size_t)snprintf(r->buffer + r->len, BUFFER_SIZE - r->len, "R %u %.*s %llu\n",
                                   key, (int)batch->dictionary[path].len,
                                   (const char *)batch->dictionary[path].data,
                                   (unsigned long long)packets);
    }
    return 0;
}

static int recorder_commit(void *state, const struct pa_transaction *t)
{
    struct recorder *r = state;
    stand_in(r, "commit");
    for (uint32_t i = 0; i < t->source_count; i++) {
        char *at = r->buffer + r->len;
        at += sprintf(at, "D ");
        for (int b = 0; b < 16; b++)
            at += sprintf(at, "%02x", t->sources[i].core_id[b]);
        at += sprintf(at, " %u %llu\n", t->sources[i].worker,
                      (unsigned long long)t->sources[i].last_seq);
        r->len = (size_t)(at - r->buffer);
    }
    r->len += (size_t)sprintf(r->buffer + r->len, "C %llu %d %d\n",
                              (unsigned long long)t->row_count, t->ends_epoch, t->is_last);
    if (write(r->fd, r->buffer, r->len) != (ssize_t)r->len)
        return -errno;
    r->host->count(r->host, "rows", t->row_count);
    if (has_trouble(r, "die")) {
        unlink(r->host->setting(r->host, "recorder_trouble"));
        abort();
    }
    if (has_trouble(r, "scribble")) {
        int hangs = has_trouble(r, "scribblehang");
        unlink(r->host->setting(r->host, "recorder_trouble"));
        scribble(r->fd);
        while (hangs)
            pause();
    }
    return 0;
}

static void recorder_close(void *state)
{
    struct recorder *r = state;
    if (r == NULL)
        return;
    if (r->fd >= 0)
        close(r->fd);
    free(r->buffer);
    free(r);
}

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = RECORDER_FLAGS | PA_PLUGIN_TRIES_OUT,
    .name = RECORDER_NAME,
    .help = "rows as lines of text, with trouble on demand",
    .keys = keys,
    .check = recorder_check,
    .open = recorder_open,
    .begin = recorder_begin,
    .write = recorder_write,
    .commit = recorder_commit,
    .close = recorder_close,
    .try_out = recorder_try_out,
};
