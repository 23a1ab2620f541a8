/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The core of fake_core.h: the test's one thread plays main thread and workers, and gives the two
 * workers different dictionary ids for the same text, as real ones do. */
#include "support/fake_core.h"

#include "base/clock.h"
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MAX_S 60

static void add_column(struct schema *schema, const char *name, uint8_t kind, uint8_t combine)
{
    struct pa_column c = {
        .name = name, .json_name = name, .csv_title = name, .kind = kind, .combine = combine};
    assert_int_equal(schema_add(schema, &c), 0);
}

void fake_core_init(struct fake_core *c)
{
    thread_enter_role(&main_thread);   /* one thread plays the main thread */
    thread_enter_role(&worker_thread); /* and the workers */
    memset(c, 0, sizeof *c);
    strcpy(c->dir, "/tmp/pathacct-test-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    snprintf(c->file, sizeof c->file, "%s/rows", c->dir);
    snprintf(c->trouble, sizeof c->trouble, "%s/trouble", c->dir);
    snprintf(c->spool_dir, sizeof c->spool_dir, "%s/spool", c->dir);
    assert_int_equal(mkdir(c->spool_dir, 0700), 0);
    c->schema = schema_new();
    add_column(c->schema, "dst_as", PA_KIND_U32, PA_COMBINE_KEY);
    add_column(c->schema, "as_path", PA_KIND_BYTES, PA_COMBINE_KEY);
    add_column(c->schema, "packets", PA_KIND_U64, PA_COMBINE_SUM);
    assert_int_equal(schema_finish(c->schema), 0);
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        c->worker_events[i] = poller_event_new();
    assert_int_equal(poller_new(&c->poller), 0);
    assert_int_equal(
        outlet_new(FAKE_CORE_LANES, c->worker_events, UINT64_C(8192) * SEGMENT_SIZE, &c->outlet),
        0);
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        c->dicts[i] = dictionary_new(c->outlet->lanes[i].pool);
    c->supervisor_settings = (struct supervisor_settings){.daemon_name = "nfacctd",
                                                          .host_path = TEST_HOST,
                                                          .plugin_dir = TEST_PLUGIN_DIR,
                                                          .identity = c->dir,
                                                          .core_id = "0123456789abcde",
                                                          .shutdown_timeout_s = 20};
    c->settings[0] = (struct setup_setting){"recorder_file", c->file, 0};
    c->settings[1] = (struct setup_setting){"recorder_trouble", c->trouble, 0};
    c->settings[2] = (struct setup_setting){"recorder_refresh_time", "60", 60};
    c->plugin = (struct supervisor_plugin){.instance_name = "edge",
                                           .plugin_name = "recorder",
                                           .schema = c->schema,
                                           .outlet = c->outlet,
                                           .settings = c->settings,
                                           .setting_count = 3};
}

void fake_core_start(struct fake_core *c)
{
    c->supervisor = supervisor_new(c->poller, &c->supervisor_settings);
    assert_int_equal(supervisor_start(c->supervisor, &c->plugin), 0);
}

void fake_core_clear(struct fake_core *c)
{
    char command[128];
    supervisor_free(c->supervisor);
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        dictionary_free(c->dicts[i]);
    outlet_free(c->outlet);
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        close(c->worker_events[i]);
    poller_free(c->poller);
    schema_free(c->schema);
    snprintf(command, sizeof command, "rm -rf %s", c->dir);
    assert_int_equal(system(command), 0);
}

void fake_core_push(struct fake_core *c, int lane, uint32_t key, uint64_t packets, uint32_t flags)
{
    struct pool *pool = c->outlet->lanes[lane].pool;
    const struct pa_schema *schema = schema_view(c->schema);
    struct handover h = {.row_segment = SEGMENT_NONE, .flags = flags, .time_ns = 1};
    char path[32];

    if (packets > 0) {
        uint32_t id, unused;
        /* The same path gets different ids in the two workers. */
        for (int i = 0; i < lane; i++)
            assert_int_equal(dictionary_put(c->dicts[lane], "other", 5, false, &unused), 0);
        int len = snprintf(path, sizeof path, "65000_%u", key);
        assert_int_equal(dictionary_put(c->dicts[lane], path, (size_t)len, false, &id), 0);
        assert_int_equal(pool_take(pool, false, &h.row_segment), 0);
        struct segment *s = pool_segment(pool, h.row_segment);
        memset(s->data, 0, schema->row_size);
        memcpy(s->data + schema_find(schema, "dst_as")->offset, &key, sizeof key);
        memcpy(s->data + schema_find(schema, "as_path")->offset, &id, sizeof id);
        memcpy(s->data + schema_find(schema, "packets")->offset, &packets, sizeof packets);
        s->used = schema->row_size;
        h.row_count = 1;
        h.totals = (struct handover_totals){1, packets, packets * 100};
    }
    dictionary_finish(c->dicts[lane], &h.dictionary_segment, &h.dictionary_count);
    if ((flags & HANDOVER_MARKER) != 0)
        c->group[lane]++;
    h.group = h.epoch = c->group[lane];
    ring_push(c->outlet->lanes[lane].ring, &h);
}

void fake_core_push_last(struct fake_core *c)
{
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        fake_core_push(c, i, 0, 0, EPOCH_END | HANDOVER_IS_LAST);
}

static void note_recycled(void *arg, const struct handover *h, const struct handover_outcome *o)
{
    struct fake_core *c = arg;
    c->fates[o->fate]++;
    c->rejected_rows += o->rejected_rows;
    if (o->fate == HANDOVER_POISON)
        c->poison.packets += h->totals.packets;
    if (o->fate == HANDOVER_SPOOLED)
        c->spooled.packets += h->totals.packets;
}

uint64_t fake_core_pending(struct fake_core *c)
{
    uint64_t count = 0;
    for (int i = 0; i < FAKE_CORE_LANES; i++) {
        struct outlet_lane *lane = &c->outlet->lanes[i];
        c->recycled[i] += ring_recycle(lane->ring, lane->pool, note_recycled, c);
        count += ring_pending_count(lane->ring);
    }
    return count;
}

struct supervisor_status fake_core_status(const struct fake_core *c)
{
    struct supervisor_status status;
    supervisor_status(c->supervisor, 0, &status);
    return status;
}

bool fake_core_run_until(struct fake_core *c, bool (*is_reached)(struct fake_core *c))
{
    int64_t end = clock_mono().ns + WAIT_MAX_S * NS_PER_S;
    while (!is_reached(c)) {
        if (clock_mono().ns > end)
            return false;
        poller_wait(c->poller, 20);
    }
    return true;
}

bool all_acknowledged(struct fake_core *c)
{
    return fake_core_pending(c) == 0;
}

bool supervisor_done(struct fake_core *c)
{
    fake_core_pending(c);
    return supervisor_is_done(c->supervisor);
}

bool host_is_open(struct fake_core *c)
{
    return fake_core_status(c).is_open;
}

static bool host_is_gone(struct fake_core *c)
{
    return fake_core_status(c).pid == 0;
}

void fake_core_kill_host(struct fake_core *c)
{
    kill(fake_core_status(c).pid, SIGKILL);
    assert_true(fake_core_run_until(c, host_is_gone));
}

void fake_core_finish(struct fake_core *c)
{
    fake_core_push_last(c);
    supervisor_stop(c->supervisor);
    assert_true(fake_core_run_until(c, supervisor_done));
    assert_true(supervisor_all_clean(c->supervisor));
    assert_int_equal(fake_core_pending(c), 0);
}
