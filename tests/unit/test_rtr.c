/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves how messages of an RPKI cache are read, against the figures of RFC 8210 section 5, and how the
 * changes of an answer come to hold, compared with a list. */
#include "rpki/roa_set.h"
#include "rpki/rtr_pdu.h"
#include "support/random_values.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PARSE(pdu, ...)                                                                            \
    rtr_pdu_parse((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), pdu)

static void messages_are_read_as_rfc_8210_shows_them(void **state)
{
    struct rtr_pdu p;
    char text[IP_PREFIX_TEXT_LEN];

    (void)state;
    assert_int_equal(PARSE(&p, 0, 0, 0x12, 0x34, 0, 0, 0, 12, 0, 0, 1, 2), 12);
    assert_int_equal(p.type, RTR_SERIAL_NOTIFY);
    assert_int_equal(p.session, 0x1234);
    assert_int_equal(p.serial, 0x102);
    assert_int_equal(PARSE(&p, 1, 3, 0, 7, 0, 0, 0, 8, 99), 8);
    assert_int_equal(p.type, RTR_CACHE_RESPONSE);
    assert_int_equal(
        PARSE(&p, 0, 4, 0, 0, 0, 0, 0, 20, 1, 24, 26, 0, 192, 0, 2, 0, 0, 0, 0xfb, 0xf4), 20);
    assert_true(p.is_announcement);
    ip_prefix_format(&p.roa.prefix, text);
    assert_string_equal(text, "192.0.2.0/24");
    assert_int_equal(p.roa.max_len, 26);
    assert_int_equal(p.roa.asn, 64500);
    assert_int_equal(PARSE(&p, 1, 6, 0, 0, 0, 0, 0, 32, 0, 32, 48, 0, 0x20, 1, 0xd, 0xb8, 0, 0, 0,
                           0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xfb, 0xf4),
                     32);
    assert_false(p.is_announcement);
    ip_prefix_format(&p.roa.prefix, text);
    assert_string_equal(text, "2001:db8::/32"); /* what is beyond the length does not count */
    assert_int_equal(PARSE(&p, 0, 7, 0, 7, 0, 0, 0, 12, 0, 0, 0, 9), 12);
    assert_false(p.has_intervals);
    assert_int_equal(
        PARSE(&p, 1, 7, 0, 7, 0, 0, 0, 24, 0, 0, 0, 9, 0, 0, 14, 16, 0, 0, 2, 88, 0, 0, 28, 32),
        24);
    assert_int_equal(p.refresh_s, 3600);
    assert_int_equal(p.retry_s, 600);
    assert_int_equal(p.expire_s, 7200);
    assert_int_equal(PARSE(&p, 1, 10, 0, 2, 0, 0, 0, 19, 0, 0, 0, 1, 9, 0, 0, 0, 2, 'n', '\n'), 19);
    assert_int_equal(p.session, RTR_ERROR_NO_DATA);
    assert_string_equal(p.text, "n?");
    /* lengths inside an error report that go beyond it */
    assert_int_equal(PARSE(&p, 1, 10, 0, 2, 0, 0, 0, 16, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2), 16);
    assert_string_equal(p.text, "");
    assert_int_equal(PARSE(&p, 1, 9, 1, 0, 0, 0, 0, 12, 1, 2, 3, 4), 12);
    assert_int_equal(p.type, RTR_ROUTER_KEY);
}

static void what_is_cut_or_wrong_is_told_apart(void **state)
{
    struct rtr_pdu p;

    (void)state;
    assert_int_equal(PARSE(&p, 0, 0, 0, 0, 0, 0, 0), 0);
    assert_int_equal(PARSE(&p, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0), 0);
    assert_int_equal(PARSE(&p, 2, 3, 0, 7, 0, 0, 0, 8), -EBADMSG);  /* version */
    assert_int_equal(PARSE(&p, 0, 3, 0, 7, 0, 0, 0, 9), -EBADMSG);  /* length of its type */
    assert_int_equal(PARSE(&p, 0, 99, 0, 7, 0, 0, 0, 7), -EBADMSG); /* less than a header */
    assert_int_equal(PARSE(&p, 0, 99, 0, 7, 0, 1, 0, 1), -EBADMSG); /* more than any message has */
    assert_int_equal(PARSE(&p, 0, 4, 0, 0, 0, 0, 0, 20, 1, 33, 33, 0, 0, 0, 0, 0, 0, 0, 0, 1),
                     -EBADMSG);
    assert_int_equal(PARSE(&p, 0, 4, 0, 0, 0, 0, 0, 20, 1, 24, 23, 0, 0, 0, 0, 0, 0, 0, 0, 1),
                     -EBADMSG);
}

static void questions_are_put_as_rfc_8210_shows_them(void **state)
{
    static const uint8_t reset[] = {1, 2, 0, 0, 0, 0, 0, 8};
    static const uint8_t serial[] = {0, 1, 0x12, 0x34, 0, 0, 0, 12, 0, 0, 1, 2};
    uint8_t out[RTR_QUERY_MAX];

    (void)state;
    assert_int_equal(rtr_reset_query(out, 1), sizeof reset);
    assert_memory_equal(out, reset, sizeof reset);
    assert_int_equal(rtr_serial_query(out, 0, 0x1234, 0x102), sizeof serial);
    assert_memory_equal(out, serial, sizeof serial);
}

/* A ROA of one of sixteen. */
static struct roa numbered(unsigned number)
{
    uint8_t bytes[4] = {10, (uint8_t)(number >> 2)};

    return (struct roa){{ip_addr_v4(bytes), 16}, (uint8_t)(16 + (number >> 1 & 1)), number & 1};
}

static void changes_hold_when_their_answer_ends(void **state)
{
    enum { ROAS = 16 };
    bool holds[ROAS] = {false};
    struct roa_set set = {0};

    (void)state;
    for (int round = 0; round < 2000; round++) {
        bool next[ROAS], starts_anew = random_below(10) == 0;
        memcpy(next, holds, sizeof next);
        if (starts_anew)
            memset(next, 0, sizeof next);
        for (unsigned left = (unsigned)random_below(20); left > 0; left--) {
            unsigned number = (unsigned)random_below(ROAS);
            struct roa roa = numbered(number);
            next[number] = random_below(2);
            assert_int_equal(roa_set_change(&set, &roa, next[number]), 0);
        }
        if (random_below(5) == 0) {
            roa_set_drop_changes(&set);
        } else {
            assert_int_equal(roa_set_commit(&set, starts_anew), 0);
            memcpy(holds, next, sizeof holds);
        }
        size_t count = 0;
        for (unsigned i = 0; i < ROAS; i++) {
            struct roa roa = numbered(i);
            bool is_there = set.count > 0 &&
                            bsearch(&roa, set.roas, set.count, sizeof roa, roa_compare) != NULL;
            assert_int_equal(is_there, holds[i]);
            count += holds[i];
        }
        assert_int_equal(set.count, count);
    }
    roa_set_clear(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_as_rfc_8210_shows_them),
        cmocka_unit_test(what_is_cut_or_wrong_is_told_apart),
        cmocka_unit_test(questions_are_put_as_rfc_8210_shows_them),
        cmocka_unit_test(changes_hold_when_their_answer_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
