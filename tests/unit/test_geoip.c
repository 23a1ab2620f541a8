/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves what the database of places tells, that no bytes of its file break the reader, and that
 * flows get the places of the database in force. tests/fuzz/corpus/geoip/good has, as mmdblookup
 * (libmaxminddb) reads it: 10.0.0.0/8 DE, 10115, 52.5167 13.4; 192.0.2.0/24 US, 94043-1, 37.386
 * -122.0838; 2001:db8::/32 FR, 75001, 48.85 2.35.
 */
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "maps/geoip.h"
#include "maps/maps.h"
#include "pipeline/geo.h"
#include "support/folder.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define CORPUS TEST_DATA "/../fuzz/corpus/geoip/"

/* libmaxminddb 1.7 forgets what it had read of metadata that it refuses: LeakSanitizer asks here. */
__attribute__((visibility("default"))) const char *
__lsan_default_suppressions(void);            /* NOLINT(bugprone-reserved-identifier) */
const char *__lsan_default_suppressions(void) /* NOLINT(bugprone-reserved-identifier) */
{
    return "leak:libmaxminddb\n";
}

static struct geoip *load(const char *path)
{
    struct text errors = {0};
    struct geoip *geoip = NULL;

    assert_int_equal(geoip_read(path, &errors, &geoip), 0);
    assert_int_equal(errors.len, 0);
    return geoip;
}

/* Returns "DE 10115 52.5167 13.4000"; "none" if the address is not there. */
static const char *place_text(const struct geoip *geoip, const char *address)
{
    static char text[128];
    struct geoip_place p;
    struct ip_addr addr;
    uint32_t offset;

    assert_int_equal(ip_addr_parse(address, &addr), 0);
    if (!geoip_find(geoip, &addr, &offset))
        return "none";
    geoip_place_at(geoip, offset, &p);
    snprintf(text, sizeof text, "%.3s %.11s %.4f %.4f", p.country.text, p.postal.text, p.latitude,
             p.longitude);
    return text;
}

static void addresses_have_their_places(void **state)
{
    static const char *const files[] = {"good", "records-of-28-bits"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *path = mem_printf(CORPUS "%s", files[i]);
        struct geoip *geoip = load(path);
        assert_string_equal(place_text(geoip, "10.1.2.3"), "DE 10115 52.5167 13.4000");
        assert_string_equal(place_text(geoip, "10.255.255.255"), "DE 10115 52.5167 13.4000");
        assert_string_equal(place_text(geoip, "11.0.0.0"), "none");
        assert_string_equal(place_text(geoip, "192.0.2.0"), "US 94043-1 37.3860 -122.0838");
        assert_string_equal(place_text(geoip, "192.0.3.0"), "none");
        assert_string_equal(place_text(geoip, "2001:db8::1"), "FR 75001 48.8500 2.3500");
        assert_string_equal(place_text(geoip, "2001:db9::1"), "none");
        geoip_free(geoip);
        mem_free(path);
    }
}

static void a_database_of_ipv4_has_no_ipv6(void **state)
{
    struct geoip *geoip = load(CORPUS "ipv4-alone-32-bits");
    (void)state;
    assert_string_equal(place_text(geoip, "10.0.0.1"), "DE 10115 52.5167 13.4000");
    assert_string_equal(place_text(geoip, "2001:db8::1"), "none");
    geoip_free(geoip);
}

static void values_that_are_broken_are_not_known(void **state)
{
    static const char *const files[] = {
        "deep-value",  "pointer-to-itself", "pointer-beyond",           "huge-map",
        "key-no-text", "not-a-number",      "latitude-of-another-type", "text-beyond-the-end"};
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *path = mem_printf(CORPUS "%s", files[i]);
        struct geoip *geoip = load(path);
        assert_string_equal(place_text(geoip, "10.0.0.1"), "  0.0000 0.0000");
        geoip_free(geoip);
        mem_free(path);
    }
}

static void coordinates_may_be_single_precision(void **state)
{
    struct geoip *geoip = load(CORPUS "singles");
    (void)state;
    assert_string_equal(place_text(geoip, "10.0.0.1"), "  1.5000 -2.2500");
    geoip_free(geoip);
}

static void assert_refused(const char *path, int expected, const char *why)
{
    struct text errors = {0};
    struct geoip *geoip;

    assert_int_equal(geoip_read(path, &errors, &geoip), expected);
    if (!strstr(text_cstr(&errors), why))
        fail_msg("%s", text_cstr(&errors));
    text_clear(&errors);
}

static void what_is_no_database_is_refused(void **state)
{
    (void)state;
    assert_refused("/nowhere/x.mmdb", -ENOENT, "/nowhere/x.mmdb: cannot read it: No such file");
    assert_refused(TEST_DATA, -EISDIR, "cannot read it: Is a directory");
    assert_refused("/dev/null", -EINVAL, "cannot read it: ");
    assert_refused(CORPUS "no-metadata", -EINVAL, "no database of places: it does not say what");
    assert_refused(CORPUS "metadata-alone", -EINVAL, "such as GeoLite2-City.mmdb");
}

/* Reads what some bytes make of a database, and asks it if it loads. */
static void try_bytes(const char *path, const void *data, size_t len)
{
    struct text errors = {0};
    struct geoip *geoip;

    assert_int_equal(file_replace(path, data, len, FILE_MODE_PUBLIC, FILE_SYNC_NONE), 0);
    if (geoip_read(path, &errors, &geoip) == 0) {
        place_text(geoip, "10.0.0.1");
        place_text(geoip, "192.0.2.1");
        place_text(geoip, "2001:db8::1");
        geoip_free(geoip);
    } else {
        assert_true(errors.len > 0);
    }
    text_clear(&errors);
}

static void no_cut_and_no_changed_byte_does_harm(void **state)
{
    static const char path[] = "x.mmdb";
    struct text good = {0};
    (void)state;

    assert_int_equal(file_read(CORPUS "good", 1 << 20, &good), 0);
    for (size_t len = 0; len < good.len; len += 3)
        try_bytes(path, good.data, len);
    for (size_t i = 0; i < good.len; i++) {
        char was = good.data[i];
        good.data[i] = (char)(i % 2 ? 0xff : was ^ 0x20);
        try_bytes(path, good.data, good.len);
        good.data[i] = was;
    }
    text_clear(&good);
}

static void a_file_that_is_cut_later_changes_nothing(void **state)
{
    static const char path[] = "y.mmdb";
    struct text good = {0};
    struct geoip *geoip;
    (void)state;

    assert_int_equal(file_read(CORPUS "good", 1 << 20, &good), 0);
    assert_int_equal(file_replace(path, good.data, good.len, FILE_MODE_PUBLIC, FILE_SYNC_NONE), 0);
    geoip = load(path);
    assert_int_equal(truncate(path, 0), 0);
    assert_string_equal(place_text(geoip, "192.0.2.0"), "US 94043-1 37.3860 -122.0838");
    geoip_free(geoip);
    text_clear(&good);
}

/* ---- flows ---- */

static void assert_country(const struct country_code *country, const char *expected)
{
    struct country_code padded = {{0}};

    memcpy(padded.text, expected, strlen(expected));
    assert_memory_equal(country, &padded, sizeof padded);
}

static void flows_get_the_places_of_the_database_in_force(void **state)
{
    struct flow flows[2] = {0};
    struct flow_batch batch = {
        .flows = (uint8_t *)flows, .stride = sizeof flows[0], .count = 2, .capacity = 2};
    struct maps all = {.generation = 1}, v4 = {.generation = 2}, none = {.generation = 3};
    struct geo *geo = geo_new((struct geo_settings){true, true});
    (void)state;
    all.geoip = load(CORPUS "good");
    v4.geoip = load(CORPUS "ipv4-alone-32-bits");
    assert_int_equal(ip_addr_parse("10.0.0.1", &flows[0].src_addr), 0);
    assert_int_equal(ip_addr_parse("2001:db8::1", &flows[0].dst_addr), 0);
    assert_int_equal(ip_addr_parse("2001:db8::1", &flows[1].src_addr), 0);
    for (int round = 0; round < 2; round++) { /* the second out of the cache */
        geo_batch(geo, &all, &batch);
        assert_country(&flows[0].src_country, "DE");
        assert_memory_equal(flows[0].src_postal.text, "10115\0\0\0\0\0\0", 11);
        assert_true(flows[0].src_latitude == 52.5167 && flows[0].src_longitude == 13.4);
        assert_country(&flows[0].dst_country, "FR");
        assert_country(&flows[1].src_country, "FR");
        assert_true(flows[1].src_latitude == 48.85 && flows[1].src_longitude == 2.35);
        assert_country(&flows[1].dst_country, "");
    }
    geo_batch(geo, &v4, &batch);
    assert_country(&flows[0].src_country, "DE");
    assert_country(&flows[0].dst_country, "");
    assert_true(flows[1].src_latitude == 0);
    geo_batch(geo, &none, &batch);
    assert_country(&flows[0].src_country, "");
    geo_free(geo);
    geoip_free((struct geoip *)(uintptr_t)all.geoip);
    geoip_free((struct geoip *)(uintptr_t)v4.geoip);
}

static void only_sides_that_are_asked_for_are_looked_up(void **state)
{
    struct flow_needs needs = {0};
    struct geo_settings settings = geo_settings_make(&needs);
    (void)state;
    assert_null(geo_new(settings));
    flow_needs_add(&needs, FLOW_dst_latitude);
    settings = geo_settings_make(&needs);
    assert_true(!settings.source && settings.destination);
    assert_true(flow_needs_has(&needs, FLOW_dst_addr) && !flow_needs_has(&needs, FLOW_src_addr));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_their_places),
        cmocka_unit_test(a_database_of_ipv4_has_no_ipv6),
        cmocka_unit_test(values_that_are_broken_are_not_known),
        cmocka_unit_test(coordinates_may_be_single_precision),
        cmocka_unit_test(what_is_no_database_is_refused),
        cmocka_unit_test(no_cut_and_no_changed_byte_does_harm),
        cmocka_unit_test(a_file_that_is_cut_later_changes_nothing),
        cmocka_unit_test(flows_get_the_places_of_the_database_in_force),
        cmocka_unit_test(only_sides_that_are_asked_for_are_looked_up),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, test_folder_enter, test_folder_leave);
}
