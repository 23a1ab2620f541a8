/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers on the control thread; only what stands in struct control_use crosses to it. */
#include "daemon/control_use.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/rcu.h"
#include "control/exposition.h"
#include "daemon/api.h"
#include "daemon/birdwatcher.h"
#include "daemon/facts.h"
#include "daemon/faults.h"
#include "daemon/health.h"
#include "daemon/lock_folder.h"
#include "daemon/metrics.h"
#include "daemon/traffic.h"
#include "flow/description.h"
#include "pipeline/worker.h"
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

enum { TABLES_KEPT_S = 10 };

struct control_use {
    struct control *control;
    struct control_use_settings settings;
    struct rcu_queue *retired; /* the main thread's: facts */
    struct facts *_Atomic facts;
    struct counter main_beats;
    _Atomic bool is_asked[CONTROL_NEED_COUNT];
    const struct description *_Atomic descriptions[WORKERS_MAX]; /* the main thread publishes */
    bool awaits[WORKERS_MAX]; /* the main thread's: it has asked, and no answer came yet */
    unsigned awaited, idle_s; /* how many; seconds since somebody asked */
    /* The control thread's: */
    struct statistics_sources sources;
    struct rcu_reader *reader;
    struct health health;
    struct faults faults;
    struct metrics *metrics;
    struct api api;
    char *configuration;
    struct birdwatcher *birdwatcher;
    struct traffic *traffic; /* NULL: control_traffic is unset */
    struct control_resource *pages;
};

/* ---- pages ---- */

/* Returns a copy, as pages rest while they walk; NULL: none came yet. */
static struct facts *facts_take(const struct control_use *use)
{
    const struct facts *facts = rcu_read(&use->facts);
    struct facts *copy = NULL;

    if (facts) {
        size_t size = sizeof *facts + facts->plugin_count * sizeof facts->plugins[0];
        copy = mem_alloc(size);
        memcpy(copy, facts, size);
    }
    return copy;
}

/* 200 and `good`, or 503 and the reasons. */
static void answer_state(struct control_answer *answer, bool is_so, const char *good)
{
    if (is_so)
        text_append_string(&answer->body, good);
    else
        answer->status = 503;
}

static void page_healthz(void *arg, const struct control_request *request,
                         struct control_answer *answer) ON_THREAD(control_thread)
{
    struct control_use *use = arg;

    THREAD_ASSERT(control_thread);
    (void)request;
    answer_state(answer, health_is_well(&use->health, &use->sources, &answer->body), "well\n");
}

static void page_readyz(void *arg, const struct control_request *request,
                        struct control_answer *answer) ON_THREAD(control_thread)
{
    struct control_use *use = arg;
    struct facts *facts = facts_take(use);

    THREAD_ASSERT(control_thread);
    (void)request;
    answer_state(answer, health_is_ready(&use->sources, facts, &answer->body), "ready\n");
    mem_free(facts);
}

static void page_metrics(void *arg, const struct control_request *request,
                         struct control_answer *answer) ON_THREAD(control_thread)
{
    struct control_use *use = arg;
    bool is_openmetrics = exposition_wants_openmetrics(request->accept);
    struct facts *facts = facts_take(use);

    THREAD_ASSERT(control_thread);
    answer->type = exposition_mime(is_openmetrics);
    metrics_write(use->metrics, &use->sources, facts, is_openmetrics, &answer->body);
    mem_free(facts);
}

static void answer_api(struct control_use *use, enum api_page page,
                       const struct control_request *request, struct control_answer *answer)
    ON_THREAD(control_thread)
{
    struct facts *facts = facts_take(use);

    api_answer(&use->api, page, facts, request, answer);
    mem_free(facts);
}

#define API_ROUTE(name, need, help)                                                                \
    static void page_api_##name(void *arg, const struct control_request *request,                  \
                                struct control_answer *answer) ON_THREAD(control_thread)           \
    {                                                                                              \
        THREAD_ASSERT(control_thread);                                                             \
        answer_api(arg, API_##name, request, answer);                                              \
    }
#include "daemon/api_routes.def"

static void page_openapi(void *arg, const struct control_request *request,
                         struct control_answer *answer)
{
    (void)arg;
    (void)request;
    api_answer_openapi(answer);
}

static void page_birdwatcher(void *arg, const struct control_request *request,
                             struct control_answer *answer) ON_THREAD(control_thread)
{
    struct control_use *use = arg;

    THREAD_ASSERT(control_thread);
    birdwatcher_answer(use->birdwatcher, request, answer);
}

static const struct control_resource pages[] = {
    {"/healthz", "200 while every thread moves, else 503 and which does not", page_healthz,
     CONTROL_NOTHING},
    {"/readyz", "200 while flows can go all the way, else 503 and what is missing", page_readyz,
     CONTROL_FACTS},
    {"/metrics", "everything that is counted, for Prometheus", page_metrics, CONTROL_FACTS},
    {"/api/v1/openapi.json", "what the pages of the API answer, as OpenAPI", page_openapi,
     CONTROL_NOTHING},
#define API_ROUTE(name, need, help) {"/api/v1/" #name, help, page_api_##name, CONTROL_##need},
#include "daemon/api_routes.def"
    {"/status", "the daemon as birdwatcher tells it, for Alice-LG", page_birdwatcher,
     CONTROL_NOTHING},
    {"/protocols", "the same: BGP sessions, by rank of path", page_birdwatcher, CONTROL_NOTHING},
    {"/protocols/bgp", "the same", page_birdwatcher, CONTROL_NOTHING},
    {"/protocols/short", "the same, without counts", page_birdwatcher, CONTROL_NOTHING},
    {"/routes/*", "the same: protocol/ID, filtered/ID, noexport/ID, table/master, prefix?prefix=",
     page_birdwatcher, CONTROL_NOTHING},
    {0},
};

/* Returns a copy, in which no page waits for traffic of which there is none. */
static struct control_resource *pages_new(bool has_traffic)
{
    struct control_resource *copy = mem_dup(pages, sizeof pages);

    for (size_t i = 0; copy[i].path; i++)
        if (copy[i].need == CONTROL_TRAFFIC && !has_traffic)
            copy[i].need = CONTROL_NOTHING;
    return copy;
}

/* ---- the control thread ---- */

static void on_ask(void *arg, enum control_need need)
{
    struct control_use *use = arg;

    if (need == CONTROL_TRAFFIC) {
        traffic_ask(use->traffic);
        return;
    }
    atomic_store_explicit(&use->is_asked[need], true, memory_order_release);
    poller_event_wake(use->settings.main_event);
}

static void on_tick(void *arg) ON_THREAD(control_thread)
{
    struct control_use *use = arg;

    THREAD_ASSERT(control_thread);
    health_look(&use->health, &use->sources, counter_get(&use->main_beats));
    api_tick(&use->api);
    faults_tick(&use->faults);
}

static void on_enter(void *arg)
{
    struct control_use *use = arg;

    rcu_online(use->reader);
}

static void on_rest(void *arg, bool is_at_rest)
{
    struct control_use *use = arg;

    if (is_at_rest)
        rcu_offline(use->reader);
    else
        rcu_online(use->reader);
}

static void on_leave(void *arg)
{
    struct control_use *use = arg;

    rcu_offline(use->reader);
}

/* Comes from the thread of traffic. */
static void on_traffic(void *arg)
{
    struct control_use *use = arg;

    control_has(use->control, CONTROL_TRAFFIC);
}

/* ---- the main thread ---- */

/* Returns the path of the socket, to be freed; NULL: none is to be. */
static char *socket_path(const struct control_use_settings *s)
{
    const char *path = s->control->socket;

    if (!path)
        return lock_folder_control_path(s->daemon_name, s->identity);
    path = control_socket_of(s->control);
    return path ? mem_strdup(path) : NULL;
}

int control_use_start(const struct control_use_settings *settings, struct text *error,
                      struct control_use **ret_use)
{
    struct control_use *use = mem_zalloc(sizeof *use);
    use->pages = pages_new(settings->traffic_path != NULL);
    const struct control_host host = {.resources = use->pages,
                                      .arg = use,
                                      .ask = on_ask,
                                      .tick = on_tick,
                                      .enter = on_enter,
                                      .rest = on_rest,
                                      .leave = on_leave};
    char *path = socket_path(settings);
    int err;

    THREAD_ASSERT(main_thread);
    use->settings = *settings;
    use->sources = settings->sources;
    use->sources.supervisor = NULL;
    use->metrics = metrics_new(settings->metrics_exporters_max);
    use->configuration = api_configuration_text(settings->config);
    use->api.sources = &use->sources;
    faults_init(&use->faults, &use->sources);
    use->api.health = &use->health;
    use->api.faults = &use->faults;
    use->api.configuration = use->configuration;
    use->api.descriptions = use->descriptions;
    use->birdwatcher = birdwatcher_new(&use->sources);
    use->retired = rcu_queue_new(settings->rcu);
    err = rcu_reader_register(settings->rcu, &use->reader);
    use->sources.reader = use->reader;
    if (err == 0 && (path || settings->control->http_listen))
        err = control_new(settings->control, path, &host, error, &use->control);
    if (err == 0 && use->control && settings->traffic_path) {
        use->traffic = traffic_new(settings->traffic_path, settings->rcu, on_traffic, use);
        use->api.traffic = use->traffic;
        use->api.traffic_instance = settings->control->traffic;
        err = traffic_start(use->traffic);
    }
    if (err == 0 && use->control)
        err = control_start(use->control);
    mem_free(path);
    if (err < 0) {
        control_use_end(use);
        return err;
    }
    *ret_use = use;
    return 0;
}

static bool take_question(struct control_use *use, enum control_need need)
{
    return atomic_exchange_explicit(&use->is_asked[need], false, memory_order_acquire);
}

static void publish_facts(struct control_use *use) ON_THREAD(main_thread)
{
    struct facts *old = atomic_load_explicit(&use->facts, memory_order_relaxed);

    rcu_publish(&use->facts,
                facts_collect(use->settings.sources.supervisor,
                              use->settings.sources.instance_count, use->settings.troubles));
    if (old)
        rcu_retire(use->retired, mem_free, old);
    control_has(use->control, CONTROL_FACTS);
}

static void description_retired(void *description)
{
    description_free(description);
}

static void publish_description(struct control_use *use, uint32_t worker,
                                const struct description *description)
{
    const struct description *old =
        atomic_load_explicit(&use->descriptions[worker], memory_order_relaxed);

    rcu_publish(&use->descriptions[worker], description);
    if (old)
        rcu_retire(use->retired, description_retired, (void *)(uintptr_t)old);
}

/* Asks the workers for their tables if somebody wants them, and publishes those that have come. */
static void pass_tables(struct control_use *use) ON_THREAD(main_thread)
{
    const struct crew *crew = use->settings.sources.crew;

    if (take_question(use, CONTROL_TABLES) && use->awaited == 0) {
        use->idle_s = 0;
        for (uint32_t i = 0; i < crew->worker_count; i++) {
            use->awaits[i] = worker_ask_description(crew->workers[i]);
            use->awaited += use->awaits[i];
        }
        if (use->awaited == 0) /* the decoder has none */
            control_has(use->control, CONTROL_TABLES);
    }
    for (uint32_t i = 0; use->awaited > 0 && i < crew->worker_count; i++) {
        struct description *description =
            use->awaits[i] ? worker_take_description(crew->workers[i]) : NULL;
        if (!description)
            continue;
        publish_description(use, i, description);
        use->awaits[i] = false;
        if (--use->awaited == 0)
            control_has(use->control, CONTROL_TABLES);
    }
}

void control_use_publish(struct control_use *use)
{
    THREAD_ASSERT(main_thread);
    if (!use || !use->control)
        return;
    if (take_question(use, CONTROL_FACTS))
        publish_facts(use);
    pass_tables(use);
}

void control_use_tick(struct control_use *use)
{
    THREAD_ASSERT(main_thread);
    if (!use)
        return;
    counter_add(&use->main_beats, 1);
    if (++use->idle_s == TABLES_KEPT_S) /* nobody asks any more */
        for (uint32_t i = 0; i < use->settings.sources.crew->worker_count; i++)
            publish_description(use, i, NULL);
    rcu_queue_poll(use->retired);
}

void control_use_end(struct control_use *use)
{
    if (!use)
        return;
    traffic_stop(use->traffic);
    control_free(use->control);
    if (use->reader)
        rcu_reader_unregister(use->reader);
    traffic_free(use->traffic);
    mem_free(use->pages);
    rcu_queue_free(use->retired);
    mem_free(atomic_load_explicit(&use->facts, memory_order_relaxed));
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        description_retired(
            (void *)(uintptr_t)atomic_load_explicit(&use->descriptions[i], memory_order_relaxed));
    metrics_free(use->metrics);
    api_clear(&use->api);
    faults_clear(&use->faults);
    birdwatcher_free(use->birdwatcher);
    mem_free(use->configuration);
    mem_free(use);
}
