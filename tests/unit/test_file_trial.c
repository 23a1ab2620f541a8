/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a trial says beforehand what writing would say, and leaves nothing behind. */
#include "base/file_trial.h"
#include "support/folder.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOBODY 65534

static int entry_count(const char *folder)
{
    DIR *dir = opendir(folder);
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

static void make_file(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "old", 3), 3);
    close(fd);
}

static void what_can_be_written_is_left_as_it_is(void **state)
{
    struct stat before, after;

    (void)state;
    make_file("old", 0600);
    assert_int_equal(stat("old", &before), 0);
    assert_int_equal(file_trial_write("old", false), 0);
    assert_int_equal(file_trial_write("./new", false), 0);
    assert_int_equal(file_trial_replace("old"), 0);
    assert_int_equal(file_trial_replace("new"), 0);
    assert_int_equal(file_trial_folder(".", false), 0);
    assert_int_equal(stat("old", &after), 0);
    assert_int_equal(after.st_size, 3);
    assert_int_equal(after.st_ino, before.st_ino);
    assert_int_equal(entry_count("."), 1);
}

static void folders_are_tried_where_they_would_be_made(void **state)
{
    (void)state;
    make_file("file", 0600);
    assert_int_equal(file_trial_write("a/b/c/new", false), -ENOENT);
    assert_int_equal(file_trial_write("a/b//c/new", true), 0);
    assert_int_equal(file_trial_folder("a/b/", true), 0);
    assert_int_equal(file_trial_folder("a", false), -ENOENT);
    assert_int_equal(file_trial_write("file/new", true), -ENOTDIR);
    assert_int_equal(file_trial_write("file/a/new", true), -ENOTDIR);
    assert_int_equal(file_trial_folder("file", true), -ENOTDIR);
    assert_int_equal(file_trial_replace("a/new"), -ENOENT);
    assert_int_equal(entry_count("."), 1);
}

static void a_folder_is_no_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0700), 0);
    assert_int_equal(file_trial_write("folder", true), -EISDIR);
    assert_int_equal(file_trial_replace("folder"), -EISDIR);
    assert_int_equal(file_trial_replace("/"), -EISDIR);
}

static void file_systems_that_take_no_files_are_found_out(void **state)
{
    (void)state;
    assert_true(file_trial_folder("/proc", false) < 0);
    assert_true(file_trial_write("/proc/nowhere/new", true) < 0);
}

/* Root may write anywhere, so another user asks. */
static void permissions_are_those_of_the_effective_user(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    make_file("mine", 0600);
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(seteuid(NOBODY), 0);
    int write = file_trial_write("mine", false), make = file_trial_write("new", false),
        replace = file_trial_replace("mine"), folder = file_trial_folder("a/b", true);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(write, -EACCES);
    assert_int_equal(make, -EACCES);
    assert_int_equal(replace, -EACCES);
    assert_int_equal(folder, -EACCES);
}

#define IN_A_FOLDER(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, test_folder_enter, test_folder_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(what_can_be_written_is_left_as_it_is),
        IN_A_FOLDER(folders_are_tried_where_they_would_be_made),
        IN_A_FOLDER(a_folder_is_no_file),
        IN_A_FOLDER(file_systems_that_take_no_files_are_found_out),
        IN_A_FOLDER(permissions_are_those_of_the_effective_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
