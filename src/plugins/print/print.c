/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin print: chooses the file of each row, or the stream of all rows, and commits them. See
 * print.h. */
#include "plugins/print/print.h"
#include "base/clock.h"
#include "base/memory.h"
#include "plugins/common/purge_log.h"
#include "plugins/common/row_filter.h"
#include "plugins/common/setting.h"
#include "plugins/common/trigger.h"
#include "plugins/print/file_table.h"
#include "plugins/print/print_fault.h"
#include "plugins/print/print_settings.h"
#include "plugins/print/print_trial.h"
#include "plugins/print/stream_out.h"
#include "plugins/text/file_name.h"
#include "plugins/text/schema_file.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define ROUTE_COUNT       1024 /* a power of two */
#define DESCRIPTORS_KEPT  64
#define SAY_FULL_AGAIN_NS (600 * NS_PER_S)

/* Where rows of one bin and equal values of the name's columns go, found without rendering the
 * name. */
struct route {
    uint64_t hash;
    struct text key;
    struct out_file *file; /* NULL: none in this transaction */
};

struct print {
    const struct pa_host *host;
    const struct pa_schema *schema;
    struct print_settings settings;
    struct format *format;
    bool has_table; /* output goes to files, not to a stream */
    struct file_table table;
    struct stream_out stream;
    struct trigger trigger;
    struct route *routes;
    struct route *last_route; /* route of the last row; NULL: none in this transaction */
    int64_t last_time_s;      /* time of the last row */
    struct text key, name;
    char *writer_id, *who;
    /* Belongs to the transaction under way. */
    struct pa_transaction transaction;
    struct pa_source *sources;
    struct mono_time begun;
    uint64_t written;
    struct row_filter_sums left_out; /* by print_preprocess */
    char *last_file;
    struct print_fault fault;
    int64_t said_full_ns; /* 0: not yet */
    bool is_opening_due;  /* of the stream, at the first rows */
    bool was_last;        /* the last committed transaction was the core's last */
};

/* ---- open and close ---- */

static void tell_of_avro(const struct pa_host *host, const struct print_settings *settings)
{
    bool is_avro = settings->kind == &format_avro || settings->kind == &format_avro_json;

    if (is_avro && setting_is_on(host, "print_markers"))
        host->log(host, PA_LOG_NOTICE,
                  "print_markers: output of Avro has none, as every datum is of its schema");
}

int print_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size)
{
    struct print_settings settings;
    int err = print_settings_read(host, schema, error, error_size, &settings);

    if (err < 0)
        return err;
    if (!settings.is_stream && !settings.is_appended && !file_name_has_time(settings.name))
        host->log(
            host, PA_LOG_NOTICE,
            "print_output_file: %s has no time in it: each purge replaces the file of the one "
            "before; add a time such as -%%Y%%m%%d-%%H%%M, or set print_output_file_append: true",
            settings.output_file);
    tell_of_avro(host, &settings);
    print_settings_clear(&settings);
    return 0;
}

/* True if standard output is /dev/null, as in the background. */
static bool stdout_is_null(void)
{
    struct stat null, out;

    return stat("/dev/null", &null) == 0 && fstat(STDOUT_FILENO, &out) == 0 &&
           S_ISCHR(out.st_mode) && out.st_rdev == null.st_rdev;
}

/* Tells what the calls of this function may wait for: files cannot beat, and a stream's reader may
 * take as long as he likes. */
static void say_what_is_waited_for(const struct print *print)
{
    print->host->wait(print->host, print->settings.is_stream ? PA_WAIT_READER : PA_WAIT_FILE);
}

/* Lowers print_open_files to what this process may have open: a file has two descriptors, itself and
 * its lock, and DESCRIPTORS_KEPT are for the rest. */
static uint32_t allowed_files(const struct pa_host *host, uint32_t wanted)
{
    struct rlimit limit;
    rlim_t needed = (rlim_t)wanted * 2 + DESCRIPTORS_KEPT;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || needed <= limit.rlim_cur)
        return wanted;
    limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (needed <= limit.rlim_cur)
        return wanted;
    uint32_t allowed = limit.rlim_cur > DESCRIPTORS_KEPT + 2
                           ? (uint32_t)(limit.rlim_cur - DESCRIPTORS_KEPT) / 2
                           : 1;
    host->log(
        host, PA_LOG_NOTICE,
        "print_open_files: %u instead of %u, since this process may open %llu files at a time "
        "(LimitNOFILE=, ulimit -Hn), and one that is written takes two",
        allowed, wanted, (unsigned long long)limit.rlim_cur);
    return allowed;
}

static int open_output(struct print *print)
{
    const struct print_settings *s = &print->settings;
    const struct file_table_settings table = {
        .host = print->host,
        .name = s->name,
        .latest = s->latest,
        .owner = &s->owner,
        .who = print->who,
        .is_appended = s->is_appended,
        .has_bins = print->schema->bin_offset >= 0,
        .bin_seconds = print->schema->bin_seconds,
        .refresh_s = s->refresh_s,
        .rotate_size = s->rotate_size,
        .files_max = s->files_max,
        .open_max = allowed_files(print->host, s->open_max),
    };

    if (s->is_stream) {
        stream_out_init(&print->stream, s->output_file, s->lock_file, print->format);
        if (!s->output_file && stdout_is_null())
            print->host->log(print->host, PA_LOG_WARNING,
                             "rows are lost: print_output_file is not set, and standard output "
                             "is /dev/null");
        return 0;
    }
    print_tell_of_folder(print->host, s);
    file_table_init(&print->table, &table);
    print->has_table = true;
    return file_table_recover(&print->table);
}

int print_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct print *print = mem_zalloc(sizeof *print);
    struct text writer_id = {0};
    char error[512] = "";
    int err;

    print->host = host;
    print->schema = schema;
    print->stream.fd = print->stream.lock_fd = -1;
    print->who =
        mem_printf("%s[%s] of %s", host->plugin_name, host->instance_name, host->daemon_name);
    err = print_settings_read(host, schema, error, sizeof error, &print->settings);
    if (err == 0)
        err = format_new(print->settings.kind, schema, &print->settings.options, &print->format);
    if (err == 0)
        err = schema_file_write(host, "print_avro_schema_file", print->settings.avro_schema_file,
                                format_avro_schema(print->format), error, sizeof error);
    say_what_is_waited_for(print);
    if (err == 0)
        err = open_output(print);
    if (err < 0) {
        host->log(host, PA_LOG_ERROR, "print cannot start: %s", *error ? error : strerror(-err));
        print_close(print);
        return err;
    }
    writer_id_append(host, &writer_id);
    print->writer_id = mem_strdup(text_cstr(&writer_id));
    text_clear(&writer_id);
    print->routes = mem_calloc(ROUTE_COUNT, sizeof *print->routes);
    print->trigger.key = "print_trigger_exec";
    print->trigger.program = print->settings.trigger_exec;
    print->trigger.is_async = print->settings.is_trigger_async;
    *ret_state = print;
    return 0;
}

void print_close(void *state)
{
    struct print *print = state;

    if (!print)
        return;
    trigger_reap(&print->trigger, print->host, true);
    say_what_is_waited_for(print);
    /* An orderly end comes after the last commit was acknowledged; a crash does not come through
     * here. */
    if (print->has_table && print->was_last)
        file_table_forget_finished(&print->table);
    if (print->has_table)
        file_table_clear(&print->table);
    stream_out_clear(&print->stream);
    for (uint32_t i = 0; print->routes && i < ROUTE_COUNT; i++)
        text_clear(&print->routes[i].key);
    mem_free(print->routes);
    text_clear(&print->key);
    text_clear(&print->name);
    format_free(print->format);
    print_fault_clear(&print->fault);
    print_settings_clear(&print->settings);
    mem_free(print->writer_id);
    mem_free(print->who);
    mem_free(print->sources);
    mem_free(print->last_file);
    mem_free(print);
}

int print_reopen(void *state)
{
    struct print *print = state;

    say_what_is_waited_for(print);
    if (print->has_table)
        file_table_reopen(&print->table);
    return 0;
}

/* ---- marks around the rows of a purge ---- */

static void append_opening(const struct print *print, struct text *out, bool needs_title)
{
    if (print->settings.has_markers && print->settings.kind == &format_json) {
        text_append_string(out, "{\"event_type\": \"purge_init\", \"writer_id\": ");
        text_append_json_string(out, print->writer_id, strlen(print->writer_id));
        text_append_string(out, "}\n");
    } else if (print->settings.has_markers) {
        text_append_printf(out, "--START (%d)--\n", (int)getpid());
    }
    if (needs_title)
        format_append_title(print->format, out);
}

static double seconds_since(struct mono_time begun)
{
    return (double)(clock_mono().ns - begun.ns) / (double)NS_PER_S;
}

static void append_closing(const struct print *print, struct text *out, uint64_t row_count)
{
    if (!print->settings.has_markers)
        return;
    if (print->settings.kind == &format_json) {
        text_append_string(out, "{\"event_type\": \"purge_close\", \"writer_id\": ");
        text_append_json_string(out, print->writer_id, strlen(print->writer_id));
        text_append_printf(out,
                           ", \"purged_entries\": %" PRIu64 ", \"total_entries\": %" PRIu64
                           ", \"duration\": %.0f}\n",
                           row_count, print->transaction.row_count, seconds_since(print->begun));
    } else {
        text_append_printf(out, "--END (%d)--\n", (int)getpid());
    }
}

/* ---- transactions ---- */

static void forget_routes(struct print *print)
{
    for (uint32_t i = 0; i < ROUTE_COUNT; i++)
        print->routes[i].file = NULL;
    print->last_route = NULL;
}

static int report_fault(struct print *print, int err)
{
    const char *name = print->settings.output_file ? print->settings.output_file : "stdout";

    if (err >= 0)
        return err;
    if (print->has_table && print->table.failed_name)
        name = print->table.failed_name;
    if (print->has_table && err == -EBUSY)
        return print_fault_say_locked(&print->fault, print->host, name, &print->table.holder);
    return print_fault_say(&print->fault, print->host, name, err);
}

int print_begin(void *state, const struct pa_transaction *transaction)
{
    struct print *print = state;
    size_t size = transaction->source_count * sizeof *print->sources;
    int err = 0;

    trigger_reap(&print->trigger, print->host, false);
    say_what_is_waited_for(print);
    mem_free(print->sources);
    print->sources = size > 0 ? mem_dup(transaction->sources, size) : NULL;
    print->transaction = *transaction;
    print->transaction.sources = print->sources;
    print->begun = clock_mono();
    print->written = 0;
    print->left_out = (struct row_filter_sums){0};
    print->was_last = false;
    mem_free(print->last_file);
    print->last_file = NULL;
    format_set_written(print->format, transaction->time_ns);
    forget_routes(print);
    purge_log_start(print->host, &print->transaction);
    if (print->has_table) {
        file_table_begin(&print->table, &print->transaction);
        return 0;
    }
    err = stream_out_begin(&print->stream);
    print->is_opening_due = err == 0 && (transaction->row_count > 0 || print->settings.has_markers);
    return report_fault(print, err);
}

static int64_t row_time_s(const struct print *print, const uint8_t *row)
{
    int64_t time_s = print->transaction.time_ns / NS_PER_S;

    if (print->schema->bin_offset >= 0)
        memcpy(&time_s, row + print->schema->bin_offset, sizeof time_s);
    return time_s;
}

/* Nothing is lost by it, but what outsiders put into names cannot fill the disk with files. */
static void choose_other_name(struct print *print, int64_t time_s)
{
    int64_t now_ns = clock_mono().ns;
    char *own = mem_strdup(text_cstr(&print->name));

    text_reset(&print->name);
    file_name_append_other(print->settings.name, time_s, &print->name);
    print->host->count(print->host, "print_names_beyond_max", 1);
    if (print->said_full_ns == 0 || now_ns - print->said_full_ns > SAY_FULL_AGAIN_NS) {
        print->said_full_ns = now_ns;
        print->host->log(
            print->host, PA_LOG_WARNING,
            "print_files_max: %u files are not finished; rows for further ones, such as "
            "%s, go to %s; raise it if so many are meant",
            print->settings.files_max, own, text_cstr(&print->name));
    }
    mem_free(own);
}

static int touch_file(struct print *print, const struct pa_batch *batch, const uint8_t *row,
                      int64_t time_s, struct out_file **ret_file)
{
    struct out_file *file;
    int err;

    text_reset(&print->name);
    file_name_append(print->settings.name, batch, row, time_s, &print->name);
    if (file_name_has_columns(print->settings.name) &&
        !file_table_has_room(&print->table, text_cstr(&print->name)))
        choose_other_name(print, time_s);
    err = file_table_touch(&print->table, text_cstr(&print->name), time_s, &print->transaction,
                           &file);
    if (err < 0)
        return err;
    if (!file->latest_name && print->settings.latest) {
        struct text latest = {0};
        file_name_append(print->settings.latest, batch, row, time_s, &latest);
        file->latest_name = mem_strdup(text_cstr(&latest));
        text_clear(&latest);
    }
    *ret_file = file;
    return 0;
}

static int begin_file(struct print *print, struct out_file *file)
{
    struct text title = {0};
    int err = 0;

    if (print->settings.kind->end_block) {
        format_append_title(print->format, &title);
        err = file_table_continue(&print->table, file, &title);
        text_clear(&title);
    }
    if (err < 0)
        return err;
    file->has_opening = true;
    file->format = print->format;
    mem_free(print->last_file);
    print->last_file = mem_strdup(file->name);
    append_opening(print, &file->buffer, out_file_is_empty(file));
    return 0;
}

static int find_file(struct print *print, const struct pa_batch *batch, const uint8_t *row,
                     struct out_file **ret_file)
{
    int64_t time_s = row_time_s(print, row);
    struct route *route;
    uint64_t hash;
    int err;

    /* Most names are the same for all rows of a bin: such a row has the file of the row before. */
    if (print->last_route && time_s == print->last_time_s &&
        !file_name_has_columns(print->settings.name)) {
        *ret_file = print->last_route->file;
        return 0;
    }
    text_reset(&print->key);
    text_append(&print->key, &time_s, sizeof time_s);
    file_name_append_key(print->settings.name, batch, row, &print->key);
    hash = XXH3_64bits(print->key.data, print->key.len);
    route = &print->routes[hash & (ROUTE_COUNT - 1)];
    if (!route->file || route->hash != hash || route->key.len != print->key.len ||
        memcmp(route->key.data, print->key.data, print->key.len) != 0) {
        struct out_file *file;
        err = touch_file(print, batch, row, time_s, &file);
        if (err < 0)
            return err;
        route->file = file;
        route->hash = hash;
        text_reset(&route->key);
        text_append(&route->key, print->key.data, print->key.len);
    }
    print->last_route = route;
    print->last_time_s = time_s;
    *ret_file = route->file;
    return 0;
}

/* True for errors of the name that no pause mends: other rows of the transaction must not wait for
 * it. */
static bool is_hopeless(int err)
{
    return err == -ENAMETOOLONG || err == -EISDIR;
}

/* True if all rows of a transaction go to the same file. */
static bool has_one_file(const struct print *print)
{
    return print->schema->bin_offset < 0 && !file_name_has_columns(print->settings.name);
}

/* Appends rows from `first` on until the buffer of `file` is full. Only the first row is known to
 * belong there: others follow it only if all rows go to one file. Returns the number of the row
 * behind the last one. */
static uint32_t append_rows(struct print *print, const struct pa_batch *batch, uint32_t first,
                            struct out_file *file)
{
    size_t before = file->buffer.len;
    uint32_t next = first + 1;

    if (has_one_file(print))
        next = format_append_rows(print->format, batch, first, OUT_FILE_WRITE_SIZE, &file->buffer);
    else
        format_append_row(print->format, batch,
                          batch->rows + (size_t)first * print->schema->row_size, &file->buffer);
    format_block_add(&file->block, before, next - first);
    file->row_count += next - first;
    print->written += next - first;
    return next;
}

static int write_files(struct print *print, const struct pa_batch *batch)
{
    struct out_file *file;
    int err;

    for (uint32_t i = 0; i < batch->row_count;) {
        const uint8_t *row = batch->rows + (size_t)i * print->schema->row_size;
        err = find_file(print, batch, row, &file);
        if (err < 0 && is_hopeless(err)) {
            print->host->reject_row(print->host, row, strerror(-err));
            i++;
            continue;
        }
        if (err < 0)
            return err;
        if (file->is_done_already) {
            print->written++;
            i++;
            continue;
        }
        if (!file->has_opening)
            err = begin_file(print, file);
        if (err < 0)
            return err;
        i = append_rows(print, batch, i, file);
        if (file->buffer.len < OUT_FILE_WRITE_SIZE)
            continue;
        err = file_table_write(&print->table, file);
        if (err < 0)
            return err;
    }
    return 0;
}

/* The title waits for the first rows, as its columns are as wide as theirs. */
static void open_stream(struct print *print)
{
    if (!print->is_opening_due)
        return;
    print->is_opening_due = false;
    append_opening(print, &print->stream.buffer, !print->stream.has_title);
}

int print_write(void *state, const struct pa_batch *batch)
{
    struct print *print = state;
    struct pa_batch rows = *batch;
    int err = 0;

    say_what_is_waited_for(print);
    if (print->settings.filter)
        rows = row_filter_apply(print->settings.filter, batch, &print->left_out);
    format_fit(print->format, &rows);
    if (print->has_table)
        return report_fault(print, write_files(print, &rows));
    open_stream(print);
    for (uint32_t i = 0, next; i < rows.row_count && err == 0; i = next) {
        size_t before = print->stream.buffer.len;
        next =
            format_append_rows(print->format, &rows, i, OUT_FILE_WRITE_SIZE, &print->stream.buffer);
        format_block_add(&print->stream.block, before, next - i);
        print->written += next - i;
        err = stream_out_write(&print->stream, false);
    }
    return report_fault(print, err);
}

/* Guesses the start of the bin that is just over, without rows to tell it: bins start at whole
 * multiples of local time. */
static int64_t empty_file_time_s(const struct print *print)
{
    int64_t last_s = print->transaction.time_ns / NS_PER_S - 1;
    uint32_t length = print->schema->bin_seconds;
    time_t t = (time_t)last_s;
    struct tm tm;

    if (print->schema->bin_offset < 0 || length == 0)
        return last_s + 1;
    if (print->settings.options.is_utc)
        gmtime_r(&t, &tm);
    else
        localtime_r(&t, &tm);
    return last_s - (last_s + tm.tm_gmtoff) % length;
}

static int write_empty_file(struct print *print)
{
    struct out_file *file;
    int err;

    if (!print->settings.writes_empty_file || !print->transaction.ends_epoch ||
        print->written > 0 || file_name_has_columns(print->settings.name))
        return 0;
    err = touch_file(print, NULL, NULL, empty_file_time_s(print), &file);
    if (err == 0 && !file->is_done_already && !file->has_opening)
        err = begin_file(print, file);
    return err;
}

static int commit_files(struct print *print)
{
    int err = write_empty_file(print);

    for (uint32_t i = 0; i < print->table.touched_count && err == 0; i++) {
        struct out_file *file = print->table.touched[i];
        if (file->has_opening && !file->is_done_already)
            append_closing(print, &file->buffer, file->row_count);
        file->has_opening = false;
    }
    return err < 0 ? err : file_table_commit(&print->table, &print->transaction);
}

static int commit_stream(struct print *print)
{
    int err;

    open_stream(print);
    if (print->transaction.row_count > 0 || print->settings.has_markers)
        append_closing(print, &print->stream.buffer, print->written);
    err = stream_out_write(&print->stream, true);
    stream_out_end(&print->stream);
    return err;
}

static void run_trigger(struct print *print, double seconds)
{
    const struct print_settings *s = &print->settings;
    struct trigger_facts facts = {0};

    if (!s->trigger_exec || !print->transaction.ends_epoch)
        return;
    trigger_facts_add(&facts, "INSTANCE_NAME=%s", print->host->instance_name);
    trigger_facts_add(&facts, "PRINT_OUTPUT_FILE=%s", s->output_file ? s->output_file : "");
    trigger_facts_add(&facts, "PRINT_EFFECTIVE_OUTPUT_FILE=%s",
                      print->last_file ? print->last_file : "");
    trigger_facts_add(&facts, "PRINT_LATEST_FILE=%s", s->latest_file ? s->latest_file : "");
    trigger_facts_add(&facts, "PRINT_REFRESH_TIME=%s",
                      print->host->setting(print->host, "print_refresh_time"));
    trigger_facts_add(&facts, "TOTAL_ELEM_NUMBER=%" PRIu64, print->transaction.row_count);
    trigger_facts_add(&facts, "EFFECTIVE_ELEM_NUMBER=%" PRIu64, print->written);
    trigger_facts_add(&facts, "ELAPSED_TIME=%.0f", seconds);
    trigger_run(&print->trigger, print->host, &facts);
    trigger_facts_clear(&facts);
}

int print_commit(void *state, const struct pa_transaction *transaction)
{
    struct print *print = state;
    double seconds;
    int err;

    say_what_is_waited_for(print);
    /* The transaction could not tell these when it began. */
    print->transaction.time_ns = transaction->time_ns;
    print->transaction.row_count = transaction->row_count;
    print->transaction.ends_epoch = transaction->ends_epoch;
    print->transaction.is_last = transaction->is_last;
    err = report_fault(print, print->has_table ? commit_files(print) : commit_stream(print));
    if (err < 0)
        return err;
    print_fault_clear(&print->fault);
    if (print->settings.filter)
        row_filter_count(print->host, &print->left_out);
    print->was_last = print->transaction.is_last;
    seconds = seconds_since(print->begun);
    purge_log_end(print->host, &print->transaction, print->written, print->transaction.row_count,
                  seconds);
    run_trigger(print, seconds);
    return 0;
}

void print_abort(void *state)
{
    struct print *print = state;

    say_what_is_waited_for(print);
    if (print->has_table) {
        for (uint32_t i = 0; i < print->table.touched_count; i++)
            print->table.touched[i]->has_opening = false;
        file_table_abort(&print->table);
    } else {
        text_reset(&print->stream.buffer);
        stream_out_end(&print->stream);
    }
    forget_routes(print);
}
