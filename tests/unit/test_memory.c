/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that copies are copies, that memory is aligned and zero where it should be, and that a
 * product beyond SIZE_MAX ends the process. */
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void copies_are_copies(void **state)
{
    (void)state;
    char *a = mem_strdup("path"), *b = mem_strndup("pathacct", 4),
         *c = mem_printf("%s%d", "path", 4);
    char *d = mem_strndup("ab", 10);
    assert_string_equal(a, "path");
    assert_string_equal(b, "path");
    assert_string_equal(c, "path4");
    assert_string_equal(d, "ab");
    mem_free(a);
    mem_free(b);
    mem_free(c);
    mem_free(d);
    mem_free(mem_dup(NULL, 0));
    void *aligned = mem_aligned_zalloc(CACHE_LINE, 100);
    assert_int_equal((uintptr_t)aligned % CACHE_LINE, 0);
    mem_free(aligned);
    uint64_t *zeros = mem_calloc(100, sizeof *zeros);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    zeros = mem_realloc_array(zeros, 200, sizeof *zeros);
    assert_int_equal(zeros[99], 0);
    mem_free(zeros);
}

/* Also where the memory was used before, which the allocator then gives again. */
static void tables_are_zero_and_begin_with_a_cache_line(void **state)
{
    static const size_t sizes[] = {1, 1000, (2 << 20) - 1, 2 << 20, (5 << 20) + 77};
    (void)state;
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            uint8_t *table = mem_table_calloc(sizes[i], 1);
            assert_int_equal((uintptr_t)table % CACHE_LINE, 0);
            assert_int_equal(table[0], 0);
            assert_memory_equal(table, table + 1, sizes[i] - 1);
            memset(table, 0xa5, sizes[i]);
            mem_free(table);
        }
}

static void product_beyond_size_max_ends_the_process(void **state)
{
    int status;
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        volatile size_t half = SIZE_MAX / 2;
        mem_free(mem_calloc(half, 3));
        _exit(77); /* came back */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FAILURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_copies),
        cmocka_unit_test(tables_are_zero_and_begin_with_a_cache_line),
        cmocka_unit_test(product_beyond_size_max_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
