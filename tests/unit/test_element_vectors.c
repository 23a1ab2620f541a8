/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves, primitive by primitive, that exports become the value that the output shows. A file
 * tests/data/primitives/PRIMITIVE-SOURCE.hex holds datagrams, with `---` between them. Its first
 * lines say what must come out: `# aggregate:` the primitive, `# json:` its value as print writes
 * it (times in UTC), `# from:` the elements that it is made from, as ID or ENTERPRISE.ID, `#
 * config:` a key that it needs. Every primitive that exports feed, and every row of elements.def,
 * must have a file.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "flow/primitive.h"
#include "nfacctd/element.h"
#include "support/decode_rig.h"

#define VECTORS TEST_DATA "/primitives"

static bool primitive_is_covered[PRIMITIVE_COUNT];
static bool element_is_covered[ELEMENT_ROW_COUNT];

/*
 * No field alone feeds these primitives: sums are of two, BGP gives them, or the database of places, or, for the origin,
 * mpls_vpn_rd comes with it.
 */
static const enum primitive_index not_exported[] = {
    PRIMITIVE_std_comm,         PRIMITIVE_ext_comm,         PRIMITIVE_lrg_comm,
    PRIMITIVE_as_path,          PRIMITIVE_local_pref,       PRIMITIVE_med,
    PRIMITIVE_src_std_comm,     PRIMITIVE_src_ext_comm,     PRIMITIVE_src_lrg_comm,
    PRIMITIVE_src_as_path,      PRIMITIVE_src_local_pref,   PRIMITIVE_src_med,
    PRIMITIVE_path_match,       PRIMITIVE_path_id,          PRIMITIVE_mpls_vpn_rd_origin,
    PRIMITIVE_src_host_country, PRIMITIVE_dst_host_country, PRIMITIVE_src_host_pocode,
    PRIMITIVE_dst_host_pocode,  PRIMITIVE_src_host_coords,  PRIMITIVE_src_host_lon,
    PRIMITIVE_sum_host,         PRIMITIVE_sum_net,          PRIMITIVE_sum_as,
    PRIMITIVE_sum_port,         PRIMITIVE_sum_mac,          PRIMITIVE_dst_host_coords,
    PRIMITIVE_dst_host_lon,
};

static uint64_t read_uint(const uint8_t *value, size_t size)
{
    uint64_t u64 = 0;
    uint32_t u32 = 0;
    uint16_t u16 = 0;

    if (size == 8)
        memcpy(&u64, value, 8);
    else if (size == 4)
        memcpy(&u32, value, 4);
    else if (size == 2)
        memcpy(&u16, value, 2);
    else
        u64 = *value;
    return u64 | u32 | u16;
}

static void append_time(struct text *out, int64_t ns)
{
    time_t seconds = ns / NS_PER_S;
    struct tm tm;
    char text[32];

    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
    text_append_printf(out, "\"%s.%06d\"", text, (int)(ns % NS_PER_S / NS_PER_US));
}

static void append_rd(struct text *out, uint64_t rd)
{
    unsigned type = (unsigned)(rd >> 48);

    if (type == 65535)
        text_append_printf(out, "\"vrfid:%u\"", (unsigned)rd);
    else if (type == 0)
        text_append_printf(out, "\"0:%u:%u\"", (unsigned)(rd >> 32 & 0xffff), (unsigned)rd);
    else
        text_append_printf(out, "\"%u:%u.%u.%u.%u:%u\"", type, (unsigned)(rd >> 40 & 255),
                           (unsigned)(rd >> 32 & 255), (unsigned)(rd >> 24 & 255),
                           (unsigned)(rd >> 16 & 255), (unsigned)(rd & 0xffff));
}

static void append_labels(struct text *out, const struct flow_bytes *bytes)
{
    text_append_char(out, '"');
    for (uint32_t i = 0; i + 4 <= bytes->len; i += 4)
        text_append_printf(out, "%s%u", i ? "_" : "", (unsigned)read_uint(bytes->data + i, 4));
    text_append_char(out, '"');
}

static void append_segments(struct text *out, const struct flow_bytes *bytes)
{
    text_append_char(out, '[');
    for (uint32_t i = 0; i + 16 <= bytes->len; i += 16) {
        struct ip_addr addr = ip_addr_v6(bytes->data + i);
        char text[IP_TEXT_LEN];
        ip_addr_format(&addr, text);
        text_append_printf(out, "%s\"%s\"", i ? ", " : "", text);
    }
    text_append_char(out, ']');
}

/* Renders a value on its own, so that decoder and output are not tested by the same code. */
static void append_value(struct text *out, const struct primitive *p, const uint8_t *value)
{
    const struct flow_bytes *bytes = (const void *)value;
    char text[IP_TEXT_LEN];
    struct ip_addr addr;
    struct mac_addr mac;
    uint64_t number = 0;
    static const char directions[] = "ie";

    if (p->kind != PA_KIND_ADDR && p->kind != PA_KIND_MAC && p->kind != PA_KIND_BYTES)
        number = read_uint(value, flow_member_places[p->member].size);
    switch (p->format) {
    case PA_FORMAT_IP:
        memcpy(&addr, value, sizeof addr);
        ip_addr_format(&addr, text);
        text_append_printf(out, "\"%s\"", text);
        break;
    case PA_FORMAT_MAC:
        memcpy(&mac, value, sizeof mac);
        mac_addr_format(&mac, text);
        text_append_printf(out, "\"%s\"", text);
        break;
    case PA_FORMAT_TIME:
        append_time(out, (int64_t)number);
        break;
    case PA_FORMAT_HEX:
        text_append_printf(out, "\"%x\"", (unsigned)number);
        break;
    case PA_FORMAT_PROTO:
        text_append_printf(out, "\"%s\"", number == 17 ? "udp" : number == 6 ? "tcp" : "?");
        break;
    case PA_FORMAT_DIRECTION:
        text_append_printf(out, "\"%c\"", number < 2 ? directions[number] : 'u');
        break;
    case PA_FORMAT_FWD_STATUS:
        text_append_printf(out, "\"%u\"", (unsigned)number);
        break;
    case PA_FORMAT_RD:
        append_rd(out, number);
        break;
    case PA_FORMAT_LABEL_STACK:
        append_labels(out, bytes);
        break;
    case PA_FORMAT_IPV6_LIST:
        append_segments(out, bytes);
        break;
    case PA_FORMAT_TEXT:
    case PA_FORMAT_AS_PATH:
    case PA_FORMAT_COMMUNITIES:
    case PA_FORMAT_LABEL:
    case PA_FORMAT_CLASS:
        text_append_printf(out, "\"%.*s\"", (int)bytes->len, (const char *)bytes->data);
        break;
    default:
        text_append_uint(out, number);
        break;
    }
}

/* Renders what the flows of the vector give the primitive; counters add up. */
static void append_result(struct text *out, struct decode_rig *rig, const struct primitive *p)
{
    uint64_t sum = 0;
    bool adds_up = p->member == FLOW_flows;

    if (rig->batch.count == 0) {
        text_append_string(out, "no flow");
        return;
    }
    for (uint32_t i = 0; i < rig->batch.count; i++)
        sum += decode_rig_flow(rig, i)->flows;
    if (adds_up)
        text_append_uint(out, sum);
    else
        append_value(out, p, (const uint8_t *)decode_rig_flow(rig, 0) + p->flow_offset);
}

static int primitive_by_name(const char *name)
{
    for (int i = 0; i < PRIMITIVE_COUNT; i++) {
        if (strcmp(primitives[i].name, name) == 0)
            return i;
    }
    return -1;
}

/* Copies the rest of the line `# key: ...` into `out`; returns false if there is none. */
static bool header_line(const char *file, const char *key, char *out, size_t size)
{
    char start[32];

    snprintf(start, sizeof start, "# %s: ", key);
    const char *line = strstr(file, start);
    if (!line)
        return false;
    line += strlen(start);
    snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
    return true;
}

static void cover_elements(const char *list)
{
    char *copy = mem_strdup(list), *rest = copy;

    for (char *word; (word = strtok_r(rest, ", ", &rest));) {
        char *dot = strchr(word, '.');
        unsigned long enterprise = dot ? strtoul(word, NULL, 10) : 0;
        unsigned long id = strtoul(dot ? dot + 1 : word, NULL, 10);
        for (size_t i = 0; i < ELEMENT_ROW_COUNT; i++) {
            if (elements[i].enterprise == enterprise && elements[i].id == id)
                element_is_covered[i] = true;
        }
    }
    mem_free(copy);
}

/* These records of sFlow are decoded. */
static const uint32_t structures_decoded[] = {
#define FLOW_RECORD(enterprise, format, ...) (uint32_t)(enterprise) << 12 | (format),
#include "sfacctd/structures.def"
};
#define STRUCTURE_COUNT (sizeof structures_decoded / sizeof structures_decoded[0])
static bool structure_is_covered[STRUCTURE_COUNT];

static void cover_structures(char *list)
{
    for (char *word, *rest = list; (word = strtok_r(rest, ", ", &rest));)
        for (size_t i = 0; i < STRUCTURE_COUNT; i++)
            structure_is_covered[i] |= structures_decoded[i] == strtoul(word, NULL, 10);
}

static void feed(struct decode_rig *rig, char *file)
{
    for (char *part = file, *next; part; part = next) {
        next = strstr(part, "\n---\n");
        if (next) {
            *next = 0;
            next += 5;
        }
        decode_rig_hex(rig, part);
    }
}

static char *read_vector(const char *name)
{
    char path[512], *file = mem_zalloc(65536);

    snprintf(path, sizeof path, VECTORS "/%s", name);
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    assert_true(fread(file, 1, 65535, stream) > 0);
    fclose(stream);
    return file;
}

/* Decodes with only that primitive needed, or all. Returns false, with a message, if the value is
 * another one. */
static bool check_vector(const char *name, bool needs_all)
{
    char primitive_name[64] = "", expected[256] = "", from[256] = "", config[128] = "",
         daemon[16] = "", structures[64] = "";
    char *file = read_vector(name);
    struct decode_rig rig;
    struct text result = {0};

    header_line(file, "aggregate", primitive_name, sizeof primitive_name);
    header_line(file, "json", expected, sizeof expected);
    header_line(file, "from", from, sizeof from);
    header_line(file, "config", config, sizeof config);
    header_line(file, "structure", structures, sizeof structures);
    int index = primitive_by_name(primitive_name);
    assert_true(index >= 0);
    if (header_line(file, "daemon", daemon, sizeof daemon) && strcmp(daemon, "sfacctd") == 0)
        decode_rig_init_sflow(&rig);
    else
        decode_rig_init(&rig);
    if (!needs_all) {
        rig.settings.needs = (struct flow_needs){0};
        flow_needs_add(&rig.settings.needs, (enum flow_member)primitives[index].member);
    }
    rig.own.use_ip_next_hop = strcmp(config, "use_ip_next_hop: true") == 0;
    if (strcmp(config, "tunnel_headers: inner") == 0)
        rig.settings.tunnel_view = TUNNEL_VIEW_INNER;
    rig.settings.has_arrival_bins = strcmp(config, "nfacctd_time_new: true") == 0;
    rig.sflow.use_ip_next_hop = rig.own.use_ip_next_hop;
    rig.sflow.account_discards = strcmp(config, "sfacctd_discards: true") == 0;
    decode_rig_start(&rig, 16);
    feed(&rig, file);
    append_result(&result, &rig, &primitives[index]);
    bool is_good = strcmp(text_cstr(&result), expected) == 0 && decode_rig_all_drops(&rig) == 0;
    if (!is_good)
        print_error("%s: got %s, expected %s\n", name, text_cstr(&result), expected);
    primitive_is_covered[index] = true;
    cover_elements(from);
    cover_structures(structures);
    text_clear(&result);
    decode_rig_clear(&rig);
    mem_free(file);
    return is_good;
}

static size_t check_all(bool needs_all)
{
    DIR *dir = opendir(VECTORS);
    size_t bad = 0, count = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!strstr(entry->d_name, ".hex"))
            continue;
        bad += !check_vector(entry->d_name, needs_all);
        count++;
    }
    closedir(dir);
    assert_true(count > 100);
    return bad;
}

static void every_vector_gives_its_value(void **state)
{
    (void)state;
    assert_int_equal(check_all(true), 0);
}

static void a_member_alone_is_decoded_as_among_all(void **state)
{
    (void)state;
    assert_int_equal(check_all(false), 0);
}

static void every_primitive_that_exports_feed_has_a_vector(void **state)
{
    size_t missing = 0;

    (void)state;
    for (size_t i = 0; i < sizeof not_exported / sizeof not_exported[0]; i++)
        primitive_is_covered[not_exported[i]] = true;
    primitive_is_covered[PRIMITIVE_path_source] = true; /* it is about who else told the others */
    /* and so are these, about the path: test_roa_table.c */
    primitive_is_covered[PRIMITIVE_dst_roa] = primitive_is_covered[PRIMITIVE_src_roa] = true;
    for (int i = 0; i < PRIMITIVE_COUNT; i++) {
        if (!primitive_is_covered[i]) {
            print_error("no vector for %s\n", primitives[i].name);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static void every_structure_of_sflow_has_a_vector(void **state)
{
    size_t missing = 0;

    (void)state;
    for (size_t i = 0; i < STRUCTURE_COUNT; i++) {
        if (!structure_is_covered[i]) {
            print_error("no vector for structure %u\n", structures_decoded[i]);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static void every_element_has_a_vector(void **state)
{
    size_t missing = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENT_ROW_COUNT; i++) {
        if (!element_is_covered[i]) {
            print_error("no vector for %s (%u.%u)\n", elements[i].name, elements[i].enterprise,
                        elements[i].id);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_gives_its_value),
        cmocka_unit_test(a_member_alone_is_decoded_as_among_all),
        cmocka_unit_test(every_primitive_that_exports_feed_has_a_vector),
        cmocka_unit_test(every_element_has_a_vector),
        cmocka_unit_test(every_structure_of_sflow_has_a_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
