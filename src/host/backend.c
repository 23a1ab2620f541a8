/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loads a plugin and makes its calls; the host_ functions are what the plugin may call in turn
 * (struct pa_host). See backend.h. */
#include "host/backend.h"

#include "base/memory.h"
#include "base/row_number.h"
#include "base/text.h"
#include "handover/schema.h"
#include "host/call_thread.h"
#include "host/programs.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WATCHES_MAX  1024
#define COUNTERS_MAX 4096
#define TURN_MS      200 /* while a call lasts that another thread makes */

struct watched_fd {
    struct backend *backend;
    int fd;
    void (*fn)(void *state, int fd);
    void *state;
};

struct named_counter {
    char *name;
    uint64_t value, sent;
};

struct backend {
    struct pa_host host; /* the plugin holds it; `own` leads back here */
    const struct pa_plugin *plugin;
    const struct setup *setup;
    const struct pa_schema *schema;
    struct poller *poller;
    struct link *link;
    backend_beat_fn *beat;
    void *beat_arg;
    struct programs *programs;
    int raw_v4, raw_v6; /* -1: none */
    /* With `thread` the plugin tells where it is by these, which the main thread passes on. */
    struct call_thread *thread; /* NULL: the main thread makes the calls */
    backend_turn_fn *turn;
    void *turn_arg;
    _Atomic enum host_place place;
    _Atomic uint64_t beat_count;
    uint64_t told_count; /* of them */
    atomic_bool must_end;
    void *state;
    bool is_open;

    struct watched_fd *watches[WATCHES_MAX];
    size_t watch_count;
    pthread_mutex_t counter_lock;
    struct named_counter counters[COUNTERS_MAX];
    size_t counter_count;

    struct handover_outcome outcome;
    const struct pa_column *flows, *packets, *bytes; /* NULL: the schema has none */
    bool has_logged_reject;
};

int plugin_load(const char *dir, const char *name, struct text *error,
                const struct pa_plugin **ret_plugin)
{
    char path[4096];

    if (strchr(name, '/') != NULL || name[0] == '.' || name[0] == '\0') {
        text_append_printf(error, "\"%s\" is not the name of a plugin", name);
        return -EINVAL;
    }
    if ((size_t)snprintf(path, sizeof path, "%s/%s.so", dir, name) >= sizeof path) {
        text_append_string(error, "the path of the plugin is too long");
        return -EINVAL;
    }
    if (access(path, F_OK) < 0) {
        text_append_printf(error, "there is no plugin %s: %s does not exist", name, path);
        return -ENOENT;
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        /* NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread */
        text_append_printf(error, "cannot load the plugin: %s", dlerror());
        return -EINVAL;
    }
    const struct pa_plugin *plugin = dlsym(handle, "pa_plugin");
    if (plugin == NULL) {
        text_append_printf(error, "%s defines no pa_plugin", path);
        return -EINVAL;
    }
    if (plugin->abi != PA_PLUGIN_ABI) {
        text_append_printf(error,
                           "%s speaks version %u of the plugin interface, not %d: build it anew",
                           path, plugin->abi, PA_PLUGIN_ABI);
        return -EPROTONOSUPPORT;
    }
    if (plugin->name == NULL || strcmp(plugin->name, name) != 0 || plugin->keys == NULL ||
        plugin->open == NULL || plugin->write == NULL || plugin->commit == NULL ||
        plugin->close == NULL) {
        text_append_printf(error,
                           "%s is not the plugin %s, or lacks keys, open, write, commit or close",
                           path, name);
        return -EINVAL;
    }
    *ret_plugin = plugin;
    return 0;
}

/* ---- struct pa_host ---- */

static bool has_key(const struct pa_key *keys, const char *name)
{
    for (; keys != NULL && keys->name != NULL; keys++)
        if (strcmp(keys->name, name) == 0)
            return true;
    return false;
}

/*
 * A setting that no table has would read as unset, in silence and for ever. A plugin that asks for
 * one is wrong whatever its configuration, so it goes no further: a check answers with the reason,
 * otherwise the process dies as of any fault of the plugin.
 */
static _Noreturn void end_over_undeclared(const struct backend *b, const char *key)
{
    struct text why = {0};
    text_append_printf(&why,
                       "the plugin %s asks for the setting %s, which it does not declare: add it "
                       "to the plugin's keys or shared_keys",
                       b->plugin->name, key);
    if (b->setup->is_check)
        link_checked(b->link, text_cstr(&why));
    else
        link_log(b->link, PA_LOG_ERROR, "%s", text_cstr(&why));
    abort();
}

static const struct setup_setting *find_setting(const struct pa_host *host, const char *key)
{
    const struct backend *b = host->own;
    const struct setup *setup = b->setup;
    if (!has_key(b->plugin->keys, key) && !has_key(b->plugin->shared_keys, key))
        end_over_undeclared(b, key);
    for (uint32_t i = 0; i < setup->setting_count; i++)
        if (strcmp(setup->settings[i].key, key) == 0)
            return &setup->settings[i];
    return NULL;
}

static const char *host_setting(const struct pa_host *host, const char *key)
{
    const struct setup_setting *s = find_setting(host, key);
    return s != NULL ? s->value : NULL;
}

static int64_t host_setting_number(const struct pa_host *host, const char *key)
{
    const struct setup_setting *s = find_setting(host, key);
    return s != NULL ? s->number : 0;
}

static void host_log(const struct pa_host *host, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void host_log(const struct pa_host *host, int level, const char *format, ...)
{
    struct backend *b = host->own;
    va_list args;
    va_start(args, format);
    link_vlog(b->link, level < PA_LOG_ERROR || level > PA_LOG_DEBUG ? PA_LOG_INFO : level, format,
              args);
    va_end(args);
}

static void host_count(const struct pa_host *host, const char *name, uint64_t n)
{
    struct backend *b = host->own;
    size_t i = 0;
    pthread_mutex_lock(&b->counter_lock);
    while (i < b->counter_count && strcmp(b->counters[i].name, name) != 0)
        i++;
    if (i == b->counter_count && i < COUNTERS_MAX) {
        b->counters[i].name = mem_strdup(name);
        b->counter_count++;
    }
    if (i < COUNTERS_MAX)
        b->counters[i].value += n;
    pthread_mutex_unlock(&b->counter_lock);
}

/* Returns 0 if the schema has no such column. */
static uint64_t counter_of(const struct pa_column *c, const uint8_t *row)
{
    return c != NULL ? row_number_load(row + c->offset, c->width) : 0;
}

static void host_reject_row(const struct pa_host *host, const uint8_t *row, const char *why)
{
    struct backend *b = host->own;
    b->outcome.rejected_rows++;
    /* If the schema has no column of flows, all that is known of a row is that it had at least
     * one. */
    b->outcome.rejected.flows += b->flows != NULL ? counter_of(b->flows, row) : 1;
    b->outcome.rejected.packets += counter_of(b->packets, row);
    b->outcome.rejected.bytes += counter_of(b->bytes, row);
    if (!b->has_logged_reject)
        link_log(b->link, PA_LOG_ERROR,
                 "the backend refuses a row: %s; it is left out, further ones are only counted",
                 why);
    b->has_logged_reject = true;
}

static void watch_ready(void *arg, int fd, unsigned events)
{
    const struct watched_fd *w = arg;
    (void)events;
    w->fn(w->state, fd);
}

static int host_watch(const struct pa_host *host, int fd, void (*fn)(void *state, int fd),
                      void *state)
{
    struct backend *b = host->own;
    size_t i = 0;
    if (b->thread != NULL)
        return -EOPNOTSUPP;
    while (i < b->watch_count && b->watches[i]->fd != fd)
        i++;
    if (fn == NULL) {
        if (i == b->watch_count)
            return -ENOENT;
        poller_remove(b->poller, fd);
        mem_free(b->watches[i]);
        b->watches[i] = b->watches[--b->watch_count];
        return 0;
    }
    if (i < b->watch_count)
        return -EEXIST;
    if (i == WATCHES_MAX)
        return -ENOSPC;
    struct watched_fd *w = mem_zalloc(sizeof *w);
    *w = (struct watched_fd){.backend = b, .fd = fd, .fn = fn, .state = state};
    int err = poller_add(b->poller, fd, POLLER_READ, watch_ready, w);
    if (err < 0) {
        mem_free(w);
        return err;
    }
    b->watches[b->watch_count++] = w;
    return 0;
}

/* The beat of a thread reaches the core with the next turn. */
static int tell(struct backend *b)
{
    enum host_place place = atomic_load_explicit(&b->place, memory_order_relaxed);

    if (b->thread == NULL)
        return b->beat(b->beat_arg, place);
    atomic_fetch_add_explicit(&b->beat_count, 1, memory_order_relaxed);
    return atomic_load_explicit(&b->must_end, memory_order_relaxed) ? -ECANCELED : 0;
}

static int host_beat(const struct pa_host *host)
{
    return tell(host->own);
}

static void enter_place(struct backend *b, enum host_place place)
{
    atomic_store_explicit(&b->place, place, memory_order_relaxed);
    tell(b);
}

static void host_wait(const struct pa_host *host, enum pa_wait what)
{
    static const enum host_place places[] = {[PA_WAIT_OVER] = HOST_CALLS,
                                             [PA_WAIT_FILE] = HOST_WAITS_FOR_FILE,
                                             [PA_WAIT_READER] = HOST_WAITS_FOR_READER,
                                             [PA_WAIT_PROGRAM] = HOST_WAITS_FOR_PROGRAM};
    enter_place(host->own,
                (size_t)what < sizeof places / sizeof places[0] ? places[what] : HOST_CALLS);
}

static int host_start_program(const struct pa_host *host, const char *key, char *const *variables,
                              int *ret_pid)
{
    const struct backend *b = host->own;
    return b->programs != NULL ? programs_start(b->programs, key, variables, ret_pid) : -ENOENT;
}

static int host_raw_socket(const struct pa_host *host, int family)
{
    const struct backend *b = host->own;
    int fd = family == AF_INET ? b->raw_v4 : family == AF_INET6 ? b->raw_v6 : -1;
    return fd >= 0 ? fd : -ENOENT;
}

/* ---- */

struct backend *backend_new(const struct pa_plugin *plugin, const struct setup *setup,
                            const struct pa_schema *schema, struct poller *poller,
                            struct link *link, backend_beat_fn *beat, void *beat_arg)
{
    struct backend *b = mem_zalloc(sizeof *b);
    b->plugin = plugin;
    b->setup = setup;
    backend_set_schema(b, schema);
    b->poller = poller;
    b->link = link;
    b->beat = beat;
    b->beat_arg = beat_arg;
    pthread_mutex_init(&b->counter_lock, NULL);
    b->host = (struct pa_host){.own = b,
                               .instance_name = setup->instance_name,
                               .plugin_name = setup->plugin_name,
                               .daemon_name = setup->daemon_name,
                               .is_replay = setup->is_replay,
                               .is_tolerant = setup->is_tolerant,
                               .setting = host_setting,
                               .setting_number = host_setting_number,
                               .log = host_log,
                               .count = host_count,
                               .reject_row = host_reject_row,
                               .watch = host_watch,
                               .beat = host_beat,
                               .wait = host_wait,
                               .timeout_s = setup->timeout_s,
                               .start_program = host_start_program,
                               .raw_socket = host_raw_socket};
    b->raw_v4 = b->raw_v6 = -1;
    return b;
}

bool backend_is_ours(const struct backend *b, const char **ret_why_free)
{
    const char *(*const *why_free)(const struct pa_host *) = NULL;
    Dl_info place;
    void *handle = NULL;

    if (dladdr(b->plugin, &place) != 0)
        handle = dlopen(place.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    if (handle != NULL) {
        why_free = dlsym(handle, "pathacct_own_plugin"); /* it stays loaded */
        dlclose(handle);
    }
    *ret_why_free = why_free != NULL ? (*why_free)(&b->host) : NULL;
    return why_free != NULL;
}

void backend_set_programs(struct backend *b, struct programs *programs)
{
    b->programs = programs;
}

void backend_set_raw_sockets(struct backend *b, int v4, int v6)
{
    b->raw_v4 = v4;
    b->raw_v6 = v6;
}

void backend_set_schema(struct backend *b, const struct pa_schema *schema)
{
    b->schema = schema;
    b->flows = schema_find(schema, "flows");
    b->packets = schema_find(schema, "packets");
    b->bytes = schema_find(schema, "bytes");
}

const struct pa_schema *backend_schema(const struct backend *b)
{
    return b->schema;
}

void backend_use_thread(struct backend *b, struct call_thread *thread, backend_turn_fn *turn,
                        void *turn_arg)
{
    b->thread = thread;
    b->turn = turn;
    b->turn_arg = turn_arg;
}

bool backend_has_thread(const struct backend *b)
{
    return b->thread != NULL;
}

/* Passes on what the plugin's thread has told. True: there was something. */
static bool pass_on(struct backend *b)
{
    uint64_t count = atomic_load_explicit(&b->beat_count, memory_order_relaxed);
    enum host_place place = atomic_load_explicit(&b->place, memory_order_relaxed);

    if (count == b->told_count)
        return false;
    b->told_count = count;
    if (b->beat(b->beat_arg, place) == -ECANCELED)
        atomic_store_explicit(&b->must_end, true, memory_order_relaxed);
    return true;
}

int backend_run(struct backend *b, int (*fn)(void *arg), void *arg)
{
    bool has_lasted = false;
    int result;

    if (b->thread == NULL || call_thread_is_own(b->thread))
        return fn(arg);
    call_thread_begin(b->thread, fn, arg);
    while (!call_thread_await(b->thread, TURN_MS, &result)) {
        bool has_beaten = pass_on(b);
        b->turn(b->turn_arg, atomic_load_explicit(&b->place, memory_order_relaxed), has_beaten);
        has_lasted = true;
    }
    pass_on(b);
    if (has_lasted)
        b->turn(b->turn_arg, HOST_LOOPS, true);
    return result;
}

static int close_now(void *arg)
{
    struct backend *b = arg;

    enter_place(b, HOST_CALLS);
    b->plugin->close(b->state);
    enter_place(b, HOST_LOOPS);
    return 0;
}

void backend_close(struct backend *b)
{
    if (b->is_open)
        backend_run(b, close_now, b);
    b->is_open = false;
}

void backend_free(struct backend *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->watch_count; i++) {
        poller_remove(b->poller, b->watches[i]->fd);
        mem_free(b->watches[i]);
    }
    for (size_t i = 0; i < b->counter_count; i++)
        mem_free(b->counters[i].name);
    pthread_mutex_destroy(&b->counter_lock);
    mem_free(b);
}

int backend_check(struct backend *b, char *error, size_t error_size)
{
    error[0] = '\0';
    return b->plugin->check != NULL ? b->plugin->check(&b->host, b->schema, error, error_size) : 0;
}

/* Passes a function's result on: the thread is the host's own again. */
static int returned(struct backend *b, int result)
{
    enter_place(b, HOST_LOOPS);
    return result;
}

int backend_try_out(struct backend *b, char *error, size_t error_size)
{
    error[0] = '\0';
    if ((b->plugin->flags & PA_PLUGIN_TRIES_OUT) != 0 && b->plugin->try_out != NULL)
        return b->plugin->try_out(&b->host, b->schema, error, error_size);
    link_log(b->link, PA_LOG_NOTICE,
             "only its settings were checked: this plugin offers no trial of its output");
    return 0;
}

static int open_now(void *arg)
{
    struct backend *b = arg;

    enter_place(b, HOST_CALLS);
    int err = b->plugin->open(&b->host, b->schema, &b->state);
    if (err < 0) {
        b->plugin->close(b->state);
        b->state = NULL;
    }
    return returned(b, err);
}

int backend_open(struct backend *b)
{
    b->state = NULL;
    int err = backend_run(b, open_now, b);
    b->is_open = err >= 0;
    return err;
}

int backend_begin(struct backend *b, const struct pa_transaction *transaction)
{
    b->outcome = (struct handover_outcome){.fate = HANDOVER_WRITTEN};
    enter_place(b, HOST_CALLS);
    return returned(b, b->plugin->begin != NULL ? b->plugin->begin(b->state, transaction) : 0);
}

int backend_write(struct backend *b, const struct pa_batch *batch)
{
    enter_place(b, HOST_CALLS);
    return returned(b, b->plugin->write(b->state, batch));
}

int backend_commit(struct backend *b, const struct pa_transaction *transaction)
{
    enter_place(b, HOST_CALLS);
    return returned(b, b->plugin->commit(b->state, transaction));
}

void backend_abort(struct backend *b)
{
    enter_place(b, HOST_CALLS);
    if (b->plugin->abort != NULL)
        b->plugin->abort(b->state);
    enter_place(b, HOST_LOOPS);
}

static int reopen_now(void *arg)
{
    struct backend *b = arg;

    enter_place(b, HOST_CALLS);
    return returned(b, b->plugin->reopen(b->state));
}

void backend_reopen(struct backend *b)
{
    if (!b->is_open || b->plugin->reopen == NULL)
        return;
    int err = backend_run(b, reopen_now, b);
    if (err < 0)
        link_log(b->link, PA_LOG_ERROR, "cannot reopen: %s; the old one stays in use",
                 strerrordesc_np(-err));
}

const struct handover_outcome *backend_outcome(const struct backend *b)
{
    return &b->outcome;
}

void backend_send_counters(struct backend *b)
{
    pthread_mutex_lock(&b->counter_lock);
    for (size_t i = 0; i < b->counter_count; i++) {
        struct named_counter *c = &b->counters[i];
        if (c->value != c->sent)
            link_counter(b->link, c->name, c->value);
        c->sent = c->value;
    }
    pthread_mutex_unlock(&b->counter_lock);
}
