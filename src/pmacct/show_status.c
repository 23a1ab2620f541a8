/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions -t, -i, -e, -C and -U: tell about the table itself, or erase it. */
#include "base/clock.h"
#include "base/text.h"
#include "pmacct/groups.h"
#include "pmacct/show.h"
#include <string.h>
#include <time.h>

static void append_time(struct text *out, const char *name, int64_t ns)
{
    time_t seconds = (time_t)(ns / NS_PER_S);
    char text[64];
    struct tm tm;

    localtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &tm);
    text_append_printf(out, "%-16s %s\n", name, ns == 0 ? "never" : text);
}

static void append_count(struct text *out, const char *name, uint64_t count)
{
    text_append_printf(out, "%-16s %llu\n", name, (unsigned long long)count);
}

int show_status(struct query *query, struct text *error)
{
    struct query_status s;
    struct text out = {0};
    int err = query_status(query, &s, error);

    if (err < 0)
        return err;
    text_append_printf(&out, "%-16s %s\n", "table", query_instance_name(query));
    append_time(&out, "since", s.erased_ns > s.started_ns ? s.erased_ns : s.started_ns);
    append_time(&out, "started", s.started_ns);
    append_time(&out, "cleared", s.erased_ns);
    append_time(&out, "updated", s.updated_ns);
    append_count(&out, "rows", s.row_count);
    append_count(&out, "values", s.value_count);
    append_count(&out, "bytes", s.bytes);
    if (s.max_bytes > 0)
        append_count(&out, "bytes_max", s.max_bytes);
    else
        text_append_printf(&out, "%-16s %s\n", "bytes_max", "none");
    append_count(&out, "bytes_copied", s.copied_bytes);
    append_count(&out, "rows_refused", s.refused_rows);
    append_count(&out, "clients", s.client_count);
    print_text(&out);
    text_clear(&out);
    return 0;
}

int show_erased(struct query *query, struct text *error)
{
    struct query_status s;
    struct text out = {0};
    int err = query_status(query, &s, error);

    if (err < 0)
        return err;
    if (s.erased_ns == 0)
        text_append_string(&out, "never");
    else
        text_append_int(&out, s.now_ns / NS_PER_S -
                                  s.erased_ns / NS_PER_S); /* any instants of a server */
    text_append_char(&out, '\n');
    print_text(&out);
    text_clear(&out);
    return 0;
}

int erase_table(struct query *query, struct text *error)
{
    struct text out = {0};
    struct query_status s;
    int err = query_erase(query, &s, error);

    if (err < 0)
        return err;
    text_append_string(&out, "OK: Clearing stats.\n");
    print_text(&out);
    text_clear(&out);
    return 0;
}

struct class_collector {
    struct groups *groups;
    uint32_t row_size;
};

static void class_batch(void *arg, const struct pa_batch *batch)
{
    struct class_collector *c = arg;

    for (uint32_t i = 0; i < batch->row_count; i++)
        groups_add(c->groups, batch, batch->rows + (size_t)i * c->row_size);
}

/* Prints the classes that are in the table. They have names alone, so they are numbered as they
 * come. */
int show_classes(struct query *query, const struct options *options, struct text *error)
{
    struct class_collector c = {.row_size = query_schema(query)->row_size};
    char name[] = "class", *columns[] = {name};
    struct text out = {0};
    struct query_status status;
    int err = 0;

    text_append_string(&out, "CLASS_ID\tCLASS_NAME\n");
    if (query_column(query, name)) {
        err = groups_new(query, &options->output, columns, 1, error, &c.groups);
        if (err == 0)
            err = query_rows(query, NULL, false, class_batch, &c, &status, error);
        for (size_t i = 0; err == 0 && i < groups_count(c.groups); i++)
            text_append_printf(&out, "%zu\t\t%s\n", i + 1, groups_at(c.groups, i)->key);
    }
    if (err == 0)
        print_text(&out);
    groups_free(c.groups);
    text_clear(&out);
    return err;
}

static bool is_custom(const struct pa_column *c)
{
    return c->format >= PA_FORMAT_CUSTOM_UINT && c->format <= PA_FORMAT_CUSTOM_RAW;
}

int show_custom(struct query *query)
{
    const struct pa_schema *schema = query_schema(query);
    struct text out = {0};

    text_append_string(&out, "NAME                              LEN    OFF\n");
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *c = &schema->columns[i];
        if (is_custom(c))
            text_append_printf(&out, "%-32s  %-5u  %-5u\n", c->name, c->width, c->offset);
    }
    print_text(&out);
    text_clear(&out);
    return 0;
}
