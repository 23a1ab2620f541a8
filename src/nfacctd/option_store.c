/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps what options data say (RFC 7011 section 3.4.2.2), and reads their records. Each
 * belongs to the exporter that said it, and to the group of its scope. */
#include "nfacctd/option_store.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/reader.h"

/* Scopes are numbers below 2^48, handed out one by one. */
static uint64_t table_key(uint64_t scope, enum option_kind kind)
{
    return scope << 8 | (uint64_t)kind;
}

static void option_store_flush(const struct option_store *store)
{
    if (store->batch && store->batch->count > 0)
        store->batch->full(store->batch);
}

/* The options of one scope. */
struct option_group {
    struct keyed_entry entry; /* scope */
    struct option *rates, *others;
    bool has_rates; /* `said` holds */
    struct option_rates said;
};

static struct option_group *group_find(const struct option_store *store, uint64_t scope)
{
    return (struct option_group *)keyed_table_find(&store->groups, scope, 0);
}

static struct option_group *group_get(struct option_store *store, uint64_t scope)
{
    struct option_group *group = group_find(store, scope);

    if (group)
        return group;
    group = mem_zalloc(sizeof *group);
    keyed_table_add(&store->groups, &group->entry, scope, 0);
    return group;
}

static void group_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

static struct option **group_list(struct option_group *group, enum option_kind kind)
{
    return kind <= OPTION_DEFAULT_RATE ? &group->rates : &group->others;
}

/* Finds out anew what the options say; there may have been several rates, of which one went. */
static void rates_look(struct option_group *group)
{
    group->said.rate = group->rates->number;
    for (const struct option *o = group->rates->next_in_group; o && group->said.rate;
         o = o->next_in_group) {
        if (o->number != group->said.rate)
            group->said.rate = 0;
    }
}

static void rates_add(struct option_store *store, struct option_group *group, uint64_t rate)
{
    store->rate_generation++;
    store->rate_count++;
    if (!group->has_rates)
        group->said = (struct option_rates){rate, store->now_ns};
    else if (group->rates && group->said.rate != rate)
        group->said.rate = 0;
    else
        group->said.rate = rate;
    group->has_rates = true;
}

static void group_link(struct option_store *store, struct option *option)
{
    struct option_group *group = group_get(store, option->scope);
    struct option **list = group_list(group, option->kind);

    if (list == &group->rates)
        rates_add(store, group, option->number);
    option->group = group;
    option->previous_in_group = NULL;
    option->next_in_group = *list;
    if (option->next_in_group)
        option->next_in_group->previous_in_group = option;
    *list = option;
}

/* Takes an option out of its group. What the rates said stays known until the caller clears the
 * group, as another may take the option's place. */
static void group_unlink(struct option_store *store, struct option *option)
{
    struct option_group *group = option->group;
    struct option **list = group_list(group, option->kind);

    if (option->next_in_group)
        option->next_in_group->previous_in_group = option->previous_in_group;
    *(option->previous_in_group ? &option->previous_in_group->next_in_group : list) =
        option->next_in_group;
    if (list != &group->rates)
        return;
    store->rate_generation++;
    store->rate_count--;
    if (group->rates && group->said.rate == 0)
        rates_look(group);
}

/* Notes that nobody says anything in place of an option that went. */
static void group_settle(struct option_store *store, struct option_group *group)
{
    group->has_rates = group->rates != NULL;
    if (group->rates || group->others)
        return;
    keyed_table_remove(&store->groups, &group->entry);
    mem_free(group);
}

bool option_store_rates(const struct option_store *store, uint64_t scope,
                        struct option_rates *ret_rates)
{
    const struct option_group *group = group_find(store, scope);

    if (!group || !group->has_rates)
        return false;
    *ret_rates = group->said;
    return true;
}

/* The option came, changed, or is about to go. */
static void option_note(struct option_store *store, const struct option *option)
{
    saved_marks_note(store->marks, option->scope, (uint8_t)(SAVED_OPTION + option->kind),
                     option->id);
}

static void option_discard(void *arg, struct keyed_entry *entry)
{
    struct option_store *store = arg;
    struct option *option = (struct option *)entry;
    struct option_group *group = option->group;

    option_store_flush(store);
    option_note(store, option);
    group_unlink(store, option);
    mem_free(option);
    group_settle(store, group);
    store->generation++;
}

const char *option_kind_name(enum option_kind kind)
{
    static const char *const names[OPTION_KIND_COUNT] = {
        [OPTION_SAMPLER_RATE] = "sampler_rate",
        [OPTION_TEMPLATE_RATE] = "template_rate",
        [OPTION_INTERFACE_RATE] = "interface_rate",
        [OPTION_DEFAULT_RATE] = "default_rate",
        [OPTION_INTERFACE_NAME] = "interface_name",
        [OPTION_VRF_NAME] = "vrf_name",
        [OPTION_VRF_RD] = "vrf_rd",
        [OPTION_APPLICATION] = "application",
    };

    return names[kind];
}

void option_store_init(struct option_store *store, uint32_t max, struct flow_batch *batch)
{
    *store = (struct option_store){.max = max, .batch = batch, .rate_generation = 1};
    shared_table_init(&store->table, option_discard, store);
    keyed_table_init(&store->groups, SIZE_MAX, group_discard, NULL); /* bounded by its options */
}

void option_store_clear(struct option_store *store)
{
    store->batch = NULL; /* nobody looks at texts any more */
    shared_table_clear(&store->table);
    keyed_table_clear(&store->groups);
}

static void option_remove(struct option_store *store, struct option *option)
{
    shared_table_remove(&store->table, &option->entry);
    option_discard(store, &option->entry.keyed);
}

static void option_use(const struct option_store *store, struct option *option)
{
    option->used_ns = store->now_ns;
    shared_table_touch(&option->entry);
}

static void option_store_put(struct option_store *store, struct table_share *owner, uint64_t scope,
                             enum option_kind kind, uint64_t id, uint64_t number,
                             const uint8_t *text, size_t len)
{
    uint64_t key = table_key(scope, kind);
    struct option *old = (struct option *)shared_table_find(&store->table, key, id);

    if (old && old->number == number && old->text_len == len && memcmp(old->text, text, len) == 0) {
        option_use(store, old);
        return;
    }
    if (old) {
        shared_table_remove(&store->table, &old->entry);
        option_store_flush(store);
        group_unlink(store, old);
        mem_free(old);
    }
    while (shared_table_count(&store->table) >= store->max) {
        store->evicted_count++;
        option_remove(store, (struct option *)shared_table_loser(&store->table));
    }
    struct option *option = mem_zalloc(sizeof *option + len);
    option->scope = scope;
    option->kind = kind;
    option->id = id;
    option->number = number;
    option->used_ns = store->now_ns;
    option->text_len = (uint32_t)len;
    memcpy(option->text, text, len);
    group_link(store, option);
    shared_table_add(&store->table, &option->entry, owner, key, id, 1);
    option_note(store, option);
    store->generation++;
    store->has_interface_rates |= kind == OPTION_INTERFACE_RATE;
}

void option_store_forget(struct option_store *store, uint64_t scope)
{
    for (const struct option_group *group; (group = group_find(store, scope));)
        option_remove(store, group->rates ? group->rates : group->others);
}

/* Gives an option to the scope `to`, or frees it if that one has its own. */
static void option_give(struct option_store *store, struct option *option, uint64_t to)
{
    uint64_t key = table_key(to, option->kind);
    struct table_share *owner = option->entry.owner;

    shared_table_remove(&store->table, &option->entry);
    option_note(store, option);
    group_unlink(store, option);
    if (shared_table_find(&store->table, key, option->id)) {
        option_store_flush(store);
        mem_free(option);
        return;
    }
    option->scope = to;
    option_note(store, option);
    group_link(store, option);
    shared_table_add(&store->table, &option->entry, owner, key, option->id, 1);
}

void option_store_inherit(struct option_store *store, uint64_t from, uint64_t to)
{
    struct option_group *group = from != to ? group_find(store, from) : NULL;

    if (!group)
        return;
    bool had_rates = group->has_rates;
    int64_t since_ns = group->said.since_ns;
    while (group->rates)
        option_give(store, group->rates, to);
    while (group->others)
        option_give(store, group->others, to);
    group_settle(store, group);
    struct option_group *heir = group_find(store, to);
    if (had_rates && heir && heir->has_rates && since_ns < heir->said.since_ns)
        heir->said.since_ns = since_ns;
    store->generation++;
}

void option_store_put_number(struct option_store *store, struct table_share *owner, uint64_t scope,
                             enum option_kind kind, uint64_t id, uint64_t number)
{
    option_store_put(store, owner, scope, kind, id, number, (const uint8_t *)"", 0);
}

void option_store_put_text(struct option_store *store, struct table_share *owner, uint64_t scope,
                           enum option_kind kind, uint64_t id, const uint8_t *text, size_t len)
{
    option_store_put(store, owner, scope, kind, id, 0, text, len);
}

const struct option *option_store_peek(const struct option_store *store, uint64_t scope,
                                       enum option_kind kind, uint64_t id)
{
    return (const struct option *)shared_table_find(&store->table, table_key(scope, kind), id);
}

static const struct option *option_store_find(struct option_store *store,
                                              const struct option_scope *scope,
                                              enum option_kind kind, uint64_t id)
{
    struct option *option =
        (struct option *)shared_table_find(&store->table, table_key(scope->domain, kind), id);

    if (!option)
        option =
            (struct option *)shared_table_find(&store->table, table_key(scope->source, kind), id);
    if (option && store->now_ns - option->used_ns >= NS_PER_S)
        option_use(store, option);
    return option;
}

bool option_store_number(struct option_store *store, const struct option_scope *scope,
                         enum option_kind kind, uint64_t id, uint64_t *ret_number)
{
    const struct option *option = option_store_find(store, scope, kind, id);

    if (option)
        *ret_number = option->number;
    return option != NULL;
}

struct flow_bytes option_store_text(struct option_store *store, const struct option_scope *scope,
                                    enum option_kind kind, uint64_t id)
{
    const struct option *option = option_store_find(store, scope, kind, id);

    return option ? (struct flow_bytes){option->text, option->text_len, 0} : (struct flow_bytes){0};
}

/* The values that we know of one options record, by their meaning. */
struct value {
    const uint8_t *data;
    uint16_t len;
};
enum option_slot {
    VALUE_SAMPLER,
    VALUE_RANDOM_INTERVAL,
    VALUE_INTERVAL,
    VALUE_PACKET_INTERVAL,
    VALUE_PACKET_SPACE,
    VALUE_TIME_INTERVAL,
    VALUE_TIME_SPACE,
    VALUE_SIZE,
    VALUE_POPULATION,
    VALUE_TEMPLATE,
    VALUE_INTERFACE,
    VALUE_DIRECTION,
    VALUE_INTERFACE_NAME,
    VALUE_INTERFACE_DESCRIPTION,
    VALUE_VRF,
    VALUE_VRF_NAME,
    VALUE_RD,
    VALUE_APPLICATION,
    VALUE_APPLICATION_NAME,
    VALUE_EXPORTER_IPV4,
    VALUE_EXPORTER_IPV6,
    VALUE_SYSTEM_INIT,
    VALUE_COUNT,
};

static const struct {
    uint32_t enterprise;
    uint16_t id;
    enum option_slot slot;
    enum element_type type;
} known_elements[] = {
    {0, 48, VALUE_SAMPLER, ELEMENT_UINT},
    {0, 302, VALUE_SAMPLER, ELEMENT_UINT},
    {0, 50, VALUE_RANDOM_INTERVAL, ELEMENT_UINT},
    {0, 34, VALUE_INTERVAL, ELEMENT_UINT},
    {0, 305, VALUE_PACKET_INTERVAL, ELEMENT_UINT},
    {0, 306, VALUE_PACKET_SPACE, ELEMENT_UINT},
    {0, 307, VALUE_TIME_INTERVAL, ELEMENT_UINT},
    {0, 308, VALUE_TIME_SPACE, ELEMENT_UINT},
    {0, 309, VALUE_SIZE, ELEMENT_UINT},
    {0, 310, VALUE_POPULATION, ELEMENT_UINT},
    {0, 145, VALUE_TEMPLATE, ELEMENT_UINT},
    {ENTERPRISE_V9_SCOPE, 5, VALUE_TEMPLATE, ELEMENT_UINT},
    {0, 10, VALUE_INTERFACE, ELEMENT_UINT},
    {0, 14, VALUE_INTERFACE, ELEMENT_UINT},
    {0, 252, VALUE_INTERFACE, ELEMENT_UINT},
    {ENTERPRISE_V9_SCOPE, 2, VALUE_INTERFACE, ELEMENT_UINT},
    {0, 61, VALUE_DIRECTION, ELEMENT_UINT},
    {0, 82, VALUE_INTERFACE_NAME, ELEMENT_TEXT},
    {0, 83, VALUE_INTERFACE_DESCRIPTION, ELEMENT_TEXT},
    {0, 234, VALUE_VRF, ELEMENT_UINT},
    {0, 235, VALUE_VRF, ELEMENT_UINT},
    {0, 236, VALUE_VRF_NAME, ELEMENT_TEXT},
    {0, 90, VALUE_RD, ELEMENT_RD},
    {0, 95, VALUE_APPLICATION, ELEMENT_APPLICATION},
    {0, 96, VALUE_APPLICATION_NAME, ELEMENT_TEXT},
    {0, 130, VALUE_EXPORTER_IPV4, ELEMENT_IPV4},
    {0, 131, VALUE_EXPORTER_IPV6, ELEMENT_IPV6},
    {0, 160, VALUE_SYSTEM_INIT, ELEMENT_SYSTEM_INIT},
};
#define KNOWN_COUNT (sizeof known_elements / sizeof known_elements[0])

static void collect_values(const struct template_field *fields, uint16_t field_count,
                           const uint8_t *const *values, const uint16_t *value_lens,
                           struct value collected[VALUE_COUNT])
{
    for (uint16_t i = 0; i < field_count; i++) {
        for (size_t k = 0; k < KNOWN_COUNT; k++) {
            if (known_elements[k].id != fields[i].id ||
                known_elements[k].enterprise != fields[i].enterprise)
                continue;
            struct value *value = &collected[known_elements[k].slot];
            if (!value->data && value_lens[i] > 0 &&
                element_type_fits(known_elements[k].type, value_lens[i]))
                *value = (struct value){values[i], value_lens[i]};
        }
    }
}

static uint64_t value_uint(const struct value *value)
{
    return value->data ? element_uint(value->data, value->len) : 0;
}

static struct ip_addr value_addr(const struct value *value, enum element_type type)
{
    if (!value->data)
        return (struct ip_addr){0};
    if (value->len == 4)
        return ip_addr_v4(value->data);
    return type == ELEMENT_IPV4 ? element_ipv4_in_16(value->data) : ip_addr_v6(value->data);
}

/* Returns in how many packets one is exported; 0: the record does not say. */
static uint64_t record_rate(const struct value *v)
{
    uint64_t rate = value_uint(&v[VALUE_RANDOM_INTERVAL]);

    if (rate == 0)
        rate = value_uint(&v[VALUE_INTERVAL]);
    for (int i = VALUE_PACKET_INTERVAL; i <= VALUE_TIME_INTERVAL && rate == 0;
         i += VALUE_TIME_INTERVAL - VALUE_PACKET_INTERVAL) {
        uint64_t interval = value_uint(&v[i]), space = value_uint(&v[i + 1]);
        if (interval > 0 && v[i + 1].data)
            rate = (interval + space) / interval;
    }
    uint64_t size = value_uint(&v[VALUE_SIZE]);
    if (rate == 0 && size > 0)
        rate = value_uint(&v[VALUE_POPULATION]) / size;
    return rate;
}

/* The record's place: who said it, and for which scopes it holds. */
struct option_origin {
    struct option_store *store;
    struct table_share *owner;
    const struct option_scope *scope;
};

static void put_number_twice(const struct option_origin *t, enum option_kind kind, uint64_t id,
                             uint64_t number)
{
    option_store_put_number(t->store, t->owner, t->scope->domain, kind, id, number);
    option_store_put_number(t->store, t->owner, t->scope->source, kind, id, number);
}

static uint64_t interface_id(const struct value *v)
{
    uint64_t interface = value_uint(&v[VALUE_INTERFACE]);
    uint64_t direction = value_uint(&v[VALUE_DIRECTION]);

    return v[VALUE_DIRECTION].data && direction < 2
               ? option_interface_id(interface, (uint32_t)direction)
               : interface;
}

static bool take_rate(const struct option_origin *t, const struct value *v)
{
    uint64_t rate = record_rate(v);

    if (rate == 0)
        return false;
    if (v[VALUE_SAMPLER].data)
        put_number_twice(t, OPTION_SAMPLER_RATE, value_uint(&v[VALUE_SAMPLER]), rate);
    else if (v[VALUE_TEMPLATE].data)
        put_number_twice(t, OPTION_TEMPLATE_RATE, value_uint(&v[VALUE_TEMPLATE]), rate);
    else if (v[VALUE_INTERFACE].data)
        put_number_twice(t, OPTION_INTERFACE_RATE, interface_id(v), rate);
    else
        put_number_twice(t, OPTION_DEFAULT_RATE, 0, rate);
    return true;
}

/* Takes a text with the id that it belongs to. False: the record has no such pair, or the text is
 * too long. */
static bool take_text(const struct option_origin *t, enum option_kind kind, const struct value *id,
                      const struct value *text, struct option_facts *facts)
{
    if (!id->data || !text->data)
        return false;
    /* A zero byte ends a text: it pads a fixed length, and no name may hold one. */
    const uint8_t *end = memchr(text->data, 0, text->len);
    size_t len = end ? (size_t)(end - text->data) : text->len;
    if (len > OPTION_TEXT_MAX) {
        facts->has_long_text = true;
        return false;
    }
    uint64_t key =
        kind == OPTION_APPLICATION ? element_application_key(id->data, id->len) : value_uint(id);
    option_store_put_text(t->store, t->owner, t->scope->domain, kind, key, text->data, len);
    option_store_put_text(t->store, t->owner, t->scope->source, kind, key, text->data, len);
    return true;
}

void option_store_take_record(struct option_store *store, struct table_share *owner,
                              const struct option_scope *scope, const struct template_field *fields,
                              uint16_t field_count, const uint8_t *const *values,
                              const uint16_t *value_lens, struct option_facts *ret_facts)
{
    const struct option_origin teller = {store, owner, scope}, *t = &teller;
    struct value v[VALUE_COUNT] = {0};
    struct option_facts facts = {0};
    bool used;

    collect_values(fields, field_count, values, value_lens, v);
    used = take_rate(t, v);
    const struct value *name = &v[VALUE_INTERFACE_NAME];
    if (!name->data)
        name = &v[VALUE_INTERFACE_DESCRIPTION];
    used |= take_text(t, OPTION_INTERFACE_NAME, &v[VALUE_INTERFACE], name, &facts);
    used |= take_text(t, OPTION_VRF_NAME, &v[VALUE_VRF], &v[VALUE_VRF_NAME], &facts);
    used |=
        take_text(t, OPTION_APPLICATION, &v[VALUE_APPLICATION], &v[VALUE_APPLICATION_NAME], &facts);
    if (v[VALUE_VRF].data && v[VALUE_RD].data) {
        put_number_twice(t, OPTION_VRF_RD, value_uint(&v[VALUE_VRF]), value_uint(&v[VALUE_RD]));
        used = true;
    }
    facts.exporter_ipv4 = value_addr(&v[VALUE_EXPORTER_IPV4], ELEMENT_IPV4);
    facts.exporter_ipv6 = value_addr(&v[VALUE_EXPORTER_IPV6], ELEMENT_IPV6);
    facts.system_init_ms = (int64_t)value_uint(&v[VALUE_SYSTEM_INIT]);
    if (facts.system_init_ms < 0)
        facts.system_init_ms = 0;
    facts.is_usable = used || v[VALUE_EXPORTER_IPV4].data || v[VALUE_EXPORTER_IPV6].data ||
                      facts.system_init_ms > 0;
    *ret_facts = facts;
}

bool option_fields_tell_rate(const struct template_field *fields, uint16_t field_count)
{
    for (uint16_t i = 0; i < field_count; i++) {
        const struct template_field *f = &fields[i];
        if (f->enterprise != 0)
            continue;
        if (f->id == 34 || f->id == 50 || f->id == 305 || f->id == 307 || f->id == 309)
            return true;
    }
    return false;
}
