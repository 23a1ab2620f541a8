/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks over the RIB and writes what it holds, prefix by prefix. See table_save.h. */
#include "bgp/table_save.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "bgp/bgp_private.h"
#include "bgp/mrt_attrs.h"
#include "bgp/rib_dump.h"
#include "mrt/mrt_writer.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_SIZE (1u << 20)

/* A record that gets one more entry per path. */
struct open_record {
    struct text out;
    struct mrt_rib_record record;
    bool is_open;
};

struct save {
    struct bgp *bgp;
    int fd, err;
    uint32_t time_s, sequence;
    uint32_t *numbers; /* of peers in the file, by slot */
    uint64_t paths, too_large;
    /* The prefix that is told now has these. */
    struct rib_dumped last;
    bool has_last;
    struct open_record records[2]; /* without and with path identifiers */
    struct text attrs;
    struct mrt_attrs_scratch scratch;
};

static void piece_write(struct save *save, struct text *out, size_t enough)
{
    if (out->len >= enough && save->err == 0)
        save->err = file_write_all(save->fd, out->data, out->len);
    if (out->len >= enough)
        text_reset(out);
}

static void record_close(struct save *save, struct open_record *open)
{
    if (open->is_open)
        mrt_rib_end(&open->record);
    open->is_open = false;
    piece_write(save, &open->out, PIECE_SIZE);
}

static void record_open(struct save *save, struct open_record *open, const struct rib_dumped *path,
                        const struct address_family_info *family)
{
    uint8_t nlri[NLRI_SIZE_MAX];
    const struct mrt_prefix prefix = {.afi = family->afi,
                                      .safi = family->safi,
                                      .has_path_id = path->has_add_path,
                                      .path_id = path->path_id,
                                      .nlri = nlri,
                                      .nlri_len =
                                          mrt_nlri_write(nlri, family, path->rd, &path->prefix)};

    open->record = mrt_rib_begin(&open->out, save->time_s, save->sequence++, &prefix);
    open->is_open = true;
}

static bool is_same_prefix(const struct rib_dumped *a, const struct rib_dumped *b)
{
    return a->safi == b->safi && a->rd == b->rd && ip_prefix_equal(&a->prefix, &b->prefix);
}

static void save_path(void *arg, const struct rib_dumped *path)
{
    struct save *save = arg;
    enum rib_family rib_family = path->prefix.addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
    const struct address_family_info *family = address_family_of(path->safi, rib_family);
    struct open_record *open = &save->records[path->has_add_path];
    bool is_alone = path->has_add_path && path->safi != RIB_UNICAST;

    if (!save->has_last || !is_same_prefix(&save->last, path)) {
        for (size_t i = 0; i < 2; i++)
            record_close(save, &save->records[i]);
        save->last = *path;
        save->has_last = true;
    }
    mrt_attrs_write(&save->attrs, path->attrs, family, &save->scratch);
    if (save->attrs.len > UINT16_MAX) {
        save->too_large++;
        return;
    }
    if (open->is_open && (is_alone || open->record.count == MRT_ENTRIES_MAX))
        record_close(save, open);
    if (!open->is_open)
        record_open(save, open, path, family);
    const struct mrt_entry entry = {.peer = (uint16_t)save->numbers[path->peer],
                                    .originated_s = (uint32_t)((path->announced_ms + 999) / 1000),
                                    .path_id = path->path_id,
                                    .attrs = (const uint8_t *)save->attrs.data,
                                    .attrs_len = save->attrs.len};
    mrt_rib_add(&open->record, &entry);
    save->paths++;
}

/* Writes the table of peers, and fills in whose paths are wanted. Returns how many have some. */
static size_t peers_write(struct save *save, bool *is_wanted)
{
    const struct peer_table *table = &save->bgp->peers;
    struct mrt_peer *peers = mem_calloc(table->capacity, sizeof *peers);
    size_t count = 0;

    for (uint32_t i = 0; i < table->capacity; i++) {
        const struct bgp_peer_info *info = &table->peers[i].info;
        is_wanted[i] = table->peers[i].is_in_use && rib_peer_counts(save->bgp->rib, i).paths > 0;
        if (!is_wanted[i])
            continue;
        save->numbers[i] = (uint32_t)count;
        peers[count++] = (struct mrt_peer){info->address, info->router_id, info->as};
    }
    mrt_write_peers(&save->records[0].out, save->time_s, save->bgp->session_settings.router_id,
                    peers, count);
    piece_write(save, &save->records[0].out, 0);
    mem_free(peers);
    return count;
}

static void tables_write(struct save *save, const bool *is_wanted) ON_THREAD(bgp_thread)
{
    struct rib_dump dump = {.rib = save->bgp->rib,
                            .is_wanted = is_wanted,
                            .peer_count = save->bgp->peers.capacity,
                            .has_stale = true};

    while (save->err == 0 && rib_dump_some(&dump, save_path, save))
        counter_add(&save->bgp->beats, 1);
    for (size_t i = 0; i < 2; i++) {
        record_close(save, &save->records[i]);
        piece_write(save, &save->records[i].out, 0);
    }
}

/* Writes all to a new file beside `path`, and puts it in its place. */
static size_t save_to(struct save *save, const char *path) ON_THREAD(bgp_thread)
{
    bool *is_wanted = mem_calloc(save->bgp->peers.capacity, sizeof *is_wanted);
    char *aside = file_aside_name(path);
    size_t peers = 0;

    save->fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE_SHARED);
    if (save->fd < 0) {
        save->err = -errno;
    } else {
        peers = peers_write(save, is_wanted);
        tables_write(save, is_wanted);
        if (save->err == 0 && fsync(save->fd) < 0 && errno != EINVAL)
            save->err = -errno;
        if (close(save->fd) < 0 && save->err == 0)
            save->err = -errno;
        if (save->err == 0 && rename(aside, path) < 0)
            save->err = -errno;
        if (save->err < 0)
            unlink(aside);
    }
    mem_free(aside);
    mem_free(is_wanted);
    return peers;
}

void table_save(struct bgp *bgp)
{
    struct save save = {.bgp = bgp, .time_s = (uint32_t)(clock_wall().ns / NS_PER_S)};
    const char *name = bgp->settings.table_save;
    struct named_file target;
    size_t peers = 0;

    THREAD_ASSERT(bgp_thread);
    save.numbers = mem_calloc(bgp->peers.capacity, sizeof save.numbers[0]);
    save.err = named_file_resolve(name, &target);
    if (save.err == 0) {
        if (target.is_stream)
            save.err = -EINVAL;
        else
            peers = save_to(&save, target.path);
        named_file_clear(&target);
    }
    if (save.err < 0)
        log_error("bgp: bgp_table_save: %s: %s; the next start will not know these routes", name,
                  named_file_error(save.err));
    else
        log_notice("bgp: %s: %" PRIu64 " paths of %zu peers saved", name, save.paths, peers);
    if (save.too_large > 0)
        log_warning("bgp: %s: %" PRIu64 " paths not saved: their attributes have more than 65535 "
                    "bytes",
                    name, save.too_large);
    for (size_t i = 0; i < 2; i++)
        text_clear(&save.records[i].out);
    text_clear(&save.attrs);
    mrt_attrs_scratch_clear(&save.scratch);
    mem_free(save.numbers);
}
