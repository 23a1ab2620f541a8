/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A print instance in the test's own process, with a folder for its files and a clock that goes on by a
 * minute at each purge. Its output is CSV unless the test sets another.
 */
#include "base/memory.h"
#include "plugins/print/print.h"
#include "plugins/print/print_settings.h"
#include "plugins/text/output_keys.h"
#include "support/fake_host.h"
#include "support/folder.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIN_S INT64_C(1795301340) /* 2026-11-21 22:49:00 UTC */

struct world {
    struct test_folder folder;
    char *paths[32];
    uint32_t path_count;
    struct fake_host host;
    struct rows rows;
    void *print;
    uint64_t seq;
    int64_t now_s;
};

static inline struct world *world_new(const char *aggregate, uint32_t bin_seconds)
{
    struct world *w = calloc(1, sizeof *w);

    test_folder_make(&w->folder);
    fake_host_init(&w->host, print_keys, output_keys);
    rows_init(&w->rows, aggregate, bin_seconds);
    w->now_s = BIN_S + 60;
    fake_host_set(&w->host, "print_output", "csv");
    return w;
}

/* Returns a path in the world's directory, which is kept until the world's end. */
static const char *at(struct world *w, const char *name)
{
    char *path = mem_printf("%s/%s", w->folder.path, name);

    assert_in_range(w->path_count, 0, 31);
    w->paths[w->path_count++] = path;
    return path;
}

static inline void set(struct world *w, const char *key, const char *value)
{
    fake_host_set(&w->host, key, value);
}

static inline void start(struct world *w)
{
    assert_int_equal(print_open(&w->host.host, &w->rows.schema, &w->print), 0);
}

static inline void stop(struct world *w)
{
    print_close(w->print);
    w->print = NULL;
}

static inline void world_free(struct world *w)
{
    stop(w);
    rows_clear(&w->rows);
    test_folder_remove(&w->folder);
    for (uint32_t i = 0; i < w->path_count; i++)
        mem_free(w->paths[i]);
    free(w);
}

/* Adds a row of that many bytes to the bin that begins `bin` seconds after BIN_S. */
static inline uint8_t *add(struct world *w, int64_t bin, uint64_t bytes)
{
    uint8_t *row = rows_add(&w->rows);

    if (w->rows.schema.bin_offset >= 0)
        rows_set_bin(&w->rows, row, BIN_S + bin);
    rows_set_uint(&w->rows, row, "bytes", bytes);
    rows_set_uint(&w->rows, row, "packets", 1);
    return row;
}

enum purge_flags { ENDS_EPOCH = 1, IS_LAST = 2, IS_AGAIN = 4 };

static inline int try_purge(struct world *w, int flags)
{
    struct pa_batch batch = rows_batch(&w->rows);
    struct pa_transaction t;
    struct pa_source source;
    int err;

    if (!(flags & IS_AGAIN))
        w->seq++;
    t = fake_host_transaction(&w->host, &source, w->seq, w->seq, w->now_s);
    t.row_count = batch.row_count;
    t.ends_epoch = flags & ENDS_EPOCH;
    t.is_last = (flags & IS_LAST) != 0;
    err = print_begin(w->print, &t);
    if (err == 0)
        err = print_write(w->print, &batch);
    if (err == 0)
        err = print_commit(w->print, &t);
    if (err < 0)
        print_abort(w->print);
    else
        rows_reset(&w->rows);
    return err;
}

static inline void purge(struct world *w)
{
    assert_int_equal(try_purge(w, ENDS_EPOCH), 0);
    w->now_s += 60;
}

static inline char *read_command(const char *command)
{
    FILE *pipe = popen(command, "r");
    char *text = calloc(1, 65536);

    assert_non_null(pipe);
    text[fread(text, 1, 65535, pipe)] = 0;
    pclose(pipe);
    return text;
}

static inline void expect_file(struct world *w, const char *name, const char *expected)
{
    char command[512];
    char *text;

    snprintf(command, sizeof command, "cat %s/%s 2>&1", w->folder.path, name);
    text = read_command(command);
    assert_string_equal(text, expected);
    free(text);
}

/* Asserts which names are in the directory, in order and without directories. */
static inline void expect_names(struct world *w, const char *expected)
{
    char command[512];
    char *text;

    snprintf(command, sizeof command,
             "cd %s && find . ! -type d ! -name '.*.lock' | sort | cut -c3- | tr '\\n' ' '",
             w->folder.path);
    text = read_command(command);
    assert_string_equal(text, expected);
    free(text);
}
