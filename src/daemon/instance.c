/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes an instance: reads its keys, adds its columns, compiles its plan, opens its rings. See
 * instance.h. */
#include "daemon/instance.h"
#include "base/memory.h"
#include "base/text.h"
#include "bgp/path_match.h"
#include "daemon/event_output.h"
#include "flow/path_source.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { REFRESH_DEFAULT_S = 60 };

static void add_error(const struct config *config, size_t index, const char *key,
                      struct text *errors)
{
    text_append_printf(errors, "%s: %s[%s]: ", config_place(config, key, index), key,
                       config_instance_at(config, index)->name);
}

/* ---- columns ---- */

struct columns {
    struct aggregate_column items[SCHEMA_COLUMNS_MAX];
    size_t count;
    char *verdicts, *sources; /* value names of path_match and path_source */
};

static char *verdict_names(void)
{
    struct text t = {0};
    char *names;

    for (int i = 0; i < PATH_MATCH_COUNT; i++)
        text_append_printf(&t, "%s%s", i ? "|" : "", path_matches[i].text);
    names = mem_strdup(text_cstr(&t));
    text_clear(&t);
    return names;
}

static char *source_names(void)
{
    static const char names[] =
#define PATH_SOURCE(NAME, text, help) "|" text
#include "flow/path_source.def"
#undef PATH_SOURCE
        ;
    return mem_strdup(names + 1);
}

static bool column_add(struct columns *columns, const struct primitive *primitive,
                       struct flow_needs *needs)
{
    struct aggregate_column *c = &columns->items[columns->count];

    for (size_t i = 0; i < columns->count; i++)
        if (strcmp(columns->items[i].column.name, primitive->name) == 0)
            return true;
    if (columns->count == SCHEMA_COLUMNS_MAX)
        return false;
    c->column = primitive_column(primitive);
    if (primitive->member == FLOW_path_match)
        c->column.value_names = columns->verdicts;
    if (primitive->member == FLOW_path_source)
        c->column.value_names = columns->sources;
    c->flow_offset = primitive->flow_offset;
    int other_end = primitive_other_end(primitive);
    c->other_offset = other_end < 0 ? 0 : flow_member_places[other_end].offset;
    if (other_end >= 0)
        flow_needs_add(needs, (enum flow_member)other_end);
    if (primitive->member >= 0)
        flow_needs_add(needs, (enum flow_member)primitive->member);
    columns->count++;
    return true;
}

static uint32_t shown_offset(uint32_t offset)
{
    return offset == offsetof(struct flow, src_addr)   ? offsetof(struct flow, src_shown)
           : offset == offsetof(struct flow, dst_addr) ? offsetof(struct flow, dst_shown)
                                                       : offset;
}

/* By networks_file_filter addresses are shown as far as a row has them. Filters of flows see them
 * all. */
static void show_filtered(struct columns *columns)
{
    for (size_t i = 0; i < columns->count; i++) {
        columns->items[i].flow_offset = shown_offset(columns->items[i].flow_offset);
        columns->items[i].other_offset = shown_offset(columns->items[i].other_offset);
    }
}

/* Adds the column has_counters, which is 0 in rows of events alone. No output shows it, but JSON
 * leaves counters out of such rows. */
static bool has_counters_add(struct columns *columns, struct flow_needs *needs)
{
    static const struct primitive has_counters = {.name = "has_counters",
                                                  .json_name = "",
                                                  .csv_title = "",
                                                  .sql_name = "",
                                                  .kind = PA_KIND_U8,
                                                  .format = PA_FORMAT_UINT,
                                                  .combine = PA_COMBINE_OR,
                                                  .member = FLOW_has_counters,
                                                  .flow_offset =
                                                      offsetof(struct flow, has_counters)};
    return column_add(columns, &has_counters, needs);
}

/* A sum stands alone, but for what is the same from either end. */
static int check_sum(const struct config *config, size_t index, struct primitive_list *list,
                     struct text *errors, struct text *warnings)
{
    struct text left_out = {0};
    const struct primitive *sum = primitive_list_sum(list, &left_out);
    bool is_strict = config_is_strict(config);
    struct text *said = is_strict ? errors : warnings;
    bool has_more = sum && left_out.len > 0;

    if (has_more) {
        add_error(config, index, "aggregate", said);
        text_append_printf(
            said, "%s counts each flow at both ends, and %s would be of one of them; %s\n",
            sum->name, text_cstr(&left_out),
            is_strict ? "leave it out, or give it an instance of its own" : "it is left out");
    }
    text_clear(&left_out);
    return has_more && is_strict ? -EINVAL : 0;
}

static int columns_make(const struct config *config, size_t index,
                        const struct instance_settings *settings, const struct row_settings *rows,
                        const struct primitive_table *table, struct flow_needs *needs,
                        struct text *errors, struct text *warnings, struct columns *columns)
{
    static const enum primitive_index always[] = {PRIMITIVE_packets, PRIMITIVE_bytes};
    static const enum primitive_index stitched[] = {PRIMITIVE_timestamp_min,
                                                    PRIMITIVE_timestamp_max};
    struct primitive_list list = {0};
    struct text error = {0};
    bool has_room = true;
    int err;

    err = primitive_list_parse(table, settings->aggregate, &error, &list);
    if (err < 0) {
        add_error(config, index, "aggregate", errors);
        text_append_printf(errors, "%s\n", text_cstr(&error));
        text_clear(&error);
        return err;
    }
    if (check_sum(config, index, &list, errors, warnings) < 0) {
        primitive_list_clear(&list);
        return -EINVAL;
    }
    for (size_t i = 0; i < list.count; i++)
        has_room = column_add(columns, list.items[i], needs) && has_room;
    for (size_t i = 0; i < 2; i++)
        has_room = column_add(columns, primitive_table_at(table, always[i]), needs) && has_room;
    for (size_t i = 0; rows->has_stitching && i < 2; i++)
        has_room = column_add(columns, primitive_table_at(table, stitched[i]), needs) && has_room;
    has_room = has_counters_add(columns, needs) && has_room;
    primitive_list_clear(&list);
    if (settings->networks.file && settings->networks.filters)
        show_filtered(columns);
    if (!has_room) {
        add_error(config, index, "aggregate", errors);
        text_append_printf(errors, "more than %d columns; ask for fewer\n", SCHEMA_COLUMNS_MAX);
        return -EINVAL;
    }
    return 0;
}

/* ---- time ---- */

static int bins_make(const struct config *config, size_t index, const struct row_settings *rows,
                     struct time_bins *bins, bool *ret_has_bins, struct text *errors,
                     struct text *warnings)
{
    struct config_setting history, roundoff, offset;
    struct text error = {0};
    struct time_bins_settings settings = {0};
    int err;

    *ret_has_bins = false;
    if (!config_role(config, index, PA_ROLE_HISTORY, &history) || !history.value ||
        history.number == 0) {
        if (rows->has_pro_rating) {
            add_error(config, index, "plugins", warnings);
            text_append_string(
                warnings,
                "pro-rating spreads flows over time bins, and this instance has none, so its flows "
                "count whole; print_history and the like give it bins\n");
        }
        return 0;
    }
    settings.length_s = history.number;
    settings.is_utc = config_number(config, "timestamps_utc", index) != 0;
    if (config_role(config, index, PA_ROLE_HISTORY_ROUNDOFF, &roundoff))
        settings.roundoff = roundoff.value;
    if (config_role(config, index, PA_ROLE_HISTORY_OFFSET, &offset) && offset.value)
        settings.offset_s = offset.number;
    err = time_bins_init(bins, &settings, &error);
    if (err < 0) {
        const struct config_setting *wrong =
            time_bins_roundoff_is_valid(settings.roundoff) ? &history : &roundoff;
        text_append_printf(errors, "%s: %s: %s\n", wrong->place, wrong->key->name,
                           text_cstr(&error));
    }
    text_clear(&error);
    *ret_has_bins = err == 0;
    return err;
}

static void add_setting(void *arg, const struct config_setting *setting)
{
    struct instance *instance = arg;
    const struct event_output *output = instance->settings->event_output;
    bool is_left_out =
        output && !output->has_writer_id && strcmp(setting->key->name, "writer_id_string") == 0;

    instance->plugin_settings =
        mem_realloc_array(instance->plugin_settings, instance->plugin_setting_count + 1,
                          sizeof *instance->plugin_settings);
    instance->plugin_settings[instance->plugin_setting_count++] = (struct setup_setting){
        setting->key->name, is_left_out ? "" : setting->value, setting->number};
}

static int check_unaggregated(const struct config *config, size_t index,
                              const struct instance_settings *settings,
                              const struct row_settings *rows, struct text *errors)
{
    if (!settings->is_unaggregated || (!rows->has_pro_rating && !rows->has_stitching))
        return 0;
    add_error(config, index, "unaggregated", errors);
    text_append_printf(
        errors,
        "each flow is a row of its own, so there is nothing to %s; leave one of the two out\n",
        rows->has_pro_rating ? "pro-rate" : "stitch");
    return -EINVAL;
}

static int plan_make(struct instance *instance, const struct config *config, size_t index,
                     const struct row_settings *rows, const struct crew *crew,
                     const struct columns *columns, const struct time_bins *bins,
                     struct text *errors)
{
    struct text error = {0};
    struct aggregate_settings plan = {
        .columns = columns->items,
        .column_count = columns->count,
        .bins = instance->has_bins ? bins : NULL,
        .filter = instance->settings->filter,
        .tag_filter = instance->settings->tag_filter,
        .is_unaggregated = instance->settings->is_unaggregated,
        .is_replay = crew->replay.path != NULL,
        .has_order = crew->replay.path && crew->worker_count > 1,
        .has_pro_rating = rows->has_pro_rating,
        .has_whole_seconds = config_number(config, "timestamps_secs", index) != 0,
        .has_list = {instance->settings->lists.paths[VALUE_LIST_PORTS] != NULL,
                     instance->settings->lists.paths[VALUE_LIST_PROTOS] != NULL,
                     instance->settings->lists.paths[VALUE_LIST_TOS] != NULL},
        .has_dscp = config_number(config, "tos_encode_as_dscp", index) != 0,
    };
    int err = aggregate_plan_new(&plan, &error, &instance->plan);

    if (err < 0) {
        add_error(config, index, instance->settings->filter ? "aggregate_filter" : "aggregate",
                  errors);
        text_append_printf(errors, "%s\n", text_cstr(&error));
    }
    text_clear(&error);
    return err;
}

/* Makes the plan of an instance that gets rows of flows. */
static int row_plan_make(struct instance *instance, const struct config *config, size_t index,
                         const struct row_settings *rows, const struct crew *crew,
                         const struct primitive_table *table, struct flow_needs *needs,
                         struct text *errors, struct text *warnings)
{
    const struct instance_settings *settings = instance->settings;
    struct columns *columns = mem_zalloc(sizeof *columns);
    struct time_bins bins;
    int err;

    columns->verdicts = verdict_names();
    columns->sources = source_names();
    err = columns_make(config, index, settings, rows, table, needs, errors, warnings, columns);
    if (bins_make(config, index, rows, &bins, &instance->has_bins, errors, warnings) < 0)
        err = -EINVAL;
    if (check_unaggregated(config, index, settings, rows, errors) < 0)
        err = -EINVAL;
    if (err == 0)
        err = plan_make(instance, config, index, rows, crew, columns, &bins, errors);
    mem_free(columns->verdicts);
    mem_free(columns->sources);
    mem_free(columns);
    if (err < 0)
        return err;
    if (settings->filter)
        flow_filter_add_needs(needs);
    if (tag_filter_is_wanted(&settings->tag_filter))
        tag_filter_add_needs(needs);
    return 0;
}

/* Makes the plan of an instance that takes datagrams: it has no columns to choose, no filter of flows
 * and no bins. */
static int datagram_plan_make(struct instance *instance, const struct config *config, size_t index,
                              const struct crew *crew, struct text *errors)
{
    struct text error = {0};
    struct aggregate_settings plan = {
        .tag_filter = instance->settings->tag_filter,
        .is_replay = crew->replay.path != NULL,
        .has_order = crew->replay.path && crew->worker_count > 1,
    };
    int err = aggregate_plan_new_datagrams(&plan, &error, &instance->plan);

    if (err < 0) {
        add_error(config, index, "plugins", errors);
        text_append_printf(errors, "%s\n", text_cstr(&error));
    }
    text_clear(&error);
    if (instance->settings->filter) {
        add_error(config, index, "aggregate_filter", errors);
        text_append_string(errors,
                           "datagrams are passed on whole, before there are flows to be filtered; "
                           "leave it out, and choose by tags (pre_tag_map)\n");
        err = -EINVAL;
    }
    return err;
}

/* Makes the plan of an instance that takes events, whose table says all. */
static int event_plan_make(struct instance *instance, const struct crew *crew, struct text *errors)
{
    int err =
        aggregate_plan_new_events(instance->settings->event_output->events,
                                  crew->replay.path && !instance->is_foreign, &instance->plan);

    if (err < 0)
        text_append_printf(errors, "%s: its records cannot be handed over: %s\n",
                           instance->identity->name, strerrordesc_np(-err));
    return err;
}

/* Makes the plan of an instance, by what it takes. */
static int any_plan_make(struct instance *instance, const struct config *config, size_t index,
                         const struct row_settings *rows, const struct crew *crew,
                         const struct primitive_table *table, struct flow_needs *needs,
                         struct text *errors, struct text *warnings)
{
    if (instance->takes_events)
        return event_plan_make(instance, crew, errors);
    if (instance->takes_datagrams)
        return datagram_plan_make(instance, config, index, crew, errors);
    return row_plan_make(instance, config, index, rows, crew, table, needs, errors, warnings);
}

int instance_new(const struct config *config, size_t index,
                 const struct instance_settings *settings, const struct row_settings *rows,
                 const struct crew *crew, const struct primitive_table *table,
                 struct flow_needs *needs, struct text *errors, struct text *warnings,
                 struct instance **ret_instance)
{
    struct instance *instance = mem_zalloc(sizeof *instance);
    struct config_setting refresh, delay, raw;
    int err;

    instance->identity = config_instance_at(config, index);
    instance->settings = settings;
    instance->spool_lock_fd = -1;
    instance->tag_map = -1;
    instance->refresh_s = REFRESH_DEFAULT_S;
    if (config_role(config, index, PA_ROLE_REFRESH_TIME, &refresh) && refresh.number > 0)
        instance->refresh_s = refresh.number;
    if (config_role(config, index, PA_ROLE_STARTUP_DELAY, &delay))
        instance->delay_s = delay.number;
    atomic_init(&instance->epoch, 1);
    instance->takes_datagrams =
        (config_plugin_flags(config, instance->identity->type) & PA_PLUGIN_TAKES_DATAGRAMS) != 0;
    instance->wants_raw_sockets =
        config_role(config, index, PA_ROLE_RAW_SOCKETS, &raw) && raw.number != 0;
    instance->takes_events = settings->event_output != NULL;
    instance->is_foreign = instance->takes_events && settings->event_output->is_foreign;
    err = any_plan_make(instance, config, index, rows, crew, table, needs, errors, warnings);
    if (err < 0) {
        instance_free(instance);
        return err;
    }
    config_each_setting(config, index, add_setting, instance);
    *ret_instance = instance;
    return 0;
}

void instance_free(struct instance *instance)
{
    if (!instance)
        return;
    if (instance->spool_lock_fd >= 0)
        close(instance->spool_lock_fd);
    outlet_free(instance->outlet);
    aggregate_plan_free(instance->plan);
    mem_free(instance->ledgers);
    mem_free(instance->plugin_settings);
    mem_free(instance);
}

int instance_open(struct instance *instance, uint32_t worker_count, const int *worker_events)
{
    instance->worker_count = worker_count;
    instance->ledgers = mem_aligned_zalloc(CACHE_LINE, worker_count * sizeof *instance->ledgers);
    return outlet_new(worker_count, worker_events, instance->settings->pool_size,
                      &instance->outlet);
}

struct worker_instance instance_for_workers(struct instance *instance)
{
    return (struct worker_instance){
        .plan = instance->plan,
        .outlet = instance->outlet,
        .refresh_s = instance->refresh_s,
        .delay_s = instance->delay_s,
        .epoch = &instance->epoch,
        .ledgers = instance->ledgers,
        .lists = {instance->lists[0], instance->lists[1], instance->lists[2]},
        .has_lists = instance->plan->squeeze_count > 0,
        .tag_map = instance->tag_map,
        .post_tag = instance->settings->tags.post_tag,
        .post_tag2 = instance->settings->tags.post_tag2};
}

struct supervisor_plugin instance_plugin(const struct instance *instance)
{
    return (struct supervisor_plugin){
        .instance_name = instance->identity->name,
        .plugin_name = instance->identity->type,
        .schema = instance->plan->schema,
        .outlet = instance->outlet,
        .settings = instance->plugin_settings,
        .setting_count = instance->plugin_setting_count,
        .spool_dir = instance->spool_lock_fd >= 0 ? instance->settings->spool_dir : NULL,
        .spool_size = instance->settings->spool_size,
        .timeout_s = instance->settings->timeout_s,
        .raw_sockets = instance->raw_sockets};
}

struct ledger_sum instance_ledger(const struct instance *instance)
{
    struct ledger_sum sum = {0};

    for (uint32_t i = 0; i < instance->worker_count; i++) {
        struct handover_totals drained = ring_drained(instance->outlet->lanes[i].ring);
        struct handover_totals lost = ring_lost_drained(instance->outlet->lanes[i].ring);
        struct handover_totals rejected = ring_rejected_drained(instance->outlet->lanes[i].ring);
        ledger_sum_add(&sum, &instance->ledgers[i], &drained, &lost, &rejected);
    }
    return sum;
}

const char *instance_unit(const struct instance *instance)
{
    return instance->takes_events ? "events" : "flows";
}
