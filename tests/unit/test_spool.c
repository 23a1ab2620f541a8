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

static int fixture_open(struct fixture *f, struct spool **ret_spool)
{
    struct spool_settings settings = {
        .dir = f->folder.path, .instance_name = "edge", .max_size = 100000, .schema = f->schema};
    memcpy(settings.core_id, core_id, sizeof settings.core_id);
    return spool_new(&settings, ret_spool);
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
    assert_int_equal(fixture_open(f, &f->spool), 0);
}

static void fixture_reopen(struct fixture *f)
{
    spool_free(f->spool);
    assert_int_equal(fixture_open(f, &f->spool), 0);
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
    int err = spool_put(f->spool, 7, &rows, is_poison);
    lane_rows_clear(&rows);
    pool_release_chain(f->pool, h.row_segment);
    pool_release_chain(f->pool, h.dictionary_segment);
    return err;
}

static void expect_first(struct fixture *f, uint64_t seq)
{
    struct spool_entry e;
    struct text name = {0};
    char path[32];
    assert_int_equal(spool_first(f->spool, &e, &name), 0);
    assert_int_equal(name.len, 0);
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
    struct text name = {0};
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
    assert_int_equal(spool_first(f.spool, &e, &name), -ENOENT);
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
    assert_int_equal(spool_settle_attempts(f.spool, 2, true), 0); /* it was killed: once more */
    assert_int_equal(spool_first_attempts(f.spool), 1);
    assert_int_equal(spool_set_first_attempts(f.spool, 2), 0);
    assert_int_equal(spool_settle_attempts(f.spool, 2, false), 1);
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

/* The length of the head that all files of the fixture have: the schema's, and the numbers'. */
static off_t head_len(const struct fixture *f)
{
    struct text encoded = {0};
    schema_encode(f->schema, &encoded);
    off_t len = (off_t)encoded.len + 12 + 16 + 4 + 4 * 8 + 4 + 4 * 8 + 4;
    text_clear(&encoded);
    return len;
}

static void file_with_damaged_rows_is_put_aside_when_it_is_read(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_entry e;
    struct text name = {0};
    fixture_init(&f);
    assert_int_equal(put(&f, 3, false), 0);
    assert_int_equal(put(&f, 4, false), 0);
    damage(&f, head_len(&f) + 20);
    fixture_reopen(&f);
    assert_int_equal(spool_first(f.spool, &e, &name), -EBADMSG);
    assert_string_equal(text_cstr(&name), "00000000000000000001.unreadable");
    assert_int_equal(spool_kept_count(f.spool), 1);
    expect_first(&f, 4);
    text_clear(&name);
    fixture_clear(&f);
}

static void read_names(struct fixture *f, struct text *out)
{
    char command[160], line[128];
    snprintf(command, sizeof command, "cd %s/edge && LC_ALL=C ls", f->folder.path);
    FILE *list = popen(command, "r"); /* NOLINT: the test's own folder */
    assert_non_null(list);
    text_reset(out);
    while (fgets(line, sizeof line, list) != NULL)
        text_append_string(out, line);
    pclose(list);
}

static void write_bytes(const struct fixture *f, const char *name, const void *bytes, size_t len)
{
    char path[192];
    snprintf(path, sizeof path, "%s/edge/%s", f->folder.path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

/* Copies the oldest file, cut to `len`, with the byte at `at` flipped. */
static void copy_oldest(const struct fixture *f, const char *name, size_t len, size_t at)
{
    char path[128];
    static uint8_t bytes[65536];
    snprintf(path, sizeof path, "%s/edge/%020d.handover", f->folder.path, 1);
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, bytes, sizeof bytes);
    close(fd);
    assert_true(got > 0);
    if (at < (size_t)got)
        bytes[at] ^= 0x10;
    write_bytes(f, name, bytes, len < (size_t)got ? len : (size_t)got);
}

static void hostile_files_are_named_counted_and_kept(void **state)
{
    (void)state;
    struct fixture f;
    struct text text = {0};
    struct spool_entry e;
    fixture_init(&f);
    assert_int_equal(put(&f, 3, false), 0);
    copy_oldest(&f, "00000000000000000002.handover", SIZE_MAX, 7);    /* a later version */
    copy_oldest(&f, "00000000000000000003.handover", 40, SIZE_MAX);   /* cut in its head */
    copy_oldest(&f, "00000000000000000004.handover", 0, SIZE_MAX);    /* empty */
    copy_oldest(&f, "00000000000000000005.handover.2", SIZE_MAX, 14); /* a schema of no version */
    copy_oldest(&f, "00000000000000000006.handover", (size_t)head_len(&f) + 9, SIZE_MAX); /* cut */
    copy_oldest(&f, "00000000000000000007.unreadable", 30, SIZE_MAX);
    copy_oldest(&f, "00000000000000000008.incoming", 50, SIZE_MAX); /* of a death */
    write_bytes(&f, "18446744073709551615.handover", "x", 1);
    write_bytes(&f, "notes of a person", "x", 1);
    write_bytes(&f, "1.handover", "x", 1);
    fixture_reopen(&f);
    assert_int_equal(spool_kept_count(f.spool), 5);
    spool_describe_kept(f.spool, &text);
    assert_non_null(strstr(text_cstr(&text), "4 damaged ("));
    assert_non_null(strstr(text_cstr(&text), "00000000000000000005.unreadable"));
    assert_non_null(
        strstr(text_cstr(&text), ", 1 of another version (00000000000000000002.unreadable)"));
    assert_int_equal(spool_count(f.spool), 2);
    expect_first(&f, 3);
    assert_int_equal(spool_remove_first(f.spool), 0);
    text_reset(&text);
    assert_int_equal(spool_first(f.spool, &e, &text), -EBADMSG);
    assert_string_equal(text_cstr(&text), "00000000000000000006.unreadable");
    assert_int_equal(put(&f, 4, false), 0);
    read_names(&f, &text);
    assert_string_equal(text_cstr(&text), "00000000000000000002.unreadable\n"
                                          "00000000000000000003.unreadable\n"
                                          "00000000000000000004.unreadable\n"
                                          "00000000000000000005.unreadable\n"
                                          "00000000000000000006.unreadable\n"
                                          "00000000000000000007.unreadable\n"
                                          "00000000000000000009.handover\n"
                                          "1.handover\n18446744073709551615.handover\n"
                                          "lock\nnotes of a person\n");
    text_clear(&text);
    fixture_clear(&f);
}

static void what_was_unreadable_comes_back_once_it_can_be_read(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    assert_int_equal(put(&f, 3, false), 0);
    assert_int_equal(put(&f, 4, false), 0);
    damage(&f, 7); /* a later version, which this one cannot read */
    fixture_reopen(&f);
    assert_int_equal(spool_kept_count(f.spool), 1);
    expect_first(&f, 4);
    char from[128], to[128];
    snprintf(from, sizeof from, "%s/edge/%020d.unreadable", f.folder.path, 1);
    snprintf(to, sizeof to, "%s/edge/%020d.handover", f.folder.path, 1);
    assert_int_equal(rename(from, to), 0);
    damage(&f, 7); /* and that version again, which can */
    assert_int_equal(rename(to, from), 0);
    fixture_reopen(&f);
    assert_int_equal(spool_kept_count(f.spool), 0);
    assert_int_equal(spool_count(f.spool), 2);
    expect_first(&f, 3);
    fixture_clear(&f);
}

static void link_in_the_folder_is_not_followed(void **state)
{
    (void)state;
    struct fixture f;
    char path[128], target[128];
    fixture_init(&f);
    assert_int_equal(put(&f, 3, false), 0);
    snprintf(path, sizeof path, "%s/edge/%020d.incoming", f.folder.path, 2);
    snprintf(target, sizeof target, "%s/precious", f.folder.path);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(put(&f, 4, false), -ELOOP);
    assert_int_equal(access(target, F_OK), -1);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/edge/%020d.handover", f.folder.path, 9);
    snprintf(target, sizeof target, "%020d.handover", 1);
    assert_int_equal(symlink(target, path), 0);
    fixture_reopen(&f);
    assert_int_equal(spool_count(f.spool), 1);
    fixture_clear(&f);
}

static void file_that_is_gone_is_told_and_forgotten(void **state)
{
    (void)state;
    struct fixture f;
    struct spool_entry e;
    struct text name = {0};
    char path[128];
    fixture_init(&f);
    assert_int_equal(put(&f, 3, false), 0);
    assert_int_equal(put(&f, 4, false), 0);
    assert_int_equal(spool_own_flows(f.spool), 7);
    snprintf(path, sizeof path, "%s/edge/%020d.handover", f.folder.path, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(spool_first(f.spool, &e, &name), -ESTALE);
    assert_string_equal(text_cstr(&name), "00000000000000000001.handover");
    assert_int_equal(spool_own_flows(f.spool), 4);
    expect_first(&f, 4);
    text_clear(&name);
    fixture_clear(&f);
}

static void second_host_has_to_wait(void **state)
{
    (void)state;
    struct fixture f;
    struct spool *second;
    fixture_init(&f);
    assert_int_equal(fixture_open(&f, &second), -EWOULDBLOCK);
    spool_free(f.spool);
    assert_int_equal(fixture_open(&f, &second), 0);
    f.spool = second;
    fixture_clear(&f);
}

/* Gives the fixture other columns, and a spool that was opened with them. */
static void change_schema(struct fixture *f, const char *counter, struct schema **ret_old)
{
    spool_free(f->spool);
    f->spool = NULL;
    *ret_old = f->schema;
    f->schema = test_schema(counter);
    assert_int_equal(fixture_open(f, &f->spool), 0);
}

static void files_of_each_schema_come_with_theirs(void **state)
{
    (void)state;
    struct fixture f;
    struct schema *first, *second;
    struct text names = {0};
    fixture_init(&f);
    assert_int_equal(put(&f, 3, false), 0);
    change_schema(&f, "bytes", &first);
    assert_int_equal(put(&f, 4, false), 0);
    change_schema(&f, "flows", &second);
    assert_int_equal(put(&f, 5, false), 0);
    const struct pa_schema *view = spool_first_schema(f.spool);
    assert_non_null(schema_find(view, "packets"));
    assert_true(view != schema_view(f.schema));
    expect_first(&f, 3);
    spool_hold(f.spool, view); /* the backend does not take it */
    assert_non_null(schema_find(spool_first_schema(f.spool), "bytes"));
    expect_first(&f, 4);
    assert_int_equal(spool_remove_first(f.spool), 0); /* one in the middle */
    assert_true(spool_first_schema(f.spool) == schema_view(f.schema));
    assert_true(spool_first_is_last(f.spool));
    expect_first(&f, 5);
    spool_try_held(f.spool);
    assert_true(spool_is_on_trial(f.spool, view));
    expect_first(&f, 3);
    assert_int_equal(spool_refuse(f.spool, view, &names), 1);
    assert_string_equal(text_cstr(&names), "00000000000000000001.handover");
    assert_int_equal(spool_kept_count(f.spool), 1);
    spool_release(f.spool); /* does not touch it */
    expect_first(&f, 5);
    assert_int_equal(spool_remove_first(f.spool), 0);
    assert_null(spool_first_schema(f.spool));
    assert_int_equal(spool_count(f.spool), 1);
    fixture_reopen(&f);
    expect_first(&f, 3);
    text_clear(&names);
    schema_free(first);
    schema_free(second);
    fixture_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handovers_come_back_whole_and_in_order),
        cmocka_unit_test(bound_is_kept),
        cmocka_unit_test(attempts_outlive_the_process),
        cmocka_unit_test(file_with_damaged_rows_is_put_aside_when_it_is_read),
        cmocka_unit_test(hostile_files_are_named_counted_and_kept),
        cmocka_unit_test(what_was_unreadable_comes_back_once_it_can_be_read),
        cmocka_unit_test(link_in_the_folder_is_not_followed),
        cmocka_unit_test(file_that_is_gone_is_told_and_forgotten),
        cmocka_unit_test(second_host_has_to_wait),
        cmocka_unit_test(files_of_each_schema_come_with_theirs),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
