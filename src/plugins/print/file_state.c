/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes NAME.state, which is lines of text. See file_state.h. */
#include "plugins/print/file_state.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC       "pathacct-print "
#define VERSION     1
#define STATE_MAX   ((size_t)1 << 20)
#define WORKERS_MAX 4096
#define CORE_ID_LEN 16
#define LINE_FORMAT                                                                                \
    "in_place %u\nmove %d\nlength %" PRIu64 "\nfile %" PRIu64 " %" PRIu64 "\ntime %" PRId64 "\n"

void file_state_clear(struct file_state *state)
{
    mem_free(state->workers);
    memset(state, 0, sizeof *state);
}

/* ---- text ---- */

static void append_state(const struct file_state *state, struct text *out)
{
    text_append_printf(out, MAGIC "%d\n" LINE_FORMAT, VERSION, state->is_in_place, state->move,
                       state->length, state->device, state->inode, state->time_s);
    if (state->has_core) {
        text_append_string(out, "core ");
        for (int i = 0; i < CORE_ID_LEN; i++)
            text_append_printf(out, "%02x", state->core_id[i]);
        text_append_char(out, '\n');
    }
    for (uint32_t i = 0; i < state->worker_count; i++)
        text_append_printf(out, "worker %u %" PRIu64 "\n", state->workers[i].worker,
                           state->workers[i].seq);
    text_append_string(out, "end\n");
}

static void set_worker(struct file_state *state, uint32_t worker, uint64_t seq)
{
    for (uint32_t i = 0; i < state->worker_count; i++) {
        if (state->workers[i].worker == worker) {
            state->workers[i].seq = seq;
            return;
        }
    }
    state->workers =
        mem_realloc_array(state->workers, state->worker_count + 1, sizeof *state->workers);
    state->workers[state->worker_count++] = (struct file_state_worker){worker, seq};
}

/* NOLINTBEGIN(cert-err34-c): the numbers are those that this program wrote */
static int parse_core(const char *line, struct file_state *state)
{
    for (int i = 0; i < CORE_ID_LEN; i++) {
        unsigned byte;
        if (sscanf(line + (size_t)i * 2, "%2x", &byte) != 1)
            return -EBADMSG;
        state->core_id[i] = (uint8_t)byte;
    }
    state->has_core = true;
    return 0;
}

static int parse_state(const char *text, struct file_state *state)
{
    unsigned version, in_place, worker;
    uint64_t seq;
    int used = 0;

    if (sscanf(text, MAGIC "%9u%n", &version, &used) != 1)
        return -EBADMSG;
    if (version > VERSION)
        return -EPROTONOSUPPORT;
    if (version < VERSION || text[used] != '\n')
        return -EBADMSG;
    text += used + 1;
    used = 0;
    if (sscanf(text,
               "in_place %u\nmove %" SCNd32 "\nlength %" SCNu64 "\nfile %" SCNu64 " %" SCNu64
               "\ntime %" SCNd64 "\n%n",
               &in_place, &state->move, &state->length, &state->device, &state->inode,
               &state->time_s, &used) != 6 ||
        used == 0)
        return -EBADMSG;
    state->is_in_place = in_place != 0;
    text += used;
    if (!strncmp(text, "core ", 5)) {
        if (strlen(text) < 5 + 2 * CORE_ID_LEN + 1 || parse_core(text + 5, state) < 0)
            return -EBADMSG;
        text += 5 + 2 * CORE_ID_LEN + 1;
    }
    while (state->worker_count < WORKERS_MAX &&
           sscanf(text, "worker %u %" SCNu64 "\n%n", &worker, &seq, &used) == 2) {
        set_worker(state, worker, seq);
        text += used;
    }
    return strcmp(text, "end\n") ? -EBADMSG : 0;
}
/* NOLINTEND(cert-err34-c) */

int file_state_parse(const char *text, struct file_state *ret_state)
{
    struct file_state state = {0};
    int err = parse_state(text, &state);

    if (err < 0) {
        file_state_clear(&state);
        return err;
    }
    *ret_state = state;
    return 0;
}

/* ---- files ---- */

int file_state_load(const char *path, struct file_state *ret_state)
{
    struct text text = {0};
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int err = file_read_all(fd, STATE_MAX, &text);
    close(fd);
    if (err == -EFBIG)
        err = -EBADMSG;
    if (err == 0)
        err = file_state_parse(text_cstr(&text), ret_state);
    text_clear(&text);
    return err;
}

int file_state_save(const struct file_state *state, const char *path,
                    const struct file_owner *owner)
{
    struct text text = {0};
    int err;

    append_state(state, &text);
    err = file_owner_replace(owner, path, text.data, text.len);
    text_clear(&text);
    return err;
}

/* ---- progress ---- */

static uint64_t find_seq(const struct file_state *state, uint32_t worker)
{
    for (uint32_t i = 0; i < state->worker_count; i++)
        if (state->workers[i].worker == worker)
            return state->workers[i].seq;
    return 0;
}

enum file_progress file_state_progress(const struct file_state *state,
                                       const struct pa_transaction *transaction)
{
    uint32_t done = 0;

    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        uint64_t seq = 0;
        if (state->has_core && !memcmp(state->core_id, source->core_id, CORE_ID_LEN))
            seq = find_seq(state, source->worker);
        if (seq >= source->last_seq)
            done++;
        else if (seq >= source->first_seq)
            return FILE_PROGRESS_PARTLY;
    }
    if (done == 0)
        return FILE_PROGRESS_NONE;
    return done == transaction->source_count ? FILE_PROGRESS_ALL : FILE_PROGRESS_PARTLY;
}

void file_state_note(struct file_state *state, const struct pa_transaction *transaction)
{
    for (uint32_t i = 0; i < transaction->source_count; i++) {
        const struct pa_source *source = &transaction->sources[i];
        if (!state->has_core || memcmp(state->core_id, source->core_id, CORE_ID_LEN) != 0) {
            memcpy(state->core_id, source->core_id, CORE_ID_LEN);
            state->has_core = true;
            state->worker_count = 0;
        }
        set_worker(state, source->worker, source->last_seq);
    }
}

bool file_state_is_over(const struct file_state *state, const struct pa_transaction *transaction)
{
    if (!state->has_core)
        return true;
    for (uint32_t i = 0; i < state->worker_count; i++) {
        bool is_over = false;
        for (uint32_t k = 0; k < transaction->source_count && !is_over; k++) {
            const struct pa_source *source = &transaction->sources[k];
            is_over = memcmp(state->core_id, source->core_id, CORE_ID_LEN) != 0 ||
                      (source->worker == state->workers[i].worker &&
                       source->first_seq > state->workers[i].seq);
        }
        if (!is_over)
            return false;
    }
    return true;
}
