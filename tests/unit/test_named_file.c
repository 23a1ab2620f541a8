/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves where names lead: through links that are ours and no others, to streams that are written to
 * and never replaced. */
#include "base/file.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/text.h"
#include "support/folder.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define STRANGER 4321 /* a user who is neither root nor we */

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static void expect(const char *name, const char *path, bool is_stream, int fd)
{
    struct named_file file;

    assert_int_equal(named_file_resolve(name, &file), 0);
    assert_string_equal(file.path, path);
    assert_int_equal(file.is_stream, is_stream);
    assert_int_equal(file.fd, fd);
    named_file_clear(&file);
}

static int error_of(const char *name)
{
    struct named_file file;
    int err = named_file_resolve(name, &file);

    if (err == 0)
        named_file_clear(&file);
    return err;
}

static void a_name_that_is_no_link_stays_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(symlink("folder", "way"), 0);
    touch("folder/file");
    expect("folder/file", "folder/file", false, -1);
    expect("./folder//file", "./folder//file", false, -1);
    expect("way/file", "way/file", false, -1); /* the folder is a link, the file is none */
    expect("absent", "absent", false, -1);
    expect("absent/file", "absent/file", false, -1);
    expect("folder", "folder", false, -1);
    assert_int_equal(error_of("folder/file/below"), -ENOTDIR);
}

static void a_link_is_followed_to_its_end(void **state)
{
    const struct test_folder *folder = *state;
    char absolute[300];

    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(mkdir("folder/deep", 0755), 0);
    touch("folder/deep/file");
    assert_int_equal(symlink("deep/file", "folder/near"), 0);
    assert_int_equal(symlink("../folder/near", "folder/far"), 0);
    assert_int_equal(symlink("folder/none", "dangling"), 0);
    snprintf(absolute, sizeof absolute, "%s/folder/far", folder->path);
    assert_int_equal(symlink(absolute, "outside"), 0);
    expect("folder/near", "folder/deep/file", false, -1);
    expect("folder/far", "folder/../folder/deep/file", false, -1);
    expect("dangling", "folder/none", false, -1);
    snprintf(absolute, sizeof absolute, "%s/folder/../folder/deep/file", folder->path);
    expect("outside", absolute, false, -1);
    assert_int_equal(symlink("round", "round"), 0);
    assert_int_equal(error_of("round"), -ELOOP);
}

static void what_is_no_regular_file_is_a_stream(void **state)
{
    (void)state;
    assert_int_equal(mkfifo("pipe", 0600), 0);
    assert_int_equal(symlink("pipe", "to_pipe"), 0);
    assert_int_equal(symlink("/dev/null", "to_null"), 0);
    assert_int_equal(symlink("/dev/stderr", "to_stderr"), 0);
    expect("pipe", "pipe", true, -1);
    expect("to_pipe", "pipe", true, -1);
    expect("to_null", "/dev/null", true, -1);
    expect("/dev/stdout", "/dev/stdout", true, 1);
    expect("/dev/fd/7", "/dev/fd/7", true, 7);
    expect("/dev//fd/7", "/dev//fd/7", true, 7);
    expect("/proc/self/fd/2", "/proc/self/fd/2", true, 2);
    expect("to_stderr", "to_stderr", true, 2);
    expect("/dev/fd/x", "/dev/fd/x", false, -1);
}

/* Standard output is a file, as after `nfacctd > file`: what stands there already stays. */
static void standard_output_that_is_a_file_is_appended_to(void **state)
{
    struct text content = {0};
    struct stat before, after;
    int saved = dup(STDOUT_FILENO), fd = open("out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    (void)state;
    assert_true(saved >= 0 && fd >= 0);
    assert_int_equal(lstat("/dev/stdout", &before), 0);
    fflush(stdout);
    assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    assert_int_equal(file_write_all(STDOUT_FILENO, "first ", 6), 0);
    int err = file_replace("/dev/stdout", "second", 6, FILE_MODE_PUBLIC, FILE_SYNC_CONTENT);
    named_file_remove("/dev/stdout");
    int chown_err = named_file_chown("/dev/stdout", getuid(), getgid());
    assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(err, 0);
    assert_int_equal(chown_err, 0);
    assert_int_equal(lstat("/dev/stdout", &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(file_read("out", 100, &content), 0);
    assert_string_equal(text_cstr(&content), "first second");
    text_clear(&content);
}

static void a_descriptor_of_our_own_is_no_stream(void **state)
{
    int own = open("own", O_RDWR | O_CREAT | O_CLOEXEC, 0600), given = dup(own);
    char name[32];

    (void)state;
    assert_true(own > 2 && given > 2);
    snprintf(name, sizeof name, "/dev/fd/%d", own);
    assert_int_equal(named_file_open_name(name, O_WRONLY, 0), -EBADF);
    snprintf(name, sizeof name, "/dev/fd/%d", given); /* open over exec: somebody passed it on */
    int fd = named_file_open_name(name, O_WRONLY, 0);
    assert_true(fd > 2);
    close(fd);
    close(given);
    close(own);
    assert_int_equal(named_file_open_name(name, O_WRONLY, 0), -EBADF);
}

static void a_link_is_replaced_at_its_target(void **state)
{
    struct text content = {0};
    struct stat status;

    (void)state;
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(symlink("folder/file", "link"), 0);
    assert_int_equal(file_replace("link", "one", 3, FILE_MODE_SHARED, FILE_SYNC_FOLDER), 0);
    assert_int_equal(file_replace("link", "two", 3, FILE_MODE_SHARED, FILE_SYNC_FOLDER), 0);
    assert_int_equal(lstat("link", &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(file_read("folder/file", 10, &content), 0);
    assert_string_equal(text_cstr(&content), "two");
    assert_int_equal(lstat("folder/file", &status), 0);
    assert_int_equal(status.st_mode & 0777 & ~0640u, 0);
    named_file_remove("link");
    assert_int_equal(lstat("folder/file", &status), -1);
    assert_int_equal(lstat("link", &status), 0);
    text_clear(&content);
}

static void a_strangers_link_is_not_followed(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(mkdir("shared", 0755), 0);
    touch("file");
    assert_int_equal(symlink("../file", "shared/link"), 0);
    assert_int_equal(symlink("..", "shared/folder"), 0);
    assert_int_equal(symlink("shared/link", "ours"), 0);
    assert_int_equal(chmod("shared", 01777), 0);
    expect("shared/link", "shared/../file", false, -1); /* we put it there */
    assert_int_equal(lchown("shared/link", STRANGER, STRANGER), 0);
    assert_int_equal(lchown("shared/folder", STRANGER, STRANGER), 0);
    assert_int_equal(error_of("shared/link"), -ELOOP);
    assert_int_equal(error_of("ours"), -ELOOP); /* ours leads to a stranger's */
    assert_int_equal(error_of("shared/folder/file"), -ELOOP);
    assert_int_equal(file_replace("shared/link", "x", 1, FILE_MODE_PUBLIC, FILE_SYNC_NONE), -ELOOP);
    assert_non_null(strstr(named_file_error(-ELOOP), "chown -h"));
    /* Nobody else can have put a link where nobody else can write. */
    assert_int_equal(chmod("shared", 0755), 0);
    expect("shared/link", "shared/../file", false, -1);
    assert_int_equal(chmod("shared", 0775), 0);
    assert_int_equal(error_of("shared/link"), -ELOOP);
    assert_int_equal(chmod("shared", 0755), 0);
    assert_int_equal(chown("shared", STRANGER, STRANGER), 0);
    assert_int_equal(error_of("shared/link"), -ELOOP);
}

/* Between looking and opening somebody puts a link there. */
static void a_link_that_comes_late_is_not_followed(void **state)
{
    struct named_file file;

    (void)state;
    assert_int_equal(named_file_resolve("file", &file), 0);
    assert_int_equal(symlink("other", "file"), 0);
    assert_int_equal(named_file_open(&file, O_WRONLY | O_CREAT, 0600), -ELOOP);
    assert_int_equal(access("other", F_OK), -1);
    named_file_clear(&file);
}

static void names_of_temporary_files_differ(void **state)
{
    char *a = file_aside_name("file"), *b = file_aside_name("file");

    (void)state;
    assert_int_equal(strncmp(a, "file.", 5), 0);
    assert_int_equal(strlen(a), 13);
    assert_string_not_equal(a, b);
    mem_free(a);
    mem_free(b);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_folder_enter, test_folder_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_name_that_is_no_link_stays_as_it_is),
        IN_FOLDER(a_link_is_followed_to_its_end),
        IN_FOLDER(what_is_no_regular_file_is_a_stream),
        IN_FOLDER(standard_output_that_is_a_file_is_appended_to),
        IN_FOLDER(a_descriptor_of_our_own_is_no_stream),
        IN_FOLDER(a_link_is_replaced_at_its_target),
        IN_FOLDER(a_strangers_link_is_not_followed),
        IN_FOLDER(a_link_that_comes_late_is_not_followed),
        IN_FOLDER(names_of_temporary_files_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
