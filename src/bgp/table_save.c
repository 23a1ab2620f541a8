/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks over the RIB and writes what it holds, prefix by prefix. See table_save.h. */
#include "bgp/table_save.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "bgp/bgp_private.h"
#include "bgp/mrt_table.h"
#include "bgp/rib_dump.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_SIZE (1u << 20)

struct save {
    struct bgp *bgp;
    int fd, err;
    uint32_t *numbers; /* of peers in the file, by slot */
    uint64_t paths, too_large;
    struct mrt_table table;
};

/* Writes what is ready, if it is enough to be worth it. */
static void piece_write(struct save *save, size_t enough)
{
    struct text *out = &save->table.out;

    if (out->len < enough)
        return;
    if (save->err == 0)
        save->err = file_write_all(save->fd, out->data, out->len);
    text_reset(out);
}

static void save_path(void *arg, const struct rib_dumped *path)
{
    struct save *save = arg;
    const struct mrt_table_path added = {.safi = path->safi,
                                         .rd = path->rd,
                                         .prefix = path->prefix,
                                         .has_add_path = path->has_add_path,
                                         .path_id = path->path_id,
                                         .peer = (uint16_t)save->numbers[path->peer],
                                         .announced_ms = path->announced_ms,
                                         .received = attr_store_received(path->attrs),
                                         .next_hop = path->attrs->next_hop};

    if (mrt_table_add(&save->table, &added))
        save->paths++;
    else
        save->too_large++;
    piece_write(save, PIECE_SIZE);
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
    mrt_write_peers(&save->table.out, save->table.time_s, save->bgp->session_settings.router_id,
                    peers, count);
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
    mrt_table_flush(&save->table);
    piece_write(save, 0);
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
    struct save save = {.bgp = bgp, .table.time_s = (uint32_t)(clock_wall().ns / NS_PER_S)};
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
    mrt_table_clear(&save.table);
    mem_free(save.numbers);
}
