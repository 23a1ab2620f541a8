/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gives each file of a dump its own table of peers and its records. See dump_mrt.h. */
#include "daemon/dump_mrt.h"
#include "base/memory.h"

#define PIECE_SIZE (64u << 10)

struct mrt_file {
    struct dump_file *file;
    struct mrt_table table;
    struct mrt_peer *peers;
    size_t peer_count;
    uint64_t waiting; /* paths in the table's text */
    bool is_begun;
};

/* A peer of the dump: its file, and its number there. */
struct mrt_place {
    uint32_t file;
    uint16_t number;
};

struct dump_mrt {
    struct dump_files *files;
    uint32_t time_s;
    struct mrt_file *mrt_files;
    uint32_t file_count;
    struct mrt_place *places;
    uint32_t place_count;
};

struct dump_mrt *dump_mrt_new(struct dump_files *files)
{
    struct dump_mrt *mrt = mem_zalloc(sizeof *mrt);

    mrt->files = files;
    return mrt;
}

static void files_forget(struct dump_mrt *mrt)
{
    for (uint32_t i = 0; i < mrt->file_count; i++) {
        mrt_table_clear(&mrt->mrt_files[i].table);
        mem_free(mrt->mrt_files[i].peers);
    }
    mrt->file_count = 0;
    mrt->place_count = 0;
}

void dump_mrt_free(struct dump_mrt *mrt)
{
    if (!mrt)
        return;
    files_forget(mrt);
    mem_free(mrt->mrt_files);
    mem_free(mrt->places);
    mem_free(mrt);
}

void dump_mrt_begin(struct dump_mrt *mrt, uint32_t time_s)
{
    files_forget(mrt);
    mrt->time_s = time_s;
}

static uint32_t file_of(struct dump_mrt *mrt, struct dump_file *file)
{
    for (uint32_t i = 0; i < mrt->file_count; i++) {
        if (mrt->mrt_files[i].file == file)
            return i;
    }
    mrt->mrt_files =
        mem_realloc_array(mrt->mrt_files, mrt->file_count + 1, sizeof mrt->mrt_files[0]);
    mrt->mrt_files[mrt->file_count] = (struct mrt_file){.file = file, .table.time_s = mrt->time_s};
    return mrt->file_count++;
}

uint32_t dump_mrt_add_peer(struct dump_mrt *mrt, struct dump_file *file,
                           const struct mrt_peer *peer)
{
    uint32_t index = file_of(mrt, file);
    struct mrt_file *f = &mrt->mrt_files[index];

    f->peers = mem_realloc_array(f->peers, f->peer_count + 1, sizeof f->peers[0]);
    f->peers[f->peer_count] = *peer;
    mrt->places = mem_realloc_array(mrt->places, mrt->place_count + 1, sizeof mrt->places[0]);
    mrt->places[mrt->place_count] = (struct mrt_place){index, (uint16_t)f->peer_count++};
    return mrt->place_count++;
}

/* Takes whole records to the file, if they are worth it. */
static void piece_take(struct dump_mrt *mrt, struct mrt_file *f, size_t enough)
{
    struct text *out = &f->table.out;

    if (out->len < enough)
        return;
    text_append(dump_file_text(f->file), out->data, out->len);
    text_reset(out);
    dump_file_added(mrt->files, f->file, f->waiting);
    f->waiting = 0;
}

static void file_begin(struct mrt_file *f)
{
    if (f->is_begun)
        return;
    f->is_begun = true;
    mrt_write_peers(&f->table.out, f->table.time_s, 0, f->peers, f->peer_count);
}

bool dump_mrt_add(struct dump_mrt *mrt, uint32_t peer, const struct mrt_table_path *path)
{
    struct mrt_file *f = &mrt->mrt_files[mrt->places[peer].file];
    struct mrt_table_path own = *path;

    file_begin(f);
    own.peer = mrt->places[peer].number;
    bool is_added = mrt_table_add(&f->table, &own);
    f->waiting += is_added;
    piece_take(mrt, f, PIECE_SIZE);
    return is_added;
}

void dump_mrt_end(struct dump_mrt *mrt)
{
    for (uint32_t i = 0; i < mrt->file_count; i++) {
        struct mrt_file *f = &mrt->mrt_files[i];
        file_begin(f);
        mrt_table_flush(&f->table);
        piece_take(mrt, f, 0);
    }
    files_forget(mrt);
}
