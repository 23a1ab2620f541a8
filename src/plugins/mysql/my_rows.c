/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Brings rows from a batch into the tables: makes statements of them and sends those. See
 * my_state.h. */
#include "plugins/mysql/my_state.h"

#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

#define WAITING_MAX ((size_t)16 << 20) /* over all tables, should they be many */

/* ---- sending ---- */

static int run_waiting(struct my_plugin *p, struct my_target *t, const struct text *sql,
                       struct my_answer *answer)
{
    int err =
        my_connection_run(p->connection, sql->data, sql->len, sql_work_s(t->waiting_count), answer);

    if (err < 0)
        return my_failed(p, err);
    mysql_free_result(answer->rows);
    return 0;
}

/* Inserts the rows whose UPDATE found none. */
static int insert_unmatched(struct my_plugin *p, struct my_target *t, const uint64_t *affected)
{
    struct text sql = {0};
    struct my_answer answer = {0};
    uint32_t begin = 0, count = 0;

    text_append_string(&sql, t->insert_sql);
    for (uint32_t i = 0; i < t->waiting_count; i++) {
        uint32_t end = t->unmatched_at[i];
        if (affected[i] == 0) {
            text_append_string(&sql, count++ ? ", " : "");
            text_append(&sql, t->unmatched.data + begin, end - begin);
        }
        begin = end;
    }
    int err = count > 0 ? run_waiting(p, t, &sql, &answer) : 0;
    text_clear(&sql);
    p->server.purge.inserted += count;
    p->server.purge.updated += t->waiting_count - count;
    return err;
}

static int send_updates(struct my_plugin *p, struct my_target *t)
{
    uint64_t affected[MY_PIECE_UPDATES] = {0};
    struct my_answer answer = {.affected = affected, .affected_capacity = MY_PIECE_UPDATES};
    int err = run_waiting(p, t, &t->waiting, &answer);

    return err < 0 ? err : insert_unmatched(p, t, affected);
}

static int send_rows(struct my_plugin *p, struct my_target *t)
{
    struct my_answer answer = {0};

    text_append_string(&t->waiting, t->insert_end);
    int err = run_waiting(p, t, &t->waiting, &answer);
    if (err < 0)
        return err;
    uint64_t updated = answer.duplicates < t->waiting_count ? answer.duplicates : t->waiting_count;
    p->server.purge.updated += updated;
    p->server.purge.inserted += t->waiting_count - updated;
    return 0;
}

static void forget_waiting(struct my_plugin *p, struct my_target *t)
{
    p->server.waiting_len -=
        t->waiting.len < p->server.waiting_len ? t->waiting.len : p->server.waiting_len;
    text_reset(&t->waiting);
    text_reset(&t->unmatched);
    t->waiting_count = 0;
}

static int send_waiting(struct my_plugin *p, struct my_target *t)
{
    int err;

    if (t->waiting_count == 0)
        return 0;
    err = t->way == MY_WAY_MATCH ? send_updates(p, t) : send_rows(p, t);
    forget_waiting(p, t);
    return err;
}

static int send_table(void *arg, struct sql_table *table)
{
    return table->own ? send_waiting(arg, table->own) : 0;
}

int my_send_rows(struct sql_server *s)
{
    int err = sql_tables_each_used(s->tables, send_table, s);

    s->waiting_len = 0;
    return err;
}

static int drop_table(void *arg, struct sql_table *table)
{
    if (table->own)
        forget_waiting(arg, table->own);
    return 0;
}

void my_drop_rows(struct sql_server *s)
{
    sql_tables_each_used(s->tables, drop_table, s);
    s->waiting_len = 0;
}

/* ---- locks ---- */

static void take_lock(void *arg, const char *const *values)
{
    ((struct my_target *)arg)->is_locked = values[0] && *values[0] == '1';
}

/*
 * Takes the table's lock, which all instances of this plugin heed: two writers that add to the same
 * rows in different orders would wait for each other, and where no unique key is they could insert
 * the same row twice. pmacct's LOCK TABLES waits for the transaction, and the transaction for it.
 */
int my_use_table(struct sql_server *s, void *own, bool is_first)
{
    struct my_target *t = own;
    struct text sql = {0};

    (void)is_first;
    if (t->is_locked || t->way == MY_WAY_INSERT || s->settings.locking != SQL_LOCK_TABLE)
        return 0;
    text_append_printf(&sql, "SELECT GET_LOCK(%s, " MY_LOCK_TIMEOUT_S ")", t->lock_name);
    int err = s->ops->ask(s, text_cstr(&sql), take_lock, t);
    text_clear(&sql);
    if (err < 0 || t->is_locked)
        return err;
    sql_server_set_fault(s, MY_FAULT_LOCKED,
                         "another writer to the table has it for more than " MY_LOCK_TIMEOUT_S
                         " s");
    return -EAGAIN;
}

static int append_unlock(void *arg, struct sql_table *table)
{
    struct my_target *t = table->own;

    if (t && t->is_locked)
        text_append_printf(arg, "DO RELEASE_LOCK(%s); ", t->lock_name);
    if (t)
        t->is_locked = false;
    return 0;
}

void my_unlock_tables(struct my_plugin *p)
{
    struct text sql = {0};

    sql_tables_each_used(p->server.tables, append_unlock, &sql);
    if (sql.len > 0 && my_connection_ask(p->connection, text_cstr(&sql), NULL) < 0)
        my_connection_close(p->connection); /* its locks go with it */
    text_clear(&sql);
}

/* ---- tables ---- */

int my_open_side(struct my_plugin *p)
{
    int err = my_connection_is_open(p->side) ? 0 : my_connection_open(p->side);

    if (err < 0)
        p->server.fault = *my_connection_fault(p->side);
    return err;
}

int my_make_table(struct sql_server *s, const char *table, const char *schema_text, void **ret_own)
{
    struct my_plugin *p = my_plugin_of(s);
    struct my_target *target = NULL;
    int err = my_open_side(p);

    if (err == 0)
        err = my_target_new(&p->context, table, schema_text, &s->fault, &target);
    *ret_own = target;
    return err;
}

/* ---- rows ---- */

/* Says once for each column that texts are changed, and what keeps all of them. */
static void tell_shortened(struct my_plugin *p, const struct my_target *t, uint32_t index)
{
    const struct my_column *c = t->theirs[index];
    struct text entry = {0};

    text_append_printf(&entry, "%s %s shortened\n", t->name, c->name);
    if (!strstr(text_cstr(&p->told), text_cstr(&entry))) {
        text_append_string(&p->told, text_cstr(&entry));
        p->server.host->log(
            p->server.host, PA_LOG_WARNING,
            "texts that do not fit column %s of table %s are kept as their beginning and a "
            "hash of the whole; ALTER TABLE %s MODIFY `%s` TEXT CHARACTER SET utf8mb4 "
            "keeps all of them",
            c->name, t->shown, t->shown, c->name);
    }
    text_clear(&entry);
}

/* Renders the row as it stands in an INSERT. Returns the index of a column whose text was changed to
 * fit, or UINT32_MAX. */
static uint32_t render_row(struct my_plugin *p, struct my_target *t, const struct pa_batch *batch,
                           const uint8_t *row)
{
    uint32_t changed = UINT32_MAX;

    text_reset(&p->row);
    for (uint32_t i = 0; i < p->server.columns.count; i++) {
        text_append_string(&p->row, i ? ", " : "(");
        if (my_value_append(&t->values, i, batch, row, &p->row) && changed == UINT32_MAX)
            changed = i;
    }
    text_append_char(&p->row, ')');
    return changed;
}

static void render_update(struct my_target *t, const struct pa_batch *batch, const uint8_t *row,
                          struct text *out)
{
    for (uint32_t i = 0; i < t->part_count; i++) {
        text_append_string(out, t->parts[i].text);
        if (t->parts[i].index != UINT32_MAX)
            my_value_append(&t->values, t->parts[i].index, batch, row, out);
    }
}

static int add_update(struct my_plugin *p, struct my_target *t, const struct pa_batch *batch,
                      const uint8_t *row)
{
    size_t before = t->waiting.len;

    text_append_string(&t->waiting, t->waiting_count ? "; " : "");
    render_update(t, batch, row, &t->waiting);
    p->server.waiting_len += t->waiting.len - before;
    text_append(&t->unmatched, p->row.data, p->row.len);
    t->unmatched_at[t->waiting_count++] = (uint32_t)t->unmatched.len;
    if (t->waiting_count == MY_PIECE_UPDATES || t->waiting.len >= p->statement_max)
        return send_waiting(p, t);
    return 0;
}

static int add_insert(struct my_plugin *p, struct my_target *t)
{
    size_t before = t->waiting.len, needed = p->row.len + strlen(t->insert_end) + 2;
    int err = 0;

    if (t->waiting_count > 0 && before + needed > p->statement_max) {
        err = send_waiting(p, t);
        before = t->waiting.len;
    }
    text_append_string(&t->waiting, t->waiting_count ? ", " : t->insert_sql);
    text_append(&t->waiting, p->row.data, p->row.len);
    t->waiting_count++;
    p->server.waiting_len += t->waiting.len - before;
    return err;
}

/* Returns the bytes of the longest statement that the row alone can need. */
static size_t statement_len(const struct my_plugin *p, const struct my_target *t)
{
    size_t len = strlen(t->insert_sql) + p->row.len + strlen(t->insert_end);

    for (uint32_t i = 0; i < t->part_count; i++)
        len += strlen(t->parts[i].text) + (i > 0 ? 64 : 0);
    return t->way == MY_WAY_MATCH ? len + 2 * p->row.len : len;
}

static int write_row(struct my_plugin *p, const struct pa_batch *batch, const uint8_t *row,
                     bool counts)
{
    void *own;
    int err = sql_server_find_table(&p->server, batch, row, counts, &own);

    if (err != 0)
        return err < 0 ? err : 0;
    struct my_target *t = own;
    uint32_t changed = render_row(p, t, batch, row);
    if (statement_len(p, t) > p->row_max) {
        if (counts)
            sql_server_reject(&p->server, row,
                              "the row is longer than the server's max_allowed_packet lets it be");
        return 0;
    }
    if (changed != UINT32_MAX && counts) {
        p->server.shortened_count++;
        tell_shortened(p, t, changed);
    }
    return t->way == MY_WAY_MATCH ? add_update(p, t, batch, row) : add_insert(p, t);
}

int my_write_rows(struct sql_server *s, const struct pa_batch *batch, bool counts)
{
    int err = 0;

    for (uint32_t i = 0; i < batch->row_count && err == 0; i++) {
        err = write_row(my_plugin_of(s), batch, batch->rows + (size_t)i * s->schema->row_size,
                        counts);
        if (err == 0 && s->waiting_len >= WAITING_MAX)
            err = my_send_rows(s);
    }
    return err;
}
