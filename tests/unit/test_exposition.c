/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two forms of metrics, which of them a reader asks for, and the address of http_listen. */
#include "base/address_port.h"
#include "control/control.h"
#include "control/exposition.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_header_chooses_the_form(void **state)
{
    (void)state;
    assert_false(exposition_wants_openmetrics(""));
    assert_false(exposition_wants_openmetrics("*/*"));
    assert_false(exposition_wants_openmetrics("text/plain"));
    assert_true(exposition_wants_openmetrics("application/openmetrics-text"));
    /* Prometheus 2.42 sends this. */
    assert_true(exposition_wants_openmetrics(
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
        "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
    assert_false(
        exposition_wants_openmetrics("text/plain;q=0.9, application/openmetrics-text ; q=0.2"));
    assert_false(exposition_wants_openmetrics("application/openmetrics-text;q=0"));
    assert_false(exposition_wants_openmetrics("application/openmetrics-texts"));
    assert_false(exposition_wants_openmetrics(";,;;q=,"));
}

static const char *write_all(bool is_openmetrics, struct text *out)
{
    struct exposition e = {.out = out, .is_openmetrics = is_openmetrics};
    const struct exposition_label labels[] = {
        {"exporter", "a\"b\\c\nd\xff\xc3\xa9"}, {"verdict", "exact"}, {0}};

    exposition_family(&e, EXPOSITION_COUNTER, "x_flows", "flows \"so far\"\nand \\");
    exposition_uint(&e, labels, UINT64_MAX);
    exposition_family(&e, EXPOSITION_GAUGE, "x_age_seconds", "age");
    exposition_seconds(&e, NULL, 1500000000);
    exposition_seconds(&e, NULL, -3);
    exposition_seconds(&e, NULL, 7000000000);
    exposition_int(&e, NULL, -5);
    exposition_end(&e);
    return text_cstr(out);
}

static void prometheus_text_is_as_its_format_says(void **state)
{
    struct text out = {0};
    (void)state;

    assert_string_equal(write_all(false, &out),
                        "# HELP x_flows_total flows \"so far\"\\nand \\\\\n"
                        "# TYPE x_flows_total counter\n"
                        "x_flows_total{exporter=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\","
                        "verdict=\"exact\"} 18446744073709551615\n"
                        "# HELP x_age_seconds age\n# TYPE x_age_seconds gauge\n"
                        "x_age_seconds 1.5\nx_age_seconds -0.000000003\nx_age_seconds 7\n"
                        "x_age_seconds -5\n");
    text_clear(&out);
}

static void openmetrics_names_families_without_total(void **state)
{
    struct text out = {0};
    (void)state;

    assert_string_equal(write_all(true, &out),
                        "# HELP x_flows flows \\\"so far\\\"\\nand \\\\\n"
                        "# TYPE x_flows counter\n"
                        "x_flows_total{exporter=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\xc3\xa9\","
                        "verdict=\"exact\"} 18446744073709551615\n"
                        "# HELP x_age_seconds age\n# TYPE x_age_seconds gauge\n"
                        "x_age_seconds 1.5\nx_age_seconds -0.000000003\nx_age_seconds 7\n"
                        "x_age_seconds -5\n# EOF\n");
    text_clear(&out);
}

/* Counts of buckets include those before; bounds and sum are in seconds. */
static void histograms_add_up_to_the_last_bucket(void **state)
{
    struct text out = {0};
    struct exposition e = {.out = &out};
    const struct exposition_label labels[] = {{"worker", "0"}, {0}};
    struct histogram counted = {0};
    struct histogram_sum sum = {0};
    (void)state;

    histogram_add(&counted, 10000);       /* 10 us, the bound of the first bucket */
    histogram_add(&counted, 10001);       /* beyond it */
    histogram_add(&counted, 61000000000); /* 61 s, beyond all */
    histogram_sum_read(&sum, &counted);
    histogram_sum_add(&sum, 700000000); /* 0.7 s */
    exposition_family(&e, EXPOSITION_HISTOGRAM, "x_seconds", "how long");
    exposition_histogram(&e, labels, &sum);
    const char *text = text_cstr(&out);
    assert_non_null(strstr(text, "# TYPE x_seconds histogram\n"
                                 "x_seconds_bucket{worker=\"0\",le=\"0.00001\"} 1\n"
                                 "x_seconds_bucket{worker=\"0\",le=\"0.00005\"} 2\n"));
    assert_non_null(strstr(text, "x_seconds_bucket{worker=\"0\",le=\"0.5\"} 2\n"
                                 "x_seconds_bucket{worker=\"0\",le=\"1.0\"} 3\n"));
    assert_non_null(strstr(text, "x_seconds_bucket{worker=\"0\",le=\"60.0\"} 3\n"
                                 "x_seconds_bucket{worker=\"0\",le=\"+Inf\"} 4\n"
                                 "x_seconds_count{worker=\"0\"} 4\n"
                                 "x_seconds_sum{worker=\"0\"} 61.700020001\n"));
    text_clear(&out);
}

static void an_address_to_listen_on_is_read_and_loopback_is_told(void **state)
{
    static const char *const near[] = {"127.0.0.1:9570", "127.9.9.9:1", "[::1]:65535"};
    static const char *const far[] = {"1.2.3.4:80", "[::]:80"};
    static const char *const bad[] = {
        "",        ":",           "127.0.0.1",       "127.0.0.1:",   "::1:80", "[::1]", "[::1]80",
        "[::1:80", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:8x", "x:80",   "[:80",  "[]:80"};
    struct address_port address;
    struct text error = {0};
    (void)state;

    for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
        assert_int_equal(address_port_parse(near[i], &address, &error), 0);
        assert_true(address_port_is_loopback(&address));
    }
    assert_int_equal(address.port, 65535);
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++) {
        assert_int_equal(address_port_parse(far[i], &address, &error), 0);
        assert_false(address_port_is_loopback(&address));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_not_equal(address_port_parse(bad[i], &address, &error), 0);
    text_clear(&error);
}

static void keys_that_do_not_go_together_are_told(void **state)
{
    static const struct control_settings good[] = {
        {0},
        {.http_listen = "127.0.0.1:80"},
        {.http_listen = "0.0.0.0:80", .token_file = "t"},
        {.http_listen = "[::]:80", .tls_cert = "c", .tls_key = "k"},
    };
    static const struct control_settings bad[] = {
        {.http_listen = "0.0.0.0:80"},
        {.http_listen = "[2001:db8::1]:80"},
        {.http_listen = "127.0.0.1:80", .tls_cert = "c"},
        {.tls_key = "k"},
    };
    struct text error = {0};
    (void)state;

    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(control_settings_check(&good[i], &error), 0);
    assert_int_equal(error.len, 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(control_settings_check(&bad[i], &error), -EINVAL);
        assert_true(error.len > 0);
        text_reset(&error);
    }
    assert_null(control_settings_remark(&good[0]));
    assert_null(control_settings_remark(&good[1]));
    assert_non_null(control_settings_remark(&good[2]));
    assert_non_null(control_settings_remark(&good[3]));
    text_clear(&error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_chooses_the_form),
        cmocka_unit_test(prometheus_text_is_as_its_format_says),
        cmocka_unit_test(openmetrics_names_families_without_total),
        cmocka_unit_test(histograms_add_up_to_the_last_bucket),
        cmocka_unit_test(an_address_to_listen_on_is_read_and_loopback_is_told),
        cmocka_unit_test(keys_that_do_not_go_together_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
