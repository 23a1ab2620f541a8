/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes attributes in birdwatcher's forms: local_pref, med and the numbers of an AS path as strings,
 * communities as arrays of numbers, extended ones as three strings: type and two parts.
 */
#include "daemon/birdwatcher_route.h"
#include "bgp/bgp.h"
#include <string.h>

/* The names that communities may have by bgp_daemon_communities_numeric: false, as community.c
 * writes them. */
static const struct {
    const char *name, *numbers;
} names[] = {{"internet", "0,0"},
             {"no-export", "65535,65281"},
             {"no-advertise", "65535,65282"},
             {"local-AS", "65535,65283"}};

/* Appends the numbers of a text like 321_{1,2}_(5 6). */
static void append_as_path(struct text *out, const char *path)
{
    bool is_first = true;

    for (const char *at = path; *at;) {
        size_t len = strspn(at, "0123456789");
        if (len > 0)
            text_append_printf(out, "%s\"%.*s\"", is_first ? "" : ",", (int)len, at);
        is_first &= len == 0;
        at += len > 0 ? len : 1;
    }
}

/* Appends one community's numbers, of `len` characters. */
static void append_numbers(struct text *out, const char *at, size_t len)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i].name) == len && strncmp(names[i].name, at, len) == 0) {
            text_append_string(out, names[i].numbers);
            return;
        }
    for (size_t i = 0; i < len; i++)
        text_append_char(out, at[i] == ':' ? ',' : at[i]);
}

/* Appends an extended community: RT:65000:1, SoO:..., EC:0x..., or without a name 65000:1. */
static void append_extended(struct text *out, const char *at, size_t len)
{
    static const char *const kinds[][2] = {{"RT:", "rt"}, {"SoO:", "ro"}, {"EC:", "generic"}};
    const char *kind = "rt", *end = at + len;

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strncmp(at, kinds[i][0], strlen(kinds[i][0])) == 0) {
            kind = kinds[i][1];
            at += strlen(kinds[i][0]);
            break;
        }
    const char *colon = memchr(at, ':', (size_t)(end - at));
    const char *middle = colon ? colon : end;
    text_append_printf(out, "\"%s\",", kind);
    text_append_json_string(out, at, (size_t)(middle - at));
    text_append_char(out, ',');
    text_append_json_string(out, colon ? colon + 1 : "", colon ? (size_t)(end - colon - 1) : 0);
}

/* Appends each of the parts that '_' joins, as an array. */
static void append_parts(struct text *out, const char *name, const struct rib_text *text,
                         void (*append)(struct text *out, const char *at, size_t len))
{
    const char *at = rib_text_data(text), *end;
    bool is_first = true;

    text_append_printf(out, ",\"%s\":[", name);
    for (; *at; at = *end ? end + 1 : end) {
        end = strchrnul(at, '_');
        text_append_string(out, is_first ? "[" : ",[");
        append(out, at, (size_t)(end - at));
        text_append_char(out, ']');
        is_first = false;
    }
    text_append_char(out, ']');
}

void birdwatcher_route_append(struct text *out, const struct rib_shown *path)
{
    static const char *const origins[] = {"IGP", "EGP", "Incomplete", "Incomplete"};
    const struct path_attrs *a = path->attrs;
    char next_hop[IP_TEXT_LEN];

    ip_addr_format(&a->next_hop, next_hop);
    text_append_printf(out,
                       "\"gateway\":\"%s\",\"interface\":\"\",\"metric\":%u,"
                       "\"type\":[\"BGP\",\"unicast\",\"univ\"],\"bgp\":{\"origin\":\"%s\","
                       "\"next_hop\":\"%s\",\"local_pref\":\"%u\",\"med\":\"%u\",\"as_path\":[",
                       next_hop, a->local_pref, origins[a->origin], next_hop, a->local_pref,
                       a->med);
    append_as_path(out, rib_text_data(a->as_path));
    text_append_char(out, ']');
    append_parts(out, "communities", a->std_comms, append_numbers);
    append_parts(out, "large_communities", a->lrg_comms, append_numbers);
    append_parts(out, "ext_communities", a->ext_comms, append_extended);
    if (path->has_add_path)
        text_append_printf(out, ",\"path_id\":%u", path->path_id);
    text_append_char(out, '}');
}
