/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks workers for what changed of their templates, and writes the file from all that they have said.
 * See templates_file.h. */
#include "daemon/templates_file.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/text.h"
#include "flow/saved_pieces.h"
#include <jansson.h>
#include <string.h>
#include <unistd.h>

/* The version of what follows it in the file; another one is not read. */
#define FILE_VERSION 1

struct templates_file {
    const char *path;
    struct crew *crew;
    struct chores *chores;
    bool is_writing;           /* answers and stores are the chores' */
    int err;                   /* of writing it */
    uint64_t saved_generation; /* sum over the workers when they were last asked */
    bool is_asked;
    struct saved_pieces *answers[WORKERS_MAX];
    struct saved_store *stores[WORKERS_MAX]; /* what each worker has said up to now */
};

struct templates_file *templates_file_new(const char *path, struct crew *crew,
                                          struct chores *chores)
{
    struct templates_file *f = mem_zalloc(sizeof *f);

    f->path = path;
    f->crew = crew;
    f->chores = chores;
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        f->stores[i] = saved_store_new();
    return f;
}

void templates_file_free(struct templates_file *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < WORKERS_MAX; i++) {
        saved_pieces_free(f->answers[i]);
        saved_store_free(f->stores[i]);
    }
    mem_free(f);
}

static uint64_t template_generation(const struct templates_file *f)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        sum += worker_templates_generation(f->crew->workers[i]);
    return sum;
}

/* Returns what is saved in a file's content, borrowed; NULL: `error` says what is wrong. Before there
 * were versions the array was all. */
static const json_t *find_saved(const json_t *root, struct text *error)
{
    const json_t *version = json_object_get(root, "version"),
                 *saved = json_is_array(root) ? root : json_object_get(root, "exporters");

    if (json_is_integer(version) && json_integer_value(version) != FILE_VERSION)
        text_append_printf(error, "it is of version %" JSON_INTEGER_FORMAT ", not %d",
                           json_integer_value(version), FILE_VERSION);
    else if (!json_is_array(saved) || (json_is_object(root) && !json_is_integer(version)))
        text_append_string(error, "it holds no templates");
    return error->len > 0 ? NULL : saved;
}

void templates_file_load(struct templates_file *f)
{
    THREAD_ASSERT(main_thread);
    struct text error = {0};
    json_error_t fault;
    size_t count = 0;

    if (access(f->path, F_OK) < 0)
        return;
    json_t *root = json_load_file(f->path, 0, &fault);
    const json_t *saved = root ? find_saved(root, &error) : NULL;
    if (!root)
        text_append_printf(&error, "%s in line %d", fault.text, fault.line);
    if (saved) {
        for (uint32_t i = 0; i < f->crew->worker_count; i++)
            count += worker_load_templates(f->crew->workers[i], saved);
        f->saved_generation = template_generation(f);
        log_info("templates file %s: %zu templates", f->path, count);
    } else {
        log_warning("templates file %s: %s; it is not used, and written anew", f->path,
                    text_cstr(&error));
    }
    json_decref(root);
    text_clear(&error);
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

/* Gives the worker's store what it has not taken yet. */
static void take_answer(struct templates_file *f, uint32_t i)
{
    if (f->answers[i])
        saved_store_take(f->stores[i], f->answers[i]);
    f->answers[i] = NULL;
}

static void write_file(void *arg)
{
    struct templates_file *f = arg;
    struct text content = {0};
    size_t count = 0;

    /* The version comes first, so that a reader can tell what follows. */
    text_append_printf(&content, "{\"version\": %d,\n\"exporters\": [", FILE_VERSION);
    for (uint32_t i = 0; i < f->crew->worker_count; i++) {
        take_answer(f, i);
        count += saved_store_write(f->stores[i], count > 0, &content);
    }
    text_append_string(&content, "]}\n");
    f->err = file_replace(f->path, content.data, content.len, FILE_MODE_SHARED, FILE_SYNC_CONTENT);
    text_clear(&content);
}

static void file_is_written(void *arg)
{
    struct templates_file *f = arg;

    if (f->err < 0)
        log_error("templates file %s: %s", f->path, named_file_error(f->err));
    f->is_writing = f->is_asked = false;
}

static void write_answers(struct templates_file *f)
{
    f->is_writing = true;
    chores_add(f->chores, write_file, file_is_written, f);
}

void templates_file_collect(struct templates_file *f)
{
    bool is_complete = f->is_asked;

    THREAD_ASSERT(main_thread);
    if (f->is_writing)
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
    for (uint32_t i = 0; i < f->crew->worker_count; i++) {
        take_answer(f, i);
        f->answers[i] = worker_take_templates(f->crew->workers[i]);
        take_answer(f, i);
        f->answers[i] = worker_save_templates(f->crew->workers[i]);
    }
    write_answers(f);
}
