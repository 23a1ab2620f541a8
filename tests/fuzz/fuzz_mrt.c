/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as an MRT file, plain or compressed. What is read as a prefix with its
 * paths is written and read again as the same. */
#include "mrt/mrt_reader.h"
#include "mrt/mrt_writer.h"
#include "support/check.h"
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rewritten(struct mrt_record *record, struct text *out)
{
    const struct mrt_prefix prefix = {.afi = record->afi,
                                      .safi = record->safi,
                                      .has_path_id = record->has_path_id,
                                      .path_id = record->path_id,
                                      .nlri = record->nlri.pos,
                                      .nlri_len = reader_left(&record->nlri)};
    struct mrt_record copy = *record, again;
    struct mrt_entry entry, entry_again;
    unsigned count = 0;

    text_reset(out);
    struct mrt_rib_record written = mrt_rib_begin(out, record->time_s, 1, &prefix);
    while (mrt_record_next_entry(&copy, &entry)) {
        if (written.has_entry_path_id || entry.path_id == record->path_id)
            count++, mrt_rib_add(&written, &entry);
    }
    mrt_rib_end(&written);
    struct reader r = reader_make(out->data, out->len);
    uint32_t time_s = reader_u32(&r);
    uint16_t type = reader_u16(&r), subtype = reader_u16(&r);
    CHECK(reader_u32(&r) == reader_left(&r));
    mrt_record_parse(time_s, type, subtype, r, &again);
    CHECK(again.kind == MRT_RIB && again.afi == record->afi && again.safi == record->safi);
    CHECK(again.entry_count == count);
    CHECK(reader_left(&again.nlri) == prefix.nlri_len);
    while (mrt_record_next_entry(record, &entry)) {
        if (!written.has_entry_path_id && entry.path_id != record->path_id)
            continue;
        CHECK(mrt_record_next_entry(&again, &entry_again));
        CHECK(entry.peer == entry_again.peer && entry.path_id == entry_again.path_id);
        CHECK(entry.attrs_len == entry_again.attrs_len);
        CHECK(memcmp(entry.attrs, entry_again.attrs, entry.attrs_len) == 0);
    }
    CHECK(!again.entries.failed && reader_left(&again.entries) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("mrt", 0);
    struct mrt_record record;
    struct mrt_peer peer;
    struct text out = {0};
    uint64_t before = 0;
    bool is_first = true;

    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    struct mrt_reader *reader = mrt_reader_new(fd);
    /* A few bytes may be decompressed to many. */
    for (unsigned count = 0; count < 10000 && mrt_reader_next(reader, &record); count++) {
        CHECK(is_first || mrt_reader_offset(reader) > before);
        before = mrt_reader_offset(reader);
        is_first = false;
        while (record.kind == MRT_PEERS && mrt_record_next_peer(&record, &peer))
            CHECK(peer.address.family != IP_NONE);
        if (record.kind == MRT_RIB)
            check_rewritten(&record, &out);
    }
    mrt_reader_free(reader);
    text_clear(&out);
    return 0;
}
