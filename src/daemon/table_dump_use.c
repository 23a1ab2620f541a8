/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what dumps of the BGP tables need of other keys. See table_dump_use.h. */
#include "daemon/table_dump_use.h"
#include "daemon/daemon_private.h"
#include "pipeline/event_producer.h"
#include <errno.h>
#include <strings.h>

enum { NO_INSTANCE = UINT32_MAX };

/* Finds the instance that takes dumps. */
static uint32_t instance_of(const struct daemon *d)
{
    for (uint32_t i = 0; i < d->instance_count; i++)
        if (d->instance_settings[i].event_output == &table_dump_output)
            return i;
    return NO_INSTANCE;
}

/* Reads a switch of plugins that is for what the daemon itself writes too: it is on where it is so for all
 * instances or, without any, as its last line says. */
static bool is_on(const struct daemon *d, const char *key)
{
    struct config_found_line line;

    if (d->instance_count == 0)
        return config_find_line(d->config, key, &line) && strcasecmp(line.value, "true") == 0;
    for (uint32_t i = 0; i < d->instance_count; i++)
        if (config_number(d->config, key, i) == 0)
            return false;
    return true;
}

/* Says that dumps are asked for, and there is no BGP. */
static void note_no_effect(struct daemon *d)
{
    static const char *const keys[] = {"bgp_table_dump_file", "bgp_table_dump_kafka_topic",
                                       "bgp_table_dump_amqp_routing_key"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (config_is_set(d->config, keys[i], CONFIG_GLOBAL))
            text_append_printf(&d->notices, "%s: %s: has no effect without bgp_daemon: true\n",
                               config_place(d->config, keys[i], CONFIG_GLOBAL), keys[i]);
}

int table_dump_use_read(struct daemon *d, struct text *errors)
{
    struct table_dump_settings *s = &d->table_dump_settings;
    uint32_t instance = instance_of(d);

    if (s->file && instance != NO_INSTANCE) {
        text_append_printf(errors,
                           "%s: bgp_table_dump_file: dumps go to one place, and %s names another; "
                           "leave one of the two out\n",
                           config_place(d->config, "bgp_table_dump_file", CONFIG_GLOBAL),
                           config_instance_at(d->config, instance)->place);
        return -EINVAL;
    }
    if (s->output == TABLE_DUMP_MRT && instance != NO_INSTANCE) {
        text_append_printf(errors,
                           "%s: bgp_table_dump_output: mrt is for files, and %s sends to a broker; "
                           "leave it out\n",
                           config_place(d->config, "bgp_table_dump_output", CONFIG_GLOBAL),
                           config_instance_at(d->config, instance)->place);
        return -EINVAL;
    }
    if (!d->bgp_settings.enabled) {
        note_no_effect(d);
        return 0;
    }
    if (!table_dump_use_is_asked(d))
        return 0;
    if (s->refresh_s == 0)
        text_append_string(&d->notices, "no dump of the BGP tables is made, as "
                                        "bgp_table_dump_refresh_time is not set\n");
    if (s->refresh_s % s->time_slots != 0)
        text_append_printf(&d->notices,
                           "%s: bgp_table_dump_time_slots: %u slots do not divide %lld s evenly\n",
                           config_place(d->config, "bgp_table_dump_time_slots", CONFIG_GLOBAL),
                           s->time_slots, (long long)s->refresh_s);
    s->communities_numeric = d->bgp_settings.communities_numeric;
    s->has_numeric_origin =
        config_number(d->config, "tmp_bgp_daemon_origin_type_int", CONFIG_GLOBAL) != 0;
    s->files_uid = d->process.files_uid;
    s->files_gid = d->process.files_gid;
    s->json = (struct event_json_settings){
        .style = is_on(d, "timestamps_since_epoch") ? EVENT_TIME_EPOCH
                 : is_on(d, "timestamps_rfc9557")   ? EVENT_TIME_RFC9557
                                                    : EVENT_TIME_PLAIN,
        .is_utc = is_on(d, "timestamps_utc"),
        .has_as_path_array = is_on(d, "as_path_encode_as_array"),
        .has_communities_array = is_on(d, "bgp_comms_encode_as_array"),
    };
    s->is_abandoned = &d->crew.is_abandoned;
    d->bgp_settings.keeps_received = true;
    return 0;
}

bool table_dump_use_is_asked(const struct daemon *d)
{
    return d->table_dump_settings.file || instance_of(d) != NO_INSTANCE;
}

int table_dump_use_open(struct daemon *d)
{
    uint32_t instance = instance_of(d);
    struct event_producer *producer = NULL;

    if (!d->bgp || !table_dump_use_is_asked(d))
        return 0;
    if (instance != NO_INSTANCE)
        producer = event_producer_new(&d->worker_instances[instance]);
    return table_dump_new(&d->table_dump_settings, d->bgp, d->rcu, producer, &d->table_dump);
}
