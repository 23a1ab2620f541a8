/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the places that lines begin with, and sorts by them. See problem_list.h. */
#include "daemon/problem_list.h"
#include "base/memory.h"
#include "base/text.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct problem {
    const char *text; /* without its end of line */
    size_t len, file_len;
    size_t rank;   /* of the file: 0 is the first; SIZE_MAX: there is no place */
    size_t number; /* of the line in the file */
    size_t order;  /* before sorting */
};

/* Looks for ":NUMBER: ". */
static void find_place(struct problem *p)
{
    for (size_t i = 0; i < p->len; i++) {
        size_t at = i + 1, number = 0;
        if (p->text[i] != ':')
            continue;
        while (at < p->len && p->text[at] >= '0' && p->text[at] <= '9' && at < i + 10)
            number = number * 10 + (size_t)(p->text[at++] - '0');
        if (at == i + 1 || p->len - at < 2 || memcmp(p->text + at, ": ", 2) != 0)
            continue;
        p->file_len = i;
        p->number = number;
        return;
    }
}

static size_t rank_of(const struct problem *problems, size_t index)
{
    const struct problem *p = &problems[index];
    size_t next = 0;

    if (p->file_len == 0)
        return SIZE_MAX;
    for (size_t i = 0; i < index; i++) {
        if (problems[i].file_len == p->file_len &&
            memcmp(problems[i].text, p->text, p->file_len) == 0)
            return problems[i].rank;
        if (problems[i].file_len > 0 && problems[i].rank >= next)
            next = problems[i].rank + 1;
    }
    return next;
}

static int compare(size_t a, size_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_problems(const void *a, const void *b)
{
    const struct problem *x = a, *y = b;
    int by_rank = compare(x->rank, y->rank), by_number = compare(x->number, y->number);

    return by_rank ? by_rank : by_number ? by_number : compare(x->order, y->order);
}

static size_t count_lines(const struct text *lines)
{
    size_t count = 0;

    for (size_t i = 0; i < lines->len; i++)
        count += lines->data[i] == '\n';
    return count;
}

size_t problem_list_sort(struct text *lines)
{
    struct text sorted = {0};

    if (lines->len > 0 && lines->data[lines->len - 1] != '\n')
        text_append_char(lines, '\n');
    size_t count = count_lines(lines);
    struct problem *problems = mem_calloc(count + 1, sizeof *problems);
    const char *at = lines->data;

    for (size_t i = 0; i < count; i++) {
        const char *end = memchr(at, '\n', lines->len - (size_t)(at - lines->data));
        problems[i] = (struct problem){.text = at, .len = (size_t)(end - at), .order = i};
        find_place(&problems[i]);
        problems[i].rank = rank_of(problems, i);
        at = end + 1;
    }
    qsort(problems, count, sizeof *problems, compare_problems);
    for (size_t i = 0; i < count; i++) {
        text_append(&sorted, problems[i].text, problems[i].len);
        text_append_char(&sorted, '\n');
    }
    mem_free(problems);
    text_clear(lines);
    *lines = sorted;
    return count;
}
