/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks workers for what changed of their templates, and writes the file from all that they have said.
 * See templates_file.h. */
#include "daemon/templates_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/text.h"
#include "daemon/trouble.h"
#include "flow/saved_pieces.h"
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

/* The version of what follows it in the file; another one is not read. */
#define FILE_VERSION 1
/* Clocks and times change with each message, and are worth a file only now and then: 5 minutes. */
enum { IDLE_TICKS = 60 };

struct templates_file {
    const char *path;
    struct crew *crew;
    struct chores *chores;
    struct troubles *troubles;
    bool is_writing;           /* answers and stores are the chores' */
    int err;                   /* of writing it */
    uint64_t saved_generation; /* sum over the workers when they were last asked */
    bool is_asked;
    bool is_end;                         /* what is written is the last */
    bool is_written;                     /* since the start, so that it does not tell of an end */
    uint32_t idle_ticks;                 /* without a change */
    struct udp_drops drops[WORKERS_MAX]; /* what is being written */
    uint64_t saved_drops;                /* sum over the workers when it was written */
    struct udp_drops *loaded_drops;
    size_t loaded_drops_count;
    struct saved_pieces *answers[WORKERS_MAX];
    struct saved_store *stores[WORKERS_MAX]; /* what each worker has said up to now */
};

struct templates_file *templates_file_new(const char *path, struct crew *crew,
                                          struct chores *chores, struct troubles *troubles)
{
    struct templates_file *f = mem_zalloc(sizeof *f);

    f->path = path;
    f->crew = crew;
    f->chores = chores;
    f->troubles = troubles;
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
    mem_free(f->loaded_drops);
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

/* Reads the counts of sockets; what is none is left out. */
static void load_drops(struct templates_file *f, const json_t *sockets)
{
    f->loaded_drops = mem_calloc(json_array_size(sockets) + 1, sizeof *f->loaded_drops);
    for (size_t i = 0; i < json_array_size(sockets); i++) {
        const json_t *socket = json_array_get(sockets, i);
        json_int_t cookie = json_integer_value(json_object_get(socket, "cookie")),
                   drops = json_integer_value(json_object_get(socket, "drops"));
        if (cookie > 0 && drops >= 0 && drops <= UINT32_MAX)
            f->loaded_drops[f->loaded_drops_count++] =
                (struct udp_drops){(uint64_t)cookie, (uint32_t)drops};
    }
}

bool templates_file_find_drops(const struct templates_file *f, uint64_t cookie, uint32_t *ret_drops)
{
    for (size_t i = 0; i < f->loaded_drops_count; i++)
        if (f->loaded_drops[i].cookie == cookie) {
            *ret_drops = f->loaded_drops[i].drops;
            return true;
        }
    return false;
}

/* Says how long nobody read, as far as the file knows: one that was killed may have gone on. */
static void say_loaded(const struct templates_file *f, const json_t *root, size_t count,
                       bool has_waited)
{
    int64_t saved_ns = json_integer_value(json_object_get(root, "saved_ns")),
            now_ns = clock_wall().ns;
    bool is_end = json_is_true(json_object_get(root, "is_end"));

    if (f->crew->replay.path || saved_ns <= 0 || saved_ns > now_ns)
        log_notice("templates file %s: %zu templates", f->path, count);
    else
        log_notice("templates file %s: %zu templates; the daemon was away for %s%" PRId64
                   " s%s; what was sent meanwhile %s",
                   f->path, count, is_end ? "" : "at most ", (now_ns - saved_ns) / NS_PER_S,
                   is_end ? "" : ", as it did not end by itself",
                   has_waited ? "has waited in the flow sockets" : "is lost");
}

void templates_file_load(struct templates_file *f, bool has_waited)
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
        load_drops(f, json_object_get(root, "sockets"));
        say_loaded(f, root, count, has_waited);
    } else {
        log_warning("templates file %s: %s; it is not used, and written anew", f->path,
                    text_cstr(&error));
    }
    json_decref(root);
    text_clear(&error);
}

static uint64_t drops_sum(const struct templates_file *f)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        sum += counter_get(&worker_counters(f->crew->workers[i])->overflow);
    return sum;
}

void templates_file_tick(struct templates_file *f)
{
    uint64_t now = template_generation(f);

    THREAD_ASSERT(main_thread);
    if (f->is_asked)
        return;
    if (f->is_written && now == f->saved_generation && drops_sum(f) == f->saved_drops &&
        ++f->idle_ticks < IDLE_TICKS)
        return;
    f->idle_ticks = 0;
    f->is_asked = f->is_written = true;
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

static void append_drops(const struct templates_file *f, struct text *out)
{
    const char *separator = "";

    text_append_string(out, "\"sockets\": [");
    for (uint32_t i = 0; i < f->crew->worker_count; i++) {
        if (f->drops[i].cookie == 0)
            continue;
        text_append_printf(out, "%s{\"cookie\": %" PRIu64 ", \"drops\": %u}", separator,
                           f->drops[i].cookie, f->drops[i].drops);
        separator = ", ";
    }
    text_append_string(out, "],\n");
}

static void write_file(void *arg)
{
    struct templates_file *f = arg;
    struct text content = {0};
    size_t count = 0;

    /* The version comes first, so that a reader can tell what follows. */
    text_append_printf(&content, "{\"version\": %d, \"saved_ns\": %" PRId64 ", \"is_end\": %s,\n",
                       FILE_VERSION, clock_wall().ns, f->is_end ? "true" : "false");
    append_drops(f, &content);
    text_append_string(&content, "\"exporters\": [");
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

    if (f->err < 0) {
        log_error("templates file %s: %s", f->path, named_file_error(f->err));
        trouble_say(f->troubles, TROUBLE_TEMPLATES_FILE,
                    "nfacctd_templates_file %s could not be written: %s; templates are lost with "
                    "the process, it is tried again when one changes",
                    f->path, named_file_error(f->err));
    } else {
        trouble_end(f->troubles, TROUBLE_TEMPLATES_FILE);
    }
    f->is_writing = f->is_asked = false;
}

static void write_answers(struct templates_file *f)
{
    f->is_writing = true;
    f->saved_drops = drops_sum(f);
    for (uint32_t i = 0; i < f->crew->worker_count; i++)
        f->drops[i] = worker_drops(f->crew->workers[i]);
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
    f->is_end = true;         /* written in any case: the next daemon is to know when this was */
    f->saved_generation = now;
    for (uint32_t i = 0; i < f->crew->worker_count; i++) {
        take_answer(f, i);
        f->answers[i] = worker_take_templates(f->crew->workers[i]);
        take_answer(f, i);
        f->answers[i] = worker_save_templates(f->crew->workers[i]);
    }
    write_answers(f);
}
