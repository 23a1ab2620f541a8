/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Makes a folder below /tmp that one test owns, and removes it with all that is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct test_folder {
    char path[64];
};

static inline void test_folder_make(struct test_folder *folder)
{
    snprintf(folder->path, sizeof folder->path, "/tmp/pathacct-test.XXXXXX");
    assert_non_null(mkdtemp(folder->path));
}

static inline void test_folder_remove(struct test_folder *folder)
{
    char command[sizeof folder->path + 16];

    snprintf(command, sizeof command, "rm -rf %s", folder->path);
    assert_int_equal(system(command), 0);
}

/* These two are a test's setup and teardown: it runs in a folder of its own. */
static inline int test_folder_enter(void **state)
{
    static struct test_folder folder;

    *state = &folder;
    test_folder_make(&folder);
    return chdir(folder.path);
}

static inline int test_folder_leave(void **state)
{
    int err = chdir("/");

    test_folder_remove(*state);
    return err;
}
