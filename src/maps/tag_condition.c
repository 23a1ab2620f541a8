/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares flows with what rows of pre_tag_map ask. How a key is compared stands in its row of
 * tag_keys.def, with the member that it is compared with. */
#include "maps/tag_condition.h"

#include "base/memory.h"
#include "base/route_distinguisher.h"
#include "base/text.h"
#include "maps/flow_filter.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum how {
    HOW_NUMBER,
    HOW_ADDRESS,
    HOW_ENGINE_TYPE,
    HOW_AGENT_ID,
    HOW_VLAN,
    HOW_MAC,
    HOW_WORDS,
    HOW_HEX,
    HOW_TRUTH,
    HOW_LETTER,
    HOW_MULTICAST,
    HOW_RD,
    HOW_SAMPLE_TYPE,
    HOW_FILTER,
};
enum sample_type {
    SAMPLE_FLOW,
    SAMPLE_FLOW_IPV4,
    SAMPLE_FLOW_IPV6,
    SAMPLE_FLOW_MPLS_IPV4,
    SAMPLE_FLOW_MPLS_IPV6,
    SAMPLE_EVENT,
    SAMPLE_OPTION
};
#define SAMPLE_SFLOW (UINT64_C(1) << 32) /* with the format of a sample of sFlow */
#define FORMAT_BITS  12
#define RD_TYPE_VRF  UINT64_C(65535) /* flow/members.def */
#define RD_TYPE_BITS 48
enum { WORDS_MAX = 16, NETFLOW5 = 5 };

const struct map_key tag_keys[] = {
#define TAG_SET(name_, alias_, type_, min_, max_, help_)                                           \
    [TAG_KEY_##name_] = {                                                                          \
        .name = #name_, .type = (type_), .min = (min_), .max = (max_), .alias = (alias_)},
#define TAG_MATCH(name_, alias_, type_, min_, max_, how_, member_, help_)                          \
    [TAG_KEY_##name_] = {.name = #name_,                                                           \
                         .type = (type_),                                                          \
                         .is_match = true,                                                         \
                         .min = (min_),                                                            \
                         .max = (max_),                                                            \
                         .alias = (alias_)},
#include "maps/tag_keys.def"
#undef TAG_SET
#undef TAG_MATCH
    {.name = NULL},
};

static const struct tag_comparison {
    enum how how;
    enum flow_member member;
} comparisons[TAG_KEY_COUNT] = {
#define TAG_SET(...)
#define TAG_MATCH(name_, alias_, type_, min_, max_, how_, member_, help_)                          \
    [TAG_KEY_##name_] = {HOW_##how_, FLOW_##member_},
#include "maps/tag_keys.def"
#undef TAG_SET
#undef TAG_MATCH
};

const struct map_refusal tag_refusals[] = {
    {"post_tag", "it is a key of the configuration"},
    {NULL, NULL},
};

/* ---- making ---- */

static int take_words(struct tag_words *words, const char *text, struct text *error)
{
    char *rest = words->text = mem_strdup(text);

    words->words = mem_calloc(WORDS_MAX, sizeof *words->words);
    for (char *word; (word = strsep(&rest, ",")) != NULL;) {
        if (*word == '\0' || words->count == WORDS_MAX) {
            text_append_printf(error, "expected a list of at most %d values such as 65000:1",
                               WORDS_MAX);
            return -EINVAL;
        }
        words->words[words->count++] = word;
    }
    return 0;
}

static int take_hex(uint64_t *number, const char *text, struct text *error)
{
    char *end;

    *number = strtoul(text, &end, 16);
    if (*text && *end == '\0' && *number <= 0xff)
        return 0;
    text_append_string(error, "expected a byte in hexadecimal, such as 0x12");
    return -EINVAL;
}

static int take_truth(uint64_t *number, const char *text, struct text *error)
{
    *number = strcasecmp(text, "true") == 0;
    if (*number || strcasecmp(text, "false") == 0)
        return 0;
    text_append_string(error, "expected true or false");
    return -EINVAL;
}

/* Takes a state of RPKI. */
static int take_letter(uint64_t *number, const char *text, struct text *error)
{
    *number = (uint8_t)*text;
    if (*text != '\0' && text[1] == '\0' && strchr("uivoO", *text))
        return 0;
    text_append_string(error, "expected u, i, v, o or O (see dst_roa)");
    return -EINVAL;
}

static int take_rd(uint64_t *number, const char *text, struct text *error)
{
    static const char vrf[] = "vrfid:";
    char *end;

    if (strncmp(text, vrf, strlen(vrf)) == 0 && text[strlen(vrf)] >= '0' &&
        text[strlen(vrf)] <= '9') {
        *number = strtoull(text + strlen(vrf), &end, 10);
        if (*end == '\0' && *number <= UINT32_MAX) {
            *number |= RD_TYPE_VRF << RD_TYPE_BITS;
            return 0;
        }
    } else if (route_distinguisher_parse(text, number) == 0) {
        return 0;
    }
    text_append_string(error, "expected a route distinguisher such as 0:65000:1, 1:192.0.2.1:1 or "
                              "2:4200000000:1, or vrfid:7");
    return -EINVAL;
}

/* Reads ENTERPRISE:FORMAT, which sFlow joins in one number. */
static bool take_sflow_format(uint64_t *number, const char *text)
{
    char *colon, *end;
    unsigned long enterprise, format;

    if (!isdigit((unsigned char)*text))
        return false;
    enterprise = strtoul(text, &colon, 10);
    if (*colon != ':' || !isdigit((unsigned char)colon[1]))
        return false;
    format = strtoul(colon + 1, &end, 10);
    *number = SAMPLE_SFLOW | (uint64_t)enterprise << FORMAT_BITS | format;
    return *end == '\0' && enterprise < 1UL << (32 - FORMAT_BITS) && format < 1UL << FORMAT_BITS;
}

static int take_sample_type(uint64_t *number, const char *text, struct text *error)
{
    static const char *const types[] = {[SAMPLE_FLOW] = "flow",
                                        [SAMPLE_FLOW_IPV4] = "flow-ipv4",
                                        [SAMPLE_FLOW_IPV6] = "flow-ipv6",
                                        [SAMPLE_FLOW_MPLS_IPV4] = "flow-mpls-ipv4",
                                        [SAMPLE_FLOW_MPLS_IPV6] = "flow-mpls-ipv6",
                                        [SAMPLE_EVENT] = "event",
                                        [SAMPLE_OPTION] = "option"};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(text, types[i]) == 0) {
            *number = i;
            return 0;
        }
    if (take_sflow_format(number, text))
        return 0;
    text_append_string(error, "expected flow, flow-ipv4, flow-ipv6, flow-mpls-ipv4, "
                              "flow-mpls-ipv6, event or option, or of sFlow ENTERPRISE:FORMAT "
                              "such as 0:1");
    return -EINVAL;
}

static uint64_t mac_number(const struct mac_addr *mac)
{
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof mac->bytes; i++)
        number = number << 8 | mac->bytes[i];
    return number;
}

static int take_mac(uint64_t *number, const char *text, struct text *error)
{
    struct mac_addr mac;

    if (mac_addr_parse(text, &mac) == 0) {
        *number = mac_number(&mac);
        return 0;
    }
    text_append_string(error, "expected a MAC address such as 00:11:22:33:44:55");
    return -EINVAL;
}

/* Takes numbers or prefixes. Nearly all cells have one. */
static void take_items(struct tag_condition *c, enum map_type type, const struct map_cell *cell)
{
    const struct map_item *item = &cell->items[0];

    c->is_single = cell->item_count == 1 && !item->is_negated;
    if (!c->is_single) {
        size_t size = cell->item_count * sizeof *cell->items;
        c->cell = mem_alloc(sizeof *c->cell + size);
        *c->cell = *cell;
        c->cell->text = NULL;
        c->cell->items = memcpy(c->cell + 1, cell->items, size);
    } else if (type == MAP_PREFIX) {
        c->network = row_value_address(&item->prefix.addr);
        c->prefix_len = item->prefix.len;
    } else {
        c->low = item->low;
        c->high = item->high;
    }
}

int tag_condition_make(struct tag_condition *c, enum tag_key key, const struct map_cell *cell,
                       struct text *error)
{
    enum how how = comparisons[key].how;
    const char *text = cell->text;

    *c = (struct tag_condition){.key = (uint8_t)key};
    if (tag_keys[key].type == MAP_TEXT && how != HOW_FILTER && *text == '-') {
        c->is_negated = true;
        text++;
    }
    switch (how) {
    case HOW_WORDS:
        return take_words(&c->words, text, error);
    case HOW_HEX:
        return take_hex(&c->number, text, error);
    case HOW_TRUTH:
    case HOW_MULTICAST:
        return take_truth(&c->number, text, error);
    case HOW_LETTER:
        return take_letter(&c->number, text, error);
    case HOW_RD:
        return take_rd(&c->number, text, error);
    case HOW_SAMPLE_TYPE:
        return take_sample_type(&c->number, text, error);
    case HOW_MAC:
        return take_mac(&c->number, text, error);
    case HOW_FILTER:
        return flow_filter_new(text, error, &c->filter);
    case HOW_NUMBER:
    case HOW_ADDRESS:
    case HOW_ENGINE_TYPE:
    case HOW_AGENT_ID:
    case HOW_VLAN:
        take_items(c, tag_keys[key].type, cell);
        break;
    }
    return 0;
}

static bool has_items(const struct tag_condition *c)
{
    return tag_keys[c->key].type == MAP_NUMBER || tag_keys[c->key].type == MAP_PREFIX;
}

void tag_condition_clear(struct tag_condition *c)
{
    if (comparisons[c->key].how == HOW_WORDS) {
        mem_free(c->words.text);
        mem_free(c->words.words);
    } else if (comparisons[c->key].how == HOW_FILTER) {
        flow_filter_free(c->filter);
    } else if (has_items(c) && !c->is_single) {
        mem_free(c->cell);
    }
}

void tag_condition_add_needs(const struct tag_condition *c, struct flow_needs *needs)
{
    flow_needs_add(needs, comparisons[c->key].member);
    switch (comparisons[c->key].how) {
    case HOW_AGENT_ID:
        flow_needs_add(needs, FLOW_sample_format);
        break;
    case HOW_ENGINE_TYPE:
        flow_needs_add(needs, FLOW_export_version);
        break;
    case HOW_VLAN:
        flow_needs_add(needs, FLOW_vlan);
        break;
    case HOW_SAMPLE_TYPE:
        flow_needs_add(needs, FLOW_ip_version);
        if (c->number == SAMPLE_FLOW_MPLS_IPV4 || c->number == SAMPLE_FLOW_MPLS_IPV6)
            flow_needs_add(needs, FLOW_mpls_label_top);
        if (c->number & SAMPLE_SFLOW)
            flow_needs_add(needs, FLOW_sample_format);
        break;
    case HOW_FILTER:
        flow_filter_add_needs(needs);
        break;
    default:
        break;
    }
}

/* ---- asking ---- */

static inline uint64_t number_at(const uint8_t *place, size_t size)
{
    uint16_t two;
    uint32_t four;
    uint64_t eight;

    switch (size) {
    case 1:
        return *place;
    case 2:
        memcpy(&two, place, sizeof two);
        return two;
    case 4:
        memcpy(&four, place, sizeof four);
        return four;
    default:
        memcpy(&eight, place, sizeof eight);
        return eight;
    }
}

static inline uint64_t member_number(const struct flow *flow, enum flow_member member)
{
    const struct flow_member_place *place = &flow_member_places[member];

    return number_at((const uint8_t *)flow + place->offset, place->size);
}

/* Compares a word with a part of a text of the same length. */
static bool word_equals(const char *word, const uint8_t *text, size_t len)
{
    if (strlen(word) != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (word[i] != '.' && (uint8_t)word[i] != text[i])
            return false;
    return true;
}

/* Looks for one of the words among those of a text, which anything but letters, digits and colons
 * separates. */
static bool has_word(const struct tag_words *words, const struct flow_bytes *text)
{
    static const char in_word[] =
        "0123456789:abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";

    for (uint32_t at = 0, end; at < text->len; at = end + 1) {
        end = at;
        while (end < text->len && text->data[end] && strchr(in_word, text->data[end]))
            end++;
        for (size_t i = 0; end > at && i < words->count; i++)
            if (word_equals(words->words[i], text->data + at, end - at))
                return true;
    }
    return false;
}

static bool is_multicast(const struct ip_addr *addr)
{
    if (addr->family == IP_V4)
        return addr->bytes[12] >> 4 == 0xe;
    return addr->family == IP_V6 && addr->bytes[0] == 0xff;
}

static bool is_sample_type(uint64_t type, const struct flow *flow)
{
    bool has_labels = type == SAMPLE_FLOW_MPLS_IPV4 || type == SAMPLE_FLOW_MPLS_IPV6;

    if (type & SAMPLE_SFLOW)
        return flow->sample_format == (uint32_t)type;
    if (type == SAMPLE_OPTION || flow->is_option)
        return type == SAMPLE_OPTION && flow->is_option;
    if (type == SAMPLE_EVENT || !flow->has_counters)
        return type == SAMPLE_EVENT && !flow->has_counters;
    if (has_labels && flow->mpls_label_top == 0)
        return false;
    return type == SAMPLE_FLOW ||
           flow->ip_version == (type == SAMPLE_FLOW_IPV4 || type == SAMPLE_FLOW_MPLS_IPV4 ? 4 : 6);
}

/* Fetches what conditions by numbers, and those that come down to one, are compared with. */
static inline uint64_t number_of(enum tag_key key, const struct flow *flow)
{
    enum flow_member member = comparisons[key].member;
    const void *place = (const uint8_t *)flow + flow_member_places[member].offset;

    switch (comparisons[key].how) {
    case HOW_VLAN:
        return flow->in_vlan ? flow->in_vlan : flow->vlan;
    case HOW_MAC:
        return mac_number(place);
    case HOW_HEX:
        return flow->tcp_flags & 0xff;
    case HOW_TRUTH:
        return member_number(flow, member) != 0;
    case HOW_MULTICAST:
        return is_multicast(place);
    default:
        return member_number(flow, member);
    }
}

static bool has_number(const struct tag_condition *c, uint64_t number)
{
    return c->is_single ? number >= c->low && number <= c->high
                        : map_cell_has_number(c->cell, number);
}

/* Says whether the first bits of two addresses are the same. */
static bool has_network(const struct tag_condition *c, const struct ip_addr *addr)
{
    struct row_value value = row_value_address(addr);
    unsigned len = c->prefix_len + (c->network.family == IP_V4 ? 96U : 0);
    uint64_t high = value.high ^ c->network.high, low = value.low ^ c->network.low;

    if (value.family != c->network.family)
        return false;
    if (len <= 64)
        return len == 0 || high >> (64 - len) == 0;
    return high == 0 && low >> (128 - len) == 0;
}

bool tag_condition_holds(const struct tag_condition *c, const struct flow *flow)
{
    const struct tag_comparison *comparison = &comparisons[c->key];
    const void *place = (const uint8_t *)flow + flow_member_places[comparison->member].offset;

    switch (comparison->how) {
    case HOW_ENGINE_TYPE:
        if (flow->export_version != NETFLOW5)
            return false;
        return has_number(c, number_of(c->key, flow));
    case HOW_AGENT_ID: /* agents are sFlow's */
        return flow->sample_format != 0 && has_number(c, number_of(c->key, flow));
    case HOW_NUMBER:
        return has_number(c, member_number(flow, comparison->member));
    case HOW_VLAN:
        return has_number(c, number_of(c->key, flow));
    case HOW_ADDRESS:
        return c->is_single ? has_network(c, place) : map_cell_has_address(c->cell, place);
    case HOW_MAC:
    case HOW_HEX:
    case HOW_TRUTH:
    case HOW_MULTICAST:
    case HOW_LETTER:
    case HOW_RD:
        return (number_of(c->key, flow) == c->number) != c->is_negated;
    case HOW_WORDS:
        return has_word(&c->words, place) != c->is_negated;
    case HOW_SAMPLE_TYPE:
        return is_sample_type(c->number, flow) != c->is_negated;
    case HOW_FILTER:
        return flow_filter_accepts(c->filter, flow);
    }
    return false;
}

/* ---- the index ---- */

bool tag_condition_choice(const struct tag_condition *c, const struct map_cell *cell,
                          struct row_choice *choice, bool *ret_is_all)
{
    *ret_is_all = comparisons[c->key].how != HOW_AGENT_ID; /* which asks for sFlow too */
    switch (comparisons[c->key].how) {
    case HOW_NUMBER:
    case HOW_ADDRESS:
    case HOW_AGENT_ID:
    case HOW_VLAN:
        return row_choice_of_cell(choice, c->key, tag_keys[c->key].type, cell);
    case HOW_MAC:
    case HOW_HEX:
    case HOW_TRUTH:
    case HOW_MULTICAST:
    case HOW_LETTER:
    case HOW_RD:
        if (c->is_negated)
            return false;
        choice->field = c->key;
        choice->count = 1;
        choice->terms[0] = (struct row_term){.value = row_value_number(c->number)};
        return true;
    default:
        return false;
    }
}

/* Copies a member of `count` flows; in line, with a size that the compiler knows. */
static inline void take_member(const uint8_t *place, size_t stride, size_t size, uint32_t count,
                               uint64_t *numbers)
{
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = number_at(place + i * stride, size);
}

static void take_addresses(const uint8_t *place, size_t stride, uint32_t count,
                           struct row_column *column)
{
    for (uint32_t i = 0; i < count; i++)
        row_column_put(column, i, row_value_address((const void *)(place + i * stride)));
}

void tag_condition_column(enum tag_key key, const struct flow_batch *batch, uint32_t start,
                          uint32_t count, struct row_column *column)
{
    const struct tag_comparison *comparison = &comparisons[key];
    const struct flow_member_place *member = &flow_member_places[comparison->member];
    const uint8_t *place = (const uint8_t *)flow_batch_at(batch, start) + member->offset;

    if (comparison->how == HOW_ADDRESS)
        take_addresses(place, batch->stride, count, column);
    else if (comparison->how != HOW_NUMBER)
        for (uint32_t i = 0; i < count; i++)
            column->low[i] = number_of(key, flow_batch_at(batch, start + i));
    else if (member->size == sizeof(uint32_t))
        take_member(place, batch->stride, sizeof(uint32_t), count, column->low);
    else
        take_member(place, batch->stride, member->size, count, column->low);
}
