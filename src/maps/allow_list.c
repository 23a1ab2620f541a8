/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of who may send. Prefixes are sorted and those inside others left out, so that an
 * address is in the list exactly if it is in the last prefix that begins at or before it.
 */
#include "maps/allow_list.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct allow_list {
    struct ip_prefix *items;
    size_t count;
};

/* Compares by family and first address; of those that begin together the widest comes first. */
static int compare_prefixes(const void *a, const void *b)
{
    const struct ip_prefix *x = a, *y = b;
    int order = ip_addr_compare(&x->addr, &y->addr);

    return order ? order : x->len - y->len;
}

static void drop_contained(struct allow_list *list)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || !ip_prefix_contains(&list->items[kept - 1], &list->items[i].addr))
            list->items[kept++] = list->items[i];
    list->count = kept;
}

static bool take_line(struct allow_list *list, size_t *capacity, char *line, const char *name,
                      unsigned number, struct text *errors)
{
    struct ip_prefix prefix;

    line += strspn(line, " \t\r");
    for (char *end = line + strlen(line); end > line && isspace((unsigned char)end[-1]);)
        *--end = '\0';
    if (*line == '\0' || *line == '!' || *line == '#')
        return true;
    if (ip_network_parse(line, &prefix) < 0) {
        text_append_printf(errors,
                           "%s:%u: %.60s: expected one address or prefix, such as 192.0.2.1 or "
                           "2001:db8::/32\n",
                           name, number, line);
        return false;
    }
    if (list->count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 64;
        list->items = mem_realloc_array(list->items, *capacity, sizeof *list->items);
    }
    list->items[list->count++] = prefix;
    return true;
}

int allow_list_parse(const char *name, const char *data, size_t len, struct text *errors,
                     struct allow_list **ret_list)
{
    struct allow_list *list = mem_zalloc(sizeof *list);
    char *copy = mem_strndup(data, len), *rest = copy;
    size_t capacity = 0;
    unsigned number = 0;
    bool is_good = true;

    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        is_good &= take_line(list, &capacity, line, name, ++number, errors);
    if (memchr(data, '\0', len)) { /* the copy ends there */
        text_append_printf(errors, "%s: a zero byte; this is not a text file\n", name);
        is_good = false;
    }
    mem_free(copy);
    if (!is_good) {
        allow_list_free(list);
        return -EINVAL;
    }
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, compare_prefixes);
    drop_contained(list);
    *ret_list = list;
    return 0;
}

int allow_list_read(const char *path, struct map_report *report, struct allow_list **ret_list)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = allow_list_parse(path, source.content.data, source.content.len, &source.errors,
                                   ret_list);
        while (err < 0 && map_source_forgives(&source));
    map_source_close(&source, err, err < 0 ? 0 : (*ret_list)->count);
    return err;
}

void allow_list_free(struct allow_list *list)
{
    if (!list)
        return;
    mem_free(list->items);
    mem_free(list);
}

/* Returns the item that the address is in; NULL: none. */
static const struct ip_prefix *find_item(const struct allow_list *list, const struct ip_addr *addr)
{
    size_t low = 0, high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ip_addr_compare(&list->items[middle].addr, addr) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && ip_prefix_contains(&list->items[low - 1], addr) ? &list->items[low - 1]
                                                                      : NULL;
}

bool allow_list_contains(const struct allow_list *list, const struct ip_addr *addr)
{
    return find_item(list, addr) != NULL;
}

bool allow_list_names(const struct allow_list *list, const struct ip_addr *addr)
{
    const struct ip_prefix *item = find_item(list, addr);

    return item && item->len == (addr->family == IP_V4 ? 32 : 128);
}
