/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds output files by name, keeps few of them open, and commits what a transaction wrote. See
 * file_table.h. */
#include "plugins/print/file_table.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "plugins/print/latest_link.h"
#include "plugins/print/print_fault.h"
#include "plugins/text/file_name.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void discard_file(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    out_file_free((struct out_file *)entry);
}

void file_table_init(struct file_table *table, const struct file_table_settings *settings)
{
    *table = (struct file_table){.settings = *settings};
    /* The table has no limit: a file is removed when nothing is left to do for it. */
    keyed_table_init(&table->files, SIZE_MAX, discard_file, NULL);
}

void file_table_clear(struct file_table *table)
{
    keyed_table_clear(&table->files);
    mem_free(table->touched);
    mem_free(table->failed_name);
    memset(table, 0, sizeof *table);
}

/* ---- names ---- */

static struct keyed_entry *find_file(struct file_table *table, const char *name, uint64_t hash,
                                     size_t len)
{
    struct keyed_entry *entry = keyed_table_find(&table->files, hash, len);

    while (entry && strcmp(((struct out_file *)entry)->name, name) != 0)
        entry = keyed_table_next(entry);
    return entry;
}

static struct out_file *find_or_add(struct file_table *table, const char *name, int64_t time_s)
{
    size_t len = strlen(name);
    uint64_t hash = keyed_table_hash(&table->files, name, len);
    struct keyed_entry *entry = find_file(table, name, hash, len);

    if (!entry) {
        entry = &out_file_new(name, time_s, table->settings.owner, table->settings.who)->entry;
        keyed_table_add(&table->files, entry, hash, len);
    }
    struct out_file *file = (struct out_file *)entry;
    if (time_s > file->state.time_s)
        file->state.time_s = time_s;
    return file;
}

/* first_file() and next_file() go through the files in the order in which they were added. */
static struct out_file *first_file(const struct file_table *table)
{
    return (struct out_file *)table->files.used.oldest;
}

static struct out_file *next_file(const struct out_file *file)
{
    return (struct out_file *)file->entry.newer;
}

/* Keeps the name that an error is about, and passes the error on. */
static int failed_name(struct file_table *table, const char *name, int err)
{
    if (err < 0) {
        mem_free(table->failed_name);
        table->failed_name = mem_strdup(name);
    }
    if (err == -EBUSY)
        file_lock_holder_read(name, &table->holder);
    return err;
}

static int failed_at(struct file_table *table, const struct out_file *file, int err)
{
    return failed_name(table, file->name, err);
}

/* Finds the file by what its name leads to, so that two names of one file are one file. -ENOTSUP:
 * that is no file. */
static int find_target(struct file_table *table, const char *name, int64_t time_s,
                       struct out_file **ret_file)
{
    struct named_file target;
    int err = named_file_resolve(name, &target);

    if (err < 0)
        return failed_name(table, name, err);
    if (target.is_stream)
        err = -ENOTSUP;
    else
        *ret_file = find_or_add(table, target.path, time_s);
    named_file_clear(&target);
    return failed_name(table, name, err);
}

/* ---- open files ---- */

static void unlink_open(struct file_table *table, struct out_file *file)
{
    if (!file->newer && !file->older && table->newest != file)
        return;
    *(file->newer ? &file->newer->older : &table->newest) = file->older;
    *(file->older ? &file->older->newer : &table->oldest) = file->newer;
    file->newer = file->older = NULL;
    table->open_count--;
}

static void link_open(struct file_table *table, struct out_file *file)
{
    file->older = table->newest;
    *(table->newest ? &table->newest->newer : &table->oldest) = file;
    table->newest = file;
    table->open_count++;
}

/* True if a time is part of the name: rows go to NAME.part until that time is over. */
static bool has_time(const struct file_table *table)
{
    return file_name_has_time(table->settings.name);
}

static bool is_in_place(const struct file_table *table)
{
    return !has_time(table) && table->settings.is_appended;
}

static bool is_replaced(const struct file_table *table)
{
    return !has_time(table) && !table->settings.is_appended;
}

static int close_oldest(struct file_table *table)
{
    struct out_file *oldest = table->oldest;
    int err = out_file_suspend(oldest);

    if (err == 0)
        unlink_open(table, oldest);
    return failed_at(table, oldest, err);
}

/* After an error: closes a file if one more descriptor may help, and tells whether to try again. */
static bool spares_one(struct file_table *table, int err)
{
    return (err == -EMFILE || err == -ENFILE) && table->oldest && close_oldest(table) == 0;
}

static int load_file(struct file_table *table, struct out_file *file)
{
    (void)table;
    return out_file_load(file);
}

static int open_file(struct file_table *table, struct out_file *file)
{
    return out_file_open(file, is_in_place(table), is_replaced(table));
}

/* Makes room for a file among the open ones, does what opens it, and marks it as used last. */
static int with_room(struct file_table *table, struct out_file *file,
                     int (*fn)(struct file_table *table, struct out_file *file))
{
    int err = 0;

    unlink_open(table, file);
    while (table->open_count >= table->settings.open_max && table->oldest && err == 0)
        err = close_oldest(table);
    if (err < 0)
        return err;
    do
        err = fn(table, file);
    while (spares_one(table, err));
    if (file->lock_fd >= 0)
        link_open(table, file);
    return failed_at(table, file, err);
}

int file_table_use(struct file_table *table, struct out_file *file)
{
    return table->newest == file && file->fd >= 0 ? 0 : with_room(table, file, open_file);
}

static int set_aside(struct file_table *table, struct out_file *file)
{
    int32_t number = out_file_free_number(file);
    char *aside = out_file_final_name(file, number);
    int err = out_file_finish(file, number);

    if (err == 0)
        table->settings.host->log(table->settings.host, PA_LOG_NOTICE,
                                  "%s: has rows of other columns, or of another program; it is %s "
                                  "now, and rows go on in a new file",
                                  file->name, aside);
    mem_free(aside);
    return err;
}

int file_table_continue(struct file_table *table, struct out_file *file,
                        const struct text *beginning)
{
    bool does_begin_so = true;
    int err = out_file_is_empty(file)
                  ? 0
                  : failed_at(table, file, out_file_begins_with(file, beginning, &does_begin_so));

    if (err < 0 || does_begin_so)
        return err;
    err = with_room(table, file, set_aside);
    return err < 0 ? err : file_table_use(table, file);
}

int file_table_write(struct file_table *table, struct out_file *file)
{
    int err = file_table_use(table, file);

    return err < 0 ? err : failed_at(table, file, out_file_write(file));
}

/* ---- transactions ---- */

static void add_touched(struct file_table *table, struct out_file *file)
{
    if (table->touched_count == table->touched_capacity) {
        table->touched_capacity = table->touched_capacity ? table->touched_capacity * 2 : 64;
        table->touched =
            mem_realloc_array(table->touched, table->touched_capacity, sizeof *table->touched);
    }
    table->touched[table->touched_count++] = file;
    file->is_touched = true;
}

bool file_table_has_room(struct file_table *table, const char *name)
{
    struct named_file target;
    size_t len;

    if (table->files.count < table->settings.files_max || named_file_resolve(name, &target) < 0)
        return true;
    len = strlen(target.path);
    bool is_known =
        find_file(table, target.path, keyed_table_hash(&table->files, target.path, len), len);
    named_file_clear(&target);
    return is_known;
}

int file_table_touch(struct file_table *table, const char *name, int64_t time_s,
                     const struct pa_transaction *transaction, struct out_file **ret_file)
{
    struct out_file *file;
    enum file_progress progress;
    int err = find_target(table, name, time_s, &file);

    if (err < 0)
        return err;
    if (!file->is_touched) {
        err = with_room(table, file, load_file);
        if (err < 0)
            return err;
        progress = file_state_progress(&file->state, transaction);
        if (progress == FILE_PROGRESS_PARTLY)
            table->settings.host->log(
                table->settings.host, PA_LOG_ERROR,
                "%s: holds only some of the hand-overs that came together now; their rows are "
                "written again",
                name);
        file->is_done_already = progress == FILE_PROGRESS_ALL;
        if (!file->is_done_already) {
            out_file_check_name(file);
            err = file_table_use(table, file);
        }
        if (err == 0)
            add_touched(table, file);
    }
    *ret_file = file;
    return err;
}

/* True if nothing more will be asked of the file, or if it can be found again by its name. */
static bool is_idle(const struct file_table *table, const struct out_file *file,
                    const struct pa_transaction *transaction)
{
    if (!file->has_state && file->written == 0)
        return true; /* never committed */
    if (!file->is_loaded || file->state.move != FILE_STATE_STAYS || !file->state.is_in_place)
        return false; /* the file waits for its final name */
    if (is_in_place(table))
        return table->files.count > table->settings.files_max && file->fd < 0;
    return file_state_is_over(&file->state, transaction);
}

void file_table_begin(struct file_table *table, const struct pa_transaction *transaction)
{
    table->touched_count = 0;
    mem_free(table->failed_name);
    table->failed_name = NULL;
    for (struct out_file *file = first_file(table), *next; file; file = next) {
        next = next_file(file);
        if (!is_idle(table, file, transaction))
            continue;
        if (!is_in_place(table))
            out_file_forget_state(file);
        /* Another process that replaced the file between two of our purges would have its rows
         * replaced by ours. */
        if (is_replaced(table) && file->lock_fd >= 0) {
            out_file_reset(file);
            continue;
        }
        unlink_open(table, file);
        keyed_table_remove(&table->files, &file->entry);
        out_file_free(file);
    }
}

void file_table_abort(struct file_table *table)
{
    for (uint32_t i = 0; i < table->touched_count; i++) {
        struct out_file *file = table->touched[i];
        out_file_abort(file);
        if (file->lock_fd < 0)
            unlink_open(table, file);
    }
    table->touched_count = 0;
}

/* ---- final names ---- */

static bool is_same_month(int64_t a_s, int64_t b_s)
{
    time_t a = (time_t)a_s, b = (time_t)b_s;
    struct tm x, y;

    localtime_r(&a, &x);
    localtime_r(&b, &y);
    return x.tm_mon == y.tm_mon && x.tm_year == y.tm_year;
}

/* True if no row of a later time can get this name. */
static bool is_time_over(const struct file_table *table, const struct out_file *file,
                         const struct pa_transaction *transaction)
{
    const struct file_table_settings *s = &table->settings;
    int64_t now_s = transaction->time_ns / NS_PER_S, time_s = file->state.time_s;

    if (transaction->is_last)
        return true;
    if (!has_time(table))
        return !s->is_appended && transaction->ends_epoch;
    if (!s->has_bins)
        return !file_name_is_same(s->name, time_s, now_s) ||
               (transaction->ends_epoch &&
                !file_name_is_same(s->name, time_s, now_s + s->refresh_s));
    if (s->bin_seconds ? time_s + s->bin_seconds > now_s : is_same_month(time_s, now_s))
        return false;
    return !file_name_is_same(s->name, time_s, now_s);
}

static int32_t choose_move(const struct file_table *table, const struct out_file *file,
                           const struct pa_transaction *transaction)
{
    uint64_t rotate_size = table->settings.rotate_size;

    if (rotate_size > 0 && file->written >= rotate_size)
        return out_file_free_number(file);
    if (!file->state.is_in_place && is_time_over(table, file, transaction))
        return FILE_STATE_FINAL;
    return FILE_STATE_STAYS;
}

static int do_move(struct file_table *table, struct out_file *file)
{
    (void)table;
    return out_file_move(file);
}

static int do_commit(struct file_table *table, struct out_file *file)
{
    return out_file_commit(file, table->transaction, choose_move(table, file, table->transaction));
}

static int do_finish(struct file_table *table, struct out_file *file)
{
    (void)table;
    return out_file_finish(file, FILE_STATE_FINAL);
}

static int move_file(struct file_table *table, struct out_file *file)
{
    char *final = out_file_final_name(file, file->state.move);
    int err = with_room(table, file, do_move);

    if (err == 0 && file->latest_name)
        latest_link_update(table->settings.host, table->settings.owner, file->latest_name, final);
    mem_free(final);
    return err;
}

static bool needs_move(const struct file_table *table, const struct out_file *file,
                       const struct pa_transaction *transaction)
{
    return file->state.move != FILE_STATE_STAYS ||
           (!file->state.is_in_place && is_time_over(table, file, transaction) &&
            (!file->is_touched || file->is_done_already));
}

/* Moves files whose time is over without a row in this transaction, and files whose move failed
 * before. */
static int finish_others(struct file_table *table, const struct pa_transaction *transaction)
{
    int err = 0;

    for (struct out_file *file = first_file(table); file && err == 0; file = next_file(file)) {
        if (!file->is_loaded)
            continue;
        /* A lock that was given back meanwhile is taken again, and what others did is read. */
        if (needs_move(table, file, transaction) && file->lock_fd < 0)
            err = with_room(table, file, load_file);
        if (err < 0 || !needs_move(table, file, transaction))
            continue;
        if (file->state.move != FILE_STATE_STAYS) {
            err = move_file(table, file);
        } else {
            err = with_room(table, file, do_finish);
            if (err == 0 && file->latest_name)
                latest_link_update(table->settings.host, table->settings.owner, file->latest_name,
                                   file->name);
        }
    }
    return err;
}

int file_table_commit(struct file_table *table, const struct pa_transaction *transaction)
{
    int err = 0;

    table->transaction = transaction;
    for (uint32_t i = 0; i < table->touched_count && err == 0; i++) {
        struct out_file *file = table->touched[i];
        if (file->is_done_already)
            continue;
        err = file_table_use(table, file);
        if (err == 0)
            err = failed_at(table, file, out_file_flush(file));
    }
    for (uint32_t i = 0; i < table->touched_count && err == 0; i++) {
        struct out_file *file = table->touched[i];
        if (file->is_done_already)
            continue;
        err = with_room(table, file, do_commit);
        if (err < 0)
            break;
        file->is_done_already = true;
        if (file->state.is_in_place && file->latest_name)
            latest_link_update(table->settings.host, table->settings.owner, file->latest_name,
                               file->name);
    }
    if (err == 0)
        err = finish_others(table, transaction);
    if (err < 0)
        return err;
    for (uint32_t i = 0; i < table->touched_count; i++) {
        struct out_file *file = table->touched[i];
        file->is_touched = file->is_done_already = false;
        file->row_count = 0;
    }
    table->touched_count = 0;
    return 0;
}

/* ---- after a restart ---- */

static void recover_file(struct file_table *table, const char *name)
{
    struct out_file *file;
    int err = find_target(table, name, 0, &file);

    if (err == 0)
        err = with_room(table, file, load_file);
    /* Opening cuts off what was not committed. */
    if (err == 0 && file->has_state && out_file_exists(file) &&
        !(is_replaced(table) && file->state.is_in_place))
        err = file_table_use(table, file);
    if (err < 0)
        table->settings.host->log(table->settings.host, PA_LOG_WARNING,
                                  "%s: cannot be brought to its committed length: %s", name,
                                  print_fault_words(err));
}

static void recover_state(struct file_table *table, const char *path)
{
    char *name = mem_strndup(path, strlen(path) - strlen(".state"));

    recover_file(table, name);
    mem_free(name);
}

/* Removes a state that was on its way when its process died. Others, which have the lock of the file,
 * may be about to put one in place. */
static void remove_left(struct file_table *table, const char *path)
{
    size_t len = strlen(path) - strlen(".state.XXXXXXXX");
    char *name = mem_strndup(path, len);
    struct out_file *file;

    if (strspn(path + len + strlen(".state."), "0123456789abcdef") == strlen("XXXXXXXX") &&
        find_target(table, name, 0, &file) == 0 && with_room(table, file, load_file) == 0)
        unlink(path);
    mem_free(name);
}

/* Takes a lock that a dead process left, so that its file goes when the lock is given back. */
static void take_left(struct file_table *table, const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t folder_len = slash ? (size_t)(slash + 1 - path) : 0;
    size_t len = strlen(path) - strlen(".lock") - folder_len - 1;
    char *name = mem_printf("%.*s%.*s", (int)folder_len, path, (int)len, path + folder_len + 1);
    struct out_file *file;

    if (find_target(table, name, 0, &file) == 0)
        (void)with_room(table, file, load_file);
    mem_free(name);
}

/* The state of a file whose name is a link lies beside what the link leads to. */
static void recover_link(struct file_table *table, const char *path)
{
    struct stat st;
    struct named_file target;

    if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode) || named_file_resolve(path, &target) < 0)
        return;
    char *state = mem_printf("%s.state", target.path);
    if (!target.is_stream && lstat(state, &st) == 0)
        recover_file(table, target.path);
    mem_free(state);
    named_file_clear(&target);
}

/* Calls `fn` for what is there of the names that an output can have, with `prefix` before their last
 * component and `suffix` behind it. */
static int for_each_name(struct file_table *table, const char *prefix, const char *suffix,
                         void (*fn)(struct file_table *table, const char *path))
{
    struct text names = {0};
    glob_t found;
    int result;

    file_name_append_glob(table->settings.name, &names);
    const char *slash = strrchr(text_cstr(&names), '/');
    int folder_len = slash ? (int)(slash + 1 - names.data) : 0;
    char *pattern =
        mem_printf("%.*s%s%s%s", folder_len, names.data, prefix, names.data + folder_len, suffix);
    result = glob(pattern, GLOB_NOSORT, NULL, &found);
    mem_free(pattern);
    text_clear(&names);
    if (result == GLOB_NOMATCH)
        return 0;
    if (result != 0)
        return result == GLOB_NOSPACE ? -ENOMEM : -EIO;
    for (size_t i = 0; i < found.gl_pathc; i++)
        fn(table, found.gl_pathv[i]);
    globfree(&found);
    return 0;
}

int file_table_recover(struct file_table *table)
{
    int err = for_each_name(table, "", ".state", recover_state);

    if (err == 0)
        err = for_each_name(table, "", ".state.????????", remove_left);
    if (err == 0)
        err = for_each_name(table, ".", ".lock", take_left);
    return err < 0 ? err : for_each_name(table, "", "", recover_link);
}

void file_table_forget_finished(struct file_table *table)
{
    if (is_in_place(table))
        return;
    for (struct out_file *file = first_file(table); file; file = next_file(file))
        if (file->is_loaded && file->state.is_in_place && file->state.move == FILE_STATE_STAYS)
            out_file_forget_state(file);
}

void file_table_reopen(struct file_table *table)
{
    for (struct out_file *file = table->newest, *older; file; file = older) {
        older = file->older;
        if (out_file_suspend(file) == 0)
            unlink_open(table, file);
    }
}
