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
        cmocka_unit_test(product_beyond_size_max_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
