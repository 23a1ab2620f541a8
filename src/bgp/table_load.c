/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads MRT files in slices, between the turns of the BGP thread. See table_load.h. */
#include "bgp/table_load.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "bgp/bgp_private.h"
#include "bgp/nlri.h"
#include "bgp/update.h"
#include "mrt/mrt_reader.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLICE_MS       2
#define RECORDS_AT_ONE 16 /* between looks at the clock */
#define NO_SLOT        UINT32_MAX

struct table_file {
    char *name;
    int fd; /* -1: taken by a reader */
    bool is_saved;
};

/* A slot that gets a table. */
struct restored {
    bool is_open;
    int64_t dumped_s, keep_s;
};

struct table_load {
    struct table_file *files;
    size_t file_count, at;
    int64_t keep_s; /* -1: for ever */
    /* The file that is read now. */
    struct mrt_reader *reader; /* NULL: none yet */
    uint32_t *slots;           /* of the file's peers; NO_SLOT: not loaded */
    size_t slot_count;
    int64_t dumped_s;
    uint64_t paths, damaged, damaged_offset, refused, left_out;
    uint32_t peers, peers_without_place;
    bool is_passed_over; /* as it is too old */
    /* All files. */
    struct restored *restored; /* by slot */
    uint32_t restored_count;
};

static int file_open(const char *name, struct text *error)
{
    struct stat status;
    int fd = named_file_open_name(name, O_RDONLY | O_CLOEXEC, 0);

    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(fd);
        fd = -EISDIR;
    }
    if (fd < 0)
        text_append_printf(error, "bgp_table_load: %s: %s", name, named_file_error(fd));
    return fd;
}

static void load_add(struct table_load *load, const char *name, int fd, bool is_saved)
{
    load->files = mem_realloc_array(load->files, load->file_count + 1, sizeof load->files[0]);
    load->files[load->file_count++] = (struct table_file){mem_strdup(name), fd, is_saved};
}

/* Opens what the key names, in order. */
static int load_open(struct table_load *load, const char *names, struct text *error)
{
    char *list = mem_strdup(names), *rest = NULL;
    int err = 0;

    for (char *name = strtok_r(list, ",", &rest); name && err == 0;
         name = strtok_r(NULL, ",", &rest)) {
        name += strspn(name, " \t");
        size_t len = strlen(name);
        while (len > 0 && strchr(" \t", name[len - 1]))
            name[--len] = '\0';
        if (len == 0)
            continue;
        int fd = file_open(name, error);
        if (fd < 0)
            err = fd;
        else
            load_add(load, name, fd, false);
    }
    mem_free(list);
    return err;
}

int table_load_new(const struct bgp_settings *settings, struct text *error,
                   struct table_load **ret_load)
{
    struct table_load *load = mem_zalloc(sizeof *load);
    int err = 0;

    *ret_load = NULL;
    load->keep_s = settings->is_replay ? -1 : settings->table_load_keep_s;
    if (settings->table_save && !settings->is_replay) {
        int fd = named_file_open_name(settings->table_save, O_RDONLY | O_CLOEXEC, 0);
        if (fd >= 0)
            load_add(load, settings->table_save, fd, true);
        else if (fd != -ENOENT)
            log_warning("bgp: bgp_table_save: %s: %s; begun without the table of before",
                        settings->table_save, named_file_error(fd));
    }
    if (settings->table_load)
        err = load_open(load, settings->table_load, error);
    if (err < 0 || load->file_count == 0) {
        table_load_free(load);
        return err;
    }
    *ret_load = load;
    return 0;
}

void table_load_free(struct table_load *load)
{
    if (!load)
        return;
    for (size_t i = 0; i < load->file_count; i++) {
        if (load->files[i].fd >= 0)
            close(load->files[i].fd);
        mem_free(load->files[i].name);
    }
    mrt_reader_free(load->reader);
    mem_free(load->files);
    mem_free(load->slots);
    mem_free(load->restored);
    mem_free(load);
}

int table_load_check(const struct bgp_settings *settings, struct text *errors)
{
    struct table_load load = {0};
    int err = settings->table_load ? load_open(&load, settings->table_load, errors) : 0;

    for (size_t i = 0; i < load.file_count; i++) {
        close(load.files[i].fd);
        mem_free(load.files[i].name);
    }
    mem_free(load.files);
    return err < 0 ? -EINVAL : 0;
}

static void damage_count(struct bgp *bgp, struct table_load *load)
{
    if (load->damaged++ == 0)
        load->damaged_offset = mrt_reader_offset(load->reader);
    bgp_count(bgp, BGP_COUNTER_loaded_damaged, 1);
}

/* Finds or makes the place of a file's peer. */
static uint32_t slot_of(struct bgp *bgp, struct table_load *load, const struct mrt_peer *from)
    ON_THREAD(bgp_thread)
{
    struct peer *peer = peer_table_find(&bgp->peers, &from->address, from->router_id);

    if (peer && load->restored[peer->info.index].is_open)
        return peer->info.index;
    if (peer && (peer->session || peer->info.established_ns != 0))
        return NO_SLOT; /* it says itself what it has */
    if (!peer && load->restored_count >= bgp->settings.max_peers) {
        load->peers_without_place++;
        return NO_SLOT;
    }
    peer = peer_table_take(&bgp->peers, &from->address, from->router_id);
    if (!peer) {
        load->peers_without_place++;
        return NO_SLOT;
    }
    const struct rib_session none = {.router_id = from->router_id};
    peer->info.as = from->as;
    rib_peer_up(bgp->rib, peer->info.index, &none, clock_mono());
    load->restored[peer->info.index] = (struct restored){.is_open = true};
    load->restored_count++;
    return peer->info.index;
}

/* The file says how old it is before it says anything else. */
static void age_judge(struct table_load *load)
{
    const struct table_file *file = &load->files[load->at];
    int64_t age_s = clock_wall().ns / NS_PER_S - load->dumped_s;

    load->is_passed_over = file->is_saved && (age_s > load->keep_s || age_s < -1);
}

static void peers_take(struct bgp *bgp, struct table_load *load, struct mrt_record *record)
    ON_THREAD(bgp_thread)
{
    struct mrt_peer peer;

    load->slot_count = 0;
    load->dumped_s = record->time_s;
    age_judge(load);
    if (load->is_passed_over)
        return;
    load->slots = mem_realloc_array(load->slots, record->peer_count + 1u, sizeof load->slots[0]);
    while (mrt_record_next_peer(record, &peer)) {
        uint32_t slot = slot_of(bgp, load, &peer);
        load->slots[load->slot_count++] = slot;
        if (slot == NO_SLOT)
            continue;
        load->peers++;
        struct restored *restored = &load->restored[slot];
        int64_t age_s = clock_wall().ns / NS_PER_S - load->dumped_s;
        if (restored->dumped_s < load->dumped_s)
            restored->dumped_s = load->dumped_s;
        restored->keep_s = load->keep_s;
        if (load->files[load->at].is_saved)
            restored->keep_s -= age_s > 0 ? age_s : 0;
    }
    if (record->peers.failed)
        damage_count(bgp, load);
}

/* Reads the next hop of an abbreviated MP_REACH_NLRI (RFC 6396 section 4.3.4), or of a whole one, which
 * some write all the same: that begins with a zero. */
static bool next_hop_of_reach(const struct attr_value *value,
                              const struct address_family_info *info, struct ip_addr *ret_next_hop)
{
    struct reader r = reader_make(value->data, value->len);

    if (value->len > 0 && value->data[0] == 0)
        reader_bytes(&r, 3);
    struct reader hop = reader_part(&r, reader_u8(&r));
    size_t rd_len = info->has_rd ? 8 : 0, len = reader_left(&hop);
    if (r.failed || hop.failed)
        return false;
    if (len == rd_len + 4) {
        *ret_next_hop = ip_addr_v4(hop.pos + rd_len);
        return true;
    }
    if (len != rd_len + 16 && len != rd_len + 32 && len != 2 * (rd_len + 16))
        return false;
    *ret_next_hop = ip_addr_v6(hop.pos + rd_len);
    return true;
}

/* Returns the interned set of an entry, and a reference to it; NULL: it cannot be used. */
static struct path_attrs *attrs_of(struct bgp *bgp, const struct mrt_entry *entry, int family)
{
    static const struct attr_context context = {
        .is_internal = true,
        .features = {.families = (1u << FAMILY_COUNT) - 1, .has_four_octet_as = true}};
    const struct address_family_info *info = &address_families[family];
    struct attr_list list;
    struct ip_addr next_hop = {0};

    attr_list_parse(reader_make(entry->attrs, entry->attrs_len), &context, &list);
    const struct attr_value *reach = &list.values[ATTR_MP_REACH];
    const struct attr_value *hop = &list.values[ATTR_NEXT_HOP];
    if (list.outcome >= ATTR_OUTCOME_WITHDRAW || !list.values[ATTR_ORIGIN].data ||
        !list.values[ATTR_AS_PATH].data)
        return NULL;
    if (hop->data && !reach->data && info->ip_family == IP_V4 && !info->has_rd)
        next_hop = ip_addr_v4(hop->data);
    else if (!reach->data || !next_hop_of_reach(reach, info, &next_hop))
        return NULL;
    if (!update_next_hop_is_usable(&next_hop))
        return NULL;
    return attr_store_intern(bgp->attrs, &list, &context, &next_hop);
}

static void entry_take(struct bgp *bgp, struct table_load *load, struct rib_nlri *nlri, int family,
                       const struct mrt_record *record, const struct mrt_entry *entry)
    ON_THREAD(bgp_thread)
{
    const struct address_family_info *info = &address_families[family];

    if (entry->peer >= load->slot_count) {
        damage_count(bgp, load);
        return;
    }
    uint32_t slot = load->slots[entry->peer];
    if (slot == NO_SLOT || !load->restored[slot].is_open) {
        load->left_out++;
        return;
    }
    struct path_attrs *attrs = attrs_of(bgp, entry, family);
    if (!attrs) {
        damage_count(bgp, load);
        return;
    }
    nlri->path_id = entry->path_id;
    rib_restore_family(bgp->rib, slot, info->rib_safi, info->rib_family, record->has_path_id);
    size_t refused = rib_announce(bgp->rib, slot, info->rib_safi, nlri, 1, attrs,
                                  (struct wall_time){entry->originated_s * NS_PER_S});
    attr_store_unref(bgp->attrs, attrs);
    load->refused += refused;
    load->paths += 1 - refused;
}

static void rib_take(struct bgp *bgp, struct table_load *load, struct mrt_record *record)
    ON_THREAD(bgp_thread)
{
    int family = address_family_find(record->afi, record->safi);
    struct mrt_entry entry;
    struct rib_nlri nlri;

    if (load->is_passed_over)
        return;
    const struct nlri_format format = {&address_families[family < 0 ? 0 : family], false, false};
    if (family < 0 || nlri_read(&record->nlri, &format, &nlri, 1) != 1) {
        damage_count(bgp, load);
        return;
    }
    while (mrt_record_next_entry(record, &entry))
        entry_take(bgp, load, &nlri, family, record, &entry);
    if (record->entries.failed)
        damage_count(bgp, load);
}

static void file_begin(struct table_load *load)
{
    struct table_file *file = &load->files[load->at];

    load->reader = mrt_reader_new(file->fd);
    file->fd = -1;
    load->slot_count = 0;
    load->dumped_s = 0;
    load->paths = load->damaged = load->refused = load->left_out = 0;
    load->peers = load->peers_without_place = 0;
    load->is_passed_over = false;
    log_notice("bgp: loading routes from %s", file->name);
}

static void file_tell(const struct bgp *bgp, const struct table_load *load)
{
    const char *name = load->files[load->at].name;
    const char *end = mrt_reader_end(load->reader);
    time_t dumped = (time_t)load->dumped_s;
    char stamp[32] = "";
    struct tm tm;

    if (gmtime_r(&dumped, &tm))
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (load->is_passed_over) {
        log_notice("bgp: %s: its routes are of %s, longer ago than bgp_table_load_keep; not loaded",
                   name, stamp);
        return;
    }
    log_notice("bgp: %s: %" PRIu64 " paths of %u peers loaded, of %s", name, load->paths,
               load->peers, stamp);
    if (end)
        log_warning("bgp: %s: %s, at offset %" PRIu64 "; nothing behind it is loaded", name, end,
                    mrt_reader_offset(load->reader));
    if (load->damaged > 0)
        log_warning("bgp: %s: %" PRIu64 " damaged records and paths passed over, the first at "
                    "offset %" PRIu64,
                    name, load->damaged, load->damaged_offset);
    if (load->peers_without_place > 0)
        log_warning("bgp: %s: %u peers not loaded: bgp_daemon_max_peers is %u", name,
                    load->peers_without_place, bgp->settings.max_peers);
    if (load->left_out > 0)
        log_notice("bgp: %s: %" PRIu64 " paths not loaded, of peers that have no place or had a "
                   "session since we began",
                   name, load->left_out);
    if (load->refused > 0)
        log_warning("bgp: %s: %" PRIu64 " paths not loaded: bgp_peer_paths_max, "
                    "bgp_daemon_max_prefixes or bgp_daemon_max_memory is reached, or a prefix has "
                    "more than %d",
                    name, load->refused, RIB_PATHS_MAX);
}

static void file_end(struct bgp *bgp, struct table_load *load)
{
    file_tell(bgp, load);
    bgp_count(bgp, BGP_COUNTER_loaded, load->paths);
    bgp_count(bgp, BGP_COUNTER_refused, load->refused);
    mrt_reader_free(load->reader);
    load->reader = NULL;
    load->at++;
}

/* The peer's table is what it is: stale from the time of the file on. */
static void restored_close(struct bgp *bgp, struct table_load *load, uint32_t slot)
    ON_THREAD(bgp_thread)
{
    struct restored *restored = &load->restored[slot];
    struct mono_time until = {load->keep_s < 0 ? INT64_MAX
                                               : clock_mono().ns + restored->keep_s * NS_PER_S};

    restored->is_open = false;
    rib_peer_restored(bgp->rib, slot, (struct wall_time){restored->dumped_s * NS_PER_S}, until);
    strcpy(bgp->peers.peers[slot].info.last_error, "loaded from a file");
}

static void load_end(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    struct table_load *load = bgp->load;

    for (uint32_t slot = 0; slot < bgp->peers.capacity; slot++) {
        if (load->restored[slot].is_open)
            restored_close(bgp, load, slot);
    }
    table_load_free(load);
    bgp->load = NULL;
    bgp_publish(bgp);
}

bool table_load_some(struct bgp *bgp)
{
    struct table_load *load = bgp->load;
    struct mono_time end = {clock_mono().ns + SLICE_MS * NS_PER_MS};
    struct mrt_record record;

    THREAD_ASSERT(bgp_thread);
    if (!load)
        return false;
    if (!load->restored)
        load->restored = mem_calloc(bgp->peers.capacity, sizeof load->restored[0]);
    for (unsigned count = 1;; count++) {
        if (load->at == load->file_count) {
            load_end(bgp);
            return false;
        }
        if (!load->reader)
            file_begin(load);
        if (!mrt_reader_next(load->reader, &record))
            file_end(bgp, load);
        else if (record.kind == MRT_PEERS)
            peers_take(bgp, load, &record);
        else if (record.kind == MRT_RIB)
            rib_take(bgp, load, &record);
        else if (record.kind == MRT_DAMAGED)
            damage_count(bgp, load);
        if (count % RECORDS_AT_ONE == 0 && clock_mono().ns >= end.ns)
            return true;
    }
}

void table_load_give_way(struct bgp *bgp, const struct peer *peer)
{
    struct table_load *load = bgp->load;

    THREAD_ASSERT(bgp_thread);
    if (load && load->restored && load->restored[peer->info.index].is_open)
        restored_close(bgp, load, peer->info.index);
}
