/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin memory. Rows are in the table as soon as they are written: nothing here can fail after
 * begin, so there is nothing to abort, and a process that dies takes the whole table with it.
 */
#include "plugins/memory/memory.h"
#include "base/clock.h"
#include "base/memory.h"
#include "plugins/memory/memory_settings.h"
#include <errno.h>

struct memory {
    const struct pa_host *host;
    struct table *table;
    struct server *server;
};

int memory_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                 size_t error_size)
{
    struct memory_settings settings;

    return memory_settings_read(host, schema, error, error_size, &settings);
}

int memory_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                   size_t error_size)
{
    struct memory_settings settings;
    int err = memory_settings_read(host, schema, error, error_size, &settings);

    return err < 0 ? err : local_listener_try_out(&settings.server.place, error, error_size);
}

int memory_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct memory_settings settings;
    struct memory *m;
    char error[1024];
    int err = memory_settings_read(host, schema, error, sizeof error, &settings);

    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "%s", error);
        return err;
    }
    *ret_state = m = mem_zalloc(sizeof *m);
    m->host = host;
    m->table = table_new(schema, settings.max_bytes);
    err = server_new(host, schema, m->table, &settings.server, error, sizeof error, &m->server);
    if (err < 0) {
        if (error[0])
            host->log(host, PA_LOG_ERROR, "%s", error);
        return err;
    }
    host->log(host, PA_LOG_INFO, "waiting for data on: '%s'", settings.server.place.path);
    return 0;
}

int memory_begin(void *state, const struct pa_transaction *transaction)
{
    struct memory *m = state;

    (void)transaction;
    table_forget_dictionary(m->table);
    return 0;
}

static void refuse_row(void *arg, const uint8_t *row)
{
    struct memory *m = arg;

    m->host->reject_row(m->host, row,
                        "the table is full; make imt_size larger, or ask for fewer primitives");
    m->host->count(m->host, "refused_rows", 1);
    server_note_refused(m->server);
}

int memory_write(void *state, const struct pa_batch *batch)
{
    struct memory *m = state;

    table_add(m->table, batch, refuse_row, m);
    return 0;
}

int memory_commit(void *state, const struct pa_transaction *transaction)
{
    struct memory *m = state;

    if (transaction->row_count > 0)
        server_note_update(m->server, clock_wall().ns);
    return 0;
}

void memory_close(void *state)
{
    struct memory *m = state;

    if (!m)
        return;
    server_free(m->server);
    table_free(m->table);
    mem_free(m);
}
