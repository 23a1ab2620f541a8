/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Makes a folder below /tmp that one test owns, and removes it with all that is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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
