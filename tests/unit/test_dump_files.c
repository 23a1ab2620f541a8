/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that files of dumps are seen whole or not at all, that names are as configured, and what becomes of what cannot be
 * written; and that event records are JSON of their kind. */
#include "base/file.h"
#include "base/memory.h"
#include "daemon/dump_files.h"
#include "daemon/event_json.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = {"peer_src_ip", "peer_src", NULL};
static atomic_bool is_stopping;

/* ---- fixture ---- */

static int folder_make(void **state)
{
    *state = mem_strdup("/tmp/test_dump_files.XXXXXX");
    atomic_store(&is_stopping, false);
    return mkdtemp(*state) ? 0 : -1;
}

static int folder_remove(void **state)
{
    char *command = mem_printf("rm -rf '%s'", (char *)*state);
    int status = system(command); /* NOLINT(cert-env33-c): our own folder */

    mem_free(command);
    mem_free(*state);
    return status;
}

static struct dump_files *files_of(const char *folder, const char *pattern, const char *latest,
                                   char **ret_pattern, char **ret_latest)
{
    *ret_pattern = mem_printf("%s/%s", folder, pattern);
    *ret_latest = latest ? mem_printf("%s/%s", folder, latest) : NULL;
    return dump_files_new(&(struct dump_files_settings){.key = "dump_file",
                                                        .latest_key = "dump_latest_file",
                                                        .pattern = *ret_pattern,
                                                        .latest = *ret_latest,
                                                        .is_utc = true,
                                                        .is_stopping = &is_stopping});
}

static void add(struct dump_files *files, const char *peer, const char *line)
{
    const struct dump_variable variables[] = {{"peer_src_ip", peer}, {"peer_src", "short"}};
    struct dump_file *file = dump_files_get(files, variables, 2);

    text_append_string(dump_file_text(file), line);
    dump_file_added(files, file, 1);
}

static void assert_content(const char *folder, const char *name, const char *expected)
{
    char *path = mem_printf("%s/%s", folder, name);
    struct text content = {0};

    if (expected) {
        assert_int_equal(file_read(path, 1 << 20, &content), 0);
        assert_string_equal(text_cstr(&content), expected);
    } else {
        assert_int_equal(access(path, F_OK), -1);
    }
    text_clear(&content);
    mem_free(path);
}

static unsigned entry_count(const char *folder)
{
    DIR *list = opendir(folder);
    unsigned count = 0;

    assert_non_null(list);
    while (readdir(list)) /* NOLINT(concurrency-mt-unsafe): one thread */
        count++;
    closedir(list);
    return count - 2;
}

/* ---- files ---- */

static void files_appear_whole_with_their_names(void **state)
{
    const char *folder = *state;
    char *pattern, *latest;
    struct dump_files *files = files_of(folder, "%Y/$peer_src_ip-$peer_src_%H%M.json",
                                        "latest-$peer_src_ip", &pattern, &latest);

    dump_files_begin(files, 1700000000); /* 2023-11-14 22:13:20 */
    add(files, "192.0.2.1", "one\n");
    add(files, "2001:db8::1", "two\n");
    add(files, "192.0.2.1", "three\n");
    assert_content(folder, "2023/192_0_2_1-short_2213.json", NULL); /* it is not whole */
    dump_files_end(files, true);
    assert_content(folder, "2023/192_0_2_1-short_2213.json", "one\nthree\n");
    assert_content(folder, "2023/2001_db8__1-short_2213.json", "two\n");
    assert_content(folder, "latest-192_0_2_1", "one\nthree\n");
    assert_int_equal(counter_get(&dump_files_counts(files)->written), 3);

    dump_files_begin(files, 1700000060);
    add(files, "192.0.2.1", "four\n");
    dump_files_end(files, true);
    assert_content(folder, "latest-192_0_2_1", "four\n");
    assert_content(folder, "latest-2001_db8__1", "two\n");
    dump_files_begin(files, 1700000000); /* an older one again: the link stays */
    add(files, "192.0.2.1", "five\n");
    dump_files_end(files, true);
    assert_content(folder, "latest-192_0_2_1", "four\n");
    assert_content(folder, "2023/192_0_2_1-short_2213.json", "five\n");
    assert_int_equal(counter_get(&dump_files_counts(files)->lost), 0);
    dump_files_free(files);
    mem_free(pattern);
    mem_free(latest);
}

static void what_is_not_whole_leaves_the_old_file(void **state)
{
    const char *folder = *state;
    char *pattern, *latest;
    struct dump_files *files = files_of(folder, "dump", "latest", &pattern, &latest);
    char line[1000];

    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    dump_files_begin(files, 1);
    add(files, "1", "whole\n");
    dump_files_end(files, true);
    dump_files_begin(files, 2);
    for (int i = 0; i < 500; i++) /* so that some of it is written, and some waits */
        add(files, "1", line);
    dump_files_end(files, false);
    assert_content(folder, "dump", "whole\n");
    assert_int_equal(entry_count(folder), 2);
    assert_int_equal(counter_get(&dump_files_counts(files)->written), 1);
    assert_int_equal(counter_get(&dump_files_counts(files)->lost), 500);
    dump_files_free(files);
    mem_free(pattern);
    mem_free(latest);
}

static void what_cannot_be_written_is_counted_and_tried_again(void **state)
{
    const char *folder = *state;
    char *pattern, *latest, *obstacle = mem_printf("%s/below", folder);
    struct dump_files *files = files_of(folder, "below/dump", "latest", &pattern, &latest);
    int fd = open(obstacle, O_CREAT | O_WRONLY, 0600);

    assert_true(fd >= 0);
    close(fd);
    dump_files_begin(files, 1);
    add(files, "1", "lost\n");
    dump_files_end(files, true);
    assert_int_equal(counter_get(&dump_files_counts(files)->lost), 1);
    assert_int_equal(unlink(obstacle), 0);
    dump_files_begin(files, 2);
    add(files, "1", "here\n");
    dump_files_end(files, true);
    assert_content(folder, "below/dump", "here\n");
    assert_int_equal(counter_get(&dump_files_counts(files)->written), 1);

    /* A file where the link shall be is the operator's. */
    assert_int_equal(unlink(latest), 0);
    fd = open(latest, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
    dump_files_begin(files, 3);
    add(files, "1", "more\n");
    dump_files_end(files, true);
    assert_content(folder, "latest", "");
    dump_files_free(files);
    mem_free(pattern);
    mem_free(latest);
    mem_free(obstacle);
}

static void a_stream_gets_records_and_is_given_up_at_the_end(void **state)
{
    const char *folder = *state;
    char *pattern, *latest, read_back[64] = "";
    struct dump_files *files = files_of(folder, "pipe", NULL, &pattern, &latest);
    char *line = mem_alloc(200000);

    assert_int_equal(mkfifo(pattern, 0600), 0);
    int reader = open(pattern, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    dump_files_begin(files, 1);
    add(files, "1", "here\n");
    dump_files_end(files, true);
    assert_int_equal(read(reader, read_back, sizeof read_back), 5);
    assert_string_equal(read_back, "here\n");

    memset(line, 'x', 199999);
    line[199999] = '\0';
    atomic_store(&is_stopping, true);
    dump_files_begin(files, 2);
    add(files, "1", line); /* more than the pipe holds, and nobody reads */
    dump_files_end(files, true);
    assert_int_equal(counter_get(&dump_files_counts(files)->written), 1);
    assert_int_equal(counter_get(&dump_files_counts(files)->lost), 1);
    close(reader);
    dump_files_free(files);
    mem_free(line);
    mem_free(pattern);
}

static void wrong_names_are_refused(void **state)
{
    (void)state;
    struct text error = {0};

    assert_int_equal(dump_files_check("/a/%Y-$peer_src_ip-%%", names, true, &error), 0);
    assert_int_equal(dump_files_check("/a/%D", names, true, &error), -EINVAL);
    assert_int_equal(dump_files_check("/a/%", names, true, &error), -EINVAL);
    assert_int_equal(dump_files_check("/a/%Y", names, false, &error), -EINVAL);
    text_reset(&error);
    assert_int_equal(dump_files_check("/a/$peer_dst", names, true, &error), -EINVAL);
    assert_string_equal(text_cstr(&error),
                        "'$peer_dst' is no variable here; there are $peer_src_ip, $peer_src");
    text_clear(&error);
}

/* ---- records ---- */

enum { SEQ, TIME, ADDR, WORD, TEXT, OWN, RD, MEMBER_COUNT };
static const struct event_member members[] = {
    [SEQ] = {"seq", "seq", PA_KIND_U64, PA_FORMAT_UINT, NULL},
    [TIME] = {"time", "timestamp", PA_KIND_TIME, PA_FORMAT_TIME, NULL},
    [ADDR] = {"peer", "peer_ip_src", PA_KIND_ADDR, PA_FORMAT_IP, NULL},
    [WORD] = {"type", "event_type", PA_KIND_U8, PA_FORMAT_PATH_MATCH, "log|dump|dump_init"},
    [TEXT] = {"text", "as_path", PA_KIND_BYTES, PA_FORMAT_TEXT, NULL},
    [OWN] = {"own", "", PA_KIND_BYTES, PA_FORMAT_MEMBERS, NULL},
    [RD] = {"rd", "rd", PA_KIND_U64, PA_FORMAT_RD, NULL},
};
static const uint8_t of_all[] = {TIME, SEQ, ADDR, WORD, TEXT, OWN, RD};
static const uint8_t of_few[] = {SEQ, WORD};
static const struct event_kind kinds[] = {{"all", of_all, sizeof of_all},
                                          {"few", of_few, sizeof of_few}};
static const struct event_table table = {members, kinds, MEMBER_COUNT, 2};

static void assert_json(const struct event_json_settings *settings, const struct event *event,
                        const char *expected)
{
    struct event_json *json = event_json_new(&table, settings);
    struct text out = {0};

    event_json_append(json, event, &out);
    assert_string_equal(text_cstr(&out), expected);
    text_clear(&out);
    event_json_free(json);
}

static void records_are_json_of_their_kind(void **state)
{
    (void)state;
    struct event *event = mem_zalloc(sizeof *event);
    struct ip_addr address;

    assert_int_equal(ip_addr_parse("192.0.2.1", &address), 0);
    event_begin(event, 0);
    assert_json(&(struct event_json_settings){.is_utc = true}, event, "{}\n");
    event_set_number(event, SEQ, 7);
    event_set_number(event, TIME, 1700000000123456789);
    event_set_addr(event, ADDR, &address);
    event_set_number(event, WORD, 1);
    event_set_bytes(event, TEXT, "1 \"2", 4);
    event_set_bytes(event, OWN, "\"a\": [1]", 8);
    event_set_number(event, RD, UINT64_C(0x1001c000020a0005)); /* of type 1, told by BGP */
    assert_json(
        &(struct event_json_settings){.is_utc = true}, event,
        "{\"timestamp\": \"2023-11-14 22:13:20\", \"seq\": 7, \"peer_ip_src\": \"192.0.2.1\", "
        "\"event_type\": \"dump\", \"as_path\": \"1 \\\"2\", \"a\": [1], "
        "\"rd\": \"1:192.0.2.10:5\"}\n");
    event->kind = 1;
    assert_json(&(struct event_json_settings){.is_utc = true}, event,
                "{\"seq\": 7, \"event_type\": \"dump\"}\n");
    event_begin(event, 0);
    event_set_number(event, TIME, 1700000000123456789);
    assert_json(&(struct event_json_settings){.style = EVENT_TIME_EPOCH, .has_fractions = true},
                event, "{\"timestamp\": \"1700000000.123456\"}\n");
    assert_json(&(struct event_json_settings){.style = EVENT_TIME_RFC9557, .is_utc = true}, event,
                "{\"timestamp\": \"2023-11-14T22:13:20+00:00\"}\n");
    event_begin(event, 0);
    event_set_number(event, RD, UINT64_C(0x0000fde800000001));
    assert_json(&(struct event_json_settings){.is_utc = true}, event, "{\"rd\": \"0:65000:1\"}\n");
    event_set_number(event, RD, UINT64_C(0x0002fa56ea000007));
    assert_json(&(struct event_json_settings){.is_utc = true}, event,
                "{\"rd\": \"2:4200000000:7\"}\n");
    mem_free(event);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_appear_whole_with_their_names, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(what_is_not_whole_leaves_the_old_file, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(what_cannot_be_written_is_counted_and_tried_again,
                                        folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_stream_gets_records_and_is_given_up_at_the_end,
                                        folder_make, folder_remove),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(records_are_json_of_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
