/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks at what lasts, and says how far it is. See progress.h. */
#include "daemon/progress.h"
#include "base/clock.h"
#include "base/grid.h"
#include "base/log.h"
#include "base/memory.h"
#include "bgp/bgp.h"
#include "bmp/bmp_tables.h"
#include "daemon/rib_wait.h"
#include "pipeline/worker.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* SAY_S: between two lines of the log. STALL_S: a spool that does not shrink for so long is not being
 * written. RATE_S: seconds that a rate is of. */
enum { SAY_S = 10, STALL_S = 30, RATE_S = 10, BAR_WIDTH = 20 };

const struct progress_description progress_descriptions[PROGRESS_COUNT] = {
#define PROGRESS(id, what, words, unit, amount_unit, help)                                         \
    [PROGRESS_##id] = {what, words, unit, amount_unit, help},
#include "daemon/progress.def"
#undef PROGRESS
};

struct sample {
    bool is_active;
    uint64_t done, total, amount;
};

struct progress_row {
    enum progress_id id;
    uint32_t instance; /* number; of rows that instances have */
    /* For all threads: */
    struct counter is_active, done, total, amount, per_second,
        seconds_left; /* left + 1; 0: unknown */
    /* The main thread's: */
    int64_t since_ns, said_ns;
    uint64_t past[RATE_S]; /* what the rate is of, at the last seconds */
    int64_t past_ns[RATE_S];
    uint32_t ticks;
    uint64_t spool_bytes, spool_written; /* as of the last second; since it began */
    int64_t spool_moved_ns;
};

struct progress {
    struct statistics_sources sources;
    bool has_bar, is_shown;
    uint64_t templates_size; /* of the file that is being read; 0: none is */
    uint64_t capture_size;
    uint32_t row_count;
    struct progress_row rows[];
};

struct progress *progress_new(const struct statistics_sources *sources, bool has_bar)
{
    uint32_t row_count = PROGRESS_COUNT - 1 + sources->instance_count;
    struct progress *p = mem_zalloc(sizeof *p + row_count * sizeof p->rows[0]);
    const char *path = sources->crew->replay.path;
    struct stat status;

    p->sources = *sources;
    p->has_bar = has_bar;
    if (path && stat(path, &status) == 0 && S_ISREG(status.st_mode))
        p->capture_size = (uint64_t)status.st_size;
    for (int id = 0; id < PROGRESS_COUNT; id++) {
        uint32_t count = id == PROGRESS_SPOOL ? sources->instance_count : 1;
        for (uint32_t i = 0; i < count; i++) {
            p->rows[p->row_count].id = (enum progress_id)id;
            p->rows[p->row_count++].instance = i;
        }
    }
    return p;
}

void progress_free(struct progress *p)
{
    mem_free(p);
}

/* ---- looking ---- */

static bool has_session(const struct bgp_peers *peers, const struct ip_addr *address)
{
    for (uint32_t i = 0; i < peers->count; i++)
        if (peers->peers[i].state == BGP_PEER_ESTABLISHED &&
            ip_addr_equal(&peers->peers[i].address, address))
            return true;
    return false;
}

/* A peer that is down counts only while flows wait for the tables: else it may be away for days. */
static struct sample look_at_routes(struct progress *p) ON_THREAD(main_thread)
{
    const struct crew *crew = p->sources.crew;
    struct rib_statistics rib;
    struct sample s = {0};

    if (!crew->bgp)
        return s;
    rcu_online(p->sources.reader);
    bool is_holding = atomic_load_explicit(&crew->is_holding, memory_order_relaxed);
    const struct bgp_peers *peers = bgp_peers(crew->bgp);
    for (uint32_t i = 0; peers && i < peers->count; i++) {
        if (peers->peers[i].state != BGP_PEER_ESTABLISHED)
            continue;
        s.total++;
        s.done += rib_wait_is_loaded(&peers->peers[i]);
    }
    for (size_t i = 0; is_holding && peers && i < peers->expected_count; i++)
        s.total += !has_session(peers, &peers->expected[i]);
    const struct bmp_views *views = crew->bmp ? bmp_tables_views(crew->bmp) : NULL;
    for (uint32_t i = 0; views && i < views->count; i++) {
        s.total += views->routers[i]->is_connected;
        s.done += rib_wait_is_router_loaded(views->routers[i]);
    }
    rib_statistics(bgp_rib(crew->bgp), &rib);
    rcu_offline(p->sources.reader);
    s.amount = rib.paths;
    s.is_active = is_holding || s.done < s.total;
    return s;
}

static struct sample look_at_capture(struct progress *p) ON_THREAD(main_thread)
{
    const struct crew *crew = p->sources.crew;
    struct sample s = {.total = p->capture_size * (uint64_t)crew->replay.rounds};

    if (!crew->replay.path)
        return s;
    s.is_active = !worker_is_at_end(crew->workers[0]) &&
                  !atomic_load_explicit(&crew->is_stopping, memory_order_relaxed);
    s.done = counter_get(&worker_counters(crew->workers[0])->replayed);
    return s;
}

/* Counts what came to the spool meanwhile as more to do. Files that stay, since the backend does not
 * take them, do not keep it going. */
static struct sample look_at_spool(struct progress *p, struct progress_row *row)
    ON_THREAD(main_thread)
{
    int64_t now_ns = clock_mono().ns;
    struct supervisor_status status;

    supervisor_status(p->sources.supervisor, row->instance, &status);
    if (status.spooled_bytes < row->spool_bytes) {
        row->spool_written += row->spool_bytes - status.spooled_bytes;
        row->spool_moved_ns = now_ns;
    }
    row->spool_bytes = status.spooled_bytes;
    bool is_active = status.spooled_count > 0 && status.is_open && !status.is_failing &&
                     row->spool_moved_ns > 0 && now_ns - row->spool_moved_ns < STALL_S * NS_PER_S;
    struct sample s = {is_active, row->spool_written, row->spool_written + row->spool_bytes, 0};
    if (!is_active)
        row->spool_written = 0;
    return s;
}

static struct sample sample_row(struct progress *p, struct progress_row *row) ON_THREAD(main_thread)
{
    switch (row->id) {
    case PROGRESS_ROUTES:
        return look_at_routes(p);
    case PROGRESS_CAPTURE:
        return look_at_capture(p);
    case PROGRESS_SPOOL:
        return look_at_spool(p, row);
    default: /* read by this thread, in one piece */
        return (struct sample){.is_active = p->templates_size > 0, .total = p->templates_size};
    }
}

static void note(struct progress_row *row, const struct sample *s)
{
    bool has_amount = progress_descriptions[row->id].amount_unit != NULL, has_left = false;
    uint64_t value = has_amount ? s->amount : s->done, rate = 0, left = 0;
    uint32_t oldest = row->ticks < RATE_S ? 0 : row->ticks % RATE_S;
    int64_t now_ns = clock_mono().ns;

    if (s->is_active && counter_get(&row->is_active) == 0) {
        row->since_ns = row->said_ns = now_ns;
        row->ticks = 0;
    } else if (s->is_active && value >= row->past[oldest] && now_ns > row->past_ns[oldest]) {
        double seconds = (double)(now_ns - row->past_ns[oldest]) / (double)NS_PER_S;
        rate = (uint64_t)((double)(value - row->past[oldest]) / seconds);
    }
    row->past[row->ticks % RATE_S] = value;
    row->past_ns[row->ticks % RATE_S] = now_ns;
    row->ticks++;
    if (!has_amount && rate > 0 && s->total > s->done) {
        left = (s->total - s->done) / rate;
        has_left = true;
    }
    counter_set(&row->done, s->done);
    counter_set(&row->total, s->total);
    counter_set(&row->amount, s->amount);
    counter_set(&row->per_second, rate);
    counter_set(&row->seconds_left, has_left ? left + 1 : 0);
    counter_set(&row->is_active, s->is_active);
}

/* ---- for all threads ---- */

uint32_t progress_count(const struct progress *p)
{
    return p->row_count;
}

struct progress_view progress_at(const struct progress *p, uint32_t index)
{
    const struct progress_row *row = &p->rows[index];

    return (struct progress_view){
        .id = row->id,
        .instance =
            row->id == PROGRESS_SPOOL ? p->sources.instances[row->instance]->identity->name : NULL,
        .is_active = counter_get(&row->is_active) != 0,
        .done = counter_get(&row->done),
        .total = counter_get(&row->total),
        .amount = counter_get(&row->amount),
        .per_second = counter_get(&row->per_second),
        .seconds_left = (int64_t)counter_get(&row->seconds_left) - 1,
    };
}

double progress_ratio(const struct progress_view *view)
{
    if (!view->is_active)
        return 1;
    if (view->total == 0)
        return 0;
    return view->done < view->total ? (double)view->done / (double)view->total : 1;
}

/* Appends "1.20M paths", or "1.20MB". */
static void append_amount(struct text *out, uint64_t number, const char *unit)
{
    char digits[16];

    units_format(number, digits, sizeof digits);
    text_append_printf(out, "%s%s%s", digits, strcmp(unit, "B") == 0 ? "" : " ", unit);
}

void progress_append(const struct progress_view *view, struct text *out)
{
    const struct progress_description *d = &progress_descriptions[view->id];
    char digits[16];

    text_append_string(out, d->words);
    if (view->instance)
        text_append_printf(out, " %s", view->instance);
    text_append_string(out, ": ");
    if (view->total > 0) {
        units_format(view->done, digits, sizeof digits);
        text_append_printf(out, "%s%s of ", digits, strcmp(d->unit, "B") == 0 ? "B" : "");
    }
    append_amount(out, view->total > 0 ? view->total : view->done, d->unit);
    if (d->amount_unit) {
        text_append_string(out, ", ");
        append_amount(out, view->amount, d->amount_unit);
    }
    if (view->per_second > 0) {
        text_append_string(out, ", ");
        append_amount(out, view->per_second, d->amount_unit ? d->amount_unit : d->unit);
        text_append_string(out, "/s");
    }
    if (view->seconds_left >= 0)
        text_append_printf(out, ", %" PRId64 " s left", view->seconds_left);
}

/* ---- telling ---- */

static void append_bar(const struct progress_view *view, struct text *out)
{
    int full = (int)(progress_ratio(view) * BAR_WIDTH);

    if (out->len > 0)
        text_append_string(out, "  ");
    if (view->total > 0) {
        text_append_char(out, '[');
        for (int i = 0; i < BAR_WIDTH; i++)
            text_append_char(out, i < full ? '#' : '.');
        text_append_string(out, "] ");
    }
    progress_append(view, out);
}

/* Says each SAY_S how far it is; at the end only of what had been told before. */
static void say(struct progress_row *row, const struct progress_view *view)
{
    int64_t now_ns = clock_mono().ns;
    struct text line = {0};

    if (view->is_active ? now_ns - row->said_ns < SAY_S * NS_PER_S
                        : row->said_ns <= row->since_ns) {
        if (!view->is_active)
            row->since_ns = row->said_ns = 0;
        return;
    }
    progress_append(view, &line);
    if (view->is_active)
        log_notice("%s", text_cstr(&line));
    else
        log_notice("%s; ended after %" PRId64 " s", text_cstr(&line),
                   (now_ns - row->since_ns) / NS_PER_S);
    row->said_ns = view->is_active ? now_ns : 0;
    if (!view->is_active)
        row->since_ns = 0;
    text_clear(&line);
}

static void show(struct progress *p, struct text *bar)
{
    if (!p->has_bar || (bar->len == 0 && !p->is_shown))
        return;
    log_show(text_cstr(bar));
    p->is_shown = bar->len > 0;
}

static void tell(struct progress *p, struct text *status) ON_THREAD(main_thread)
{
    struct text bar = {0};

    for (uint32_t i = 0; i < p->row_count; i++) {
        struct progress_view view = progress_at(p, i);
        say(&p->rows[i], &view);
        if (!view.is_active)
            continue;
        append_bar(&view, &bar);
        if (status->len > 0)
            text_append_string(status, "; ");
        progress_append(&view, status);
    }
    show(p, &bar);
    text_clear(&bar);
}

void progress_tick(struct progress *p, struct text *status)
{
    THREAD_ASSERT(main_thread);
    for (uint32_t i = 0; i < p->row_count; i++) {
        struct sample s = sample_row(p, &p->rows[i]);
        note(&p->rows[i], &s);
    }
    tell(p, status);
}

void progress_templates(struct progress *p, const char *path, bool is_read)
{
    struct text status = {0};
    struct stat file;

    THREAD_ASSERT(main_thread);
    p->templates_size =
        !is_read && stat(path, &file) == 0 && file.st_size > 0 ? (uint64_t)file.st_size : 0;
    for (uint32_t i = 0; i < p->row_count; i++) {
        struct progress_row *row = &p->rows[i];
        if (row->id != PROGRESS_TEMPLATES)
            continue;
        struct sample s = sample_row(p, row);
        note(row, &s);
    }
    tell(p, &status);
    text_clear(&status);
}

void progress_end(struct progress *p)
{
    struct text none = {0};

    THREAD_ASSERT(main_thread);
    show(p, &none);
    text_clear(&none);
}
