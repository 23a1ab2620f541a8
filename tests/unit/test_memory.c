/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SLAB_OBJECTS 1000

static void slab_objects_never_overlap_and_are_reused(void **state)
{
    struct slab slab;
    uint32_t *objects[SLAB_OBJECTS];
    (void)state;
    slab_init(&slab, 3 * sizeof(uint32_t), 64);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < SLAB_OBJECTS; i++) {
            objects[i] = slab_alloc(&slab);
            assert_int_equal((uintptr_t)objects[i] % sizeof(void *), 0);
            for (int j = 0; j < 3; j++)
                objects[i][j] = i * 3 + (uint32_t)j + round;
        }
        for (uint32_t i = 0; i < SLAB_OBJECTS; i++) {
            for (int j = 0; j < 3; j++)
                assert_int_equal(objects[i][j], i * 3 + (uint32_t)j + round);
        }
        assert_int_equal(slab.used_count, SLAB_OBJECTS);
        /* 16 blocks of 64 objects of 16 bytes, each with its header: no more in later rounds */
        assert_in_range(slab_bytes(&slab), 16 * 64 * 16, 16 * (64 * 16 + 64));
        for (uint32_t i = 0; i < SLAB_OBJECTS; i++)
            slab_free(&slab, objects[i]);
        assert_int_equal(slab.used_count, 0);
    }
    slab_clear(&slab);
    assert_int_equal(slab_bytes(&slab), 0);
    assert_non_null(slab_alloc(&slab)); /* usable again */
    slab_clear(&slab);
}

static void cleared_and_tiny_slabs_work(void **state)
{
    struct slab slab;
    (void)state;
    slab_init(&slab, 1, 1);
    char *a = slab_alloc(&slab), *b = slab_alloc(&slab);
    assert_ptr_not_equal(a, b);
    slab_free(&slab, a);
    assert_ptr_equal(slab_alloc(&slab), a);
    slab_free(&slab, NULL);
    slab_clear(&slab);
}

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
        cmocka_unit_test(slab_objects_never_overlap_and_are_reused),
        cmocka_unit_test(cleared_and_tiny_slabs_work),
        cmocka_unit_test(copies_are_copies),
        cmocka_unit_test(product_beyond_size_max_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
