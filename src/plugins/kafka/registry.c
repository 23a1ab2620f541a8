/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the ids of schemas by topic, and asks for those that are new. See registry.h. */
#include "plugins/kafka/registry.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#define SUBJECT_SLOTS 16384 /* a power of two; half of them are used */
#define WHY_MAX       768
#define ASK_AGAIN_NS  (60 * NS_PER_S)

struct subject {
    char *topic; /* NULL: a free slot */
    enum avro_schema_kind kind;
    bool has_id;
    uint32_t id;
    struct mono_time refused_since; /* 0: it is not */
    struct mono_time asked_again;   /* refused: not before this; each row would ask */
};

struct registry {
    struct registry_settings s;
    struct subject *subjects;
    uint32_t subject_count;
    struct text name, path, question;
    char logged[WHY_MAX + 100]; /* the failure that was logged last; "" since all is well */
};

struct registry *registry_new(const struct registry_settings *settings)
{
    struct registry *r = mem_zalloc(sizeof *r);

    r->s = *settings;
    r->subjects = mem_calloc(SUBJECT_SLOTS, sizeof *r->subjects);
    return r;
}

static void forget_subjects(struct registry *r)
{
    for (uint32_t i = 0; i < SUBJECT_SLOTS; i++)
        mem_free(r->subjects[i].topic);
    memset(r->subjects, 0, SUBJECT_SLOTS * sizeof *r->subjects);
    r->subject_count = 0;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    forget_subjects(r);
    registry_http_free(r->s.http);
    text_clear(&r->name);
    text_clear(&r->path);
    text_clear(&r->question);
    mem_free(r->subjects);
    mem_free(r);
}

/* Finds a subject or makes it. Topics with a time in their names are used for a while only: when there
 * are too many, all are asked for anew. */
static struct subject *find_subject(struct registry *r, const char *topic,
                                    enum avro_schema_kind kind)
{
    uint32_t slot = (uint32_t)XXH3_64bits_withSeed(topic, strlen(topic), kind);
    struct subject *s;

    if (r->subject_count == SUBJECT_SLOTS / 2)
        forget_subjects(r);
    for (s = &r->subjects[slot & (SUBJECT_SLOTS - 1)]; s->topic;
         s = &r->subjects[++slot & (SUBJECT_SLOTS - 1)])
        if (s->kind == kind && strcmp(s->topic, topic) == 0)
            return s;
    s->topic = mem_strdup(topic);
    s->kind = kind;
    r->subject_count++;
    return s;
}

/* Asks about the schema at a path around the subject's name, which is the topic's and the record's, as
 * pmacct has it. */
static int ask(struct registry *r, const char *topic, enum avro_schema_kind kind,
               const char *before, const char *behind, char *why, size_t why_size,
               struct registry_reply *ret_reply)
{
    const char *schema = r->s.schemas[kind];

    text_reset(&r->name);
    text_append_printf(&r->name, "%s-%s", topic, avro_schema_name(kind));
    text_reset(&r->path);
    text_append_printf(&r->path, "%s%s%s", before, text_cstr(&r->name), behind);
    text_reset(&r->question);
    text_append_string(&r->question, "{\"schema\": ");
    text_append_json_string(&r->question, schema, strlen(schema));
    text_append_char(&r->question, '}');
    r->s.host->count(r->s.host, "kafka_registry_requests", 1);
    return r->s.post(r->s.http, text_cstr(&r->path), r->question.data, r->question.len, why,
                     why_size, ret_reply);
}

static void note_failure(struct registry *r, const char *why, const char *follows)
{
    const struct pa_host *host = r->s.host;
    char line[sizeof r->logged];

    host->count(host, "kafka_registry_failures", 1);
    snprintf(line, sizeof line, "%s; %s", why, follows);
    if (strcmp(line, r->logged) == 0)
        return;
    host->log(host, PA_LOG_WARNING, "kafka_avro_schema_registry: %s", line);
    memcpy(r->logged, line, sizeof r->logged);
}

/* Registers a subject. -EAGAIN and -EPERM as registry_frame(). */
static int get_id(struct registry *r, struct subject *s)
{
    const struct pa_host *host = r->s.host;
    char why[WHY_MAX] = "";
    struct registry_reply reply;
    bool is_over;
    int err = ask(r, s->topic, s->kind, "/subjects/", "/versions", why, sizeof why, &reply);

    if (err == 0)
        err = registry_answer_id(&reply, text_cstr(&r->name), why, sizeof why, &s->id);
    if (err == 0) {
        host->log(host, PA_LOG_INFO, "kafka: the schema of %s has the id %" PRIu32 " at %s",
                  text_cstr(&r->name), s->id, reply.address);
        s->has_id = true;
        s->refused_since.ns = 0;
        r->logged[0] = '\0';
        return 0;
    }
    if (err == -EPERM && s->refused_since.ns == 0)
        s->refused_since = clock_mono();
    is_over = err == -EPERM && r->s.has_many_topics &&
              clock_mono().ns - s->refused_since.ns >= REGISTRY_REFUSAL_SECONDS * NS_PER_S;
    if (is_over)
        s->asked_again.ns = clock_mono().ns + ASK_AGAIN_NS;
    note_failure(r, why,
                 is_over ? "rows for this topic are refused, as others must not wait longer"
                         : "rows wait");
    return is_over ? -EPERM : -EAGAIN;
}

int registry_frame(struct registry *r, const char *topic, enum avro_schema_kind kind,
                   const void *datum, size_t len, struct text *out)
{
    struct subject *s = find_subject(r, topic, kind);
    int err = 0;

    if (!s->has_id)
        err = clock_mono().ns < s->asked_again.ns ? -EPERM : get_id(r, s);
    if (err < 0)
        return err;
    const uint8_t head[5] = {0, (uint8_t)(s->id >> 24), (uint8_t)(s->id >> 16),
                             (uint8_t)(s->id >> 8), (uint8_t)s->id};
    text_reset(out);
    text_append(out, head, sizeof head);
    text_append(out, datum, len);
    return 0;
}

int registry_prepare(struct registry *r, const char *topic, bool has_markers)
{
    int err = 0;

    for (int kind = 0; kind < (has_markers ? AVRO_SCHEMA_KINDS : AVRO_SCHEMA_DATA + 1); kind++) {
        struct subject *s = find_subject(r, topic, (enum avro_schema_kind)kind);
        if (err == 0 && !s->has_id)
            err = get_id(r, s);
    }
    return err;
}

int registry_try(struct registry *r, const char *topic, enum avro_schema_kind kind, char *why,
                 size_t why_size)
{
    struct registry_reply reply;
    int err =
        ask(r, topic, kind, "/compatibility/subjects/", "/versions/latest", why, why_size, &reply);

    return err < 0 ? err : registry_answer_compatible(&reply, text_cstr(&r->name), why, why_size);
}
