/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what is made of a schema registry's answers, good and hostile, that it is asked once a subject,
 * and when rows of a refused subject stop waiting. */
#include "plugins/kafka/kafka_settings.h"
#include "plugins/kafka/registry.h"
#include "plugins/text/output_keys.h"
#include "support/check.h"
#include "support/fake_clock.h"
#include "support/fake_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- answers ---- */

static struct registry_reply reply_of(long status, const char *body)
{
    return (struct registry_reply){
        .status = status, .body = body, .body_len = strlen(body), .address = "http://r:1"};
}

static void expect_id(const char *body, uint32_t expected)
{
    struct registry_reply reply = reply_of(200, body);
    char why[512] = "";
    uint32_t id = 0;

    assert_int_equal(registry_answer_id(&reply, "s", why, sizeof why, &id), 0);
    assert_int_equal(id, expected);
    assert_string_equal(why, "");
}

static void expect_bad(long status, const char *body, int err, const char *said)
{
    struct registry_reply reply = reply_of(status, body);
    char why[512] = "";
    uint32_t id = 7;

    assert_int_equal(registry_answer_id(&reply, "acct-acct_data", why, sizeof why, &id), err);
    assert_int_equal(id, 7);
    assert_non_null(strstr(why, "http://r:1 answers"));
    assert_non_null(strstr(why, "the subject acct-acct_data"));
    if (!strstr(why, said))
        fail_msg("'%s' is not in '%s'", said, why);
    for (const char *c = why; *c; c++)
        assert_true((unsigned char)*c >= ' ');
}

static void test_ids(void **state)
{
    (void)state;
    expect_id("{\"id\": 1}", 1);
    expect_id(" {\"version\": 3, \"id\":2147483647, \"schema\": {}}\n", INT32_MAX);
    expect_id("{\"id\": 0}", 0);
}

static void test_bodies_that_are_no_answer(void **state)
{
    static const char *const bodies[] = {
        "",
        "7",
        "[1]",
        "{}",
        "{\"id\": -1}",
        "{\"id\": 2147483648}",
        "{\"id\": 99999999999999999999}",
        "{\"id\": \"1\"}",
        "{\"id\": 1.0}",
        "{\"id\": 1, \"id\": 2}",
        "{\"id\": 1} and more",
        "<html>",
        "\xff\xfe",
    };
    char deep[4097];

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        expect_bad(200, bodies[i], -EAGAIN, "something else than a schema registry");
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    expect_bad(200, deep, -EAGAIN, "something else than a schema registry");
}

static void test_errors_say_what_to_do(void **state)
{
    char body[1024], said[256];

    (void)state;
    expect_bad(401, "{\"error_code\": 401, \"message\": \"Unauthorized\"}", -EAGAIN,
               "(Unauthorized): put a user");
    expect_bad(403, "", -EAGAIN, "put a user");
    expect_bad(404, "nothing", -EAGAIN, "is this a schema registry?");
    expect_bad(301, "", -EAGAIN, "not followed");
    expect_bad(409, "{\"message\": \"no\"}", -EPERM, "(no): it has another schema");
    expect_bad(422, "{\"message\": 5}", -EPERM, "subject acct-acct_data: it does not take");
    expect_bad(500, "{\"message\": \"a\\nb\\u001b[2J\\u0000c\"}", -EAGAIN, "(a\\u000ab\\u001b[2J");
    expect_bad(0, "", -EAGAIN, "look into the registry's log");
    memset(said, 'x', 200);
    said[200] = '\0';
    snprintf(body, sizeof body, "{\"message\": \"%s%s\"}", said, "yyy");
    strcat(said, "...):");
    expect_bad(503, body, -EAGAIN, said);
}

static int compatible(long status, const char *body)
{
    struct registry_reply reply = reply_of(status, body);
    char why[512] = "";
    int err = registry_answer_compatible(&reply, "s", why, sizeof why);

    assert_int_equal(err == 0, why[0] == '\0');
    return err;
}

static void test_compatibility(void **state)
{
    (void)state;
    assert_int_equal(compatible(200, "{\"is_compatible\": true}"), 0);
    assert_int_equal(compatible(200, "{\"is_compatible\": false}"), -EPERM);
    assert_int_equal(compatible(200, "{\"is_compatible\": 1}"), -EAGAIN);
    assert_int_equal(compatible(404, "{\"error_code\": 40401}"), 0); /* no such subject yet */
    assert_int_equal(compatible(404, "{\"error_code\": 40402}"), 0); /* no version of it */
    assert_int_equal(compatible(404, "{\"error_code\": 404}"), -EAGAIN);
    assert_int_equal(compatible(404, ""), -EAGAIN);
    assert_int_equal(compatible(422, "{\"error_code\": 42201}"), -EPERM);
    assert_int_equal(compatible(401, ""), -EAGAIN);
}

/* ---- subjects ---- */

static struct {
    long status;
    unsigned asked;
    char path[128], question[256];
    char body[64];
} fake;

static int fake_post(struct registry_http *http, const char *path, const char *json, size_t len,
                     char *why, size_t why_size, struct registry_reply *ret_reply)
{
    (void)http;
    fake.asked++;
    snprintf(fake.path, sizeof fake.path, "%s", path);
    snprintf(fake.question, sizeof fake.question, "%.*s", (int)len, json);
    if (fake.status < 0) {
        snprintf(why, why_size, "http://r:1: Connection refused");
        return -EAGAIN;
    }
    snprintf(fake.body, sizeof fake.body, "{\"id\": %u}", 0x01020300 + fake.asked);
    *ret_reply = reply_of(fake.status, fake.body);
    return 0;
}

static struct registry *begin(struct fake_host *host, bool has_many_topics)
{
    const struct registry_settings settings = {.host = &host->host,
                                               .post = fake_post,
                                               .schemas = {"{\"a\": 1}", "init", "close"},
                                               .has_many_topics = has_many_topics};

    fake_host_init(host, kafka_keys, output_keys);
    memset(&fake, 0, sizeof fake);
    fake.status = 200;
    return registry_new(&settings);
}

static void test_a_subject_is_asked_for_once(void **state)
{
    struct fake_host host;
    struct registry *r = begin(&host, true);
    struct text out = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(registry_frame(r, "t", AVRO_SCHEMA_DATA, "xyz", 3, &out), 0);
        assert_int_equal(out.len, 8);
        assert_memory_equal(out.data, "\0\1\2\3\1xyz", 8); /* big-endian */
    }
    assert_int_equal(fake.asked, 1);
    assert_string_equal(fake.path, "/subjects/t-acct_data/versions");
    assert_string_equal(fake.question, "{\"schema\": \"{\\\"a\\\": 1}\"}");
    assert_int_equal(registry_frame(r, "t", AVRO_SCHEMA_CLOSE, "", 0, &out), 0);
    assert_string_equal(fake.path, "/subjects/t-acct_close/versions");
    assert_memory_equal(out.data, "\0\1\2\3\2", 5);
    assert_int_equal(registry_prepare(r, "t", false), 0);
    assert_int_equal(fake.asked, 2);
    assert_int_equal(registry_prepare(r, "t", true), 0); /* lacks init alone */
    assert_int_equal(fake.asked, 3);
    /* More topics than there is room for: all are found, and asked for again. */
    for (int i = 0; i < 20000; i++) {
        char topic[16];
        snprintf(topic, sizeof topic, "t%d", i);
        assert_int_equal(registry_frame(r, topic, AVRO_SCHEMA_DATA, "", 0, &out), 0);
    }
    assert_int_equal(fake.asked, 20003);
    assert_int_equal(registry_frame(r, "t", AVRO_SCHEMA_DATA, "", 0, &out), 0);
    assert_int_equal(fake.asked, 20004);
    text_clear(&out);
    registry_free(r);
}

static unsigned count_in(const char *text, const char *word)
{
    unsigned count = 0;

    for (; (text = strstr(text, word)); text += strlen(word))
        count++;
    return count;
}

static void test_an_outage_is_told_once_and_forgotten(void **state)
{
    struct fake_host host;
    struct registry *r = begin(&host, false);
    struct text out = {0};

    (void)state;
    fake.status = -1;
    for (int i = 0; i < 5; i++)
        assert_int_equal(registry_frame(r, "t", AVRO_SCHEMA_DATA, "", 0, &out), -EAGAIN);
    assert_int_equal(fake.asked, 5);
    assert_int_equal(fake_host_counter(&host, "kafka_registry_failures"), 5);
    assert_int_equal(count_in(host.log, "http://r:1: Connection refused; rows wait"), 1);
    fake.status = 200;
    assert_int_equal(registry_frame(r, "t", AVRO_SCHEMA_DATA, "", 0, &out), 0);
    fake.status = -1;
    assert_int_equal(registry_frame(r, "u", AVRO_SCHEMA_DATA, "", 0, &out), -EAGAIN);
    assert_int_equal(count_in(host.log, "http://r:1: Connection refused; rows wait"), 2);
    assert_int_equal(fake_host_counter(&host, "kafka_registry_requests"), 7);
    text_clear(&out);
    registry_free(r);
}

static int refused_for(struct registry *r, int64_t seconds, struct text *out)
{
    fake_now_ns += seconds * NS_PER_S;
    return registry_frame(r, "t", AVRO_SCHEMA_DATA, "", 0, out);
}

/* Beside others rows of a refused topic wait for a while, alone for ever. */
static void test_how_long_rows_of_a_refused_subject_wait(void **state)
{
    struct fake_host host;
    struct registry *r = begin(&host, true);
    struct text out = {0};

    (void)state;
    fake.status = 409;
    assert_int_equal(refused_for(r, 0, &out), -EAGAIN);
    assert_int_equal(refused_for(r, REGISTRY_REFUSAL_SECONDS - 1, &out), -EAGAIN);
    assert_int_equal(refused_for(r, 1, &out), -EPERM);
    assert_int_equal(fake.asked, 3);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(refused_for(r, 0, &out), -EPERM);
    assert_int_equal(fake.asked, 3); /* not for each row */
    assert_int_equal(refused_for(r, 60, &out), -EPERM);
    assert_int_equal(fake.asked, 4);
    assert_int_equal(count_in(host.log, "rows wait"), 1);
    assert_int_equal(count_in(host.log, "rows for this topic are refused"), 1);
    fake.status = -1; /* it may have been mended meanwhile */
    assert_int_equal(refused_for(r, 60, &out), -EAGAIN);
    fake.status = 200;
    assert_int_equal(refused_for(r, 0, &out), 0);
    registry_free(r);

    r = begin(&host, false);
    fake.status = 409;
    for (int i = 0; i < 3; i++)
        assert_int_equal(refused_for(r, REGISTRY_REFUSAL_SECONDS, &out), -EAGAIN);
    text_clear(&out);
    registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_bodies_that_are_no_answer),
        cmocka_unit_test(test_errors_say_what_to_do),
        cmocka_unit_test(test_compatibility),
        cmocka_unit_test(test_a_subject_is_asked_for_once),
        cmocka_unit_test(test_an_outage_is_told_once_and_forgotten),
        cmocka_unit_test(test_how_long_rows_of_a_refused_subject_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
