/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the plugin memory, and how they are read. See memory_settings.h. */
#include "plugins/memory/memory_settings.h"
#include "base/clock.h"
#include "plugins/common/key_rows.h"
#include "plugins/common/setting.h"
#include "plugins/memory/query.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_TIME_S 60

/* clang-format off */
const struct pa_key memory_keys[] = {
    {.name = "imt_path", .type = PA_KEY_STRING, .role = PA_ROLE_OWN_PLACE, .default_value = QUERY_PATH_DEFAULT,
     .help = "Unix socket on which the table is served; each instance needs its own"},
    {.name = "imt_mode", .type = PA_KEY_STRING, .default_value = "777",
     .help = "permissions of that socket, octal: who may write to it may read the table"},
    {.name = "imt_group", .type = PA_KEY_STRING, .help = "group (name or number) that gets the socket; its members may empty and reset the table"},
    {.name = "imt_clear", .type = PA_KEY_CHOICE, .choices = "group|all", .default_value = "group",
     .help = "who may empty and reset the table: root, the daemon's user and imt_group, or all who may write to the socket"},
    KEY_ROW_REFRESH_TIME("imt", "1", "seconds until traffic shows in the table"),
    {.name = "imt_size", .type = PA_KEY_SIZE, .default_value = "256M", .max = INT64_MAX,
     .help = "memory that rows may take; beyond it new keys are refused and counted, known ones add up; 0: no bound; clients that read may take twice as much again"},
    {.name = "imt_mem_pools_number", .type = PA_KEY_INT, .max = INT32_MAX,
     .help = "with imt_mem_pools_size and imt_buckets the bound in pmacct's terms, instead of imt_size; pmacct's default is 16; 0: no bound"},
    {.name = "imt_mem_pools_size", .type = PA_KEY_SIZE, .max = INT32_MAX,
     .help = "bytes of a pool; pmacct's default is 8192"},
    {.name = "imt_buckets", .type = PA_KEY_INT, .default_value = "32771", .min = 1, .max = INT32_MAX,
     .help = "rows for which there is room beside the pools, where those are configured"},
    {.name = "imt_clients_max", .type = PA_KEY_INT, .default_value = "64", .min = 1, .max = 900,
     .help = "clients at a time; at most half of them of one user, if that is neither root nor the daemon's"},
    {.name = "imt_client_timeout", .type = PA_KEY_INT, .default_value = "30", .min = 1, .max = 3600,
     .help = "seconds in which a client must have taken an answer"},
    {.name = NULL},
};
/* clang-format on */

static int read_mode(const char *text, char *error, size_t error_size, mode_t *ret_mode)
{
    char *end;
    unsigned long mode = strtoul(text, &end, 8);

    if (*end != '\0' || *text < '0' || *text > '7' || mode > 0777) {
        snprintf(error, error_size, "imt_mode: '%s' is not an octal number up to 777, such as 660",
                 text);
        return -EINVAL;
    }
    *ret_mode = (mode_t)mode;
    return 0;
}

static int read_group(const char *name, char *error, size_t error_size, gid_t *ret_gid)
{
    struct group entry, *found = NULL;
    char buffer[4096], *end;
    unsigned long number;

    if (getgrnam_r(name, &entry, buffer, sizeof buffer, &found) == 0 && found) {
        *ret_gid = found->gr_gid;
        return 0;
    }
    number = strtoul(name, &end, 10);
    if (*end != '\0' || *name < '0' || *name > '9' || number >= UINT32_MAX) {
        snprintf(error, error_size, "imt_group: there is no group '%s'", name);
        return -EINVAL;
    }
    *ret_gid = (gid_t)number;
    return 0;
}

/*
 * Returns the table's bound in bytes. pmacct has imt_buckets entries and the pools for more; an
 * entry is never smaller there than a row is here, so what fits there fits here.
 */
static uint64_t read_bound(const struct pa_host *host, const struct pa_schema *schema)
{
    const char *number = setting_text(host, "imt_mem_pools_number"),
               *size = setting_text(host, "imt_mem_pools_size");
    uint64_t pools = 16, pool_bytes = 8192;

    if (!number && !size)
        return (uint64_t)host->setting_number(host, "imt_size");
    if (number)
        pools = (uint64_t)host->setting_number(host, "imt_mem_pools_number");
    if (size)
        pool_bytes = (uint64_t)host->setting_number(host, "imt_mem_pools_size");
    if (pools == 0)
        return 0;
    return pools * pool_bytes +
           (uint64_t)host->setting_number(host, "imt_buckets") * table_row_cost(schema);
}

int memory_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                         size_t error_size, struct memory_settings *ret_settings)
{
    struct memory_settings s = {.server.place = {.key = "imt_path", .group = (gid_t)-1}};
    const char *path = setting_text(host, "imt_path"), *mode = setting_text(host, "imt_mode"),
               *group = setting_text(host, "imt_group"), *wrong;
    struct format_options options;
    int err;

    s.server.place.path = path ? path : QUERY_PATH_DEFAULT;
    wrong = local_listener_path_error(s.server.place.path);
    if (wrong) {
        snprintf(error, error_size, "imt_path: '%s' %s", s.server.place.path, wrong);
        return -EINVAL;
    }
    err = read_mode(mode ? mode : "777", error, error_size, &s.server.place.mode);
    if (err == 0 && group)
        err = read_group(group, error, error_size, &s.server.place.group);
    if (err < 0)
        return err;
    s.max_bytes = read_bound(host, schema);
    if (s.max_bytes > 0 && s.max_bytes < table_row_cost(schema)) {
        snprintf(error, error_size, "imt_size: a row takes %llu bytes; give it more",
                 (unsigned long long)table_row_cost(schema));
        return -EINVAL;
    }
    output_options_read(host, &options);
    s.server.values = options.values;
    s.server.all_may_clear = host->setting_number(host, "imt_clear") == 1;
    s.server.clients_max = (uint32_t)host->setting_number(host, "imt_clients_max");
    s.server.answer_time_ns = host->setting_number(host, "imt_client_timeout") * NS_PER_S;
    s.server.idle_time_ns = IDLE_TIME_S * NS_PER_S;
    *ret_settings = s;
    return 0;
}
