/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and walks pre_tag_map. The keys of a row are conditions, in the order of the table; what a
 * condition asks is in tag_condition.c. */
#include "maps/tag_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include "maps/tag_condition.h"
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum tag_stack { STACK_REPLACE, STACK_SUM, STACK_OR };

struct tag_row {
    struct tag_condition *conditions;
    uint32_t condition_count;
    uint32_t jump; /* row to go on at; 0: the walk ends here */
    bool has_tag, has_tag2, has_tos, counts;
    uint8_t tos;
    enum tag_stack stack;
    uint64_t tag, tag2;
    const char *label; /* in the file's cells, or NULL */
    uint32_t label_len;
    _Atomic uint64_t counted; /* times that a row set_tag=N++ held */
};

struct tag_map {
    struct map_file *file;
    struct tag_row *rows;
    struct flow_needs needs;
    struct ip_addr *names; /* of exporters that rows name one by one, ascending */
    size_t name_count;
};

/* ---- reading ---- */

static void row_error(struct text *errors, const struct map_file *file, size_t row)
{
    text_append_printf(errors, "%s:%u: ", file->name, file->rows[row].line);
}

static const char *cell_text(const struct map_row *row, enum tag_key key)
{
    return row->cells[key] ? row->cells[key]->text : NULL;
}

/* Reads set_tag: a number, or N++ for one that counts up from N. */
static int take_tag(struct tag_row *tag_row, const char *text)
{
    char *end;

    if (text[0] < '0' || text[0] > '9')
        return -EINVAL;
    errno = 0;
    tag_row->tag = strtoull(text, &end, 10);
    tag_row->counts = strcmp(end, "++") == 0;
    tag_row->has_tag = true;
    return errno == 0 && (*end == '\0' || tag_row->counts) ? 0 : -EINVAL;
}

static int take_stack(struct tag_row *tag_row, const char *text)
{
    if (strcmp(text, "sum") == 0 || *text == '+')
        tag_row->stack = STACK_SUM;
    else if (strcmp(text, "or") == 0)
        tag_row->stack = STACK_OR;
    else
        return -EINVAL;
    return 0;
}

/* Reads what a row sets. */
static int take_settings(struct tag_map *map, size_t index, struct text *errors)
{
    const struct map_row *row = &map->file->rows[index];
    struct tag_row *tag_row = &map->rows[index];
    const char *tag = cell_text(row, TAG_KEY_set_tag), *stack = cell_text(row, TAG_KEY_stack);
    int err = 0;

    if (tag && take_tag(tag_row, tag) < 0) {
        row_error(errors, map->file, index);
        text_append_printf(errors, "set_tag=%s: expected a number, or N++ to count up from N\n",
                           tag);
        err = -EINVAL;
    }
    if (stack && take_stack(tag_row, stack) < 0) {
        row_error(errors, map->file, index);
        text_append_printf(errors, "stack=%s: expected sum or or\n", stack);
        err = -EINVAL;
    }
    if (row->cells[TAG_KEY_set_tag2]) {
        tag_row->has_tag2 = true;
        tag_row->tag2 = row->cells[TAG_KEY_set_tag2]->items[0].low;
    }
    if (row->cells[TAG_KEY_set_tos]) {
        tag_row->has_tos = true;
        tag_row->tos = (uint8_t)row->cells[TAG_KEY_set_tos]->items[0].low;
    }
    tag_row->label = cell_text(row, TAG_KEY_set_label);
    tag_row->label_len = tag_row->label ? (uint32_t)strlen(tag_row->label) : 0;
    if (tag_row->label_len > TAG_LABEL_MAX) {
        row_error(errors, map->file, index);
        text_append_printf(errors, "set_label: more than %d bytes\n", TAG_LABEL_MAX);
        err = -EINVAL;
    }
    if (!tag && !tag_row->has_tag2 && !tag_row->has_tos && !tag_row->label &&
        !row->cells[TAG_KEY_jeq]) {
        row_error(errors, map->file, index);
        text_append_string(errors, "the row sets nothing; write set_tag=, set_tag2=, set_label= or "
                                   "set_tos=\n");
        err = -EINVAL;
    }
    return err;
}

static int take_conditions(struct tag_map *map, size_t index, struct text *errors)
{
    const struct map_row *row = &map->file->rows[index];
    struct tag_row *tag_row = &map->rows[index];
    int err = 0;

    tag_row->conditions = mem_calloc(TAG_KEY_COUNT, sizeof *tag_row->conditions);
    for (size_t key = 0; key < TAG_KEY_COUNT; key++) {
        struct text error = {0};
        if (!row->cells[key] || !tag_keys[key].is_match)
            continue;
        struct tag_condition *condition = &tag_row->conditions[tag_row->condition_count++];
        if (tag_condition_make(condition, (enum tag_key)key, row->cells[key], &error) < 0) {
            row_error(errors, map->file, index);
            text_append_printf(errors, "%s=%s: %s\n", tag_keys[key].name, row->cells[key]->text,
                               text_cstr(&error));
            err = -EINVAL;
        }
        text_clear(&error);
        tag_condition_add_needs(condition, &map->needs);
    }
    return err;
}

/* Finds the row that jeq= leads to: the next one further down with that label=. */
static int take_jump(struct tag_map *map, size_t index, struct text *errors)
{
    const struct map_file *file = map->file;
    const char *name = cell_text(&file->rows[index], TAG_KEY_jeq);

    if (!name)
        return 0;
    for (size_t i = index + 1; i < file->row_count; i++) {
        const char *label = cell_text(&file->rows[i], TAG_KEY_label);
        if (strcmp(name, "next") == 0 || (label && strcmp(label, name) == 0)) {
            map->rows[index].jump = (uint32_t)i;
            return 0;
        }
    }
    if (strcmp(name, "next") == 0)
        return 0; /* of the last row: the end */
    row_error(errors, file, index);
    text_append_printf(errors, "jeq=%s: no row further down has label=%s\n", name, name);
    return -EINVAL;
}

static int compare_names(const void *a, const void *b)
{
    return ip_addr_compare(a, b);
}

static bool is_one_address(const struct map_item *item)
{
    return !item->is_negated && item->prefix.len == (item->prefix.addr.family == IP_V4 ? 32 : 128);
}

static void take_names(struct tag_map *map)
{
    for (int pass = 0; pass < 2; pass++) { /* counts them, then keeps them */
        size_t count = 0;
        for (size_t i = 0; i < map->file->row_count; i++) {
            const struct map_cell *cell = map->file->rows[i].cells[TAG_KEY_ip];
            for (size_t k = 0; cell && k < cell->item_count; k++) {
                if (!is_one_address(&cell->items[k]))
                    continue;
                if (map->names)
                    map->names[count] = cell->items[k].prefix.addr;
                count++;
            }
        }
        map->name_count = count;
        if (!map->names)
            map->names = mem_calloc(count + 1, sizeof *map->names);
    }
    qsort(map->names, map->name_count, sizeof *map->names, compare_names);
}

bool tag_map_names(const struct tag_map *map, const struct ip_addr *exporter)
{
    return bsearch(exporter, map->names, map->name_count, sizeof *map->names, compare_names) !=
           NULL;
}

int tag_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                  struct tag_map **ret_map)
{
    struct tag_map *map = mem_zalloc(sizeof *map);
    int err = map_file_parse(name, data, len, tag_keys, tag_refusals, errors, &map->file);

    if (err == 0) {
        map->rows = mem_calloc(map->file->row_count + 1, sizeof *map->rows);
        for (size_t i = 0; i < map->file->row_count; i++) {
            int settings = take_settings(map, i, errors), jump = take_jump(map, i, errors);
            int conditions = take_conditions(map, i, errors);
            if (settings < 0 || jump < 0 || conditions < 0)
                err = -EINVAL;
        }
    }
    if (err < 0) {
        tag_map_free(map);
        return err;
    }
    take_names(map);
    *ret_map = map;
    return 0;
}

/* Counts as pmacct does: a row that names no exporter is there for IPv4 and for IPv6. */
static size_t entry_count(const struct tag_map *map)
{
    size_t count = map->file->row_count;

    for (size_t i = 0; i < map->file->row_count; i++)
        count += map->file->rows[i].cells[TAG_KEY_ip] == NULL;
    return count;
}

int tag_map_read(const char *path, struct map_report *report, struct tag_map **ret_map)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = tag_map_parse(path, source.content.data, source.content.len, &source.errors,
                                ret_map);
        while (err < 0 && map_source_forgives(&source));
    map_source_close(&source, err, err < 0 ? 0 : entry_count(*ret_map));
    return err;
}

void tag_map_free(struct tag_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; map->rows && i < map->file->row_count; i++) {
        for (uint32_t k = 0; k < map->rows[i].condition_count; k++)
            tag_condition_clear(&map->rows[i].conditions[k]);
        mem_free(map->rows[i].conditions);
    }
    mem_free(map->rows);
    mem_free(map->names);
    map_file_free(map->file);
    mem_free(map);
}

void tag_map_add_needs(const struct tag_map *map, struct flow_needs *needs)
{
    for (size_t i = 0; i < sizeof needs->bits / sizeof *needs->bits; i++)
        needs->bits[i] |= map->needs.bits[i];
}

/* ---- walking ---- */

static bool row_holds(const struct tag_row *row, const struct flow *flow)
{
    for (uint32_t i = 0; i < row->condition_count; i++)
        if (!tag_condition_holds(&row->conditions[i], flow))
            return false;
    return true;
}

static uint64_t stacked(enum tag_stack stack, uint64_t before, uint64_t tag)
{
    if (stack == STACK_SUM)
        return before + tag;
    return stack == STACK_OR ? before | tag : tag;
}

/* Appends a label. What would go beyond the bound is left out. A label that was joined before is the
 * last text of the arena and grows in its place, so that a flow takes no more than the bound. */
static void label_append(struct flow_bytes *label, const struct tag_row *row, struct arena *labels)
{
    size_t len = (size_t)label->len + 1 + row->label_len;
    size_t last = arena_rounded(label->len);

    if (label->len == 0) {
        *label = (struct flow_bytes){.data = (const uint8_t *)row->label, .len = row->label_len};
        return;
    }
    if (len > TAG_LABEL_MAX)
        return;
    if (labels->used >= last && label->data == labels->data + labels->used - last)
        labels->used -= last;
    uint8_t *joined = arena_take(labels, len);
    if (!joined)
        return;
    memmove(joined, label->data, label->len);
    joined[label->len] = ',';
    memcpy(joined + label->len + 1, row->label, row->label_len);
    *label = (struct flow_bytes){.data = joined, .len = (uint32_t)len};
}

static void row_apply(struct tag_row *row, struct tag_result *result, struct arena *labels)
{
    if (row->has_tag) {
        uint64_t tag = row->tag;
        if (row->counts)
            tag += atomic_fetch_add_explicit(&row->counted, 1, memory_order_relaxed);
        result->tag = stacked(row->stack, result->tag, tag);
    }
    if (row->has_tag2)
        result->tag2 = stacked(row->stack, result->tag2, row->tag2);
    if (row->has_tos) {
        result->tos = row->tos;
        result->has_tos = true;
    }
    if (row->label_len > 0)
        label_append(&result->label, row, labels);
}

void tag_map_walk(const struct tag_map *map, const struct flow *flow, struct arena *labels,
                  struct tag_result *ret_result)
{
    *ret_result = (struct tag_result){0};
    for (size_t i = 0; i < map->file->row_count; i++) {
        struct tag_row *row = &map->rows[i];
        if (!row_holds(row, flow))
            continue;
        row_apply(row, ret_result, labels);
        if (row->jump == 0)
            return;
        i = row->jump - 1; /* the loop goes on at the row */
    }
}
