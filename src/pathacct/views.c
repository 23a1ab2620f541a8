/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables and lines out of answers. See views.h. */
#include "pathacct/views.h"
#include "base/clock.h"
#include "base/grid.h"
#include "base/memory.h"
#include "base/text.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LARGEST 1e18 /* number that is shown */

/* ---- members ---- */

static const char *string_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static const char *item_of(const json_t *list, size_t index)
{
    const char *text = json_string_value(json_array_get(list, index));

    return text ? text : "";
}

static json_int_t number_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static bool is_so(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

/* Returns how long ago a time was, in seconds; -1: there is none. */
static int64_t age_of(const json_t *object, const char *name)
{
    struct tm tm = {0};
    const char *end = strptime(string_of(object, name), "%Y-%m-%dT%H:%M:%SZ", &tm);

    return end ? clock_wall().ns / NS_PER_S - timegm(&tm) : -1;
}

/* Writes 93784 as "1d 2h", and -1 as "-". */
static const char *age_text(int64_t s, char out[24])
{
    if (s < 0)
        snprintf(out, 24, "-");
    else if (s < 120)
        snprintf(out, 24, "%llds", (long long)s);
    else if (s < 2 * 3600)
        snprintf(out, 24, "%lldm %llds", (long long)s / 60, (long long)s % 60);
    else if (s < 48 * 3600)
        snprintf(out, 24, "%lldh %lldm", (long long)s / 3600, (long long)s / 60 % 60);
    else
        snprintf(out, 24, "%lldd %lldh", (long long)s / 86400, (long long)s / 3600 % 24);
    return out;
}

static json_int_t sum_of(const json_t *object)
{
    const char *name;
    json_t *value;
    json_int_t sum = 0;

    json_object_foreach((json_t *)(uintptr_t)object, name, value) sum += json_integer_value(value);
    return sum;
}

/* ---- tables ---- */

struct column {
    const char *title;
    bool is_number;
};

static struct grid *table_new(const struct column *columns, size_t count)
{
    struct grid *grid = grid_new(count);

    for (size_t i = 0; i < count; i++)
        grid_set_column(grid, i, columns[i].title, columns[i].is_number);
    return grid;
}
#define TABLE(...)                                                                                 \
    table_new((const struct column[]){__VA_ARGS__},                                                \
              sizeof((const struct column[]){__VA_ARGS__}) / sizeof(struct column))

static void add_text(struct grid *grid, const char *text)
{
    grid_add(grid, text, strlen(text));
}

/* Adds an instance's name, and what it takes if that is not flows. */
static void add_instance(struct grid *grid, const json_t *instance)
{
    const char *unit = string_of(instance, "unit");
    char name[256];

    if (strcmp(unit, "events") == 0)
        snprintf(name, sizeof name, "%s (%s)", string_of(instance, "name"), unit);
    else
        snprintf(name, sizeof name, "%s", string_of(instance, "name"));
    add_text(grid, name);
}

static void add_number(struct grid *grid, const struct look *look, json_int_t number)
{
    if (number < 0)
        grid_add(grid, "-", 1);
    else
        grid_add_number(grid, (uint64_t)number, look->has_units);
}

/* Adds a number that may be null: "-". */
static void add_member(struct grid *grid, const struct look *look, const json_t *object,
                       const char *name)
{
    const json_t *value = json_object_get(object, name);

    if (json_is_integer(value))
        add_number(grid, look, json_integer_value(value));
    else if (json_is_real(value) && json_real_value(value) < LARGEST)
        add_number(grid, look, (json_int_t)(json_real_value(value) + 0.5));
    else
        add_text(grid, "-");
}

static void append_table(struct grid *grid, const struct look *look, struct text *out)
{
    grid_append(grid, 0, grid_row_count(grid), look->width, out);
    grid_free(grid);
}

static void append_shown(struct text *out, const char *text)
{
    text_append_shown(out, text, strlen(text));
}

/* ---- status ---- */

static void append_number(struct text *out, const struct look *look, double number)
{
    uint64_t whole = number >= 0 && number < LARGEST ? (uint64_t)(number + 0.5) : 0;
    char text[32];

    units_format(whole, text, sizeof text);
    if (look->has_units)
        text_append_string(out, text);
    else
        text_append_uint(out, whole);
}

/* Appends the lines of what is wrong now; returns how many. A daemon of an older version tells less. */
static unsigned append_faults(const json_t *status, struct text *out)
{
    const json_t *faults = json_object_get(status, "faults"),
                 *list = json_is_array(faults) ? faults : json_object_get(status, "reasons");
    unsigned count = (unsigned)json_array_size(list);

    for (size_t i = 0; i < json_array_size(list); i++) {
        text_append_string(out, "FAULT  ");
        append_shown(out, item_of(list, i));
        text_append_char(out, '\n');
    }
    if (count == 0 && !(is_so(status, "is_well") && is_so(status, "is_ready"))) {
        text_append_string(out, "FAULT  the daemon is not well, and does not say why\n");
        count++;
    }
    return count;
}

/* Appends what has been lost since the start, with the remedy. */
static void append_losses(const json_t *status, struct text *out)
{
    static const struct {
        const char *object, *name, *text;
    } rows[] = {
        {"datagrams", "overflow", "datagrams found the socket's buffer full since the start"},
        {"datagrams", "not_allowed",
         "datagrams came from sources that the allow file does not name"},
        {NULL, "log_lines_lost", "lines did not get into the log"},
    };
    const json_t *instances = json_object_get(status, "instances");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_int_t number = number_of(
            rows[i].object ? json_object_get(status, rows[i].object) : status, rows[i].name);
        if (number > 0)
            text_append_printf(out, "note   %lld %s\n", (long long)number, rows[i].text);
    }
    for (size_t i = 0; i < json_array_size(instances); i++) {
        const json_t *instance = json_array_get(instances, i);
        if (number_of(instance, "dropped") == 0)
            continue;
        text_append_printf(out, "note   %lld flows of ", (long long)number_of(instance, "dropped"));
        append_shown(out, string_of(instance, "name"));
        text_append_string(out, " were lost: see `pathacct ledger`\n");
    }
}

static void append_paths(const json_t *verdicts, struct text *out)
{
    const char *name;
    json_t *value;
    json_int_t all = sum_of(verdicts);

    if (all == 0)
        return;
    text_append_string(out, "paths   ");
    json_object_foreach((json_t *)(uintptr_t)verdicts, name, value)
    {
        if (json_integer_value(value) == 0)
            continue;
        text_append_char(out, ' ');
        append_shown(out, name);
        text_append_printf(out, " %.1f %%",
                           100.0 * (double)json_integer_value(value) / (double)all);
    }
    text_append_char(out, '\n');
}

static void append_sessions(const json_t *bgp, const struct look *look, struct text *out)
{
    if (!json_is_object(bgp))
        return;
    text_append_printf(out, "BGP      %lld of %lld sessions, ",
                       (long long)number_of(bgp, "established"),
                       (long long)number_of(bgp, "peers"));
    append_number(out, look, (double)number_of(bgp, "prefixes"));
    text_append_string(out, " prefixes, ");
    append_number(out, look, (double)number_of(bgp, "paths"));
    text_append_string(out, " paths\n");
}

static void append_bmp(const json_t *bmp, struct text *out)
{
    if (json_is_object(bmp))
        text_append_printf(out, "BMP      %lld of %lld routers, %lld monitored peers up\n",
                           (long long)number_of(bmp, "connected"),
                           (long long)number_of(bmp, "routers"),
                           (long long)number_of(bmp, "peers_up"));
}

static void append_arrivals(const json_t *status, const struct look *look, struct text *out)
{
    const json_t *datagrams = json_object_get(status, "datagrams"),
                 *pace = json_object_get(datagrams, "per_second"),
                 *bgp = json_object_get(status, "bgp");
    char age[24];

    if (json_is_null(datagrams)) {
        append_sessions(bgp, look, out);
        append_bmp(json_object_get(status, "bmp"), out);
        return;
    }
    text_append_string(out, "arrives  ");
    if (json_is_number(pace))
        append_number(out, look, json_number_value(pace));
    else
        text_append_char(out, '-'); /* it has just started */
    text_append_string(out, " datagrams/s; ");
    append_number(out, look, (double)number_of(status, "exporters"));
    text_append_string(out, " exporters, ");
    append_number(out, look, (double)number_of(status, "flows"));
    text_append_printf(out, " flows so far; last datagram %s ago\n",
                       age_text(age_of(datagrams, "last"), age));
    append_sessions(bgp, look, out);
    append_bmp(json_object_get(status, "bmp"), out);
    append_paths(json_object_get(status, "path_match"), out);
}

static void append_progress(const json_t *progress, struct text *out)
{
    for (size_t i = 0; i < json_array_size(progress); i++) {
        text_append_string(out, i == 0 ? "\nunder way  " : "           ");
        append_shown(out, string_of(json_array_get(progress, i), "text"));
        text_append_char(out, '\n');
    }
}

static void append_instances(const json_t *instances, const struct look *look, struct text *out)
{
    struct grid *grid =
        TABLE({"INSTANCE", false}, {"PLUGIN", false}, {"FLOWS/S", true}, {"DECODED", true},
              {"WRITTEN", true}, {"BEHIND", true}, {"DROPPED", true}, {"STATE", false});
    for (size_t i = 0; i < json_array_size(instances); i++) {
        const json_t *instance = json_array_get(instances, i);
        add_instance(grid, instance);
        add_text(grid, string_of(instance, "plugin"));
        add_member(grid, look, instance, "per_second");
        add_member(grid, look, instance, "decoded");
        add_member(grid, look, instance, "written");
        add_member(grid, look, instance, "behind");
        add_member(grid, look, instance, "dropped");
        add_text(grid, string_of(instance, "state"));
    }
    text_append_char(out, '\n');
    append_table(grid, look, out);
}

enum outcome view_status(const json_t *status, const struct look *look, struct text *out)
{
    const json_t *instances = json_object_get(status, "instances");
    struct text faults = {0};
    unsigned count = append_faults(status, &faults);
    char age[24];

    append_shown(out, string_of(status, "daemon"));
    text_append_char(out, ' ');
    append_shown(out, string_of(status, "name"));
    text_append_string(out, ", pathacct ");
    append_shown(out, string_of(status, "version"));
    text_append_printf(out, ", up %s: ", age_text(number_of(status, "uptime_s"), age));
    if (count == 0)
        text_append_string(out, "all is well\n");
    else
        text_append_printf(out, "%u fault%s\n", count, count == 1 ? "" : "s");
    text_append(out, faults.data, faults.len);
    append_losses(status, out);
    text_append_char(out, '\n');
    append_arrivals(status, look, out);
    if (json_array_size(instances) > 0)
        append_instances(instances, look, out);
    append_progress(json_object_get(status, "progress"), out);
    text_clear(&faults);
    return count == 0 ? OUTCOME_FINE : OUTCOME_FAULT;
}

/* ---- lists ---- */

static void append_shown_of(const json_t *answer, size_t shown, const char *what, struct text *out)
{
    if (number_of(answer, "count") > (json_int_t)shown)
        text_append_printf(out, "%zu of %lld %s; --limit shows more\n", shown,
                           (long long)number_of(answer, "count"), what);
}

enum outcome view_exporters(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "exporters");
    size_t count = json_array_size(list);
    struct grid *grid = TABLE({"EXPORTER", false}, {"DATAGRAMS", true}, {"FLOWS", true},
                              {"TEMPLATES", true}, {"WAITING", true}, {"MISSING", true},
                              {"DROPS", true}, {"UNMATCHED", true}, {"LAST", true});

    for (size_t i = 0; i < count; i++) {
        const json_t *exporter = json_array_get(list, i),
                     *counters = json_object_get(exporter, "counters"),
                     *verdicts = json_object_get(exporter, "path_match");
        json_int_t all = sum_of(verdicts), unmatched = number_of(verdicts, "unmatched") +
                                                       number_of(verdicts, "no_rib") +
                                                       number_of(verdicts, "no_route");
        int64_t last_ns = number_of(counters, "last_datagram_ns");
        char text[24];
        add_text(grid, string_of(exporter, "address"));
        add_member(grid, look, counters, "datagrams_read");
        add_member(grid, look, counters, "flows");
        add_member(grid, look, counters, "templates");
        add_member(grid, look, counters, "pending_sets");
        add_member(grid, look, counters, "sequence_missing");
        add_number(grid, look, sum_of(json_object_get(exporter, "drops")));
        if (all > 0)
            snprintf(text, sizeof text, "%.1f %%", 100.0 * (double)unmatched / (double)all);
        add_text(grid, all > 0 ? text : "-");
        add_text(grid, age_text(last_ns > 0 ? (clock_wall().ns - last_ns) / NS_PER_S : -1, text));
    }
    append_table(grid, look, out);
    append_shown_of(answer, count, "exporters", out);
    return count > 0 ? OUTCOME_FINE : OUTCOME_FAULT;
}

static void add_family(struct grid *grid, const json_t *peer, const char *name)
{
    const json_t *family = json_object_get(peer, name);
    char text[64];

    snprintf(text, sizeof text, "%s%s%s%s", is_so(family, "is_negotiated") ? "yes" : "-",
             is_so(family, "has_add_path") ? ", ADD-PATH" : "",
             is_so(family, "is_negotiated") && !is_so(family, "is_loaded") ? ", loading" : "",
             is_so(family, "is_stale") ? ", stale" : "");
    add_text(grid, text);
}

/* The rows of a router: itself, then each of its tables, then the peers of each. */
static void add_router(struct grid *grid, const struct look *look, const json_t *router)
{
    const json_t *views = json_object_get(router, "views");
    char age[24], text[64];

    for (size_t i = 0; i < json_array_size(views); i++) {
        const json_t *view = json_array_get(views, i), *peers = json_object_get(view, "peers");
        add_text(grid, string_of(router, "address"));
        add_text(grid, string_of(router, "name"));
        add_text(grid, string_of(router, "state"));
        add_text(grid, age_text(age_of(router, "since"), age));
        snprintf(text, sizeof text, "%s%s%s", string_of(view, "table"),
                 *string_of(view, "distinguisher") ? " of " : "", string_of(view, "distinguisher"));
        add_text(grid, text);
        snprintf(text, sizeof text, "%lld", (long long)number_of(view, "peer_count"));
        add_text(grid, text);
        add_text(grid, "");
        add_member(grid, look, view, "paths");
        add_text(grid, "");
        add_text(grid, "");
        add_family(grid, view, "ipv4");
        add_family(grid, view, "ipv6");
        for (size_t n = 0; n < json_array_size(peers); n++) {
            const json_t *peer = json_array_get(peers, n);
            for (int k = 0; k < 2; k++)
                add_text(grid, "");
            add_text(grid, is_so(peer, "is_up") ? "up" : "down");
            add_text(grid, age_text(age_of(peer, "since"), age));
            add_text(grid, *string_of(peer, "address") ? string_of(peer, "address")
                                                       : string_of(peer, "router_id"));
            snprintf(text, sizeof text, "AS %lld", (long long)number_of(peer, "as"));
            add_text(grid, text);
            add_member(grid, look, peer, "updates");
            add_text(grid, "");
            add_member(grid, look, peer, "pre_policy_paths");
            add_member(grid, look, peer, "post_policy_paths");
            add_text(grid, "");
            add_text(grid, "");
        }
    }
}

static size_t append_routers(const json_t *list, const struct look *look, struct text *out)
{
    struct grid *grid =
        TABLE({"BMP ROUTER", false}, {"NAME", false}, {"STATE", false}, {"SINCE", true},
              {"TABLE, PEER", false}, {"PEERS", true}, {"UPDATES", true}, {"PATHS", true},
              {"PRE", true}, {"POST", true}, {"IPV4", false}, {"IPV6", false});
    size_t lost = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *router = json_array_get(list, i);
        char age[24];
        lost += strcmp(string_of(router, "state"), "connected") != 0;
        if (json_array_size(json_object_get(router, "views")) > 0) {
            add_router(grid, look, router);
            continue;
        }
        add_text(grid, string_of(router, "address"));
        add_text(grid, string_of(router, "name"));
        add_text(grid, string_of(router, "state"));
        add_text(grid, age_text(age_of(router, "since"), age));
        for (int k = 0; k < 8; k++)
            add_text(grid, "");
    }
    append_table(grid, look, out);
    return lost;
}

enum outcome view_peers(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "peers"),
                 *routers = json_object_get(answer, "bmp_routers");
    size_t down = 0;
    struct grid *grid = TABLE({"PEER", false}, {"AS", true}, {"ROUTER-ID", false}, {"STATE", false},
                              {"SINCE", true}, {"UPDATES", true}, {"PATHS", true}, {"IPV4", false},
                              {"IPV6", false}, {"LAST ERROR", false});

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *peer = json_array_get(list, i);
        char age[24], as[24];
        add_text(grid, string_of(peer, "address"));
        snprintf(as, sizeof as, "%lld", (long long)number_of(peer, "as"));
        add_text(grid, as);
        add_text(grid, string_of(peer, "router_id"));
        add_text(grid, string_of(peer, "state"));
        add_text(grid, age_text(age_of(peer, "since"), age));
        add_member(grid, look, peer, "updates");
        add_member(grid, look, peer, "paths");
        add_family(grid, peer, "ipv4");
        add_family(grid, peer, "ipv6");
        add_text(grid, string_of(peer, "last_error"));
        down += strcmp(string_of(peer, "state"), "established") != 0;
    }
    if (json_array_size(list) > 0 || json_array_size(routers) == 0)
        append_table(grid, look, out);
    else
        grid_free(grid);
    if (json_array_size(list) == 0 && json_array_size(routers) == 0)
        text_append_string(out, "no BGP session and no BMP router; bgp_daemon_port and "
                                "bmp_daemon_port are where routers connect\n");
    if (json_array_size(routers) > 0) {
        text_append_string(out, json_array_size(list) > 0 ? "\n" : "");
        down += append_routers(routers, look, out);
    }
    return json_array_size(list) + json_array_size(routers) > 0 && down == 0 ? OUTCOME_FINE
                                                                             : OUTCOME_FAULT;
}

static void add_communities(struct grid *grid, const json_t *path)
{
    static const char *const names[] = {"communities", "extended_communities", "large_communities"};
    struct text all = {0};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const json_t *list = json_object_get(path, names[i]);
        for (size_t n = 0; n < json_array_size(list); n++) {
            if (all.len > 0)
                text_append_char(&all, ' ');
            text_append_string(&all, item_of(list, n));
        }
    }
    grid_add(grid, all.len ? all.data : "", all.len);
    text_clear(&all);
}

/* '*' the best of all, '>' the best of its peer, 'x' gone, 's' of a session that is gone. */
static void add_marks(struct grid *grid, const json_t *path)
{
    char marks[4] = "";
    size_t len = 0;

    if (is_so(path, "is_best"))
        marks[len++] = '*';
    if (number_of(path, "rank") == 1)
        marks[len++] = '>';
    if (json_is_null(json_object_get(path, "rank")))
        marks[len++] = 'x';
    if (is_so(path, "is_stale"))
        marks[len++] = 's';
    grid_add(grid, marks, len);
}

/* Adds the rate of a path, as 1.23M; nothing is known of one that has gone. */
static void add_rate(struct grid *grid, const json_t *path, double seconds)
{
    const json_t *bytes = json_object_get(path, "bytes");
    char text[24] = "-";

    if (json_is_integer(bytes) && seconds > 0)
        units_format((uint64_t)((double)json_integer_value(bytes) * 8 / seconds), text,
                     sizeof text);
    add_text(grid, text);
}

/* Adds who announced a path; of BMP also which router tells so, and of which of its tables. */
static void add_peer(struct grid *grid, const json_t *path)
{
    const char *peer = string_of(path, "peer"), *table = string_of(path, "bmp_table");
    char text[192];

    if (!*peer)
        peer = string_of(path, "router_id");
    if (!*table) {
        add_text(grid, peer);
        return;
    }
    snprintf(text, sizeof text, "%s by %s, %s%s", peer, string_of(path, "bmp_router"), table,
             is_so(path, "is_in_use") ? ", in use" : "");
    add_text(grid, text);
}

/* `seconds` of traffic; 0: there is none. */
static void append_prefix(const json_t *prefix, double seconds, struct text *out)
{
    const json_t *list = json_object_get(prefix, "paths");
    struct grid *grid = TABLE({"", false}, {"PEER", false}, {"ID", true}, {"NEXT HOP", false},
                              {"LOCPRF", true}, {"MED", true}, {"AS PATH", false}, {"AGE", true},
                              {seconds > 0 ? "BIT/S" : "", true}, {"COMMUNITIES", false});
    const struct look exact = {0}; /* and no line is cut: paths and communities are long */

    append_shown(out, string_of(prefix, "prefix"));
    if (strcmp(string_of(prefix, "table"), "unicast") != 0) {
        text_append_string(out, ", ");
        append_shown(out, string_of(prefix, "table"));
    }
    text_append_printf(out, ": %zu path%s\n", json_array_size(list),
                       json_array_size(list) == 1 ? "" : "s");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *path = json_array_get(list, i);
        const json_t *age = json_object_get(path, "age_s");
        struct text as_path = {0};
        char text[24];
        add_marks(grid, path);
        add_peer(grid, path);
        add_member(grid, &exact, path, "path_id");
        add_text(grid, string_of(path, "next_hop"));
        add_member(grid, &exact, path, "local_pref");
        add_member(grid, &exact, path, "med");
        text_append_string(&as_path, string_of(path, "as_path"));
        text_append_string(&as_path, as_path.len ? " " : "");
        text_append_char(&as_path, *string_of(path, "origin") ? *string_of(path, "origin") : '?');
        if (strcmp(string_of(path, "origin"), "incomplete") == 0)
            as_path.data[as_path.len - 1] = '?';
        grid_add(grid, as_path.data, as_path.len);
        add_text(grid, age_text(json_is_integer(age) ? json_integer_value(age) : -1, text));
        if (seconds > 0)
            add_rate(grid, path, seconds);
        else
            add_text(grid, "");
        add_communities(grid, path);
        text_clear(&as_path);
    }
    append_table(grid, &exact, out);
}

/* Says what the rates are of, and why there are none although they are asked for. */
static void append_traffic(const json_t *answer, double seconds, struct text *out)
{
    const char *missing = string_of(answer, "traffic_missing");

    if (seconds > 0) {
        text_append_printf(out, "BIT/S: of the last %.0f s, by table ", seconds);
        append_shown(out, string_of(json_object_get(answer, "traffic"), "instance"));
        text_append_char(out, '\n');
    }
    if (*missing && (seconds > 0 || !strstr(missing, "control_traffic is not set"))) {
        text_append_string(out, "no newer rates: ");
        append_shown(out, missing);
        text_append_char(out, '\n');
    }
}

enum outcome view_routes(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "prefixes"),
                 *traffic = json_object_get(answer, "traffic");
    double seconds = json_number_value(json_object_get(traffic, "seconds"));

    (void)look;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (i > 0)
            text_append_char(out, '\n');
        append_prefix(json_array_get(list, i), seconds, out);
    }
    if (json_array_size(list) > 0)
        append_traffic(answer, seconds, out);
    if (json_array_size(list) == 0)
        text_append_string(out, "no path\n");
    else if (!is_so(answer, "is_whole"))
        text_append_printf(out, "%lld paths in all; --limit shows more\n",
                           (long long)number_of(answer, "paths"));
    return json_array_size(list) > 0 ? OUTCOME_FINE : OUTCOME_FAULT;
}

/* Appends the names of the fields; those that nothing is read of stand in parentheses. */
static void add_fields(struct grid *grid, const json_t *fields)
{
    struct text all = {0};

    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        bool is_used = is_so(field, "is_used");
        text_append_string(&all, i ? is_used ? " " : " (" : is_used ? "" : "(");
        if (*string_of(field, "name"))
            text_append_string(&all, string_of(field, "name"));
        else if (number_of(field, "enterprise"))
            text_append_printf(&all, "%lld/%lld", (long long)number_of(field, "enterprise"),
                               (long long)number_of(field, "element"));
        else
            text_append_printf(&all, "%lld", (long long)number_of(field, "element"));
        if (!is_used)
            text_append_char(&all, ')');
    }
    grid_add(grid, all.len ? all.data : "", all.len);
    text_clear(&all);
}

static int compare_templates(const void *a, const void *b)
{
    static const char *const numbers[] = {"domain", "template"};
    const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
    int order = strcmp(string_of(x, "exporter"), string_of(y, "exporter"));

    for (int i = 0; i < 2 && order == 0; i++)
        order = (number_of(x, numbers[i]) > number_of(y, numbers[i])) -
                (number_of(x, numbers[i]) < number_of(y, numbers[i]));
    return order;
}

/* Returns the items of a list in order, to be freed. */
static const json_t **sorted_items(const json_t *list, int (*compare)(const void *, const void *))
{
    size_t count = json_array_size(list);
    const json_t **items = mem_calloc(count + 1, sizeof *items);

    for (size_t i = 0; i < count; i++)
        items[i] = json_array_get(list, i);
    qsort(items, count, sizeof *items, compare);
    return items;
}

enum outcome view_templates(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "templates");
    const json_t **items = sorted_items(list, compare_templates);
    const struct look exact = {0}; /* lists of fields are longer than any line */
    struct grid *grid =
        TABLE({"EXPORTER", false}, {"DOMAIN", true}, {"VERSION", true}, {"TEMPLATE", true},
              {"OF", false}, {"AGE", true}, {"BYTES", true}, {"FIELDS (NOT READ)", false});

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *template = items[i], *age = json_object_get(template, "age_s");
        char text[24];
        add_text(grid, string_of(template, "exporter"));
        add_member(grid, &exact, template, "domain");
        add_member(grid, &exact, template, "version");
        add_member(grid, &exact, template, "template");
        add_text(grid, is_so(template, "is_refused")   ? "nothing: refused"
                       : is_so(template, "is_options") ? "options"
                                                       : "flows");
        add_text(grid, age_text(json_is_integer(age) ? json_integer_value(age) : -1, text));
        add_member(grid, &exact, template, "record_len");
        add_fields(grid, json_object_get(template, "fields"));
    }
    append_table(grid, &exact, out);
    mem_free(items);
    (void)look;
    append_shown_of(answer, json_array_size(list), "templates", out);
    return json_array_size(list) > 0 ? OUTCOME_FINE : OUTCOME_FAULT;
}

enum outcome view_options(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "options");
    const struct look exact = {look->width, false};
    struct grid *grid = TABLE({"EXPORTER", false}, {"DOMAIN", true}, {"WHAT", false}, {"ID", true},
                              {"VALUE", false});

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *option = json_array_get(list, i);
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)number_of(option, "number"));
        add_text(grid, string_of(option, "exporter"));
        add_member(grid, &exact, option, "domain");
        add_text(grid, string_of(option, "kind"));
        add_member(grid, &exact, option, "id");
        add_text(grid, json_is_string(json_object_get(option, "text")) ? string_of(option, "text")
                                                                       : number);
    }
    append_table(grid, look, out);
    append_shown_of(answer, json_array_size(list), "options", out);
    return json_array_size(list) > 0 ? OUTCOME_FINE : OUTCOME_FAULT;
}

/* Sums of one receiver. Counters of a tee are named POOL RECEIVER OUTCOME. */
static void sum_receiver(json_t *receivers, const char *name, json_int_t value)
{
    const char *outcome = strrchr(name, ' ');
    char *receiver = outcome ? mem_strndup(name, (size_t)(outcome - name)) : NULL;
    const char *sum = !outcome                               ? NULL
                      : strcmp(outcome, " sent") == 0        ? "sent"
                      : strcmp(outcome, " refused") == 0     ? "refused"
                      : strncmp(outcome, " dropped", 8) == 0 ? "dropped"
                                                             : NULL;
    json_t *sums = sum ? json_object_get(receivers, receiver) : NULL;

    if (sum && !sums) {
        sums = json_pack("{s:i,s:i,s:i}", "sent", 0, "refused", 0, "dropped", 0);
        json_object_set_new(receivers, receiver, sums);
    }
    if (sums)
        json_object_set_new(sums, sum, json_integer(number_of(sums, sum) + value));
    mem_free(receiver);
}

/* Appends a table of the receivers of all tees. */
static void append_receivers(const json_t *plugins, const struct look *look, struct text *out)
{
    struct grid *grid = TABLE({"INSTANCE", false}, {"POOL", true}, {"RECEIVER", false},
                              {"SENT", true}, {"REFUSED", true}, {"DROPPED", true});

    for (size_t i = 0; i < json_array_size(plugins); i++) {
        const json_t *plugin = json_array_get(plugins, i);
        json_t *counters = json_object_get(plugin, "counters"), *receivers = json_object(), *value;
        const char *name;
        if (strcmp(string_of(plugin, "plugin"), "tee") == 0)
            json_object_foreach(counters, name, value)
                sum_receiver(receivers, name, json_integer_value(value));
        json_object_foreach(receivers, name, value)
        {
            const char *receiver = strchr(name, ' ');
            add_text(grid, string_of(plugin, "name"));
            grid_add(grid, name, receiver ? (size_t)(receiver - name) : strlen(name));
            add_text(grid, receiver ? receiver + 1 : "");
            add_member(grid, look, value, "sent");
            add_member(grid, look, value, "refused");
            add_member(grid, look, value, "dropped");
        }
        json_decref(receivers);
    }
    if (grid_row_count(grid) == 0) {
        grid_free(grid);
        return;
    }
    text_append_char(out, '\n');
    append_table(grid, look, out);
}

enum outcome view_plugins(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "plugins");
    size_t bad = 0;
    struct grid *grid = TABLE({"INSTANCE", false}, {"PLUGIN", false}, {"PID", true},
                              {"RESTARTS", true}, {"COMMITS", true}, {"BEHIND FLOWS", true},
                              {"SPOOLED", true}, {"KEPT", true}, {"STATE", false});

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *plugin = json_array_get(list, i);
        const struct look exact = {look->width, false};
        const char *state = string_of(plugin, "state");
        add_text(grid, string_of(plugin, "name"));
        add_text(grid, string_of(plugin, "plugin"));
        add_member(grid, &exact, plugin, "pid");
        add_member(grid, look, plugin, "restarts");
        add_member(grid, look, plugin, "commits");
        add_member(grid, look, json_object_get(plugin, "behind"), "flows");
        add_member(grid, look, plugin, "spooled_handovers");
        add_member(grid, look, plugin, "kept_handovers");
        add_text(grid, state);
        bad += strcmp(state, "ok") != 0 && strcmp(state, "finished") != 0;
    }
    append_table(grid, look, out);
    append_receivers(list, look, out);
    return bad == 0 ? OUTCOME_FINE : OUTCOME_FAULT;
}

static void add_ledger_row(struct grid *grid, const struct look *look, const json_t *instance,
                           const char *what, const json_t *totals)
{
    add_instance(grid, instance);
    add_text(grid, what);
    add_member(grid, look, totals, "flows");
    add_member(grid, look, totals, "packets");
    add_member(grid, look, totals, "bytes");
}

enum outcome view_ledger(const json_t *answer, const struct look *look, struct text *out)
{
    static const char *const names[] = {"decoded",     "filtered", "written", "open",
                                        "handed_over", "spooled",  "residual"};
    const json_t *list = json_object_get(answer, "instances");
    const char *reason;
    json_t *totals;
    size_t lost = 0;
    struct grid *grid = TABLE({"INSTANCE", false}, {"WHAT", false}, {"FLOWS", true},
                              {"PACKETS", true}, {"BYTES", true});

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *instance = json_array_get(list, i);
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
            add_ledger_row(grid, look, instance, names[n], json_object_get(instance, names[n]));
        json_object_foreach(json_object_get(instance, "drops"), reason, totals)
        {
            char what[80];
            snprintf(what, sizeof what, "dropped: %s", reason);
            add_ledger_row(grid, look, instance, what, totals);
            lost++;
        }
    }
    append_table(grid, look, out);
    return lost == 0 ? OUTCOME_FINE : OUTCOME_FAULT;
}

enum outcome view_log(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "lines");

    (void)look;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *line = json_array_get(list, i);
        append_shown(out, string_of(line, "time"));
        text_append_char(out, ' ');
        append_shown(out, string_of(line, "level"));
        text_append_char(out, ' ');
        append_shown(out, string_of(line, "text"));
        text_append_char(out, '\n');
    }
    return OUTCOME_FINE;
}

enum outcome view_configuration(const json_t *answer, const struct look *look, struct text *out)
{
    const json_t *list = json_object_get(answer, "settings");

    (void)look;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *setting = json_array_get(list, i);
        if (strcmp(string_of(setting, "place"), "default") == 0)
            continue;
        append_shown(out, string_of(setting, "key"));
        if (json_is_string(json_object_get(setting, "instance"))) {
            text_append_char(out, '[');
            append_shown(out, string_of(setting, "instance"));
            text_append_char(out, ']');
        }
        text_append_string(out, ": ");
        append_shown(out, string_of(setting, "value"));
        text_append_string(out, "    ! ");
        append_shown(out, string_of(setting, "place"));
        text_append_char(out, '\n');
    }
    return OUTCOME_FINE;
}
