/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks workers for their templates, gathers the answers and writes the file. See
 * templates_file.h. */
#include "daemon/templates_file.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct templates_file {
    const char *path;
    struct crew *crew;
    struct chores *chores;
    json_t *to_write;          /* while the chores write it */
    int err;                   /* of writing it */
    uint64_t saved_generation; /* sum over the workers when they were last asked */
    bool is_asked;
    json_t *answers[WORKERS_MAX];
};

struct templates_file *templates_file_new(const char *path, struct crew *crew,
                                          struct chores *chores)
{
    struct templates_file *f = mem_zalloc(sizeof *f);

    f->path = path;
    f->crew = crew;
    f->chores = chores;
    return f;
}

static void forget_answers(struct templates_file *f)
{
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        json_decref(f->answers[i]);
        f->answers[i] = NULL;
    }
}

void templates_file_free(struct templates_file *f)
{
    if (!f)
        return;
    forget_answers(f);
    mem_free(f);
}

static uint64_t template_generation(const struct templates_file *f)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        sum += worker_templates_generation(f->crew->workers[i]);
    return sum;
}

void templates_file_load(struct templates_file *f)
{
    THREAD_ASSERT(main_thread);
    json_error_t error;
    json_t *saved;
    size_t count = 0;

    if (access(f->path, F_OK) < 0)
        return;
    saved = json_load_file(f->path, 0, &error);
    if (!json_is_array(saved)) {
        log_warning("templates file %s: %s in line %d; it is not used, and written anew", f->path,
                    saved ? "not an array" : error.text, saved ? 1 : error.line);
        json_decref(saved);
        return;
    }
    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        count += worker_load_templates(f->crew->workers[i], saved);
    json_decref(saved);
    f->saved_generation = template_generation(f);
    log_info("templates file %s: %zu templates", f->path, count);
}

void templates_file_tick(struct templates_file *f)
{
    uint64_t now = template_generation(f);

    THREAD_ASSERT(main_thread);
    if (f->is_asked || now == f->saved_generation)
        return;
    f->is_asked = true;
    f->saved_generation = now;
    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        worker_ask_templates(f->crew->workers[i]);
}

static void write_file(void *arg)
{
    struct templates_file *f = arg;
    char *text = json_dumps(f->to_write, JSON_INDENT(0));

    f->err = text ? file_replace(f->path, text, strlen(text), FILE_SYNC_CONTENT) : 0;
    free(text); /* NOLINT: jansson allocated it */
}

static void file_is_written(void *arg)
{
    struct templates_file *f = arg;

    if (f->err < 0)
        log_error("templates file %s: %s", f->path, strerror(-f->err));
    json_decref(f->to_write);
    f->to_write = NULL;
    f->is_asked = false;
}

static void write_answers(struct templates_file *f)
{
    f->to_write = json_array();
    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        if (json_is_array(f->answers[i]))
            json_array_extend(f->to_write, f->answers[i]);
    forget_answers(f);
    chores_add(f->chores, write_file, file_is_written, f);
}

void templates_file_collect(struct templates_file *f)
{
    bool is_complete = f->is_asked;

    THREAD_ASSERT(main_thread);
    if (f->to_write)
        return;
    for (uint32_t i = 0; f->is_asked && i < f->crew->worker_count; i++) {
        if (!f->answers[i])
            f->answers[i] = worker_take_templates(f->crew->workers[i]);
        is_complete = is_complete && f->answers[i];
    }
    if (is_complete)
        write_answers(f);
}

void templates_file_save_now(struct templates_file *f)
{
    uint64_t now = template_generation(f);

    chores_finish(f->chores); /* what is being written may be older */
    if (!f->is_asked && now == f->saved_generation)
        return;
    f->saved_generation = now;
    forget_answers(f);
    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        f->answers[i] = worker_save_templates(f->crew->workers[i]);
    write_answers(f);
}
