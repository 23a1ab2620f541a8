/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads pre_tag_map. The keys of a row are conditions, in the order of the table; what a condition
 * asks is in tag_condition.c. */
#include "maps/tag_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include "maps/tag_map_private.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL_LEN_MASK = 0x7ff, /* of struct tag_row */
    OPEN_COUNT_MASK = 0x3f
};

/* A row's name, for jumps. */
struct tag_label {
    const char *name; /* in the file's cells */
    uint32_t row;
};

/* A map while it is read. */
struct tag_reader {
    struct tag_map *map;
    const struct map_file *file;
    struct text *errors, texts;
    struct tag_label *labels; /* by name, then by row */
    size_t label_count, condition_capacity;
    bool has_pairs;
};

static void row_error(struct tag_reader *r, size_t row)
{
    text_append_printf(r->errors, "%s:%u: ", r->file->name, r->file->rows[row].line);
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
    atomic_init(&tag_row->tag, strtoull(text, &end, 10));
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

/* True if a label is KEY%VALUE, or some of them with commas between. */
static bool is_pairs(const char *label)
{
    for (;;) {
        size_t key = strcspn(label, "%,"), value;
        if (key == 0 || label[key] != '%')
            return false;
        label += key + 1;
        value = strcspn(label, "%,");
        if (value == 0 || label[value] == '%')
            return false;
        if (label[value] == '\0')
            return true;
        label += value + 1;
    }
}

/* Takes a label into the map's texts. */
static int take_label(struct tag_reader *r, size_t index, const char *label)
{
    struct tag_deed *deed = &r->map->deeds[index];
    size_t len = strlen(label);

    if (len > TAG_LABEL_MAX) {
        row_error(r, index);
        text_append_printf(r->errors, "set_label: more than %d bytes\n", TAG_LABEL_MAX);
        return -EINVAL;
    }
    if (r->has_pairs && !is_pairs(label)) {
        row_error(r, index);
        text_append_printf(r->errors,
                           "set_label=%.60s: expected KEY%%VALUE, or some with commas between, as "
                           "pre_tag_label_encode_as_map is set\n",
                           label);
        return -EINVAL;
    }
    if (r->texts.len > UINT32_MAX - len) /* files are smaller */
        abort();
    deed->label_place = (uint32_t)r->texts.len;
    deed->label_len = (uint32_t)len & LABEL_LEN_MASK;
    text_append(&r->texts, label, len);
    return 0;
}

/* Reads what a row sets. */
static int take_settings(struct tag_reader *r, size_t index)
{
    const struct map_row *row = &r->file->rows[index];
    struct tag_row *tag_row = &r->map->rows[index];
    struct tag_deed *deed = &r->map->deeds[index];
    const char *tag = cell_text(row, TAG_KEY_set_tag), *stack = cell_text(row, TAG_KEY_stack),
               *returns = cell_text(row, TAG_KEY_return);
    const char *label = cell_text(row, TAG_KEY_set_label);
    int err = 0;

    if (tag && take_tag(tag_row, tag) < 0) {
        row_error(r, index);
        text_append_printf(r->errors, "set_tag=%s: expected a number, or N++ to count up from N\n",
                           tag);
        err = -EINVAL;
    }
    if (stack && take_stack(tag_row, stack) < 0) {
        row_error(r, index);
        text_append_printf(r->errors, "stack=%s: expected sum or or\n", stack);
        err = -EINVAL;
    }
    if (row->cells[TAG_KEY_set_tag2]) {
        deed->has_tag2 = true;
        deed->tag2 = row->cells[TAG_KEY_set_tag2]->items[0].low;
    }
    if (row->cells[TAG_KEY_set_tos]) {
        deed->has_tos = true;
        deed->tos = (uint8_t)row->cells[TAG_KEY_set_tos]->items[0].low;
    }
    if (label && take_label(r, index, label) < 0)
        err = -EINVAL;
    if (returns && strcmp(returns, "true") == 0 && row->cells[TAG_KEY_jeq]) {
        deed->returns = true;
        if (r->map->return_line == 0)
            r->map->return_line = row->line;
    } else if (returns && strcmp(returns, "false") != 0) {
        row_error(r, index);
        text_append_printf(r->errors, "return=%s: expected true, beside jeq=, or false\n", returns);
        err = -EINVAL;
    }
    if (!tag && !deed->has_tag2 && !deed->has_tos && !label && !row->cells[TAG_KEY_jeq]) {
        row_error(r, index);
        text_append_string(r->errors, "the row sets nothing; write set_tag=, set_tag2=, set_label= "
                                      "or set_tos=\n");
        err = -EINVAL;
    }
    return err;
}

static struct tag_condition *condition_add(struct tag_reader *r)
{
    struct tag_map *map = r->map;

    if (map->condition_count == r->condition_capacity) {
        r->condition_capacity = r->condition_capacity ? 2 * r->condition_capacity : 64;
        map->conditions =
            mem_realloc_array(map->conditions, r->condition_capacity, sizeof *map->conditions);
    }
    return &map->conditions[map->condition_count++];
}

/* Holds what a row asks while it is read. */
struct row_keys {
    uint8_t known[TAG_KEY_COUNT]; /* keys of conditions that its choices ask all of */
    size_t known_count;
    struct row_choice choices[ROW_CHOICES_MAX];
    size_t choice_count;
};

static int take_condition(struct tag_reader *r, size_t index, enum tag_key key,
                          struct row_keys *keys)
{
    const struct map_row *row = &r->file->rows[index];
    struct tag_condition *condition = condition_add(r);
    struct text error = {0};
    bool is_known = false;
    int err = 0;

    if (tag_condition_make(condition, key, row->cells[key], &error) < 0) {
        row_error(r, index);
        text_append_printf(r->errors, "%s=%s: %s\n", tag_keys[key].name, row->cells[key]->text,
                           text_cstr(&error));
        err = -EINVAL;
    } else if (keys->choice_count < ROW_CHOICES_MAX &&
               tag_condition_choice(condition, row->cells[key], &keys->choices[keys->choice_count],
                                    &is_known)) {
        keys->choice_count++;
        if (is_known)
            keys->known[keys->known_count++] = (uint8_t)key;
    }
    text_clear(&error);
    tag_condition_add_needs(condition, &r->map->needs);
    return err;
}

static bool is_known(const struct row_keys *keys, uint8_t key)
{
    return memchr(keys->known, key, keys->known_count) != NULL;
}

/* Puts the conditions that the index leaves open before the others. Returns how many they are. */
static uint32_t sort_conditions(struct tag_condition *conditions, uint32_t count,
                                const struct row_keys *keys)
{
    uint32_t open_count = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct tag_condition condition = conditions[i];
        if (is_known(keys, condition.key))
            continue;
        memmove(&conditions[open_count + 1], &conditions[open_count],
                (i - open_count) * sizeof condition);
        conditions[open_count++] = condition;
    }
    return open_count;
}

/* Takes what a row asks, and enters it into the index. */
static int take_conditions(struct tag_reader *r, size_t index)
{
    const struct map_row *row = &r->file->rows[index];
    struct tag_map *map = r->map;
    struct tag_row *tag_row = &map->rows[index];
    struct row_keys keys = {.known_count = 0, .choice_count = 0};
    uint32_t count;
    int err = 0;

    tag_row->first_condition = map->condition_count;
    for (size_t key = 0; key < TAG_KEY_COUNT; key++)
        if (row->cells[key] && tag_keys[key].is_match &&
            take_condition(r, index, (enum tag_key)key, &keys) < 0)
            err = -EINVAL;
    if (row->cells[TAG_KEY_agent_id] && map->agent_line == 0)
        map->agent_line = row->line;
    if (!row_search_add(map->search, (uint32_t)index, keys.choices, keys.choice_count))
        keys.known_count = 0;
    count = map->condition_count - tag_row->first_condition;
    if (count > 0) /* there may be no array */
        tag_row->open_count =
            sort_conditions(&map->conditions[tag_row->first_condition], count, &keys) &
            OPEN_COUNT_MASK;
    map->has_open = map->has_open || tag_row->open_count > 0;
    return err;
}

static int compare_labels(const void *a, const void *b)
{
    const struct tag_label *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : x->row < y->row ? -1 : x->row > y->row;
}

static void find_labels(struct tag_reader *r)
{
    r->labels = mem_calloc(r->file->row_count + 1, sizeof *r->labels);
    for (size_t i = 0; i < r->file->row_count; i++) {
        const char *name = cell_text(&r->file->rows[i], TAG_KEY_label);
        if (name)
            r->labels[r->label_count++] = (struct tag_label){name, (uint32_t)i};
    }
    qsort(r->labels, r->label_count, sizeof *r->labels, compare_labels);
}

/* Finds the row that jeq= leads to: the next one further down with that label=. */
static int take_jump(struct tag_reader *r, size_t index)
{
    const char *name = cell_text(&r->file->rows[index], TAG_KEY_jeq);
    struct tag_label wanted = {name, (uint32_t)index + 1};
    size_t low = 0, high = r->label_count;

    if (!name)
        return 0;
    if (strcmp(name, "next") == 0) { /* of the last row: the end */
        r->map->deeds[index].jump = index + 1 < r->file->row_count ? wanted.row : 0;
        return 0;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_labels(&r->labels[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < r->label_count && strcmp(r->labels[low].name, name) == 0) {
        r->map->deeds[index].jump = r->labels[low].row;
        return 0;
    }
    row_error(r, index);
    text_append_printf(r->errors, "jeq=%s: no row further down has label=%s\n", name, name);
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

static void take_names(struct tag_map *map, const struct map_file *file)
{
    for (int pass = 0; pass < 2; pass++) { /* counts them, then keeps them */
        size_t count = 0;
        for (size_t i = 0; i < file->row_count; i++) {
            const struct map_cell *cell = file->rows[i].cells[TAG_KEY_ip];
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

/* Lays the conditions out anew, so that none lies across two cache lines. */
static void place_conditions(struct tag_map *map)
{
    struct tag_condition *conditions = map->conditions;

    static_assert(CACHE_LINE % sizeof *conditions == 0, "none lies across two lines");
    map->conditions = mem_table_calloc((size_t)map->condition_count + 1, sizeof *map->conditions);
    if (map->condition_count > 0)
        memcpy(map->conditions, conditions, map->condition_count * sizeof *conditions);
    mem_free(conditions);
}

/* Counts as pmacct does: a row that names no exporter is there for IPv4 and for IPv6. */
static size_t entry_count(const struct map_file *file)
{
    size_t count = file->row_count;

    for (size_t i = 0; i < file->row_count; i++)
        count += file->rows[i].cells[TAG_KEY_ip] == NULL;
    return count;
}

/* Lets the index know the tags of rows that set nothing else and leave nothing to ask. */
static void note_tags(struct tag_map *map)
{
    uint32_t *notes = mem_calloc((size_t)map->row_count + 1, sizeof *notes);

    for (uint32_t i = 0; i < map->row_count; i++) {
        const struct tag_row *row = &map->rows[i];
        uint64_t tag = atomic_load_explicit(&row->tag, memory_order_relaxed);
        if (row->open_count == 0 && !row->does_more && !row->counts && tag < UINT32_MAX)
            notes[i] = tag_note((uint32_t)tag);
    }
    row_search_note(map->search, notes);
    mem_free(notes);
}

/* True if all of `needs` are of the `count` members. */
static bool are_among(const struct flow_needs *needs, const enum flow_member *members, size_t count)
{
    struct flow_needs all = {0};

    for (size_t i = 0; i < count; i++)
        flow_needs_add(&all, members[i]);
    for (size_t i = 0; i < sizeof needs->bits / sizeof *needs->bits; i++)
        if (needs->bits[i] & ~all.bits[i])
            return false;
    return true;
}

static void finish(struct tag_reader *r)
{
    static const enum flow_member told[] = {FLOW_exporter_addr, FLOW_export_domain,
                                            FLOW_export_version, FLOW_engine_type,
                                            FLOW_sample_format};
    struct tag_map *map = r->map;
    uint64_t fields;

    map->texts = mem_strndup(text_cstr(&r->texts), r->texts.len);
    map->rows[map->row_count].first_condition = map->condition_count;
    place_conditions(map);
    take_names(map, r->file);
    map->entry_count = entry_count(r->file);
    map->asks_headers_only = are_among(&map->needs, told, sizeof told / sizeof told[0]);
    row_search_finish(map->search);
    note_tags(map);
    fields = row_search_fields(map->search);
    static_assert((int)TAG_KEY_COUNT <= ROW_FIELDS_MAX, "the fields of the index are the keys");
    for (size_t key = 0; key < TAG_KEY_COUNT; key++)
        if (fields >> key & 1)
            map->fields[map->field_count++] = (uint8_t)key;
}

static bool does_more(const struct tag_deed *deed)
{
    return deed->has_tag2 || deed->has_tos || deed->label_len > 0 || deed->jump > 0;
}

static int take_rows(struct tag_reader *r)
{
    struct tag_map *map = r->map;
    int err = 0;

    map->row_count = (uint32_t)r->file->row_count;
    static_assert(CACHE_LINE % sizeof *map->rows == 0, "none lies across two lines");
    map->rows = mem_table_calloc(r->file->row_count + 1, sizeof *map->rows);
    map->deeds = mem_table_calloc(r->file->row_count + 1, sizeof *map->deeds);
    map->search = row_search_new();
    find_labels(r);
    for (size_t i = 0; i < r->file->row_count; i++) {
        int settings = take_settings(r, i), jump = take_jump(r, i);
        map->rows[i].does_more = does_more(&map->deeds[i]);
        if (take_conditions(r, i) < 0 || settings < 0 || jump < 0)
            err = -EINVAL;
    }
    if (err == 0)
        finish(r);
    mem_free(r->labels);
    text_clear(&r->texts);
    return err;
}

static int parse_tag_map(const char *name, const char *data, size_t len, bool has_pairs,
                         struct text *errors, struct tag_map **ret_map)
{
    struct tag_map *map = mem_zalloc(sizeof *map);
    struct map_file *file = NULL;
    int err = map_file_parse(name, data, len, tag_keys, tag_refusals, errors, &file);

    if (err == 0)
        err = take_rows(&(struct tag_reader){
            .map = map, .file = file, .errors = errors, .has_pairs = has_pairs});
    map_file_free(file);
    if (err < 0) {
        tag_map_free(map);
        return err;
    }
    *ret_map = map;
    return 0;
}

int tag_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                  struct tag_map **ret_map)
{
    return parse_tag_map(name, data, len, false, errors, ret_map);
}

/* Warns of rows that the index cannot find, if there are many, and of those that hold for no flow. */
static void warn_of_rows(const char *path, const struct tag_map *map, bool has_agents,
                         struct text *warnings)
{
    if (map->agent_line && !has_agents)
        text_append_printf(warnings,
                           "%s:%u: agent_id: sub-agents are sFlow's: here such rows hold for no "
                           "flow; ask for engine_id\n",
                           path, map->agent_line);
    if (map->return_line)
        text_append_printf(warnings,
                           "%s:%u: return: flows that it gives away count twice; pmacct means to "
                           "drop it; a second instance with a map of its own does the same\n",
                           path, map->return_line);
    row_search_warn(map->search, path, warnings);
}

int tag_map_read(const char *path, const struct tag_map_reading *how, struct map_report *report,
                 struct tag_map **ret_map)
{
    size_t count = 0;
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = parse_tag_map(path, source.content.data, source.content.len, how->has_pairs,
                                &source.errors, ret_map);
        while (err < 0 && map_source_forgives(&source));
    if (err == 0) {
        warn_of_rows(path, *ret_map, how->has_agents, report->warnings);
        count = how->counts_rows_once ? (*ret_map)->row_count : (*ret_map)->entry_count;
    }
    map_source_close(&source, err, count);
    return err;
}

void tag_map_free(struct tag_map *map)
{
    if (!map)
        return;
    for (uint32_t i = 0; i < map->condition_count; i++)
        tag_condition_clear(&map->conditions[i]);
    mem_free(map->conditions);
    mem_free(map->rows);
    mem_free(map->deeds);
    mem_free(map->texts);
    row_search_free(map->search);
    mem_free(map->names);
    mem_free(map);
}

bool tag_map_asks_headers_only(const struct tag_map *map)
{
    return map->asks_headers_only;
}

const char *tag_map_asks_beyond_exports(const struct tag_map *map)
{
    static const enum tag_key beyond[] = {
        TAG_KEY_src_as,      TAG_KEY_dst_as,         TAG_KEY_peer_src_as,
        TAG_KEY_peer_dst_as, TAG_KEY_src_local_pref, TAG_KEY_local_pref,
        TAG_KEY_src_comms,   TAG_KEY_comms,          TAG_KEY_mpls_vpn_rd};

    for (uint32_t i = 0; i < map->condition_count; i++)
        for (size_t k = 0; k < sizeof beyond / sizeof beyond[0]; k++)
            if (map->conditions[i].key == beyond[k])
                return tag_keys[beyond[k]].name;
    return NULL;
}

void tag_map_add_needs(const struct tag_map *map, struct flow_needs *needs)
{
    for (size_t i = 0; i < sizeof needs->bits / sizeof *needs->bits; i++)
        needs->bits[i] |= map->needs.bits[i];
}
