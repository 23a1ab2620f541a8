/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls the page that was asked for, and writes what it returns. */
#include "daemon/api.h"
#include "base/clock.h"
#include "base/memory.h"
#include "config/config.h"
#include "daemon/api_private.h"
#include "pipeline/worker.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MIME "application/json"

/* ---- what pages share ---- */

json_t *api_fail(struct api_call *call, unsigned status, const char *format, ...)
{
    char line[512];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    call->status = status;
    text_append_string(&call->error, line);
    return NULL;
}

bool api_number(struct api_call *call, const char *name, uint64_t max, uint64_t *value)
{
    const char *text = control_parameter(call->request, name);
    char *end;

    if (!text)
        return true;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number > max) {
        api_fail(call, 400, "%s: a number up to %llu", name, (unsigned long long)max);
        return false;
    }
    *value = number;
    return true;
}

json_t *api_uint(uint64_t value)
{
    return json_integer((json_int_t)value);
}

json_t *api_address(const struct ip_addr *address)
{
    char text[IP_TEXT_LEN];

    ip_addr_format(address, text);
    return json_string(text);
}

json_t *api_string(const char *data, size_t len)
{
    json_t *string = json_stringn(data, len);
    struct text text = {0};

    if (string)
        return string;
    for (size_t i = 0, step; i < len; i += step) {
        size_t sequence = text_utf8_len((const uint8_t *)data + i, len - i);
        step = sequence ? sequence : 1;
        if (sequence || (unsigned char)data[i] < 0x80)
            text_append(&text, data + i, step);
        else
            text_append_string(&text, "\xef\xbf\xbd");
    }
    string = json_stringn(text.data, text.len);
    text_clear(&text);
    return string;
}

json_t *api_time(int64_t ns)
{
    char text[40];
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm tm;

    if (ns == 0)
        return json_null();
    gmtime_r(&s, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

json_t *api_router_id(uint32_t id)
{
    const uint8_t bytes[4] = {(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                              (uint8_t)id};
    struct ip_addr address = ip_addr_v4(bytes);

    return api_address(&address);
}

json_t *api_totals(const struct handover_totals *totals)
{
    return json_pack("{s:I,s:I,s:I}", "flows", (json_int_t)totals->flows, "packets",
                     (json_int_t)totals->packets, "bytes", (json_int_t)totals->bytes);
}

const char *api_plugin_state(const struct facts *facts, uint32_t number)
{
    const struct supervisor_status *status =
        facts && number < facts->plugin_count ? &facts->plugins[number] : NULL;

    return !status               ? "unknown: the main thread does not answer"
           : status->is_finished ? "finished"
           : status->pid == 0    ? "its process does not run"
           : !status->is_open    ? "its backend is not open"
           : status->is_failing  ? "its backend does not take rows"
                                 : "ok";
}

/* ---- the pace ---- */

void api_clear(struct api *api)
{
    for (int i = 0; i <= API_PACE_S; i++)
        mem_free(api->pace.seconds[i].flows);
}

void api_tick(struct api *api)
{
    const struct statistics_sources *s = api->sources;
    size_t at = api->pace.count++ % (API_PACE_S + 1);

    THREAD_ASSERT(control_thread);
    if (!api->pace.seconds[at].flows)
        api->pace.seconds[at].flows = mem_calloc(s->instance_count + 1, sizeof(uint64_t));
    api->pace.seconds[at].at_ns = clock_mono().ns;
    api->pace.seconds[at].datagrams = 0;
    for (uint32_t i = 0; i < s->crew->worker_count; i++)
        api->pace.seconds[at].datagrams +=
            counter_get(&worker_counters(s->crew->workers[i])->datagrams);
    for (uint32_t n = 0; n < s->instance_count; n++) {
        api->pace.seconds[at].flows[n] = 0;
        for (uint32_t i = 0; i < s->instances[n]->worker_count; i++)
            api->pace.seconds[at].flows[n] +=
                counter_get(&s->instances[n]->ledgers[i].decoded.flows);
    }
}

json_t *api_per_second(const struct api *api, uint32_t instance)
{
    const struct api_pace *pace = &api->pace;
    uint64_t span = pace->count <= API_PACE_S ? pace->count : API_PACE_S + 1, grown;

    if (span < 2)
        return json_null();
    size_t last = (pace->count - 1) % (API_PACE_S + 1),
           first = (pace->count - span) % (API_PACE_S + 1);
    if (instance == UINT32_MAX)
        grown = pace->seconds[last].datagrams - pace->seconds[first].datagrams;
    else
        grown = pace->seconds[last].flows[instance] - pace->seconds[first].flows[instance];
    return json_real((double)grown * (double)NS_PER_S /
                     (double)(pace->seconds[last].at_ns - pace->seconds[first].at_ns));
}

/* ---- answers ---- */

static void put_json(struct control_answer *answer, json_t *root)
{
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(6));

    answer->type = MIME;
    if (text)
        text_append_string(&answer->body, text);
    text_append_char(&answer->body, '\n');
    free(text); /* NOLINT: jansson allocated it */
    json_decref(root);
}

void api_answer(struct api *api, enum api_page page, const struct facts *facts,
                const struct control_request *request, struct control_answer *answer)
{
    struct api_call call = {.api = api, .facts = facts, .request = request};
    json_t *root = NULL;

    THREAD_ASSERT(control_thread);
    switch (page) {
#define API_ROUTE(name, need, help)                                                                \
    case API_##name:                                                                               \
        root = api_page_##name(&call);                                                             \
        break;
#include "daemon/api_routes.def"
    case API_PAGE_COUNT:
        break;
    }
    if (!root) {
        answer->status = call.status;
        root = json_pack("{s:o}", "error", api_string(call.error.data, call.error.len));
    }
    put_json(answer, root);
    text_clear(&call.error);
}

/* ---- the document ---- */

static json_t *schema_of(const char *type, size_t len)
{
    static const char *const plain[] = {"string", "integer", "number", "boolean"};
    char name[64];

    if (len > 1 && type[len - 1] == '?') {
        json_t *schema = schema_of(type, len - 1);
        if (json_object_get(schema, "$ref")) /* nothing may stand beside $ref in OpenAPI 3.0 */
            schema = json_pack("{s:[o]}", "allOf", schema);
        json_object_set_new(schema, "nullable", json_true());
        return schema;
    }
    if (len > 2 && strncmp(type + len - 2, "[]", 2) == 0)
        return json_pack("{s:s,s:o}", "type", "array", "items", schema_of(type, len - 2));
    if (len > 2 && strncmp(type + len - 2, "{}", 2) == 0)
        return json_pack("{s:s,s:o}", "type", "object", "additionalProperties",
                         schema_of(type, len - 2));
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (strlen(plain[i]) == len && strncmp(plain[i], type, len) == 0)
            return json_pack("{s:s}", "type", plain[i]);
    snprintf(name, sizeof name, "#/components/schemas/%.*s", (int)len, type);
    return json_pack("{s:s}", "$ref", name);
}

static void put_member(json_t *schemas, const char *object, const char *member, const char *type,
                       const char *help)
{
    json_t *schema = json_object_get(schemas, object), *property = schema_of(type, strlen(type));

    if (!schema) {
        schema = json_pack("{s:s,s:b,s:{},s:[]}", "type", "object", "additionalProperties", 0,
                           "properties", "required");
        json_object_set_new(schemas, object, schema);
    }
    if (*help && json_object_get(property, "$ref"))
        property = json_pack("{s:[o]}", "allOf", property);
    if (*help)
        json_object_set_new(property, "description", json_string(help));
    json_object_set_new(json_object_get(schema, "properties"), member, property);
    json_array_append_new(json_object_get(schema, "required"), json_string(member));
}

static json_t *response(const char *description, const char *schema)
{
    return json_pack("{s:s,s:{s:{s:o}}}", "description", description, "content", MIME, "schema",
                     schema_of(schema, strlen(schema)));
}

static json_t *route(json_t *paths, const char *name, const char *help)
{
    char path[64];
    json_t *get = json_pack("{s:s,s:s,s:[],s:{s:o,s:o}}", "operationId", name, "summary", help,
                            "parameters", "responses", "200", response(help, name), "default",
                            response("what is wrong and what would be right", "error"));

    snprintf(path, sizeof path, "/api/v1/%s", name);
    json_object_set_new(paths, path, json_pack("{s:o}", "get", get));
    return json_object_get(get, "parameters");
}

void api_answer_openapi(struct control_answer *answer)
{
    json_t *paths = json_object(), *schemas = json_object(), *parameters = NULL;

#define API_ROUTE(name, need, help) parameters = route(paths, #name, help);
#define API_PARAMETER(route, name, type, help)                                                     \
    json_array_append_new(parameters, json_pack("{s:s,s:s,s:s,s:o}", "name", #name, "in", "query", \
                                                "description", help, "schema",                     \
                                                schema_of(type, strlen(type))));
#include "daemon/api_routes.def"
#define API_MEMBER(object, member, type, help) put_member(schemas, #object, #member, type, help);
#include "daemon/api_schema.def"
    put_json(answer,
             json_pack("{s:s,s:{s:s,s:s,s:s},s:o,s:{s:o}}", "openapi", "3.0.3", "info", "title",
                       "pathacct", "version", PATHACCT_VERSION, "description",
                       "How the daemon is and what it knows; nothing can be changed through it.",
                       "paths", paths, "components", "schemas", schemas));
}
