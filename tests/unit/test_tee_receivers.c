/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of tee_receivers: what rows say, what is refused, and how a pool chooses. */
#include "base/text.h"
#include "plugins/tee/receivers.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct tee_receivers *parse(const char *text)
{
    struct text errors = {0};
    struct tee_receivers *receivers = NULL;

    if (tee_receivers_parse("f", text, strlen(text), &errors, &receivers) < 0)
        fail_msg("%s", text_cstr(&errors));
    assert_int_equal(errors.len, 0);
    text_clear(&errors);
    return receivers;
}

static void assert_refused(const char *text, const char *expected)
{
    struct text errors = {0};
    struct tee_receivers *receivers = NULL;

    assert_int_equal(tee_receivers_parse("f", text, strlen(text), &errors, &receivers), -EINVAL);
    if (!strstr(text_cstr(&errors), expected))
        fail_msg("'%s' is not in '%s'", expected, text_cstr(&errors));
    text_clear(&errors);
}

static struct ip_addr address(const char *text)
{
    struct ip_addr addr;

    assert_int_equal(ip_addr_parse(text, &addr), 0);
    return addr;
}

static void rows_say_what_pools_are(void **state)
{
    struct tee_receivers *r = parse("! a comment\n# another\n\n"
                                    "id=1 ip=192.0.2.1:2100,[2001:db8::1]:9995,host.example:1\r\n"
                                    "  id=7\ttag=5,10-20  balance-alg=rr src_port=5000 ip=a:2\n");

    (void)state;
    assert_int_equal(r->pool_count, 2);
    assert_int_equal(r->pools[0].id, 1);
    assert_int_equal(r->pools[0].receiver_count, 3);
    assert_string_equal(r->pools[0].receivers[0].host, "192.0.2.1");
    assert_int_equal(r->pools[0].receivers[0].port, 2100);
    assert_string_equal(r->pools[0].receivers[1].name, "[2001:db8::1]:9995");
    assert_string_equal(r->pools[0].receivers[1].host, "2001:db8::1");
    assert_string_equal(r->pools[0].receivers[2].host, "host.example");
    assert_int_equal(r->pools[0].balance, TEE_ALL);
    assert_int_equal(r->pools[1].id, 7);
    assert_int_equal(r->pools[1].balance, TEE_ROUND_ROBIN);
    assert_int_equal(r->pools[1].source_port, 5000);
    assert_int_equal(r->pools[1].tag_count, 2);
    tee_receivers_free(r);
}

static void mistakes_are_told_with_their_line(void **state)
{
    (void)state;
    assert_refused("", "f: no pool");
    assert_refused("id=1 ip=192.0.2.1", "f:1: ip=192.0.2.1: a receiver is ADDRESS:PORT");
    assert_refused("id=1 ip=192.0.2.1:0", "a receiver is");
    assert_refused("id=1 ip=192.0.2.1:65536", "a receiver is");
    assert_refused("id=1 ip=2001:db8::1:2100", "a receiver is");
    assert_refused("id=1 ip=[192.0.2.1]:2100", "a receiver is");
    assert_refused("id=1 ip=a:1,,b:2", "a receiver is");
    assert_refused("\nip=a:1", "f:2: id: is missing");
    assert_refused("id=1", "f:1: ip: is missing");
    assert_refused("id=0 ip=a:1", "f:1: id=0: the pool's number");
    assert_refused("id=4294967296 ip=a:1", "the pool's number");
    assert_refused("id=1 ip=a:1\nid=1 ip=b:1", "f:2: id: another row has this number");
    assert_refused("id=1 ip=a:1 tag=20-10", "f:1: tag=20-10: numbers or ranges");
    assert_refused("id=1 ip=a:1 tag=18446744073709551616", "numbers or ranges");
    assert_refused("id=1 ip=a:1 src_port=80", "f:1: src_port=80: a port from 1024");
    assert_refused("id=1 ip=a:1 balance-alg=hash", "f:1: balance-alg=hash: rr, hash-agent");
    assert_refused("id=1 kafka_broker=a kafka_topic=b", "f:1: kafka_broker: datagrams are sent");
    assert_refused("id=1 zmq_address=a:1", "f:1: zmq_address: datagrams are sent");
    assert_refused("id=1 ip=a:1 colour=red", "f:1: colour: no such key");
    assert_refused("id=1 ip=a:1 \x1b[2J", "\\u001b[2J: a row is made of KEY=VALUE");
}

static void all_mistakes_are_told_at_once(void **state)
{
    struct text errors = {0};
    struct tee_receivers *receivers = NULL;
    static const char rows[] = "id=x ip=a:1\nid=2 ip=b:2\nid=3\n";

    (void)state;
    assert_int_equal(tee_receivers_parse("f", rows, strlen(rows), &errors, &receivers), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "f:1: "));
    assert_null(strstr(text_cstr(&errors), "f:2: "));
    assert_non_null(strstr(text_cstr(&errors), "f:3: "));
    text_clear(&errors);
}

static void pools_accept_tags_from_first_to_last(void **state)
{
    struct tee_receivers *r = parse("id=1 ip=a:1\nid=2 ip=a:1 tag=5,10-20\nid=3 ip=a:1 tag=0\n"
                                    "id=4 ip=a:1 tag=7,-5\nid=5 ip=a:1 tag=-5-9,100\n");

    (void)state;
    assert_true(tee_pool_accepts(&r->pools[0], 0) && tee_pool_accepts(&r->pools[0], UINT64_MAX));
    assert_true(tee_pool_accepts(&r->pools[1], 5) && tee_pool_accepts(&r->pools[1], 10) &&
                tee_pool_accepts(&r->pools[1], 20));
    assert_false(tee_pool_accepts(&r->pools[1], 0) || tee_pool_accepts(&r->pools[1], 9) ||
                 tee_pool_accepts(&r->pools[1], 21));
    assert_true(tee_pool_accepts(&r->pools[2], 0)); /* no map has tagged it */
    assert_true(tee_pool_accepts(&r->pools[3], 7) && tee_pool_accepts(&r->pools[3], 6));
    assert_false(tee_pool_accepts(&r->pools[3], 5));
    assert_false(tee_pool_accepts(&r->pools[4], 7));
    assert_true(tee_pool_accepts(&r->pools[4], 10)); /* nothing counts behind the negated item */
    tee_receivers_free(r);
}

static void pools_choose(void **state)
{
    struct tee_receivers *r = parse("id=1 ip=a:1,b:1,c:1\nid=2 ip=a:1,b:1,c:1 balance-alg=rr\n"
                                    "id=3 ip=a:1,b:1,c:1 balance-alg=hash-agent\n"
                                    "id=4 ip=a:1,b:1,c:1,d:1,e:1 balance-alg=hash-crc32\n"
                                    "id=5 ip=a:1,b:1,c:1 balance-alg=hash-tag\n"
                                    "id=6 ip=a:1,b:1,c:1,d:1,e:1,f:1,g:1 balance-alg=hash-agent\n");
    struct ip_addr v4 = address("192.0.2.1"), v6 = address("2001:db8::1:2");

    (void)state;
    assert_int_equal(tee_pool_choose(&r->pools[0], &v4, 4), -1);
    for (int i = 0; i < 7; i++)
        assert_int_equal(tee_pool_choose(&r->pools[1], &v4, 4), i % 3);
    /* 192.0.2.1 is 3221225985 = 3 * 1073741995; ::1:2 ends in 65538 = 3 * 21846 */
    assert_int_equal(tee_pool_choose(&r->pools[2], &v4, 4), 0);
    assert_int_equal(tee_pool_choose(&r->pools[2], &v6, 4), 0);
    v4 = address("192.0.2.3");
    assert_int_equal(tee_pool_choose(&r->pools[2], &v4, 4), 2);
    /* Seven tells the order of the bytes, which a divisor of 255 cannot: 3221225987 % 7. */
    assert_int_equal(tee_pool_choose(&r->pools[5], &v4, 4), 0);
    /* python3: zlib.crc32(bytes([192, 0, 2, 3])) % 5 */
    assert_int_equal(tee_pool_choose(&r->pools[3], &v4, 4), (int)(UINT32_C(4231397922) % 5));
    assert_int_equal(tee_pool_choose(&r->pools[4], &v4, 4), 1);
    /* Templates follow the records where the exporter decides, else each receiver gets them. */
    for (int i = 0; i < 6; i++)
        assert_int_equal(tee_pool_choose_for_all(&r->pools[i], &v4),
                         i == 2 || i == 3 || i == 5 ? tee_pool_choose(&r->pools[i], &v4, 0) : -1);
    tee_receivers_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_say_what_pools_are),
        cmocka_unit_test(mistakes_are_told_with_their_line),
        cmocka_unit_test(all_mistakes_are_told_at_once),
        cmocka_unit_test(pools_accept_tags_from_first_to_last),
        cmocka_unit_test(pools_choose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
