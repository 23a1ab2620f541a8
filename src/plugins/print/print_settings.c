/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the keys of print and checks them together. See print_settings.h. */
#include "plugins/print/print_settings.h"
#include "base/named_file.h"
#include "plugins/common/choice.h"
#include "plugins/common/key_rows.h"
#include "plugins/common/setting.h"
#include "plugins/text/file_name.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OUTPUTS(EACH)                                                                              \
    EACH(OUTPUT_FORMATTED, "formatted")                                                            \
    EACH(OUTPUT_CSV, "csv")                                                                        \
    EACH(OUTPUT_JSON, "json")                                                                      \
    EACH(OUTPUT_AVRO, "avro")                                                                      \
    EACH(OUTPUT_AVRO_JSON, "avro_json")                                                            \
    EACH(OUTPUT_EVENT_FORMATTED, "event_formatted")                                                \
    EACH(OUTPUT_EVENT_CSV, "event_csv")                                                            \
    EACH(OUTPUT_EVENT_JSON, "event_json")

enum output { OUTPUTS(CHOICE_ENUMERATOR) OUTPUT_COUNT };

/* clang-format off */
const struct pa_key print_keys[] = {
    KEY_ROWS_TIME("print", "", NULL),
    {.name = "print_output", .type = PA_KEY_CHOICE, .default_value = "formatted",
     .choices = CHOICE_TEXT(OUTPUTS),
     .help = "how rows are written; event_*: without packets, bytes and flows"},
    {.name = "print_output_file", .type = PA_KEY_STRING, .role = PA_ROLE_OWN_OUTPUT,
     .help = "file name with strftime(3) conversions and $variables; .gz and .zst compress; unset: standard output"},
    {.name = "print_output_file_append", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "a name without time is appended to, not replaced at each purge"},
    {.name = "print_output_separator", .type = PA_KEY_STRING, .default_value = ",",
     .help = "CSV: one character, \\t or \\s"},
    {.name = "print_output_quote", .type = PA_KEY_BOOL, .default_value = "true",
     .help = "CSV: quote fields that hold the separator, quotes or line breaks"},
    {.name = "print_output_lock_file", .type = PA_KEY_STRING, .role = PA_ROLE_OUTPUT,
     .help = "file to lock while writing to standard output"},
    {.name = "print_latest_file", .type = PA_KEY_STRING, .role = PA_ROLE_OUTPUT, .help = "symbolic link to the latest file that is finished"},
    {.name = "print_markers", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "lines around each purge that say so; Avro has none"},
    {.name = "print_avro_schema_file", .type = PA_KEY_STRING, .aliases = "avro_schema_file|avro_schema_output_file",
     .help = "Avro: file to write the schema to, at start"},
    KEY_ROW_NUM_PROTOS("print"),
    {.name = "print_write_empty_file", .type = PA_KEY_BOOL, .default_value = "false",
     .help = "make a file even if there is nothing to write"},
    {.name = "print_rotate_size", .type = PA_KEY_SIZE, .default_value = "0", .max = INT64_MAX,
     .help = "a file that has grown to this size becomes NAME.1, NAME.2...; 0: never"},
    {.name = "print_open_files", .type = PA_KEY_INT, .default_value = "256", .min = 1, .max = 100000,
     .help = "files open at a time, each of two descriptors; those written least recently are closed"},
    {.name = "print_files_max", .type = PA_KEY_INT, .default_value = "50000", .min = 1, .max = 1000000,
     .help = "unfinished files; rows of further values of a $variable go to one with =other in its place"},
    KEY_ROWS_PREPROCESS("print", "minp, minf, minb, minbpp, minppf"),
    KEY_ROWS_TRIGGER("print"),
    KEY_ROWS_WRITERS("print"),
    {.name = NULL},
};
/* clang-format on */

/* Event records are JSON lines behind those that are there: a log. */
static void set_events(struct print_settings *s)
{
    s->kind = &format_event;
    s->is_appended = true;
    s->has_markers = false;
}

static int read_output(const struct pa_host *host, struct print_settings *s, char *error,
                       size_t error_size)
{
    static const struct {
        const struct format_kind *kind;
        bool is_event;
    } outputs[OUTPUT_COUNT] = {
        [OUTPUT_FORMATTED] = {&format_table, false},
        [OUTPUT_CSV] = {&format_csv, false},
        [OUTPUT_JSON] = {&format_json, false},
        [OUTPUT_AVRO] = {&format_avro, false},
        [OUTPUT_AVRO_JSON] = {&format_avro_json, false},
        [OUTPUT_EVENT_FORMATTED] = {&format_table, true},
        [OUTPUT_EVENT_CSV] = {&format_csv, true},
        [OUTPUT_EVENT_JSON] = {&format_json, true},
    };
    int output = setting_choice(host, "print_output", OUTPUT_FORMATTED);

    if (output < 0 || output >= OUTPUT_COUNT) {
        snprintf(error, error_size, "print_output: %s is not offered; use json or csv",
                 setting_text(host, "print_output"));
        return -EINVAL;
    }
    s->kind = outputs[output].kind;
    /* Without a file pmacct shows Avro to people. */
    if (s->kind == &format_avro && !setting_text(host, "print_output_file"))
        s->kind = &format_avro_json;
    s->options.is_event = outputs[output].is_event;
    s->options.fits_values = true;
    return 0;
}

static int read_separator(const struct pa_host *host, struct print_settings *s, char *error,
                          size_t error_size)
{
    const char *text = setting_text(host, "print_output_separator");

    if (!text)
        return 0;
    if (!strcmp(text, "\\t"))
        s->options.separator = '\t';
    else if (!strcmp(text, "\\s"))
        s->options.separator = ' ';
    else if (text[1] == 0 && *text != '"' && *text > 0x20 && *text < 0x7f)
        s->options.separator = *text;
    else if (host->is_tolerant)
        host->log(host, PA_LOG_WARNING,
                  "print_output_separator: not one printable character, \\t or \\s; it is a comma");
    else
        return setting_refuse(error, error_size,
                              "print_output_separator: not one printable character, \\t or \\s");
    return 0;
}

static int read_name(const struct pa_host *host, const struct pa_schema *schema, const char *key,
                     const struct print_settings *s, char *error, size_t error_size,
                     struct file_name **ret_name)
{
    const struct file_name_context context = {.schema = schema,
                                              .is_utc = s->options.is_utc,
                                              .refresh = setting_text(host, "print_refresh_time"),
                                              .history = setting_text(host, "print_history")};
    size_t len = strlen(key);
    int err;

    if (error_size <= len + 2)
        return -EINVAL;
    err = file_name_new(setting_text(host, key), &context, error + len + 2, error_size - len - 2,
                        ret_name);
    if (err < 0) {
        memcpy(error, key, len);
        memcpy(error + len, ": ", 2);
    }
    return err;
}

/* Only a link that is not followed is an error: what is not there yet may come. */
static int find_stream(const char *path, bool *ret_is_stream)
{
    struct named_file target;
    int err = named_file_resolve(path, &target);

    if (err < 0)
        return err == -ELOOP ? err : 0;
    *ret_is_stream = target.is_stream;
    named_file_clear(&target);
    return 0;
}

static int read_files(const struct pa_host *host, const struct pa_schema *schema,
                      struct print_settings *s, char *error, size_t error_size)
{
    int err;

    s->output_file = setting_text(host, "print_output_file");
    s->latest_file = setting_text(host, "print_latest_file");
    err = s->output_file ? find_stream(s->output_file, &s->is_stream) : 0;
    if (err < 0) {
        snprintf(error, error_size, "print_output_file: %s: %s", s->output_file,
                 named_file_error(err));
        return err;
    }
    if (!s->output_file || s->is_stream) {
        s->is_stream = true;
        if (s->rotate_size > 0 || s->latest_file)
            return setting_refuse(
                error, error_size,
                "print_rotate_size and print_latest_file need a print_output_file that "
                "is a file");
        return 0;
    }
    err = read_name(host, schema, "print_output_file", s, error, error_size, &s->name);
    if (err == 0 && s->latest_file)
        err = read_name(host, schema, "print_latest_file", s, error, error_size, &s->latest);
    if (err < 0)
        return err;
    if (s->latest && file_name_has_time(s->latest))
        return setting_refuse(
            error, error_size,
            "print_latest_file: a link to the latest file has no time in its name");
    if (s->latest && file_name_has_columns(s->latest) && !file_name_has_columns(s->name))
        return setting_refuse(
            error, error_size,
            "print_latest_file: only variables of print_output_file can be in it");
    return 0;
}

int print_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                        size_t error_size, struct print_settings *ret_settings)
{
    struct print_settings s = {0};
    int err;

    output_options_read(host, &s.options);
    s.options.values.has_numeric_protos = setting_is_on(host, "print_num_protos");
    s.options.has_quotes = setting_is_on(host, "print_output_quote");
    s.writes_empty_file = setting_is_on(host, "print_write_empty_file");
    s.is_trigger_async = setting_is_on(host, "print_trigger_exec_async");
    s.trigger_exec = setting_text(host, "print_trigger_exec");
    s.lock_file = setting_text(host, "print_output_lock_file");
    s.rotate_size = (uint64_t)host->setting_number(host, "print_rotate_size");
    s.refresh_s = host->setting_number(host, "print_refresh_time");
    s.files_max = (uint32_t)host->setting_number(host, "print_files_max");
    s.open_max = (uint32_t)host->setting_number(host, "print_open_files");
    /* Pieces of a file make no sense if it is replaced at the next purge, so rotation means
     * appending. */
    s.is_appended = setting_is_on(host, "print_output_file_append") || s.rotate_size > 0;
    s.avro_schema_file = setting_text(host, "print_avro_schema_file");
    err = read_output(host, &s, error, error_size);
    s.has_markers = setting_is_on(host, "print_markers") && s.kind != &format_avro &&
                    s.kind != &format_avro_json;
    if (schema->event_kind_count > 0)
        set_events(&s);
    if (err == 0)
        err = read_separator(host, &s, error, error_size);
    if (err == 0 && s.kind->check)
        err = s.kind->check(schema, error, error_size);
    if (err == 0)
        err = file_owner_read(host, error, error_size, &s.owner);
    if (err == 0)
        err = read_files(host, schema, &s, error, error_size);
    if (err == 0)
        err = row_filter_read(host, "print", false, schema, error, error_size, &s.filter);
    if (err < 0) {
        print_settings_clear(&s);
        return err;
    }
    *ret_settings = s;
    return 0;
}

void print_settings_clear(struct print_settings *settings)
{
    file_name_free(settings->name);
    file_name_free(settings->latest);
    row_filter_free(settings->filter);
    settings->name = settings->latest = NULL;
    settings->filter = NULL;
}
