/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prefixes in the tree that the RIB has too, with numbers of what their rows say. That is kept once
 * for all rows that say the same, so that a look-up's last step finds it in a cache.
 */
#include "maps/networks.h"

#include "base/hash.h"
#include "base/memory.h"
#include "base/row_index.h"
#include "base/text.h"
#include "maps/map_source.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 3, FAMILY_COUNT = 2 };

/* Holds what a row says. Two of them share a cache line. */
struct item {
    struct network network;
    uint32_t padding;
};

struct networks {
    struct rcu *rcu; /* of the pool; it has no readers, as nothing changes once it is built */
    struct block_pool *pool;
    struct prefix_tree trees[FAMILY_COUNT]; /* IPv4, IPv6: values are places in `items`, plus 1 */
    struct item *items;
    uint32_t item_count, item_capacity;
};

struct networks_parser {
    struct networks *networks;
    struct row_index index; /* from contents to items */
    const char *name;
    unsigned line;
    const char *row; /* as it stands in the file */
    struct text *errors;
    bool has_failed;
};

static void report(struct networks_parser *p, const char *what)
{
    text_append_printf(p->errors, "%s:%u: %.80s: %s\n", p->name, p->line, p->row, what);
    p->has_failed = true;
}

/* ---- rows ---- */

/* Reads a number of decimal digits and nothing else; empty is 0. */
static bool parse_number(const char *text, uint64_t max, uint64_t *ret_number)
{
    *ret_number = 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        *ret_number = *ret_number * 10 + (uint64_t)(*text - '0');
        if (*ret_number > max)
            return false;
    }
    return true;
}

/* Reads AS or PEERAS_AS. */
static bool parse_as(char *text, struct network *network)
{
    char *separator = strchr(text, '_');
    uint64_t peer_as = 0, as;
    bool is_good;

    if (separator)
        *separator = '\0';
    is_good = parse_number(separator ? separator + 1 : text, UINT32_MAX, &as) &&
              (!separator || parse_number(text, UINT32_MAX, &peer_as));
    network->as = (uint32_t)as;
    network->peer_as = (uint32_t)peer_as;
    return is_good;
}

/* Reads a prefix. Bits beyond its length are dropped, as people write their router's address. */
static bool parse_prefix(char *text, struct ip_prefix *prefix)
{
    char *slash = strchr(text, '/');
    uint64_t len;

    if (!slash || !slash[1])
        return false;
    *slash = '\0';
    if (ip_addr_parse(text, &prefix->addr) < 0 ||
        !parse_number(slash + 1, prefix->addr.family == IP_V4 ? 32 : 128, &len))
        return false;
    prefix->len = (uint8_t)len;
    prefix->addr = ip_addr_mask(&prefix->addr, prefix->len);
    return true;
}

/* Cuts a row into its last fields, without blanks; a field before three others is not looked at. Returns
 * how many there are. */
static size_t split(char *row, char *fields[FIELDS_MAX])
{
    char *to = row;
    size_t count = 1;

    for (const char *from = row; *from; from++)
        if (!strchr(" \t\r\f\v", *from))
            *to++ = *from;
    *to = '\0';
    fields[0] = row;
    for (char *c = row; *c; c++) {
        if (*c != ',')
            continue;
        *c = '\0';
        if (count == FIELDS_MAX)
            memmove(fields, fields + 1, --count * sizeof *fields);
        fields[count++] = c + 1;
    }
    return count;
}

static uint32_t network_hash(const struct network *network)
{
    uint64_t numbers = (uint64_t)network->as << 32 | network->peer_as;
    uint64_t hash = hash_bytes(&numbers, sizeof numbers, 0);

    return (uint32_t)hash_bytes(&network->next_hop, sizeof network->next_hop, hash);
}

static bool network_equals(const struct network *a, const struct network *b)
{
    return a->as == b->as && a->peer_as == b->peer_as &&
           memcmp(&a->next_hop, &b->next_hop, sizeof a->next_hop) == 0;
}

/* Returns the number of what a row says, plus 1. */
static uint32_t intern(struct networks_parser *p, const struct network *network)
{
    struct networks *n = p->networks;
    uint32_t hash = network_hash(network), item;
    uint32_t at = hash & p->index.mask;

    while (row_index_next(&p->index, hash, &at, &item))
        if (network_equals(&n->items[item].network, network))
            return item + 1;
    if (n->item_count == n->item_capacity) {
        n->item_capacity = n->item_capacity ? 2 * n->item_capacity : 64;
        n->items = mem_realloc_array(n->items, n->item_capacity, sizeof *n->items);
    }
    n->items[n->item_count] = (struct item){.network = *network};
    row_index_put(&p->index, hash, at, n->item_count);
    row_index_reserve(&p->index, 1);
    return ++n->item_count;
}

static void add_row(struct networks_parser *p, const struct ip_prefix *prefix,
                    const struct network *network)
{
    struct prefix_tree *tree = &p->networks->trees[prefix->addr.family == IP_V6];
    struct prefix_key key = prefix_key_make(&prefix->addr);
    uint32_t value = intern(p, network);
    _Atomic uint32_t *place = prefix_tree_find(tree, key, prefix->len);

    if (place)
        atomic_store_explicit(place, value, memory_order_relaxed);
    else
        prefix_tree_insert(tree, key, prefix->len, value);
}

static void take_row(struct networks_parser *p, char *row)
{
    char *fields[FIELDS_MAX];
    struct network network;
    struct ip_prefix prefix;

    memset(&network, 0, sizeof network); /* also what lies between its members, as it is hashed */
    size_t count = split(row, fields);
    if (!parse_prefix(fields[count - 1], &prefix))
        report(p, "its last field is no prefix; write one with its length, such as 192.0.2.0/24 or "
                  "2001:db8::/32");
    else if (count >= 2 && !parse_as(fields[count - 2], &network))
        report(p, "the field before the prefix is no AS; write AS or PEERAS_AS in decimal, such as "
                  "64500 or 64501_64500 (a next hop stands before it: 192.0.2.1,64500,PREFIX)");
    else if (count == FIELDS_MAX && *fields[0] && ip_addr_parse(fields[0], &network.next_hop) < 0)
        report(p, "its first field is no address; write a next hop such as 192.0.2.1");
    else
        add_row(p, &prefix, &network);
}

/* ---- the file ---- */

static struct networks *networks_new(void)
{
    struct networks *n = mem_zalloc(sizeof *n);

    n->rcu = rcu_new(0);
    n->pool = block_pool_new(n->rcu);
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        prefix_tree_init(&n->trees[i], n->pool);
    return n;
}

void networks_free(struct networks *n)
{
    if (!n)
        return;
    block_pool_free(n->pool);
    rcu_free(n->rcu);
    mem_free(n->items);
    mem_free(n);
}

static void parse_rows(struct networks_parser *p, const char *data, size_t len)
{
    const char *end = data + len, *next;
    struct text shown = {0}, row = {0};

    for (const char *at = data; at < end; at = next) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        next = newline ? newline + 1 : end;
        p->line++;
        while (at < stop && strchr(" \t\r\f\v", *at))
            at++;
        if (at == stop || *at == '!' || *at == '#')
            continue;
        text_reset(&shown);
        text_append(&shown, at, (size_t)(stop - at));
        p->row = text_cstr(&shown);
        text_reset(&row);
        text_append(&row, p->row, shown.len + 1);
        take_row(p, row.data);
    }
    text_clear(&shown);
    text_clear(&row);
}

/* Lays the items out anew, so that none lies across two cache lines. */
static void align_items(struct networks *n)
{
    struct item *items = mem_table_calloc((size_t)n->item_count + 1, sizeof *n->items);

    if (n->item_count > 0)
        memcpy(items, n->items, n->item_count * sizeof *items);
    mem_free(n->items);
    n->items = items;
}

int networks_parse(const char *name, const char *data, size_t len, struct text *errors,
                   struct networks **ret_networks)
{
    struct networks_parser p = {.networks = networks_new(), .name = name, .errors = errors};

    if (memchr(data, '\0', len)) {
        text_append_printf(errors, "%s: a zero byte; this is not a text file\n", name);
        p.has_failed = true;
    } else {
        row_index_init(&p.index);
        parse_rows(&p, data, len);
        row_index_clear(&p.index);
    }
    if (p.has_failed) {
        networks_free(p.networks);
        return -EINVAL;
    }
    align_items(p.networks);
    block_pool_poll(p.networks->pool);
    *ret_networks = p.networks;
    return 0;
}

int networks_read(const char *path, struct map_report *report, struct networks **ret_networks)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = networks_parse(path, source.content.data, source.content.len, &source.errors,
                                 ret_networks);
        while (err < 0 && map_source_forgives(&source));
    map_source_close(&source, err, err < 0 ? 0 : networks_count(*ret_networks));
    return err;
}

size_t networks_count(const struct networks *n)
{
    return (size_t)n->trees[0].prefix_count + n->trees[1].prefix_count;
}

void networks_ask(const struct networks *n, const struct ip_addr *addr,
                  struct prefix_match *ret_match)
{
    const struct prefix_tree *tree =
        addr->family == IP_NONE ? NULL : &n->trees[addr->family == IP_V6];

    prefix_match_ask(ret_match, tree, prefix_key_make(addr));
}

void networks_approach(const struct networks *n, struct prefix_match *matches, size_t count)
{
    (void)n;
    prefix_match_approach(matches, count);
}

void networks_find(const struct networks *n, struct prefix_match *matches, size_t count)
{
    prefix_match_batch(matches, count);
    for (size_t i = 0; i < count; i++)
        if (matches[i].value)
            __builtin_prefetch(&n->items[matches[i].value - 1]);
}

const struct network *networks_answer(const struct networks *n, const struct prefix_match *match)
{
    return match->value ? &n->items[match->value - 1].network : NULL;
}
