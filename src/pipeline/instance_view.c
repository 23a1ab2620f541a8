/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sets tags for each instance apart. */
#include "pipeline/instance_view.h"
#include "base/memory.h"
#include "flow/exporter.h"
#include "maps/maps.h"
#include "maps/tag_map.h"
#include <string.h>

struct instance_views {
    const struct instance_view_settings *settings;
    uint32_t instance_count, map_count, batch_capacity;
    bool is_shared;             /* all instances see the same: flows are changed in their place */
    struct tag_result *results; /* batch_capacity for each map */
    struct flow_batch copy;     /* of the instance under way */
    struct arena labels;        /* texts that were joined from several rows */
};

static bool sets_something(const struct instance_view_settings *s)
{
    return s->tag_map >= 0 || s->post_tag || s->post_tag2;
}

static bool are_equal(const struct instance_view_settings *a,
                      const struct instance_view_settings *b)
{
    return a->tag_map == b->tag_map && a->post_tag == b->post_tag && a->post_tag2 == b->post_tag2;
}

struct instance_views *instance_views_new(const struct instance_view_settings *settings,
                                          uint32_t instance_count, uint32_t map_count,
                                          uint32_t batch_capacity, uint32_t flow_stride)
{
    bool is_needed = false, is_shared = true;

    for (uint32_t i = 0; settings && i < instance_count; i++) {
        is_needed = is_needed || sets_something(&settings[i]);
        is_shared = is_shared && are_equal(&settings[0], &settings[i]);
    }
    if (!is_needed)
        return NULL;
    struct instance_views *views = mem_zalloc(sizeof *views);
    views->settings = settings;
    views->instance_count = instance_count;
    views->map_count = map_count;
    views->batch_capacity = batch_capacity;
    views->is_shared = is_shared;
    views->results = mem_calloc((size_t)batch_capacity * (map_count + 1), sizeof *views->results);
    views->labels.size = (size_t)batch_capacity * map_count * TAG_LABEL_MAX;
    views->labels.data = mem_calloc(views->labels.size + 1, 1);
    if (!is_shared)
        views->copy = (struct flow_batch){
            .flows = mem_aligned_zalloc(CACHE_LINE, (size_t)batch_capacity * flow_stride),
            .stride = flow_stride,
            .capacity = batch_capacity};
    return views;
}

void instance_views_free(struct instance_views *views)
{
    if (!views)
        return;
    mem_free(views->results);
    mem_free(views->labels.data);
    mem_free(views->copy.flows);
    mem_free(views);
}

static struct tag_result *results_of(const struct instance_views *views, uint32_t map)
{
    return views->results + (size_t)map * views->batch_capacity;
}

/* Sets what a map and the keys of an instance say. */
static void set_tags(const struct instance_view_settings *s, const struct tag_result *results,
                     const struct flow_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct flow *flow = flow_batch_at(batch, i);
        if (results) {
            flow->tag = results[i].tag;
            flow->tag2 = results[i].tag2;
            flow->label = results[i].label;
            if (results[i].has_tos)
                flow->tos = results[i].tos;
        }
        if (s->post_tag)
            flow->tag = s->post_tag;
        if (s->post_tag2)
            flow->tag2 = s->post_tag2;
    }
}

static void note_cut_labels(const struct tag_result *results, const struct flow_batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        struct exporter *exporter = flow_batch_at(batch, i)->exporter;
        if (!results[i].is_label_cut)
            continue;
        counter_add(&exporter->counters.labels_cut, 1);
        exporter_say_once(exporter, NOTE_labels_cut,
                          "a label of its flows would have more than "
                          "1024 bytes");
    }
}

void instance_views_begin(struct instance_views *views, const struct maps *maps,
                          struct flow_batch *batch)
{
    THREAD_ASSERT(worker_thread);
    views->labels.used = 0;
    for (uint32_t map = 0; map < views->map_count; map++) {
        struct tag_result *results = results_of(views, map);
        if (tag_map_walk(maps->tags[map], batch, &views->labels, results))
            note_cut_labels(results, batch);
    }
    if (views->is_shared)
        set_tags(&views->settings[0],
                 views->settings[0].tag_map >= 0
                     ? results_of(views, (uint32_t)views->settings[0].tag_map)
                     : NULL,
                 batch);
}

const struct flow_batch *instance_view(struct instance_views *views, uint32_t instance,
                                       const struct flow_batch *batch)
{
    const struct instance_view_settings *s = &views->settings[instance];

    if (views->is_shared || !sets_something(s))
        return batch;
    memcpy(views->copy.flows, batch->flows, (size_t)batch->count * batch->stride);
    views->copy.count = batch->count;
    views->copy.is_options = batch->is_options;
    set_tags(s, s->tag_map >= 0 ? results_of(views, (uint32_t)s->tag_map) : NULL, &views->copy);
    return &views->copy;
}
