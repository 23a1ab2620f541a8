/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets networks and tags for each instance apart. Instances whose networks are the same share a
 * layer: the flows of a batch with those networks. A walk is a map over a layer.
 */
#include "pipeline/instance_view.h"
#include "base/memory.h"
#include "base/prefix_tree.h"
#include "flow/exporter.h"
#include "maps/maps.h"
#include "maps/tag_map.h"
#include <string.h>

const struct config_key instance_tag_keys[] = {
    {"pre_tag_map", KEY_STRING_AT(struct tag_settings, map), .scope = SCOPE_INSTANCE,
     .help = "map that sets tags and labels by what flows are (see MAPS)"},
    {"post_tag", KEY_INT_AT(struct tag_settings, post_tag, 0, INT64_MAX), "0",
     .scope = SCOPE_INSTANCE,
     .help = "tag of all flows of the instance, whatever maps set; 0: none"},
    {"post_tag2", KEY_INT_AT(struct tag_settings, post_tag2, 0, INT64_MAX), "0",
     .scope = SCOPE_INSTANCE, .help = "the same for tag2"},
    {0},
};

enum { NONE = -1 };

/* Flows with the networks of some instances. */
struct layer {
    struct network_fill fill;
    struct flow_batch
        copy; /* no flows: all instances have this layer, and it is the batch itself */
};

struct map_walk {
    int32_t map, layer;         /* NONE: the batch as it is */
    struct tag_result *results; /* one for each flow of the batch */
    struct tag_returns returns; /* flows that were given away before */
};

/* Names what an instance has of all that. */
struct instance_view {
    int32_t layer, walk; /* NONE: it has none */
};

struct instance_views {
    const struct instance_view_settings *settings;
    uint32_t instance_count, layer_count, walk_count;
    bool has_shared_tags; /* all instances see the same: tags may be set in their place */
    bool is_in_place;     /* and were, for this batch */
    struct layer *layers;
    struct map_walk *walks;
    struct instance_view *views; /* by instance */
    struct prefix_match *matches;
    struct flow_batch copy; /* with the tags of the instance under way */
    struct arena labels;    /* texts that were joined from several rows */
};

static bool sets_tags(const struct instance_view_settings *s)
{
    return s->tag_map >= 0 || s->post_tag || s->post_tag2;
}

static bool sets_something(const struct instance_view_settings *s)
{
    return sets_tags(s) || network_fill_is_wanted(&s->networks);
}

static bool has_equal_tags(const struct instance_view_settings *a,
                           const struct instance_view_settings *b)
{
    return a->tag_map == b->tag_map && a->post_tag == b->post_tag && a->post_tag2 == b->post_tag2;
}

static int32_t layer_of(struct instance_views *v, const struct network_fill_settings *settings)
{
    if (!network_fill_is_wanted(settings))
        return NONE;
    for (uint32_t i = 0; i < v->layer_count; i++)
        if (network_fill_settings_equal(&v->layers[i].fill.settings, settings))
            return (int32_t)i;
    v->layers[v->layer_count].fill.settings = *settings;
    return (int32_t)v->layer_count++;
}

static int32_t walk_of(struct instance_views *v, int32_t map, int32_t layer)
{
    if (map < 0)
        return NONE;
    for (uint32_t i = 0; i < v->walk_count; i++)
        if (v->walks[i].map == map && v->walks[i].layer == layer)
            return (int32_t)i;
    v->walks[v->walk_count] = (struct map_walk){.map = map, .layer = layer};
    return (int32_t)v->walk_count++;
}

static struct flow_batch batch_new(uint32_t capacity, uint32_t stride)
{
    return (struct flow_batch){.flows = mem_aligned_zalloc(CACHE_LINE, (size_t)capacity * stride),
                               .stride = stride,
                               .capacity = capacity};
}

/* Returns whether all instances have the same layer, which then takes no copy. */
static bool has_shared_layer(const struct instance_views *v)
{
    for (uint32_t i = 0; i < v->instance_count; i++)
        if (v->views[i].layer != 0)
            return false;
    return true;
}

static bool has_shared_tags(const struct instance_views *v)
{
    for (uint32_t i = 0; i < v->instance_count; i++)
        if (!has_equal_tags(&v->settings[0], &v->settings[i]))
            return false;
    return v->layer_count == 0 || has_shared_layer(v);
}

static bool is_needed(const struct instance_view_settings *settings, uint32_t instance_count)
{
    for (uint32_t i = 0; settings && i < instance_count; i++)
        if (sets_something(&settings[i]))
            return true;
    return false;
}

static void set_needs(struct instance_views *v, const struct flow_needs *needs)
{
    struct flow_needs more = *needs;

    for (uint32_t i = 0; i < v->layer_count; i++) {
        struct network_fill_settings settings = v->layers[i].fill.settings;
        network_fill_init(&v->layers[i].fill, &settings, &more);
    }
}

struct instance_views *instance_views_new(const struct instance_view_settings *settings,
                                          uint32_t instance_count, const struct flow_needs *needs,
                                          uint32_t batch_capacity, uint32_t flow_stride)
{
    if (!is_needed(settings, instance_count))
        return NULL;
    struct instance_views *v = mem_zalloc(sizeof *v);
    v->settings = settings;
    v->instance_count = instance_count;
    v->layers = mem_calloc(instance_count, sizeof *v->layers);
    v->walks = mem_calloc(instance_count, sizeof *v->walks);
    v->views = mem_calloc(instance_count, sizeof *v->views);
    for (uint32_t i = 0; i < instance_count; i++) {
        v->views[i].layer = layer_of(v, &settings[i].networks);
        v->views[i].walk = walk_of(v, settings[i].tag_map, v->views[i].layer);
    }
    for (uint32_t i = 0; i < v->layer_count && !has_shared_layer(v); i++)
        v->layers[i].copy = batch_new(batch_capacity, flow_stride);
    for (uint32_t i = 0; i < v->walk_count; i++)
        v->walks[i].results = mem_calloc(batch_capacity, sizeof *v->walks[i].results);
    v->matches = mem_calloc((size_t)batch_capacity * 2, sizeof *v->matches);
    v->labels.size = (size_t)2 * batch_capacity * v->walk_count * TAG_LABEL_MAX;
    v->labels.data = mem_calloc(v->labels.size + 1, 1);
    v->has_shared_tags = has_shared_tags(v);
    if (!v->has_shared_tags || v->walk_count > 0)
        v->copy = batch_new(batch_capacity, flow_stride);
    set_needs(v, needs);
    return v;
}

void instance_views_free(struct instance_views *v)
{
    if (!v)
        return;
    for (uint32_t i = 0; i < v->layer_count; i++)
        mem_free(v->layers[i].copy.flows);
    for (uint32_t i = 0; i < v->walk_count; i++) {
        mem_free(v->walks[i].results);
        mem_free(v->walks[i].returns.items);
    }
    mem_free(v->layers);
    mem_free(v->walks);
    mem_free(v->views);
    mem_free(v->matches);
    mem_free(v->labels.data);
    mem_free(v->copy.flows);
    mem_free(v);
}

void instance_views_add_needs(const struct instance_view_settings *settings,
                              uint32_t instance_count, struct flow_needs *needs)
{
    struct network_fill fill;

    for (uint32_t i = 0; settings && i < instance_count; i++)
        if (network_fill_is_wanted(&settings[i].networks))
            network_fill_init(&fill, &settings[i].networks, needs);
}

void instance_views_set_needs(struct instance_views *v, const struct flow_needs *needs)
{
    THREAD_ASSERT(worker_thread);
    set_needs(v, needs);
}

static void batch_copy(struct flow_batch *to, const struct flow_batch *from)
{
    memcpy(to->flows, from->flows, (size_t)from->count * from->stride);
    to->count = from->count;
    to->is_options = from->is_options;
}

/* Returns the flows with the networks of a layer. */
static struct flow_batch *flows_of(const struct instance_views *v, int32_t layer,
                                   struct flow_batch *batch)
{
    return layer != NONE && v->layers[layer].copy.flows ? &v->layers[layer].copy : batch;
}

/* Sets what a map, which may be NULL, and the keys of an instance say. */
static void set_flow(const struct instance_view_settings *s, const struct tag_result *result,
                     struct flow *flow)
{
    if (result) {
        flow->tag = result->tag;
        flow->tag2 = result->tag2;
        flow->label = result->label;
        if (result->has_tos)
            flow->tos = result->tos;
    }
    if (s->post_tag)
        flow->tag = s->post_tag;
    if (s->post_tag2)
        flow->tag2 = s->post_tag2;
}

static void set_tags(const struct instance_view_settings *s, const struct tag_result *results,
                     const struct flow_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        set_flow(s, results ? &results[i] : NULL, flow_batch_at(batch, i));
}

static void note_cut_label(struct exporter *exporter, const struct tag_result *result)
{
    if (!result->is_label_cut)
        return;
    counter_add(&exporter->counters.labels_cut, 1);
    exporter_say_once(exporter, NOTE_labels_cut,
                      "a label of its flows would have more than 1024 bytes");
}

static void note_cut_labels(const struct map_walk *walk, const struct flow_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        note_cut_label(flow_batch_at(batch, i)->exporter, &walk->results[i]);
    for (uint32_t i = 0; i < walk->returns.count; i++)
        note_cut_label(flow_batch_at(batch, walk->returns.items[i].flow)->exporter,
                       &walk->returns.items[i].result);
}

static const struct tag_result *results_of(const struct instance_views *v, uint32_t instance)
{
    return v->views[instance].walk == NONE ? NULL : v->walks[v->views[instance].walk].results;
}

void instance_views_begin(struct instance_views *v, const struct maps *maps,
                          struct flow_batch *batch)
{
    THREAD_ASSERT(worker_thread);
    for (uint32_t i = 0; i < v->layer_count; i++) {
        const struct network_fill *fill = &v->layers[i].fill;
        struct flow_batch *flows = flows_of(v, (int32_t)i, batch);
        if (flows != batch)
            batch_copy(flows, batch);
        network_fill_batch(fill,
                           fill->settings.file >= 0 ? maps->networks[fill->settings.file] : NULL,
                           v->matches, flows);
    }
    v->labels.used = 0;
    v->is_in_place = v->has_shared_tags;
    for (uint32_t w = 0; w < v->walk_count; w++) {
        struct map_walk *walk = &v->walks[w];
        const struct flow_batch *flows = flows_of(v, walk->layer, batch);
        if (tag_map_walk(maps->tags[walk->map], flows, &v->labels, walk->results, &walk->returns))
            note_cut_labels(walk, flows);
        if (walk->returns.count > 0) /* they still need the flows as they were */
            v->is_in_place = false;
    }
    if (v->is_in_place && sets_tags(&v->settings[0]))
        set_tags(&v->settings[0], results_of(v, 0), batch);
}

const struct flow_batch *instance_view(struct instance_views *v, uint32_t instance,
                                       struct flow_batch *batch)
{
    const struct instance_view_settings *s = &v->settings[instance];
    const struct flow_batch *flows = flows_of(v, v->views[instance].layer, batch);

    if (v->is_in_place || !sets_tags(s))
        return flows;
    batch_copy(&v->copy, flows);
    set_tags(s, results_of(v, instance), &v->copy);
    return &v->copy;
}

const struct flow_batch *instance_view_returned(struct instance_views *v, uint32_t instance,
                                                struct flow_batch *batch, uint32_t *position)
{
    const struct instance_view *view = &v->views[instance];
    const struct tag_returns *returns = view->walk == NONE ? NULL : &v->walks[view->walk].returns;

    if (!returns || *position >= returns->count)
        return NULL;
    const struct flow_batch *flows = flows_of(v, view->layer, batch);
    v->copy.is_options = flows->is_options;
    for (v->copy.count = 0; v->copy.count < v->copy.capacity && *position < returns->count;) {
        const struct tag_returned *returned = &returns->items[(*position)++];
        struct flow *flow = flow_batch_at(&v->copy, v->copy.count++);
        memcpy(flow, flow_batch_at(flows, returned->flow), flows->stride);
        set_flow(&v->settings[instance], &returned->result, flow);
    }
    return &v->copy;
}
