/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the memory plugin by itself: millions of rows a second go into a table, alone and while
 * clients read all of it again and again:
 *
 *     memory_bench [--keys N] [--rows N] [--clients N]
 *
 * It prints JSON. In the end the table is asked, and its sums must be those of the rows that went in.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/poller.h"
#include "base/text.h"
#include "base/thread.h"
#include "plugins/memory/memory.h"
#include "plugins/memory/memory_settings.h"
#include "plugins/memory/query.h"
#include "support/rows.h"
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH_ROWS   3000 /* about a segment of a hand-over */
#define TURN_BATCHES 8    /* between the turns of clients: a small transaction */
#define CLIENTS_MAX  16

struct bench {
    struct pa_host host;
    struct poller *poller;
    void (*fn)(void *state, int fd);
    void *fn_state;
    char path[128];
    struct rows rows;
    void *plugin;
    _Atomic bool is_done;
    _Atomic uint64_t answers, answered_rows;
    _Atomic int running_count; /* clients that still run */
};

/* ---- a host ---- */

static const char *setting(const struct pa_host *host, const char *key)
{
    struct bench *b = host->own;

    if (!strcmp(key, "imt_path"))
        return b->path;
    if (!strcmp(key, "imt_size"))
        return "0";
    for (const struct pa_key *k = memory_keys; k->name; k++)
        if (!strcmp(k->name, key))
            return k->default_value;
    return NULL;
}

static int64_t setting_number(const struct pa_host *host, const char *key)
{
    const char *value = setting(host, key);

    return value ? strtoll(value, NULL, 10) : 0;
}

__attribute__((format(printf, 3, 4))) static void no_log(const struct pa_host *host, int level,
                                                         const char *format, ...)
{
    (void)host, (void)level, (void)format;
}

static void no_count(const struct pa_host *host, const char *name, uint64_t n)
{
    (void)host, (void)name, (void)n;
}

static void no_reject(const struct pa_host *host, const uint8_t *row, const char *why)
{
    (void)host, (void)row;
    fprintf(stderr, "memory_bench: a row was refused: %s\n", why);
    exit(1);
}

static void ready(void *arg, int fd, unsigned events)
{
    struct bench *b = arg;

    (void)events;
    b->fn(b->fn_state, fd);
}

static int watch(const struct pa_host *host, int fd, void (*fn)(void *state, int fd), void *state)
{
    struct bench *b = host->own;

    if (!fn) {
        poller_remove(b->poller, fd);
        return 0;
    }
    b->fn = fn;
    b->fn_state = state;
    return poller_add(b->poller, fd, POLLER_READ, ready, b);
}

/* ---- clients ---- */

struct sums {
    struct query *query;
    uint64_t rows, bytes;
};

static void add_batch(void *arg, const struct pa_batch *batch)
{
    struct sums *s = arg;
    const struct pa_column *bytes = query_column(s->query, "bytes");

    for (uint32_t i = 0; i < batch->row_count; i++)
        s->bytes += query_number(bytes, batch->rows + (size_t)i * query_schema(s->query)->row_size);
    s->rows += batch->row_count;
}

static void ask_all(struct bench *b, struct sums *sums)
{
    struct query_status status;
    struct text error = {0};

    *sums = (struct sums){0};
    if (query_open(b->path, &error, &sums->query) < 0 ||
        query_rows(sums->query, NULL, false, add_batch, sums, &status, &error) < 0) {
        fprintf(stderr, "memory_bench: %s\n", text_cstr(&error));
        exit(1);
    }
    query_close(sums->query);
    text_clear(&error);
}

static void client_main(void *arg)
{
    struct bench *b = arg;

    while (!atomic_load(&b->is_done)) {
        struct sums sums;
        ask_all(b, &sums);
        atomic_fetch_add(&b->answers, 1);
        atomic_fetch_add(&b->answered_rows, sums.rows);
    }
    atomic_fetch_sub(&b->running_count, 1);
}

/* ---- rows ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/*
 * Makes as many rows as keys, each of a key at random, as a worker hands them over in some epochs.
 */
static void make_rows(struct bench *b, uint32_t keys)
{
    char address[32];

    rows_init(&b->rows, "src_host, dst_host, src_port, dst_port, proto, flows", 0);
    for (uint32_t i = 0; i < keys; i++) {
        uint32_t key = (uint32_t)(mix(i) % keys);
        uint8_t *row = rows_add(&b->rows);
        snprintf(address, sizeof address, "10.%u.%u.%u", key >> 16 & 255, key >> 8 & 255,
                 key & 255);
        rows_set_addr(&b->rows, row, "src_host", address);
        rows_set_addr(&b->rows, row, "dst_host", "192.0.2.1");
        rows_set_uint(&b->rows, row, "src_port", mix(key) & 0xffff);
        rows_set_uint(&b->rows, row, "dst_port", 443);
        rows_set_uint(&b->rows, row, "proto", 6);
        rows_set_uint(&b->rows, row, "flows", 1);
        rows_set_uint(&b->rows, row, "packets", 2);
        rows_set_uint(&b->rows, row, "bytes", 1000);
    }
}

/* Returns the CPU time of this thread alone, as others use the machine too. */
static double cpu_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Puts `count` rows in and serves clients; returns the CPU seconds that took. */
static double put_rows(struct bench *b, uint64_t count)
{
    const struct pa_transaction transaction = {.row_count = 1};
    struct pa_batch all = rows_batch(&b->rows), batch = all;
    double start = cpu_s();
    uint32_t at = 0, batches = 0;

    for (uint64_t done = 0; done < count; done += batch.row_count) {
        batch.rows = all.rows + (size_t)at * b->rows.schema.row_size;
        batch.row_count = all.row_count - at < BATCH_ROWS ? all.row_count - at : BATCH_ROWS;
        at = (at + batch.row_count) % all.row_count;
        memory_begin(b->plugin, &transaction);
        memory_write(b->plugin, &batch);
        memory_commit(b->plugin, &transaction);
        if (++batches % TURN_BATCHES == 0)
            poller_wait(b->poller, 0);
    }
    return cpu_s() - start;
}

/* A thread asks once more, when all clients have gone, and adds up the answer. */
struct last_question {
    struct bench *bench;
    struct sums sums;
};

static void ask_last(void *arg)
{
    struct last_question *q = arg;

    ask_all(q->bench, &q->sums);
    atomic_fetch_sub(&q->bench->running_count, 1);
}

static void serve_clients(struct bench *b)
{
    while (atomic_load(&b->running_count) > 0)
        poller_wait(b->poller, 10);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"keys", required_argument, NULL, 'k'},
                                            {"rows", required_argument, NULL, 'r'},
                                            {"clients", required_argument, NULL, 'c'},
                                            {0}};
    uint64_t keys = 1000000, count = 20000000, clients = 1, rounds;
    struct thread threads[CLIENTS_MAX] = {{0}}, last = {0};
    struct bench b = {0};
    struct last_question question = {.bench = &b};
    double alone_s, read_s;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t value = optarg ? strtoull(optarg, NULL, 10) : 0;
        if (option == 'k')
            keys = value;
        else if (option == 'r')
            count = value;
        else if (option == 'c')
            clients = value < CLIENTS_MAX ? value : CLIENTS_MAX;
        else
            return 2;
    }
    if (keys == 0 || keys > 1U << 24)
        return 2;
    snprintf(b.path, sizeof b.path, "/tmp/memory_bench.%d.sock", (int)getpid());
    b.host = (struct pa_host){.own = &b,
                              .instance_name = "bench",
                              .setting = setting,
                              .setting_number = setting_number,
                              .log = no_log,
                              .count = no_count,
                              .reject_row = no_reject,
                              .watch = watch};
    make_rows(&b, (uint32_t)keys);
    rounds = (count + keys - 1) / keys;
    if (poller_new(&b.poller) < 0 || memory_open(&b.host, &b.rows.schema, &b.plugin) < 0) {
        fprintf(stderr, "memory_bench: cannot serve %s\n", b.path);
        return 1;
    }
    put_rows(&b, keys); /* the keys are there now */
    alone_s = put_rows(&b, rounds * keys);
    atomic_store(&b.running_count, (int)clients);
    for (uint64_t i = 0; i < clients; i++)
        thread_start(&threads[i], "client", client_main, &b);
    read_s = put_rows(&b, rounds * keys);
    atomic_store(&b.is_done, true);
    serve_clients(&b);
    for (uint64_t i = 0; i < clients; i++)
        thread_join(&threads[i]);
    atomic_store(&b.running_count, 1);
    thread_start(&last, "last", ask_last, &question);
    serve_clients(&b);
    thread_join(&last);
    memory_close(b.plugin);
    poller_free(b.poller);
    printf("{\"upserts\": %llu, \"alone_per_s\": %.0f, \"read_per_s\": %.0f, \"answers\": %llu, "
           "\"answered_rows\": %llu, "
           "\"table_rows\": %llu, \"row_bytes\": %u, \"is_right\": %s}\n",
           (unsigned long long)rounds * keys, (double)(rounds * keys) / alone_s,
           (double)(rounds * keys) / read_s, (unsigned long long)b.answers,
           (unsigned long long)b.answered_rows, (unsigned long long)question.sums.rows,
           b.rows.schema.row_size,
           question.sums.bytes == 1000 * keys * (2 * rounds + 1) ? "true" : "false");
    rows_clear(&b.rows);
    return question.sums.bytes == 1000 * keys * (2 * rounds + 1) ? 0 : 1;
}
