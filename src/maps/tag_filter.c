/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists of tags and of labels that an instance takes. */
#include "maps/tag_filter.h"

#include "base/memory.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct tag_item {
    bool is_negated;
    uint64_t low, high;
};
struct label_item {
    bool is_negated;
    const char *word; /* NULL: there is no label */
    size_t len;
};

struct tag_filter {
    struct tag_item *tags, *tags2;
    struct label_item *labels;
    size_t tag_count, tag2_count, label_count;
    char *label_text; /* the words stand in it */
};

/* ---- reading ---- */

static bool parse_number(const char **text, uint64_t *ret_number)
{
    char *end;

    if (!isdigit((unsigned char)**text))
        return false;
    errno = 0;
    *ret_number = strtoull(*text, &end, 10);
    *text = end;
    return errno == 0;
}

/* Reads N, N-M, -N or -N-M. */
static bool parse_item(const char *text, struct tag_item *item)
{
    text += strspn(text, " \t");
    item->is_negated = *text == '-';
    text += item->is_negated;
    if (!parse_number(&text, &item->low))
        return false;
    item->high = item->low;
    if (*text == '-') {
        text++;
        if (!parse_number(&text, &item->high))
            return false;
    }
    text += strspn(text, " \t");
    return *text == '\0' && item->low <= item->high;
}

static int parse_tags(const char *key, const char *value, struct tag_item **ret_items,
                      size_t *ret_count, struct text *error)
{
    char *copy = mem_strdup(value ? value : ""), *rest = value ? copy : NULL;
    int err = 0;

    for (char *word; err == 0 && (word = strsep(&rest, ",")) != NULL;) {
        struct tag_item item = {0};
        if (!parse_item(word, &item)) {
            text_append_printf(error, "%s: '%s' is no tag; expected a list such as 0,10,100-199,-5",
                               key, word);
            err = -EINVAL;
            break;
        }
        *ret_items = mem_realloc_array(*ret_items, *ret_count + 1, sizeof item);
        (*ret_items)[(*ret_count)++] = item;
    }
    mem_free(copy);
    return err;
}

static void parse_labels(struct tag_filter *f, const char *value)
{
    char *rest = f->label_text = mem_strdup(value ? value : "");

    if (!value)
        return;
    for (char *word; (word = strsep(&rest, ",")) != NULL;) {
        struct label_item item = {0};
        word += strspn(word, " \t");
        item.is_negated = *word == '-';
        word += item.is_negated;
        item.len = strlen(word);
        while (item.len > 0 && isspace((unsigned char)word[item.len - 1]))
            item.len--;
        if (item.len != strlen("null") || strncmp(word, "null", item.len) != 0)
            item.word = word;
        f->labels = mem_realloc_array(f->labels, f->label_count + 1, sizeof item);
        f->labels[f->label_count++] = item;
    }
}

int tag_filter_new(const struct tag_filter_settings *s, struct text *error,
                   struct tag_filter **ret_filter)
{
    struct tag_filter *f = mem_zalloc(sizeof *f);
    int err = parse_tags("pre_tag_filter", s->tag, &f->tags, &f->tag_count, error);

    if (err == 0)
        err = parse_tags("pre_tag2_filter", s->tag2, &f->tags2, &f->tag2_count, error);
    if (err < 0) {
        tag_filter_free(f);
        return err;
    }
    parse_labels(f, s->label);
    *ret_filter = f;
    return 0;
}

void tag_filter_free(struct tag_filter *f)
{
    if (!f)
        return;
    mem_free(f->tags);
    mem_free(f->tags2);
    mem_free(f->labels);
    mem_free(f->label_text);
    mem_free(f);
}

void tag_filter_add_needs(struct flow_needs *needs)
{
    flow_needs_add(needs, FLOW_tag);
    flow_needs_add(needs, FLOW_tag2);
    flow_needs_add(needs, FLOW_label);
}

/* ---- asking ---- */

static bool accepts_tag(const struct tag_item *items, size_t count, uint64_t tag)
{
    for (size_t i = 0; i < count; i++) {
        bool is_hit = tag >= items[i].low && tag <= items[i].high;
        if (is_hit || items[i].is_negated)
            return is_hit != items[i].is_negated;
    }
    return count == 0;
}

/* Says whether one of the words of a label, which commas separate, is this one. */
static bool label_has(const struct flow_bytes *label, const struct label_item *item)
{
    const char *text = (const char *)label->data;

    if (!item->word)
        return label->len == 0;
    for (size_t at = 0; at < label->len;) {
        const char *comma = memchr(text + at, ',', label->len - at);
        size_t len = comma ? (size_t)(comma - text) - at : label->len - at;
        if (len == item->len && memcmp(text + at, item->word, len) == 0)
            return true;
        at += len + 1;
    }
    return false;
}

static bool accepts_label(const struct tag_filter *f, const struct flow_bytes *label)
{
    for (size_t i = 0; i < f->label_count; i++) {
        bool is_hit = label_has(label, &f->labels[i]);
        if (is_hit || f->labels[i].is_negated)
            return is_hit != f->labels[i].is_negated;
    }
    return f->label_count == 0;
}

bool tag_filter_accepts(const struct tag_filter *f, const struct flow *flow)
{
    return accepts_tag(f->tags, f->tag_count, flow->tag) &&
           accepts_tag(f->tags2, f->tag2_count, flow->tag2) && accepts_label(f, &flow->label);
}

/* ---- keys ---- */

/* Checks pre_tag_filter or pre_tag2_filter, whose lists are alike. */
static int check_tag_filter(const char *value, struct text *error)
{
    struct tag_filter_settings settings = {.tag = value};
    struct tag_filter *filter = NULL;
    struct text reason = {0};
    int err = tag_filter_new(&settings, &reason, &filter);

    if (err < 0)
        text_append_string(error, "a list of tags such as 0,10,100-199,-5");
    tag_filter_free(filter);
    text_clear(&reason);
    return err;
}

const struct config_key tag_filter_keys[] = {
    {"pre_tag_filter", KEY_STRING_AT(struct tag_filter_settings, tag), .scope = SCOPE_BOUND,
     .check = check_tag_filter,
     .help = "tags that the instance takes: a list such as 0,10,100-199,-5"},
    {"pre_tag2_filter", KEY_STRING_AT(struct tag_filter_settings, tag2), .scope = SCOPE_BOUND,
     .check = check_tag_filter, .help = "the same of tag2"},
    {"pre_tag_label_filter", KEY_STRING_AT(struct tag_filter_settings, label), .scope = SCOPE_BOUND,
     .help = "labels that the instance takes: a list of words, null for none, -word to refuse"},
    {0},
};
