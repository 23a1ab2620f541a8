/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads answers of a schema registry, and says what to do about the bad ones. See registry_answer.h. */
#include "plugins/kafka/registry_answer.h"
#include "base/text.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define SAID_MAX 200 /* bytes of the registry's own words that are shown */

/* The codes of errors that it tells in the body. */
enum { NO_SUBJECT = 40401, NO_VERSION = 40402, NO_SCHEMA = 40403 };

static json_t *parse_body(const struct registry_reply *reply)
{
    json_t *body =
        json_loadb(reply->body, reply->body_len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

    if (body && !json_is_object(body)) {
        json_decref(body);
        body = NULL;
    }
    return body;
}

/* Appends what the registry says of its error, as it can stand in a line. */
static void append_said(struct text *out, const json_t *body)
{
    const json_t *message = json_object_get(body, "message");
    size_t len = json_string_length(message);

    if (len == 0)
        return;
    text_append_string(out, " (");
    text_append_shown(out, json_string_value(message), len < SAID_MAX ? len : SAID_MAX);
    text_append_string(out, len > SAID_MAX ? "...)" : ")");
}

static const char *remedy(long status)
{
    if (status >= 300 && status < 400)
        return "a redirection, which is not followed: put the address that it leads to into "
               "kafka_avro_schema_registry";
    switch (status) {
    case 401:
    case 403:
        return "put a user who may register schemas, and the password, into the address: "
               "https://USER:PASSWORD@HOST";
    case 404:
    case 405:
        return "is this a schema registry? kafka_avro_schema_registry is the address that "
               "/subjects "
               "stands under";
    case 409:
        return "it has another schema, with which this one is not compatible: set the subject's "
               "compatibility to NONE, delete the subject, or send to another topic";
    case 422:
        return "it does not take this schema: is a rule or a mode set for the subject?";
    case 429:
        return "too many questions for it; asked again later";
    default:
        return "look into the registry's log";
    }
}

static int fail_by_status(const struct registry_reply *reply, const char *subject,
                          const json_t *body, char *why, size_t why_size)
{
    struct text said = {0};

    append_said(&said, body);
    snprintf(why, why_size, "%s answers %ld for the subject %s%s: %s", reply->address,
             reply->status, subject, text_cstr(&said), remedy(reply->status));
    text_clear(&said);
    return reply->status == 409 || reply->status == 422 ? -EPERM : -EAGAIN;
}

static int fail_by_body(const struct registry_reply *reply, const char *subject, char *why,
                        size_t why_size)
{
    snprintf(why, why_size,
             "%s answers something else than a schema registry does, for the subject %s: "
             "kafka_avro_schema_registry is the address that /subjects stands under",
             reply->address, subject);
    return -EAGAIN;
}

static bool is_good(long status)
{
    return status == 200 || status == 201;
}

int registry_answer_id(const struct registry_reply *reply, const char *subject, char *why,
                       size_t why_size, uint32_t *ret_id)
{
    json_t *body = parse_body(reply), *id = json_object_get(body, "id");
    int err = 0;

    /* An id has 32 bits in messages, and is a positive int where it is made. */
    if (!is_good(reply->status))
        err = fail_by_status(reply, subject, body, why, why_size);
    else if (!json_is_integer(id) || json_integer_value(id) < 0 ||
             json_integer_value(id) > INT32_MAX)
        err = fail_by_body(reply, subject, why, why_size);
    else
        *ret_id = (uint32_t)json_integer_value(id);
    json_decref(body);
    return err;
}

static bool is_new_subject(const struct registry_reply *reply, const json_t *body)
{
    json_int_t code = json_integer_value(json_object_get(body, "error_code"));

    return reply->status == 404 && code >= NO_SUBJECT && code <= NO_SCHEMA;
}

int registry_answer_compatible(const struct registry_reply *reply, const char *subject, char *why,
                               size_t why_size)
{
    json_t *body = parse_body(reply), *is_compatible = json_object_get(body, "is_compatible");
    int err = 0;

    if (is_good(reply->status) && json_is_false(is_compatible)) {
        const struct registry_reply conflict = {.status = 409, .address = reply->address};
        err = fail_by_status(&conflict, subject, NULL, why, why_size);
    } else if (is_good(reply->status) && !json_is_true(is_compatible)) {
        err = fail_by_body(reply, subject, why, why_size);
    } else if (!is_good(reply->status) && !is_new_subject(reply, body)) {
        err = fail_by_status(reply, subject, body, why, why_size);
    }
    json_decref(body);
    return err;
}
