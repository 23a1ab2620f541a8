/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes what waits on disk, and decides about files that the backend does not take. See drain.h. */
#include "host/drain.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>

const struct pa_schema *drain_schema(const struct drain *d)
{
    return d->spool != NULL ? spool_first_schema(d->spool) : NULL;
}

/* Writes one hand-over from the disk. To the backend all that waited there is one epoch, which ends
 * with the last file, because hand-overs of several workers for one epoch follow each other. */
static int write_entry(void *arg)
{
    const struct drain *d = arg;
    const struct spool_entry *e = &d->entry;
    const struct handover *h = &e->handover;
    struct pa_source source = {.worker = e->worker, .first_seq = h->seq, .last_seq = h->seq};
    struct pa_transaction t = {.source_count = 1,
                               .sources = &source,
                               .epoch = h->epoch,
                               .time_ns = h->time_ns,
                               .row_count = h->row_count,
                               .ends_epoch = spool_first_is_last(d->spool)};
    struct pa_batch batch = {.rows = e->rows,
                             .row_count = (uint32_t)h->row_count,
                             .dictionary = e->dictionary,
                             .dictionary_count = h->dictionary_count + 1,
                             .source = &source};

    memcpy(source.core_id, e->core_id, sizeof source.core_id);
    int err = backend_begin(d->backend, &t);
    if (err == 0) {
        err = batch.row_count > 0 ? backend_write(d->backend, &batch) : 0;
        if (err >= 0)
            err = backend_commit(d->backend, &t);
    }
    if (err < 0)
        backend_abort(d->backend);
    return err;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void count_drained(const struct drain *d)
{
    const struct spool_entry *e = &d->entry;
    const struct handover_totals *all = &e->handover.totals,
                                 *refused = &backend_outcome(d->backend)->rejected;
    const struct handover_totals rejected = {least(refused->flows, all->flows),
                                             least(refused->packets, all->packets),
                                             least(refused->bytes, all->bytes)};

    if (memcmp(e->core_id, d->setup->core_id, sizeof e->core_id) == 0 &&
        e->worker < d->setup->lane_count)
        ring_view_add_drained(d->lanes[e->worker].ring, all, &rejected);
}

static int read_next(struct drain *d)
{
    struct text name = {0};
    int err = spool_first(d->spool, &d->entry, &name);

    if (err == -EBADMSG)
        link_log(d->link, PA_LOG_ERROR,
                 "a spooled hand-over is damaged; it stays in plugin_spool_dir %s/%s as %s",
                 d->setup->spool_dir, d->setup->instance_name, text_cstr(&name));
    if (err == -ESTALE)
        link_log(d->link, PA_LOG_ERROR,
                 "the spooled hand-over %s/%s/%s is gone, and its rows are lost: something else "
                 "removes files from plugin_spool_dir; keep it out of there",
                 d->setup->spool_dir, d->setup->instance_name, text_cstr(&name));
    text_clear(&name);
    return err;
}

int drain_next(struct drain *d)
{
    struct spool *spool = d->spool;

    int err = read_next(d);
    if (err < 0)
        return err == -EBADMSG || err == -ESTALE ? 0 : err;
    d->attempts = spool_first_attempts(spool);
    err = spool_set_first_attempts(spool, d->attempts + 1);
    if (err == 0) {
        d->is_writing = true;
        err = backend_run(d->backend, write_entry, d);
        if (err < 0)
            drain_give_up(d);
        d->is_writing = false;
    }
    if (err >= 0)
        err = spool_remove_first(spool);
    if (err >= 0)
        count_drained(d);
    spool_entry_clear(&d->entry);
    return err < 0 ? err : 1;
}

void drain_give_up(struct drain *d)
{
    if (d->is_writing)
        spool_set_first_attempts(d->spool, d->attempts);
}

/* ---- what the backend does not take ---- */

void drain_note_success(struct drain *d)
{
    if (d->spool != NULL)
        spool_try_held(d->spool);
}

static void refuse(struct drain *d, const struct pa_schema *schema, int err, const char *why)
{
    struct text names = {0};
    uint64_t count = spool_refuse(d->spool, schema, &names);

    if (why == NULL)
        why = err == -EAGAIN ? "the lines before say why" : strerrordesc_np(-err);
    link_log(
        d->link, PA_LOG_ERROR,
        "the backend takes new rows, but not those of %llu spooled hand-overs that have other "
        "columns: %s; they stay in %s/%s (%s); give the backend what they need and start again, "
        "or remove them",
        (unsigned long long)count, why, d->setup->spool_dir, d->setup->instance_name,
        text_cstr(&names));
    text_clear(&names);
}

bool drain_note_failure(struct drain *d, int err, const char *why)
{
    const struct pa_schema *schema = drain_schema(d);

    if (schema == NULL || schema == d->own_schema) {
        if (d->spool != NULL)
            spool_release(d->spool);
        return false;
    }
    d->held_error = err;
    if (why != NULL || spool_is_on_trial(d->spool, schema))
        refuse(d, schema, err, why);
    else
        spool_hold(d->spool, schema);
    return true;
}

bool drain_retry_held(struct drain *d, int *ret_err)
{
    if (d->spool == NULL || !spool_has_held(d->spool))
        return false;
    spool_release(d->spool);
    *ret_err = d->held_error;
    return true;
}
