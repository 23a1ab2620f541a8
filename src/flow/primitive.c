/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes an array of primitives.def, adds the custom primitives of aggregate_primitives behind it,
 * and parses lists of names (the key `aggregate`). */
#include "flow/primitive.h"

#include "base/memory.h"
#include "base/nearest.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

/* JSON keys stand in the order of rows, and between two rows there are places for what belongs
 * behind the first: custom primitives follow timestamp_export, as in pmacct. */
#define PLACE_STEP (PRIMITIVE_CUSTOM_MAX + 2)
_Static_assert((PRIMITIVE_COUNT + 1) * PLACE_STEP <= UINT16_MAX, "JSON places fit into 16 bits");
#define JSON_PLACE(index) (uint16_t)(((index) + 1) * PLACE_STEP)
/* Custom columns of CSV stand behind all others but the counters, which begin at 2000 in
 * primitives.def. */
#define CUSTOM_CSV_PLACE 1000

/* Gives the width of the kinds that do not say it themselves. */
#define WIDTH(kind, member)                                                                        \
    (PA_KIND_##kind == PA_KIND_FIXED ? (uint16_t)sizeof(((struct flow *)0)->member) : 0)

const struct primitive primitives[PRIMITIVE_COUNT] = {
#define PRIMITIVE(name_, json_, csv_, sql_, kind_, format_, member_, place_, help_)                \
    [PRIMITIVE_##name_] = {#name_,                                                                 \
                           json_,                                                                  \
                           csv_,                                                                   \
                           sql_,                                                                   \
                           help_,                                                                  \
                           PA_KIND_##kind_,                                                        \
                           PA_FORMAT_##format_,                                                    \
                           PA_COMBINE_KEY,                                                         \
                           JSON_PLACE(PRIMITIVE_##name_),                                          \
                           place_,                                                                 \
                           WIDTH(kind_, member_),                                                  \
                           FLOW_##member_,                                                         \
                           offsetof(struct flow, member_)},
#define COUNTER(name_, json_, csv_, sql_, kind_, format_, member_, place_, combine_, help_)        \
    [PRIMITIVE_##name_] = {#name_,                                                                 \
                           json_,                                                                  \
                           csv_,                                                                   \
                           sql_,                                                                   \
                           help_,                                                                  \
                           PA_KIND_##kind_,                                                        \
                           PA_FORMAT_##format_,                                                    \
                           PA_COMBINE_##combine_,                                                  \
                           JSON_PLACE(PRIMITIVE_##name_),                                          \
                           place_,                                                                 \
                           WIDTH(kind_, member_),                                                  \
                           FLOW_##member_,                                                         \
                           offsetof(struct flow, member_)},
#include "flow/primitives.def"
#undef PRIMITIVE
#undef COUNTER
    [PRIMITIVE_mpls_vpn_rd_origin] = {"mpls_vpn_rd_origin", "mpls_vpn_rd_origin", "",
                                      "mpls_vpn_rd_origin", "who said what mpls_vpn_rd is",
                                      PA_KIND_U8, PA_FORMAT_RD_ORIGIN, PA_COMBINE_KEY,
                                      JSON_PLACE(PRIMITIVE_mpls_vpn_rd) + 1, 361, 0,
                                      FLOW_vpn_rd_origin, offsetof(struct flow, vpn_rd_origin)},
};

struct primitive_table {
    struct primitive *items; /* the built-in ones, then the custom ones */
    size_t count;
    struct custom_field *fields;
    uint32_t field_count;
    uint32_t stride;
};

struct pa_column primitive_column(const struct primitive *p)
{
    return (struct pa_column){
        .name = p->name,
        .json_name = p->json_name,
        .csv_title = p->csv_title,
        .sql_name = p->sql_name,
        .kind = p->kind,
        .format = p->format,
        .combine = p->combine,
        .width = p->width,
        .json_place = p->json_place,
        .csv_place = p->csv_place,
    };
}

static uint32_t round_up_8(uint32_t n)
{
    return (n + 7) & ~UINT32_C(7);
}

struct primitive_table *primitive_table_new(void)
{
    struct primitive_table *table = mem_zalloc(sizeof *table);

    /* Allocates room for all at once, as lists point at the items. */
    table->items = mem_calloc(PRIMITIVE_COUNT + PRIMITIVE_CUSTOM_MAX, sizeof *table->items);
    memcpy(table->items, primitives, sizeof primitives);
    table->count = PRIMITIVE_COUNT;
    table->fields = mem_calloc(PRIMITIVE_CUSTOM_MAX, sizeof *table->fields);
    table->stride = round_up_8(sizeof(struct flow));
    return table;
}

void primitive_table_free(struct primitive_table *table)
{
    if (!table)
        return;
    for (size_t i = PRIMITIVE_COUNT; i < table->count; i++) {
        mem_free((void *)(uintptr_t)table->items[i].name); /* also that of all outputs */
        mem_free((void *)(uintptr_t)table->items[i].help);
    }
    mem_free(table->items);
    mem_free(table->fields);
    mem_free(table);
}

/* ---- custom primitives ---- */

static const struct {
    const char *lengths; /* what `len` may be */
    uint16_t min, max;   /* on the wire, variable length aside */
    bool may_vary, is_number;
    uint8_t format;
} semantics_rules[] = {
    [CUSTOM_UINT] = {"1 to 8", 1, 8, false, true, PA_FORMAT_CUSTOM_UINT},
    [CUSTOM_HEX] = {"1 to 8", 1, 8, false, true, PA_FORMAT_CUSTOM_HEX},
    [CUSTOM_IP] = {"4 or 16", 4, 16, false, false, PA_FORMAT_CUSTOM_IP},
    [CUSTOM_MAC] = {"6", 6, 6, false, false, PA_FORMAT_CUSTOM_MAC},
    [CUSTOM_TEXT] = {"1 to 1024, or vlen", 1, 1024, true, false, PA_FORMAT_CUSTOM_TEXT},
    [CUSTOM_RAW] = {"1 to 1024, or vlen", 1, 1024, true, false, PA_FORMAT_CUSTOM_RAW},
};

/* The name becomes a JSON key and an SQL column. */
static bool is_name(const char *name)
{
    if (!isalpha((unsigned char)*name) || strlen(name) > 63)
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

/* Primitives that pmacct does not have: there a custom one may have the name, and so it may here. */
static bool is_ours_alone(const struct primitive *p)
{
    static const enum primitive_index ours[] = {
        PRIMITIVE_path_match,     PRIMITIVE_path_id,
        PRIMITIVE_encap_src_host, PRIMITIVE_encap_dst_host,
        PRIMITIVE_acl_number,     PRIMITIVE_acl_name,
        PRIMITIVE_discard_reason, PRIMITIVE_src_user,
        PRIMITIVE_dst_user,       PRIMITIVE_url,
        PRIMITIVE_url_host,
    };

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (strcmp(p->name, primitives[ours[i]].name) == 0)
            return true;
    return false;
}

static bool is_built_in(const struct primitive_table *table, const char *name)
{
    for (size_t i = 0; i < PRIMITIVE_COUNT; i++)
        if (strcasecmp(table->items[i].name, name) == 0)
            return !is_ours_alone(&table->items[i]);
    return false;
}

static bool is_output_name_taken(const struct primitive_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct primitive *p = &table->items[i];
        if (i < PRIMITIVE_COUNT && is_ours_alone(p) && strcasecmp(p->name, name) == 0)
            continue; /* the custom one takes its place */
        if (strcasecmp(p->name, name) == 0 || strcasecmp(p->json_name, name) == 0 ||
            strcasecmp(p->sql_name, name) == 0)
            return true;
    }
    return strncasecmp(name, "stamp_", 6) == 0; /* columns of time bins */
}

static int check_custom(const struct primitive_table *table, const struct custom_primitive *custom,
                        struct text *error)
{
    bool is_len_right = custom->len == 0
                            ? semantics_rules[custom->semantics].may_vary
                            : custom->len >= semantics_rules[custom->semantics].min &&
                                  custom->len <= semantics_rules[custom->semantics].max;

    if (custom->semantics == CUSTOM_IP && custom->len != 4 && custom->len != 16)
        is_len_right = false;
    if (!is_name(custom->name)) {
        text_append_printf(error,
                           "name=%s: expected a letter, then up to 62 letters, digits or '_'",
                           custom->name);
        return -EINVAL;
    }
    if (!is_built_in(table, custom->name) && is_output_name_taken(table, custom->name)) {
        text_append_printf(error, "name=%s: there is a primitive or output of that name",
                           custom->name);
        return -EEXIST;
    }
    if (!is_len_right) {
        text_append_printf(error, "name=%s: expected a length of %s", custom->name,
                           semantics_rules[custom->semantics].lengths);
        return -EINVAL;
    }
    if (table->field_count == PRIMITIVE_CUSTOM_MAX) {
        text_append_printf(error, "name=%s: more than %d custom primitives", custom->name,
                           PRIMITIVE_CUSTOM_MAX);
        return -ENOSPC;
    }
    if (!is_built_in(table, custom->name))
        return 0;
    text_append_printf(error,
                       "name=%s: `aggregate` means the built-in primitive of that name, as in "
                       "pmacct; give the custom one another name to have it",
                       custom->name);
    return 1;
}

int primitive_table_add(struct primitive_table *table, const struct custom_primitive *custom,
                        struct text *error)
{
    int err = check_custom(table, custom, error);
    uint32_t index = table->field_count;

    if (err != 0)
        return err;
    char *name = mem_strdup(custom->name);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    table->items[table->count++] = (struct primitive){
        .name = name,
        .json_name = name,
        .csv_title = name,
        .sql_name = name,
        .help = mem_printf("information element %u:%u", custom->enterprise, custom->element),
        .kind = custom->len ? PA_KIND_FIXED : PA_KIND_BYTES,
        .format = semantics_rules[custom->semantics].format,
        .combine = PA_COMBINE_KEY,
        .json_place = (uint16_t)(JSON_PLACE(PRIMITIVE_timestamp_export) + 1 + index),
        .csv_place = (uint16_t)(CUSTOM_CSV_PLACE + index),
        .width = custom->len,
        .member = PRIMITIVE_CUSTOM,
        .flow_offset = table->stride,
    };
    table->fields[table->field_count++] = (struct custom_field){
        .enterprise = custom->enterprise,
        .element = custom->element,
        .len = custom->len,
        .flow_offset = table->stride,
        .is_number = semantics_rules[custom->semantics].is_number,
        .is_reverse = custom->is_reverse,
    };
    table->stride += round_up_8(custom->len ? custom->len : sizeof(struct flow_bytes));
    return 0;
}

size_t primitive_table_count(const struct primitive_table *table)
{
    return table->count;
}

const struct primitive *primitive_table_at(const struct primitive_table *table, size_t index)
{
    return &table->items[index];
}

const struct primitive *primitive_table_find(const struct primitive_table *table, const char *name)
{
    for (size_t i = table->count; i-- > 0;) /* custom ones go before built-in ones */
        if (strcasecmp(table->items[i].name, name) == 0)
            return &table->items[i];
    return NULL;
}

const struct custom_field *primitive_table_custom_fields(const struct primitive_table *table,
                                                         uint32_t *ret_count)
{
    *ret_count = table->field_count;
    return table->fields;
}

uint32_t primitive_table_flow_stride(const struct primitive_table *table)
{
    return table->stride;
}

/* ---- sums over both ends ---- */

/* Lists the sums, with what the other end of a flow has. */
static const struct {
    enum primitive_index sum;
    enum flow_member other_end;
} sums[] = {
    {PRIMITIVE_sum_host, FLOW_dst_addr}, {PRIMITIVE_sum_net, FLOW_dst_net},
    {PRIMITIVE_sum_as, FLOW_dst_as},     {PRIMITIVE_sum_port, FLOW_dst_port},
    {PRIMITIVE_sum_mac, FLOW_dst_mac},
};

int primitive_other_end(const struct primitive *primitive)
{
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        if (primitive->name == primitives[sums[i].sum].name)
            return sums[i].other_end;
    return -1;
}

/* True if a primitive says the same of a flow whichever end it is seen from. pmacct leaves out all
 * others beside a sum. */
static bool goes_with_sums(const struct primitive *primitive)
{
    static const enum primitive_index neutral[] = {
        PRIMITIVE_tag,
        PRIMITIVE_tag2,
        PRIMITIVE_label,
        PRIMITIVE_class,
        PRIMITIVE_flows,
        PRIMITIVE_packets,
        PRIMITIVE_bytes,
        PRIMITIVE_sampling_rate,
        PRIMITIVE_timestamp_start,
        PRIMITIVE_timestamp_end,
        PRIMITIVE_timestamp_arrival,
        PRIMITIVE_timestamp_export,
        PRIMITIVE_export_proto_seqno,
        PRIMITIVE_export_proto_version,
        PRIMITIVE_export_proto_sysid,
    };

    for (size_t i = 0; i < sizeof neutral / sizeof neutral[0]; i++)
        if (primitive->name == primitives[neutral[i]].name)
            return true;
    return primitive->member == PRIMITIVE_CUSTOM;
}

/* ---- lists ---- */

static const struct {
    const char *name, *reason;
} refusals[] = {
#define REFUSED_PRIMITIVE(name, reason) {#name, reason},
#include "flow/refused_primitives.def"
#undef REFUSED_PRIMITIVE
};

const char *primitive_refusal(const char *name)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (strcasecmp(refusals[i].name, name) == 0)
            return refusals[i].reason;
    return NULL;
}

void primitive_list_clear(struct primitive_list *list)
{
    mem_free(list->items);
    *list = (struct primitive_list){0};
}

static void list_add(struct primitive_list *list, const struct primitive *primitive)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == primitive)
            return;
    list->items = mem_realloc_array(list->items, list->count + 1, sizeof *list->items);
    list->items[list->count++] = primitive;
}

/* Finds the primitive that outputs call so: ip_src, SRC_IP, peer_as_dst. They order words otherwise
 * than `aggregate`, so that edits alone would lead to another one. */
static const struct primitive *find_by_output_name(const struct primitive_table *table,
                                                   const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct primitive *p = &table->items[i];
        if (!primitive_refusal(p->name) &&
            (strcasecmp(p->json_name, name) == 0 || strcasecmp(p->csv_title, name) == 0 ||
             strcasecmp(p->sql_name, name) == 0))
            return p;
    }
    return NULL;
}

static void append_unknown(const struct primitive_table *table, const char *name,
                           struct text *error)
{
    struct nearest nearest = nearest_start(name);
    const struct primitive *shown = find_by_output_name(table, name);

    if (shown) {
        text_append_printf(error, "unknown primitive '%s', did you mean %s?", name, shown->name);
        return;
    }
    for (size_t i = 0; i < table->count; i++)
        if (!primitive_refusal(table->items[i].name))
            nearest_try(&nearest, table->items[i].name);
    text_append_printf(error, "unknown primitive '%s'", name);
    if (nearest.name)
        text_append_printf(error, ", did you mean %s?", nearest.name);
    else
        text_append_string(error, ", `nfacctd -a` lists them");
}

/* Lists what comes with a primitive, as a column of its own. */
static const struct {
    enum primitive_index of, companion;
} companions[] = {
    {PRIMITIVE_mpls_vpn_rd, PRIMITIVE_mpls_vpn_rd_origin},
    {PRIMITIVE_src_host_coords, PRIMITIVE_src_host_lon},
    {PRIMITIVE_dst_host_coords, PRIMITIVE_dst_host_lon},
};

/* Adds the primitive of that name to the list; false: there is none, and `error` says why. */
static bool list_take(const struct primitive_table *table, const char *name,
                      struct primitive_list *list, struct text *error)
{
    const char *refusal = primitive_refusal(name);
    const struct primitive *primitive = primitive_table_find(table, name);

    if (refusal || !primitive) {
        text_append_string(error, error->len ? "; " : "");
        if (refusal)
            text_append_printf(error, "primitive '%s': %s", name, refusal);
        else
            append_unknown(table, name, error);
        return false;
    }
    list_add(list, primitive);
    for (size_t i = 0; i < sizeof companions / sizeof companions[0]; i++)
        if (primitive == &table->items[companions[i].of])
            list_add(list, &table->items[companions[i].companion]);
    return true;
}

int primitive_list_parse(const struct primitive_table *table, const char *text, struct text *error,
                         struct primitive_list *ret_list)
{
    struct primitive_list list = {0};
    char *copy = mem_strdup(text), *rest = copy;
    bool is_good = true;

    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        name += strspn(name, " \t");
        name[strcspn(name, " \t\r\n")] = '\0';
        if (*name && strcasecmp(name, "none") != 0)
            is_good &= list_take(table, name, &list, error);
    }
    mem_free(copy);
    if (!is_good) {
        primitive_list_clear(&list);
        return -EINVAL;
    }
    *ret_list = list;
    return 0;
}

const struct primitive *primitive_list_sum(struct primitive_list *list, struct text *left_out)
{
    const struct primitive *sum = NULL;
    size_t kept = 0;

    for (size_t i = 0; i < list->count && !sum; i++)
        if (primitive_other_end(list->items[i]) >= 0)
            sum = list->items[i];
    for (size_t i = 0; sum && i < list->count; i++) {
        const struct primitive *p = list->items[i];
        if (p == sum || goes_with_sums(p))
            list->items[kept++] = p;
        else
            text_append_printf(left_out, "%s%s", left_out->len ? ", " : "", p->name);
    }
    if (sum)
        list->count = kept;
    return sum;
}
