/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares what a memory table has counted with what it had one to two minutes ago. See traffic.h. */
#include "daemon/traffic.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "plugins/memory/query.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NOTE_S = 60, SILENCE_MS = 2000 };

/* Holds what the table had counted at an instant, sorted. */
struct counted {
    int64_t at_ns;    /* wall clock; 0: nothing was counted */
    int64_t begun_ns; /* the table counts since then */
    bool is_whole;
    size_t count, capacity;
    struct traffic_row *rows;
};

struct traffic {
    char *path;
    struct thread thread;
    struct rcu_queue *retired;
    void (*has_news)(void *arg);
    void *arg;
    struct traffic_table *_Atomic table;
    pthread_mutex_t lock;
    pthread_cond_t asked;
    bool is_asked, is_ending; /* under the lock */
    /* The thread's alone: */
    struct counted older, newer; /* notes, NOTE_S apart */
    int64_t noted_ns, came_ns;   /* of clock_mono() */
};

/* ---- rows ---- */

static int compare_addresses(const struct ip_addr *a, const struct ip_addr *b)
{
    int by_family = (a->family > b->family) - (a->family < b->family);

    return by_family ? by_family : memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static int compare_networks(const struct ip_prefix *a, const struct ip_prefix *b)
{
    int by_address = compare_addresses(&a->addr, &b->addr);

    return by_address ? by_address : (a->len > b->len) - (a->len < b->len);
}

static int compare_rows(const void *a, const void *b)
{
    const struct traffic_row *x = a, *y = b;
    int order = compare_networks(&x->network, &y->network);

    if (order == 0)
        order = compare_addresses(&x->exporter, &y->exporter);
    return order ? order : compare_addresses(&x->next_hop, &y->next_hop);
}

/* Sorts rows and makes one of those that agree. */
static void sort_rows(struct counted *c)
{
    size_t count = 0;

    if (c->count > 0)
        qsort(c->rows, c->count, sizeof c->rows[0], compare_rows);
    for (size_t i = 0; i < c->count; i++) {
        if (count > 0 && compare_rows(&c->rows[count - 1], &c->rows[i]) == 0)
            c->rows[count - 1].bytes += c->rows[i].bytes;
        else
            c->rows[count++] = c->rows[i];
    }
    c->count = count;
}

/* ---- the question ---- */

struct taking {
    const struct pa_column *network, *mask, *exporter, *next_hop, *bytes;
    uint32_t row_size;
    struct counted *counted;
};

static struct ip_addr address_at(const uint8_t *row, const struct pa_column *column)
{
    struct ip_addr address;

    memcpy(address.bytes, row + column->offset, sizeof address.bytes);
    address.family = row[column->offset + sizeof address.bytes];
    return address;
}

static void take_row(struct taking *t, const uint8_t *row)
{
    struct counted *c = t->counted;

    if (c->count == TRAFFIC_ROWS_MAX) {
        c->is_whole = false;
        return;
    }
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 256;
        c->rows = mem_realloc_array(c->rows, c->capacity, sizeof c->rows[0]);
    }
    struct traffic_row *r = &c->rows[c->count++];
    memset(r, 0, sizeof *r);
    r->network.addr = address_at(row, t->network);
    r->network.len = row[t->mask->offset];
    r->exporter = address_at(row, t->exporter);
    r->next_hop = address_at(row, t->next_hop);
    r->bytes = query_number(t->bytes, row);
}

static void take_batch(void *arg, const struct pa_batch *batch)
{
    struct taking *t = arg;
    for (uint32_t i = 0; i < batch->row_count; i++)
        take_row(t, batch->rows + (size_t)i * t->row_size);
}

static const struct pa_column *find_column(const struct query *query, const char *name,
                                           enum pa_kind kind, struct text *error)
{
    const struct pa_column *column = query_column(query, name);

    if (column && column->kind == kind)
        return column;
    text_append_printf(error, "its rows have no %s", name);
    return NULL;
}

static int ask_table(const struct traffic *t, struct counted *counted, struct text *error)
{
    struct query *query;
    struct query_status status = {0};
    int err = query_open_within(t->path, SILENCE_MS, error, &query);

    if (err < 0)
        return err;
    struct taking taking = {.network = find_column(query, "dst_net", PA_KIND_ADDR, error),
                            .mask = find_column(query, "dst_mask", PA_KIND_U8, error),
                            .exporter = find_column(query, "peer_src_ip", PA_KIND_ADDR, error),
                            .next_hop = find_column(query, "peer_dst_ip", PA_KIND_ADDR, error),
                            .bytes = find_column(query, "bytes", PA_KIND_U64, error),
                            .row_size = query_schema(query)->row_size,
                            .counted = counted};
    if (error->len > 0)
        err = -EINVAL;
    counted->is_whole = true;
    if (err == 0)
        err = query_rows(query, NULL, false, take_batch, &taking, &status, error);
    query_close(query);
    if (err < 0)
        return err;
    counted->at_ns = status.now_ns;
    counted->begun_ns = status.erased_ns > status.started_ns ? status.erased_ns : status.started_ns;
    sort_rows(counted);
    return 0;
}

/* ---- what is published ---- */

static void publish(struct traffic *t, struct traffic_table *table)
{
    struct traffic_table *old = atomic_load_explicit(&t->table, memory_order_relaxed);

    rcu_publish(&t->table, table);
    if (old)
        rcu_retire(t->retired, mem_free, old);
    rcu_queue_poll(t->retired);
}

static struct traffic_table *table_new(size_t count)
{
    return mem_zalloc(sizeof(struct traffic_table) + count * sizeof(struct traffic_row));
}

static void publish_failure(struct traffic *t, struct text *error)
{
    const struct traffic_table *old = atomic_load_explicit(&t->table, memory_order_relaxed);
    size_t count = old ? old->count : 0;
    struct traffic_table *table = table_new(count);

    if (old)
        memcpy(table, old, sizeof *table + count * sizeof table->rows[0]);
    snprintf(table->error, sizeof table->error, "%s", text_cstr(error));
    publish(t, table);
}

/* Publishes what came since the older note; since the table began, if that is younger. */
static void publish_growth(struct traffic *t, const struct counted *now)
{
    struct traffic_table *table = table_new(now->count);
    const struct counted *before = &t->older;
    bool has_before = before->at_ns != 0 && before->begun_ns == now->begun_ns;

    table->from_ns = has_before ? before->at_ns : now->begun_ns;
    table->until_ns = now->at_ns;
    table->is_whole = now->is_whole;
    for (size_t i = 0, k = 0; i < now->count; i++) {
        struct traffic_row row = now->rows[i];
        while (has_before && k < before->count && compare_rows(&before->rows[k], &row) < 0)
            k++;
        /* A row that is lower than it was has been reset. */
        if (has_before && k < before->count && compare_rows(&before->rows[k], &row) == 0 &&
            before->rows[k].bytes <= row.bytes)
            row.bytes -= before->rows[k].bytes;
        if (row.bytes > 0)
            table->rows[table->count++] = row;
    }
    publish(t, table);
}

static void note(struct traffic *t, struct counted *now)
{
    mem_free(t->older.rows);
    t->older = t->newer;
    t->newer = *now;
    *now = (struct counted){0};
    t->noted_ns = clock_mono().ns;
}

static void traffic_look(struct traffic *t)
{
    struct counted now = {0};
    struct text error = {0};

    if (ask_table(t, &now, &error) < 0) {
        publish_failure(t, &error);
    } else {
        publish_growth(t, &now);
        t->came_ns = clock_mono().ns;
        if (t->noted_ns == 0 || t->came_ns - t->noted_ns >= NOTE_S * NS_PER_S)
            note(t, &now);
    }
    mem_free(now.rows);
    text_clear(&error);
}

/* ---- the thread ---- */

/* Waits until somebody asks or it is time for a note. False: the end. */
static bool wait_for_question(struct traffic *t)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += NOTE_S;
    pthread_mutex_lock(&t->lock);
    while (!t->is_asked && !t->is_ending)
        if (pthread_cond_timedwait(&t->asked, &t->lock, &end) == ETIMEDOUT)
            break;
    t->is_asked = false;
    bool goes_on = !t->is_ending;
    pthread_mutex_unlock(&t->lock);
    return goes_on;
}

static void traffic_main(void *arg)
{
    struct traffic *t = arg;

    while (wait_for_question(t)) {
        int64_t now_ns = clock_mono().ns;
        if (t->came_ns == 0 || now_ns - t->came_ns >= TRAFFIC_AGE_S * NS_PER_S)
            traffic_look(t);
        t->has_news(t->arg);
    }
}

struct traffic *traffic_new(const char *path, struct rcu *rcu, void (*has_news)(void *arg),
                            void *arg)
{
    struct traffic *t = mem_zalloc(sizeof *t);
    pthread_condattr_t attr;

    t->path = mem_strdup(path);
    t->retired = rcu_queue_new(rcu);
    t->has_news = has_news;
    t->arg = arg;
    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&t->asked, &attr);
    pthread_condattr_destroy(&attr);
    return t;
}

int traffic_start(struct traffic *t)
{
    return thread_start(&t->thread, "traffic", traffic_main, t);
}

void traffic_ask(struct traffic *t)
{
    pthread_mutex_lock(&t->lock);
    t->is_asked = true;
    pthread_cond_signal(&t->asked);
    pthread_mutex_unlock(&t->lock);
}

const struct traffic_table *traffic_table(const struct traffic *t)
{
    return t ? rcu_read(&t->table) : NULL;
}

const struct traffic_row *traffic_rows(const struct traffic_table *table,
                                       const struct ip_prefix *network, size_t *ret_count)
{
    size_t first = 0, end = table->count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (compare_networks(&table->rows[middle].network, network) < 0)
            first = middle + 1;
        else
            end = middle;
    }
    for (end = first; end < table->count; end++)
        if (compare_networks(&table->rows[end].network, network) != 0)
            break;
    *ret_count = end - first;
    return end > first ? &table->rows[first] : NULL;
}

void traffic_stop(struct traffic *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->is_ending = true;
    pthread_cond_signal(&t->asked);
    pthread_mutex_unlock(&t->lock);
    thread_join(&t->thread);
}

void traffic_free(struct traffic *t)
{
    if (!t)
        return;
    mem_free(t->older.rows);
    mem_free(t->newer.rows);
    mem_free(atomic_load_explicit(&t->table, memory_order_relaxed));
    rcu_queue_free(t->retired);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->asked);
    mem_free(t->path);
    mem_free(t);
}
