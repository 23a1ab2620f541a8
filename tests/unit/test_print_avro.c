/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that files of `print_output: avro` are container files that every reader can read: one
 * header, whole blocks, and no rows of another schema. */
#include "base/clock.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/avro_file.h"
#include "support/print_world.h"

static struct world *avro_world(uint32_t bin_seconds, const char *name)
{
    struct world *w = world_new("peer_src_ip", bin_seconds);

    set(w, "print_output", "avro");
    if (name)
        set(w, "print_output_file", at(w, name));
    return w;
}

static struct avro_file read_file(struct world *w, const char *reader, const char *name)
{
    char *command = mem_printf("%s %s/%s", reader, w->folder.path, name);
    struct avro_file file = {0};

    avro_file_read(command, &file);
    mem_free(command);
    return file;
}

static void each_purge_of_a_file_is_a_block(void **state)
{
    static const char *const names[][2] = {
        {"x.avro", "cat"}, {"x.avro.gz", "gzip -dc"}, {"x.avro.zst", "zstd -dcq"}};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct world *w = avro_world(0, names[i][0]);
        struct avro_file file;
        set(w, "print_output_file_append", "true");
        for (uint64_t t = 0; t < 4; t++) {
            start(w); /* a process for each: it goes on behind what the one before has written */
            add(w, 0, 10 * t);
            add(w, 0, 10 * t + 1);
            purge(w);
            stop(w);
            file = read_file(w, names[i][1], names[i][0]);
            assert_int_equal(file.block_count, t + 1);
            assert_int_equal(file.row_count, 2 * (t + 1));
            assert_int_equal(file.counts[10 * t + 1], 1);
        }
        assert_null(strstr(w->host.log, "other columns"));
        world_free(w);
    }
}

static void many_rows_are_several_blocks(void **state)
{
    struct world *w = avro_world(0, "x.avro");
    struct avro_file file;

    (void)state;
    start(w);
    for (uint64_t i = 0; i < 40000; i++)
        rows_set_addr(&w->rows, add(w, 0, i % AVRO_FILE_IDS), "peer_src_ip", "2001:db8::1:2:3:4");
    purge(w);
    file = read_file(w, "cat", "x.avro");
    assert_in_range(file.block_count, 3, 8); /* of 256 kB */
    for (uint32_t i = 0; i < AVRO_FILE_IDS; i++)
        assert_int_equal(file.counts[i], 5);
    world_free(w);
}

static void files_that_are_closed_and_opened_again_have_whole_blocks(void **state)
{
    struct world *w = avro_world(60, "$peer_src_ip-%H%M.avro.gz");

    (void)state;
    set(w, "print_open_files", "1");
    start(w);
    for (int t = 0; t < 2; t++) {
        for (uint64_t i = 0; i < 100; i++)
            rows_set_addr(&w->rows, add(w, 0, i), "peer_src_ip", i % 2 ? "10.0.0.1" : "10.0.0.2");
        assert_int_equal(try_purge(w, t ? IS_LAST : 0), 0);
    }
    expect_names(w, "10_0_0_1-2249.avro.gz 10_0_0_1-2249.avro.gz.state 10_0_0_2-2249.avro.gz "
                    "10_0_0_2-2249.avro.gz.state ");
    assert_int_equal(read_file(w, "gzip -dc", "10_0_0_1-2249.avro.gz").counts[51], 2);
    assert_int_equal(read_file(w, "gzip -dc", "10_0_0_2-2249.avro.gz").row_count, 100);
    world_free(w);
}

static void late_row_of_a_finished_file_is_a_block_more(void **state)
{
    struct world *w = avro_world(60, "%H%M.avro");

    (void)state;
    start(w);
    add(w, 0, 1);
    purge(w);
    add(w, 60, 2);
    add(w, 0, 3);
    purge(w);
    assert_int_equal(read_file(w, "cat", "2249.avro").block_count, 2);
    assert_int_equal(read_file(w, "cat", "2249.avro").counts[3], 1);
    assert_int_equal(read_file(w, "cat", "2250.avro").counts[2], 1);
    world_free(w);
}

static void rows_of_other_columns_begin_a_new_file(void **state)
{
    static const char *const names[][3] = {
        {"x.avro", "x.avro.1", "cat"},
        {"x.avro.gz", "x.avro.1.gz", "gzip -dc"},
        {"x.avro.zst", "x.avro.1.zst", "zstd -dcq"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *aside = names[i][1];
        struct world *w = avro_world(0, names[i][0]);
        set(w, "print_output_file_append", "true");
        start(w);
        add(w, 0, 1);
        purge(w);
        stop(w);
        rows_clear(&w->rows);
        rows_init(&w->rows, "peer_src_ip", 60);
        start(w);
        add(w, 0, 2);
        purge(w);
        assert_non_null(strstr(w->host.log, "has rows of other columns, or of another program"));
        assert_non_null(strstr(w->host.log, aside));
        assert_int_equal(read_file(w, names[i][2], aside).counts[1], 1);
        assert_int_equal(read_file(w, names[i][2], names[i][0]).counts[2], 1);
        assert_int_equal(read_file(w, names[i][2], names[i][0]).row_count, 1);
        add(w, 0, 3); /* the new file goes on */
        purge(w);
        assert_int_equal(read_file(w, names[i][2], names[i][0]).row_count, 2);
        world_free(w);
    }
}

static void file_of_another_program_is_kept(void **state)
{
    struct world *w = avro_world(0, "x.avro");
    FILE *file = fopen(at(w, "x.avro"), "w");

    (void)state;
    assert_non_null(file);
    fputs("PEER_SRC_IP,PACKETS,BYTES\n", file);
    fclose(file);
    set(w, "print_output_file_append", "true");
    start(w);
    add(w, 0, 2);
    purge(w);
    expect_file(w, "x.avro.1", "PEER_SRC_IP,PACKETS,BYTES\n");
    assert_int_equal(read_file(w, "cat", "x.avro").counts[2], 1);
    world_free(w);
}

static void what_was_aborted_leaves_no_block(void **state)
{
    struct world *w = avro_world(0, "x.avro");
    struct avro_file file;

    (void)state;
    set(w, "print_output_file_append", "true");
    start(w);
    for (uint64_t i = 0; i < 20000; i++)
        add(w, 0, 1);
    struct pa_batch batch = rows_batch(&w->rows);
    struct pa_source source;
    struct pa_transaction t = fake_host_transaction(&w->host, &source, 1, 1, w->now_s);
    assert_int_equal(print_begin(w->print, &t), 0);
    assert_int_equal(print_write(w->print, &batch), 0);
    print_abort(w->print);
    rows_reset(&w->rows);
    add(w, 0, 2);
    purge(w);
    file = read_file(w, "cat", "x.avro");
    assert_int_equal(file.row_count, 1);
    assert_int_equal(file.counts[2], 1);
    world_free(w);
}

static void pipe_has_a_header_for_each_reader(void **state)
{
    struct world *w = avro_world(0, "pipe");
    char *command = mem_printf("head -c 1000000 %s > %s; true", at(w, "pipe"), at(w, "seen"));

    (void)state;
    assert_int_equal(mkfifo(at(w, "pipe"), 0600), 0);
    start(w);
    for (int reader = 0; reader < 2; reader++) {
        FILE *running = popen(command, "r");
        struct avro_file file;
        assert_non_null(running);
        for (uint64_t t = 0; t < 2; t++) {
            add(w, 0, t);
            for (int tries = 0; try_purge(w, ENDS_EPOCH | (tries ? IS_AGAIN : 0)) < 0; tries++) {
                assert_in_range(tries, 0, 3000);
                usleep(10000);
            }
        }
        stop(w); /* shows the reader an end */
        pclose(running);
        file = read_file(w, "cat", "seen");
        assert_int_equal(file.block_count, 2);
        assert_int_equal(file.counts[1], 1);
        start(w);
    }
    mem_free(command);
    world_free(w);
}

static void schema_stands_in_its_file_too(void **state)
{
    struct world *w = avro_world(0, "x.avro");
    char *text;

    (void)state;
    set(w, "print_avro_schema_file", at(w, "schema.avsc"));
    start(w);
    char *command = mem_printf("cat %s", at(w, "schema.avsc"));
    text = read_command(command);
    assert_non_null(strstr(text, "\"name\": \"acct_data\""));
    assert_non_null(strstr(text, "{\"name\": \"peer_ip_src\", \"type\": \"string\"}"));
    free(text);
    mem_free(command);
    world_free(w);
}

static void pieces_of_a_file_have_a_header_each(void **state)
{
    struct world *w = avro_world(0, "x.avro");

    (void)state;
    set(w, "print_rotate_size", "300");
    start(w);
    for (uint64_t t = 0; t < 3; t++) {
        add(w, 0, t);
        purge(w);
    }
    expect_names(w, "x.avro.1 x.avro.2 x.avro.3 x.avro.state ");
    assert_int_equal(read_file(w, "cat", "x.avro.1").counts[0], 1);
    assert_int_equal(read_file(w, "cat", "x.avro.3").counts[2], 1);
    world_free(w);
}

static void file_without_rows_is_a_header(void **state)
{
    struct world *w = avro_world(0, "x.avro");

    (void)state;
    set(w, "print_write_empty_file", "true");
    start(w);
    purge(w);
    assert_int_equal(read_file(w, "cat", "x.avro").block_count, 0);
    world_free(w);
}

static void schema_file_that_cannot_be_written_is_told_by_the_trial(void **state)
{
    struct world *w = avro_world(0, "x.avro");
    char error[256] = "";

    (void)state;
    set(w, "print_avro_schema_file", at(w, "x.avro/schema.avsc"));
    fclose(fopen(at(w, "x.avro"), "w"));
    assert_int_equal(print_try_out(&w->host.host, &w->rows.schema, error, sizeof error), -EINVAL);
    assert_non_null(strstr(w->host.log, "print_avro_schema_file: cannot write "));
    assert_true(print_open(&w->host.host, &w->rows.schema, &w->print) < 0);
    assert_non_null(strstr(w->host.log, "print cannot start: print_avro_schema_file: "));
    world_free(w);
}

static void json_encoding_is_lines_in_a_file(void **state)
{
    struct world *w = avro_world(0, "x.json");

    (void)state;
    set(w, "print_output", "avro_json");
    set(w, "print_markers", "true");
    start(w);
    rows_set_addr(&w->rows, add(w, 0, 7), "peer_src_ip", "10.0.0.1");
    purge(w);
    expect_file(w, "x.json",
                "{\"peer_ip_src\": \"10.0.0.1\", \"packets\": {\"long\": 1}, \"flows\": null, "
                "\"bytes\": {\"long\": 7}}\n");
    world_free(w);
}

static void standard_output_has_the_json_encoding(void **state)
{
    struct world *w = avro_world(0, NULL);
    int saved = dup(STDOUT_FILENO), fd;

    (void)state;
    start(w);
    fd = open(at(w, "stdout"), O_CREAT | O_WRONLY, 0600);
    fflush(stdout);
    dup2(fd, STDOUT_FILENO);
    rows_set_addr(&w->rows, add(w, 0, 7), "peer_src_ip", "10.0.0.1");
    purge(w);
    dup2(saved, STDOUT_FILENO);
    close(fd);
    close(saved);
    expect_file(w, "stdout",
                "{\"peer_ip_src\": \"10.0.0.1\", \"packets\": {\"long\": 1}, \"flows\": null, "
                "\"bytes\": {\"long\": 7}}\n");
    world_free(w);
}

static void markers_are_left_out_and_told(void **state)
{
    struct world *w = avro_world(0, "x.avro");
    char error[256] = "";

    (void)state;
    set(w, "print_markers", "true");
    assert_int_equal(print_check(&w->host.host, &w->rows.schema, error, sizeof error), 0);
    assert_non_null(strstr(w->host.log, "print_markers: output of Avro has none"));
    start(w);
    add(w, 0, 1);
    purge(w);
    assert_int_equal(read_file(w, "cat", "x.avro").row_count, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_purge_of_a_file_is_a_block),
        cmocka_unit_test(many_rows_are_several_blocks),
        cmocka_unit_test(files_that_are_closed_and_opened_again_have_whole_blocks),
        cmocka_unit_test(late_row_of_a_finished_file_is_a_block_more),
        cmocka_unit_test(rows_of_other_columns_begin_a_new_file),
        cmocka_unit_test(file_of_another_program_is_kept),
        cmocka_unit_test(what_was_aborted_leaves_no_block),
        cmocka_unit_test(pipe_has_a_header_for_each_reader),
        cmocka_unit_test(schema_stands_in_its_file_too),
        cmocka_unit_test(pieces_of_a_file_have_a_header_each),
        cmocka_unit_test(file_without_rows_is_a_header),
        cmocka_unit_test(schema_file_that_cannot_be_written_is_told_by_the_trial),
        cmocka_unit_test(json_encoding_is_lines_in_a_file),
        cmocka_unit_test(standard_output_has_the_json_encoding),
        cmocka_unit_test(markers_are_left_out_and_told),
    };

    setenv("TZ", "UTC", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
