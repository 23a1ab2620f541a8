/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that hand-overs which go to disk come back whole and in order, or say that they cannot be
 * used. */
#include "host/spool.h"

#include "base/text.h"
#include "base/thread.h"
#include "handover/dictionary.h"
#include "support/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct test_folder folder;
    struct schema *schema;
    struct pool_budget budget;
    struct pool *pool;
    struct dictionary *dict;
    struct lane lane;
    struct spool *spool;
};

static const uint8_t core_id[16] = "core of the test";

static struct schema *test_schema(const char *counter)
{
    struct schema *schema = schema_new();
    struct pa_column path = {.name = "as_path", .kind = PA_KIND_BYTES, .combine = PA_COMBINE_KEY};
    struct pa_column number = {.name = counter, .kind = PA_KIND_U64, .combine = PA_COMBINE_SUM};
    assert_int_equal(schema_add(schema, &path), 0);
    assert_int_equal(schema_add(schema, &number), 0);
    assert_int_equal(schema_finish(schema), 0);
    return schema;
}

static void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    test_folder_make(&f->folder);
    f->schema = test_schema("packets");
    pool_budget_init(&f->budget, UINT64_C(64) * SEGMENT_SIZE);
    assert_int_equal(pool_new(&f->budget, &f->pool), 0);
    assert_int_equal(
        pool_view_new(pool_open_readonly(f->pool), pool_max_count(f->pool), &f->lane.pool), 0);
    f->dict = dictionary_new(f->pool);
    assert_int_equal(spool_new(f->folder.path, "edge", 100000, f->schema, &f->spool), 0);
}

static void fixture_reopen(struct fixture *f)
{
    spool_free(f->spool);
    assert_int_equal(spool_new(f->folder.path, "edge", 100000, f->schema, &f->spool), 0);
}

static void fixture_clear(struct fixture *f)
{
    spool_free(f->spool);
    pool_view_free(f->lane.pool);
    dictionary_free(f->dict);
    pool_free(f->pool);
    schema_free(f->schema);
    test_folder_remove(&f->folder);
}

/* Puts a hand-over of `seq` rows, of which row i has path "i i i" and `i` packets. */
static int put(struct fixture *f, uint64_t seq, bool is_poison)
{
    struct handover h = {.seq = seq, .epoch = seq * 2, .time_ns = -5, .flags = HANDOVER_ENDS_EPOCH};
    struct lane_rows rows;
    char path[32];
    h.row_count = seq;
    h.totals.flows = seq;
    assert_int_equal(pool_take(f->pool, false, &h.row_segment), 0);
    struct segment *s = pool_segment(f->pool, h.row_segment);
    for (uint64_t i = 0; i < seq; i++) {
        uint64_t row[2] = {0, i};
        uint32_t id;
        int len =
            i == 0 ? 0
                   : snprintf(path, sizeof path, "%u %u %u", (unsigned)i, (unsigned)i, (unsigned)i);
        assert_int_equal(dictionary_put(f->dict, path, (size_t)len, false, &id), 0);
        memcpy(row, &id, sizeof id);
        memcpy(s->data + s->used, row, sizeof row);
        s->used += (uint32_t)sizeof row;
    }
    dictionary_finish(f->dict, &h.dictionary_segment, &h.dictionary_count);
    assert_int_equal(lane_rows_init(&rows, &f->lane, &h, schema_view(f->schema)), 0);
    int err = spool_put(f->spool, core_id, 7, &rows, is_poison);
    lane_rows_clear(&rows);
    pool_release_chain(f->pool, h.row_segment);
    pool_release_chain(f->pool, h.dictionary_segment);
    return err;
}

static void expect_first(struct fixture *f, uint64_t seq)
{
    struct spool_entry e;
    char path[32];
    assert_int_equal(spool_first(f->spool, &e, NULL), 0);
    assert_memory_equal(e.core_id, core_id, 16);
    assert_int_equal(e.worker, 7);
    assert_int_equal(e.handover.seq, seq);
    assert_int_equal(e.handover.epoch, seq * 2);
    assert_int_equal(e.handover.time_ns, -5);
    assert_int_equal(e.handover.flags, HANDOVER_ENDS_EPOCH);
    assert_int_equal(e.handover.totals.flows, seq);
    assert_int_equal(e.handover.row_count, seq);
    for (uint64_t i = 0; i < seq; i++) {
        uint64_t row[2];
        uint32_t id;
        memcpy(row, e.rows + i * sizeof row, sizeof row);
        memcpy(&id, row, sizeof id);
        int len =
            i == 0 ? 0
                   : snprintf(path, sizeof path, "%u %u %u", (unsigned)i, (unsigned)i, (unsigned)i);
        assert_int_equal(row[1], i);
        assert_true(id <= e.handover.dictionary_count);
        assert_int_equal(e.dictionary[id].len, len);
        assert_memory_equal(e.dictionary[id].data, path, (size_t)len);
    }
    spool_entry_clear(&e);
}

static void handovers_come_back_whole_and_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_entry e;
    fixture_init(&f);
    for (uint64_t seq = 1; seq <= 12; seq++)
        assert_int_equal(put(&f, seq, false), 0);
    expect_first(&f, 1);
    assert_int_equal(spool_remove_first(f.spool), 0);
    fixture_reopen(&f); /* the process died in between */
    assert_int_equal(spool_count(f.spool), 11);
    for (uint64_t seq = 2; seq <= 12; seq++) {
        expect_first(&f, seq);
        assert_int_equal(spool_remove_first(f.spool), 0);
    }
    assert_int_equal(spool_first(f.spool, &e, NULL), -ENOENT);
    assert_int_equal(spool_bytes(f.spool), 0);
    assert_int_equal(put(&f, 3, false), 0);
    expect_first(&f, 3);
    fixture_clear(&f);
}

static void bound_is_kept(void **state)
{
    (void)state;
    struct fixture f;
    int err = 0;
    fixture_init(&f);
    while (err == 0)
        err = put(&f, 100, false);
    assert_int_equal(err, -ENOSPC);
    assert_true(spool_bytes(f.spool) <= 100000 && spool_count(f.spool) > 10);
    assert_int_equal(spool_remove_first(f.spool), 0);
    assert_int_equal(put(&f, 100, false), 0);
    fixture_clear(&f);
}

static void attempts_outlive_the_process(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(put(&f, 1, false), 0);
    assert_int_equal(put(&f, 2, false), 0);
    assert_int_equal(spool_set_first_attempts(f.spool, 2), 0);
    fixture_reopen(&f);
    assert_int_equal(spool_first_attempts(f.spool), 2);
    expect_first(&f, 1);
    assert_int_equal(spool_poison_first(f.spool), 0);
    assert_int_equal(spool_first_attempts(f.spool), 0);
    expect_first(&f, 2);
    fixture_reopen(&f); /* poison does not come back */
    assert_int_equal(spool_count(f.spool), 1);
    assert_int_equal(put(&f, 5, true), 0);
    assert_int_equal(spool_count(f.spool), 1);
    fixture_clear(&f);
}

/* Changes one byte of the oldest file. */
static void damage(const struct fixture *f, off_t at)
{
    char path[128];
    uint8_t byte;
    snprintf(path, sizeof path, "%s/edge/%020d.handover", f->folder.path, 1);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void damaged_file_is_put_aside(void **state)
{
    (void)state;
    static const off_t places[] = {0, 9, 60, 150};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct fixture f;
        struct spool_entry e;
        struct text name = {0};
        fixture_init(&f);
        assert_int_equal(put(&f, 3, false), 0);
        assert_int_equal(put(&f, 4, false), 0);
        damage(&f, places[i]);
        assert_int_equal(spool_first(f.spool, &e, &name), -EBADMSG);
        assert_string_equal(text_cstr(&name), "00000000000000000001.unreadable");
        expect_first(&f, 4);
        text_clear(&name);
        fixture_clear(&f);
    }
}

static void file_with_other_columns_is_put_aside(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_entry e;
    struct text name = {0};
    fixture_init(&f);
    assert_int_equal(put(&f, 3, false), 0);
    schema_free(f.schema);
    f.schema = test_schema("bytes");
    fixture_reopen(&f);
    assert_int_equal(spool_first(f.spool, &e, &name), -EBADMSG);
    text_clear(&name);
    fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handovers_come_back_whole_and_in_order),
        cmocka_unit_test(bound_is_kept),
        cmocka_unit_test(attempts_outlive_the_process),
        cmocka_unit_test(damaged_file_is_put_aside),
        cmocka_unit_test(file_with_other_columns_is_put_aside),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
