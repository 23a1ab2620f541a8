/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads what headers alone tell: NetFlow v5 (Cisco), v9 (RFC 3954 section 5.1) and IPFIX (RFC 7011 section
 * 3.1), cut anywhere. */
#include "nfacctd/header.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct told {
    uint8_t version, engine_type;
    uint32_t domain;
};

static struct told read_part(const uint8_t *data, size_t len)
{
    /* The flow has other values before, which must not stay. */
    struct flow flow = {.export_version = 77, .engine_type = 77, .export_domain = 77};
    struct datagram datagram = {.data = data, .len = (uint32_t)len};

    netflow_read_header(&datagram, &flow);
    return (struct told){flow.export_version, flow.engine_type, flow.export_domain};
}

/* `at`: where the last byte of the domain ends. */
static void assert_header(const uint8_t *data, size_t len, size_t at, struct told expected)
{
    struct told told = read_part(data, len);

    assert_int_equal(told.version, expected.version);
    assert_int_equal(told.engine_type, expected.engine_type);
    assert_int_equal(told.domain, expected.domain);
    for (size_t cut = 0; cut < at; cut++) {
        told = read_part(data, cut);
        assert_int_equal(told.domain, 0);
        assert_int_equal(told.version, cut < 2 ? 0 : expected.version);
    }
}

static void netflow5_tells_its_engine(void **state)
{
    /* version, count, uptime, seconds, nanoseconds, sequence, engine type and id, sampling */
    static const uint8_t header[24] = {0, 5,  0,  1,  1,  2,  3,  4,  5, 6, 7,    8,
                                       9, 10, 11, 12, 13, 14, 15, 16, 7, 9, 0x40, 1};

    (void)state;
    assert_header(header, sizeof header, 22, (struct told){5, 7, 9});
}

static void netflow9_tells_its_source_id(void **state)
{
    /* version, count, uptime, seconds, sequence, source id */
    static const uint8_t header[20] = {0, 9, 0, 1,  1,  2,  3,    4,    5,    6,
                                       7, 8, 9, 10, 11, 12, 0xee, 0x6b, 0x28, 0};

    (void)state;
    assert_header(header, sizeof header, 20, (struct told){9, 0, 4000000000});
}

static void ipfix_tells_its_observation_domain(void **state)
{
    /* version, length, export time, sequence, observation domain */
    static const uint8_t header[16] = {0, 10, 0, 16, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, 2};

    (void)state;
    assert_header(header, sizeof header, 16, (struct told){10, 0, 258});
}

static void others_tell_nothing(void **state)
{
    static const uint8_t sflow[24] = {0, 0, 0, 5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const uint8_t strange[24] = {0xff, 0xff, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

    (void)state;
    assert_header(sflow, sizeof sflow, 0, (struct told){0, 0, 0});
    assert_header(strange, sizeof strange, 0, (struct told){0, 0, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(netflow5_tells_its_engine),
        cmocka_unit_test(netflow9_tells_its_source_id),
        cmocka_unit_test(ipfix_tells_its_observation_domain),
        cmocka_unit_test(others_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
