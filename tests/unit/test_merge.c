/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that rows of several workers are merged by the values of their keys. The reference is an
 * array that is searched from end to end and compares paths as text. */
#include "host/merge.h"

#include "handover/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATHS    40
#define REF_MAX  10000
#define MAX_ROWS 3000

/* The key is AS and path id; packets and the order follow. */
struct row {
    uint32_t as, path;
    uint64_t packets, order;
};

struct reference_row {
    uint32_t as;
    char path[16];
    uint64_t packets, order;
};

#define SOURCES_MAX 8

struct reference {
    char texts[SOURCES_MAX][PATHS][16]; /* the workers' dictionaries: borrowed by the merge */
    size_t source_count;
    struct reference_row rows[REF_MAX];
    size_t count;
    bool combines;
};

static uint64_t mix(uint64_t x) /* splitmix64 */
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static struct schema *test_schema(bool has_order)
{
    static const struct pa_column columns[] = {
        {.name = "dst_as", .kind = PA_KIND_U32, .combine = PA_COMBINE_KEY},
        {.name = "as_path", .kind = PA_KIND_BYTES, .combine = PA_COMBINE_KEY},
        {.name = "packets", .kind = PA_KIND_U64, .combine = PA_COMBINE_SUM},
    };
    struct schema *schema = schema_new();
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(schema_add(schema, &columns[i]), 0);
    if (has_order)
        schema_set_order(schema);
    assert_int_equal(schema_finish(schema), 0);
    return schema;
}

static void reference_add(struct reference *ref, const struct reference_row *row)
{
    for (size_t i = 0; i < ref->count && ref->combines; i++) {
        struct reference_row *r = &ref->rows[i];
        if (r->as != row->as || strcmp(r->path, row->path) != 0)
            continue;
        r->packets += row->packets;
        r->order = r->order < row->order ? r->order : row->order;
        return;
    }
    ref->rows[ref->count++] = *row;
}

static int compare_reference(const void *a, const void *b)
{
    const struct reference_row *x = a, *y = b;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Adds rows of one worker, whose dictionary has the paths in an order of its own. */
static void add_source(struct merge *merge, struct reference *ref, uint64_t seed, uint32_t count,
                       uint32_t first_order)
{
    static struct row rows[MAX_ROWS];
    char(*texts)[16] = ref->texts[ref->source_count++];
    struct pa_bytes dictionary[PATHS];

    dictionary[0] = (struct pa_bytes){(const uint8_t *)"", 0};
    for (uint32_t id = 1; id < PATHS; id++) {
        int len =
            snprintf(texts[id], 16, "%llu", (unsigned long long)((id * 7 + seed) % (PATHS + 10)));
        dictionary[id] = (struct pa_bytes){(const uint8_t *)texts[id], (uint32_t)len};
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t random = mix(seed << 32 | i);
        struct reference_row r = {.as = (uint32_t)(random % 20),
                                  .packets = random >> 40,
                                  .order = first_order + (uint64_t)i * 3};
        rows[i] = (struct row){r.as, (uint32_t)(random >> 8) % PATHS, r.packets, r.order};
        memcpy(r.path, dictionary[rows[i].path].data, dictionary[rows[i].path].len);
        reference_add(ref, &r);
    }
    merge_set_dictionary(merge, dictionary, PATHS);
    assert_int_equal(merge_add(merge, (const uint8_t *)rows, count / 2), 0);
    assert_int_equal(merge_add(merge, (const uint8_t *)&rows[count / 2], count - count / 2), 0);
    memset(rows, 0xff, sizeof rows); /* they were copied */
}

struct emitted {
    const struct reference *ref;
    size_t count;
};

static int compare_batch(void *arg, const struct pa_batch *batch)
{
    struct emitted *e = arg;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        struct row row;
        memcpy(&row, batch->rows + i * sizeof row, sizeof row);
        assert_true(e->count < e->ref->count);
        const struct reference_row *r = &e->ref->rows[e->count++];
        assert_int_equal(row.order, r->order);
        assert_int_equal(row.as, r->as);
        assert_int_equal(row.packets, r->packets);
        assert_true(row.path < batch->dictionary_count);
        assert_int_equal(batch->dictionary[row.path].len, strlen(r->path));
        assert_memory_equal(batch->dictionary[row.path].data, r->path, strlen(r->path));
    }
    return 0;
}

static void check(bool combines, uint64_t seed)
{
    struct reference *ref = calloc(1, sizeof *ref);
    struct schema *schema = test_schema(true);
    struct merge *merge = merge_new(schema_view(schema), combines);

    for (int round = 0; round < 3; round++) { /* the second finds nothing of the first */
        ref->combines = combines;
        ref->count = ref->source_count = 0;
        merge_reset(merge);
        for (uint32_t worker = 0; worker < 3; worker++)
            add_source(merge, ref, seed + worker + 10 * (uint64_t)round, worker == 1 ? 7 : MAX_ROWS,
                       worker);
        qsort(ref->rows, ref->count, sizeof ref->rows[0], compare_reference);
        assert_int_equal(merge_row_count(merge), ref->count);
        struct emitted e = {.ref = ref};
        assert_int_equal(merge_emit(merge, compare_batch, &e), 0);
        assert_int_equal(e.count, ref->count);
    }
    merge_free(merge);
    schema_free(schema);
    free(ref);
}

static void equal_keys_combine_as_in_the_reference(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++)
        check(true, seed * 100);
}

static void unaggregated_rows_come_in_the_order_of_the_input(void **state)
{
    (void)state;
    check(false, 1000);
}

static void unknown_dictionary_id_is_refused(void **state)
{
    (void)state;
    struct schema *schema = test_schema(true);
    struct merge *merge = merge_new(schema_view(schema), true);
    struct pa_bytes dictionary[2] = {{(const uint8_t *)"", 0}, {(const uint8_t *)"701", 3}};
    struct row row = {.as = 1, .path = 2, .packets = 1};
    merge_set_dictionary(merge, dictionary, 2);
    assert_int_equal(merge_add(merge, (const uint8_t *)&row, 1), -EBADMSG);
    merge_free(merge);
    schema_free(schema);
}

static int refuse(void *arg, const struct pa_batch *batch)
{
    (void)batch;
    ++*(int *)arg;
    return -EAGAIN;
}

static void first_failure_ends_the_output(void **state)
{
    (void)state;
    struct schema *schema = test_schema(true);
    struct merge *merge = merge_new(schema_view(schema), false);
    struct pa_bytes dictionary[1] = {{(const uint8_t *)"", 0}};
    static struct row rows[MAX_ROWS];
    int calls = 0;
    merge_set_dictionary(merge, dictionary, 1);
    assert_int_equal(merge_add(merge, (const uint8_t *)rows, MAX_ROWS), 0);
    assert_int_equal(merge_emit(merge, refuse, &calls), -EAGAIN);
    assert_int_equal(calls, 1);
    merge_free(merge);
    schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_keys_combine_as_in_the_reference),
        cmocka_unit_test(unaggregated_rows_come_in_the_order_of_the_input),
        cmocka_unit_test(unknown_dictionary_id_is_refused),
        cmocka_unit_test(first_failure_ends_the_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
