/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that MRT files are read as RFC 6396 and RFC 8050 lay them out, that what is written is read
 * again, and what is left of files that are damaged. Bytes are made by hand from the RFCs. */
#include "mrt/mrt_reader.h"
#include "mrt/mrt_writer.h"
#include "support/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#define HEADER(SUBTYPE, LEN) "65000000 000d 00" SUBTYPE " 000000" LEN " "
/* Collector 10.0.0.1, view "v", 192.0.2.1 AS 65001 in two octets, 2001:db8::1 AS 100000. */
#define PEERS                                                                                      \
    HEADER("01", "2d")                                                                             \
    "0a000001 0001 76 0002 00 c0000201 c0000201 fde9 "                                             \
    "03 01010101 20010db8000000000000000000000001 000186a0 "
#define ATTRS "40 01 01 00 "
#define IPV4  HEADER("02", "16") "00000007 18 cb0071 0001 0000 64000000 0004 " ATTRS
#define IPV6  HEADER("04", "17") "00000008 20 20010db8 0001 0001 64000001 0004 " ATTRS

static struct mrt_reader *reader_of(const void *data, size_t len)
{
    int fd = memfd_create("mrt", 0);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return mrt_reader_new(fd);
}

static struct mrt_reader *reader_of_hex(const char *digits)
{
    struct hex hex = hex_make(digits);
    struct reader r = hex_reader(&hex);
    struct mrt_reader *reader = reader_of(r.pos, reader_left(&r));

    hex_clear(&hex);
    return reader;
}

static void assert_bytes(const struct reader *r, const char *digits)
{
    struct hex hex = hex_make(digits);
    struct reader expected = hex_reader(&hex);

    assert_int_equal(reader_left(r), reader_left(&expected));
    assert_memory_equal(r->pos, expected.pos, reader_left(r));
    hex_clear(&hex);
}

static void assert_peer(struct mrt_record *record, const char *address, uint32_t router_id,
                        uint32_t as)
{
    struct mrt_peer peer;
    char text[IP_TEXT_LEN];

    assert_true(mrt_record_next_peer(record, &peer));
    ip_addr_format(&peer.address, text);
    assert_string_equal(text, address);
    assert_int_equal(peer.router_id, router_id);
    assert_int_equal(peer.as, as);
}

static void table_is_read(void **state)
{
    struct mrt_reader *reader = reader_of_hex(PEERS IPV4 IPV6);
    struct mrt_record record;
    struct mrt_entry entry;

    (void)state;
    assert_true(mrt_reader_next(reader, &record));
    assert_int_equal(record.kind, MRT_PEERS);
    assert_int_equal(record.peer_count, 2);
    assert_peer(&record, "192.0.2.1", 0xc0000201, 65001);
    assert_peer(&record, "2001:db8::1", 0x01010101, 100000);
    assert_false(mrt_record_next_peer(&record, &(struct mrt_peer){0}));
    assert_false(record.peers.failed);

    assert_true(mrt_reader_next(reader, &record));
    assert_int_equal(record.kind, MRT_RIB);
    assert_int_equal(record.time_s, 0x65000000);
    assert_int_equal(record.afi, 1);
    assert_int_equal(record.safi, 1);
    assert_false(record.has_path_id);
    assert_bytes(&record.nlri, "18 cb0071");
    assert_true(mrt_record_next_entry(&record, &entry));
    assert_int_equal(entry.peer, 0);
    assert_int_equal(entry.originated_s, 0x64000000);
    assert_int_equal(entry.path_id, 0);
    assert_int_equal(entry.attrs_len, 4);
    assert_memory_equal(entry.attrs, "\x40\x01\x01\x00", 4);
    assert_false(mrt_record_next_entry(&record, &entry));
    assert_false(record.entries.failed);

    assert_true(mrt_reader_next(reader, &record));
    assert_int_equal(record.afi, 2);
    assert_bytes(&record.nlri, "20 20010db8");
    assert_false(mrt_reader_next(reader, &record));
    assert_null(mrt_reader_end(reader));
    mrt_reader_free(reader);
}

static void path_identifiers_are_read(void **state)
{
    static const char *const files[] = {
        /* RIB_IPV4_UNICAST_ADDPATH */
        HEADER("08", "1a") "00000007 18 cb0071 0001 0000 64000000 00000009 0004 " ATTRS,
        /* RIB_GENERIC_ADDPATH of VPNv4, as RFC 8050 has it */
        HEADER("0c", "28") "00000007 0001 80 00000009 70 800000 0000fde800000001 cb0071"
                           "0001 0000 64000000 0004 " ATTRS,
        /* and as GoBGP has it */
        HEADER("0c", "28") "00000007 0001 80 70 800000 0000fde800000001 cb0071"
                           "0001 0000 64000000 00000009 0004 " ATTRS};

    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct mrt_reader *reader = reader_of_hex(files[i]);
        struct mrt_record record;
        struct mrt_entry entry;
        assert_true(mrt_reader_next(reader, &record));
        assert_int_equal(record.kind, MRT_RIB);
        assert_true(record.has_path_id);
        assert_int_equal(record.safi, i == 0 ? 1 : 128);
        assert_bytes(&record.nlri, i == 0 ? "18 cb0071" : "70 800000 0000fde800000001 cb0071");
        assert_true(mrt_record_next_entry(&record, &entry));
        assert_int_equal(entry.path_id, 9);
        assert_int_equal(entry.originated_s, 0x64000000);
        assert_int_equal(entry.attrs_len, 4);
        assert_false(mrt_record_next_entry(&record, &entry));
        mrt_reader_free(reader);
    }
}

static void what_is_written_is_read(void **state)
{
    static const uint8_t nlri[] = {24, 203, 0, 113};
    static const uint8_t vpn[] = {112, 0x80, 0, 0, 0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 203, 0, 113};
    const struct mrt_peer peer = {ip_addr_v4((const uint8_t[]){192, 0, 2, 1}), 7, 400000};
    struct mrt_entry entry = {0, 99, 5, (const uint8_t *)"\x40\x01\x01\x00", 4}, read_entry;
    struct text out = {0};
    struct mrt_record record;

    (void)state;
    mrt_write_peers(&out, 1, 2, &peer, 1);
    for (unsigned i = 0; i < 4; i++) {
        const struct mrt_prefix prefix = {.afi = 1,
                                          .safi = i < 2 ? 1 : 128,
                                          .has_path_id = i % 2,
                                          .path_id = 5,
                                          .nlri = i < 2 ? nlri : vpn,
                                          .nlri_len = i < 2 ? sizeof nlri : sizeof vpn};
        struct mrt_rib_record written = mrt_rib_begin(&out, 1, i, &prefix);
        mrt_rib_add(&written, &entry);
        mrt_rib_add(&written, &entry);
        mrt_rib_end(&written);
    }
    struct mrt_reader *reader = reader_of(out.data, out.len);
    assert_true(mrt_reader_next(reader, &record));
    assert_peer(&record, "192.0.2.1", 7, 400000);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(mrt_reader_next(reader, &record));
        assert_int_equal(record.kind, MRT_RIB);
        assert_int_equal(record.safi, i < 2 ? 1 : 128);
        assert_int_equal(record.has_path_id, i % 2);
        for (int k = 0; k < 2; k++) {
            assert_true(mrt_record_next_entry(&record, &read_entry));
            assert_int_equal(read_entry.path_id, i % 2 ? 5 : 0);
            assert_int_equal(read_entry.originated_s, 99);
            assert_memory_equal(read_entry.attrs, entry.attrs, 4);
        }
        assert_false(mrt_record_next_entry(&record, &read_entry));
    }
    assert_false(mrt_reader_next(reader, &record));
    assert_null(mrt_reader_end(reader));
    mrt_reader_free(reader);
    text_clear(&out);
}

/* Returns how many records of prefixes are read. */
static unsigned read_all(struct mrt_reader *reader)
{
    struct mrt_record record;
    unsigned count = 0;

    while (mrt_reader_next(reader, &record))
        count += record.kind == MRT_RIB;
    return count;
}

static void damaged_records_are_passed_over(void **state)
{
    /* A prefix of 33 bits, a type of its own, a subtype that is not read, and one record that is
     * well; then a length that cannot be. */
    struct mrt_reader *reader =
        reader_of_hex(HEADER("02", "16") "00000007 21 cb0071 0001 0000 64000000 0004 " ATTRS
                                         "65000000 0010 0004 00000002 0000" HEADER("03", "00") IPV4
                      "65000000 000d 0002 ffffffff" IPV4);
    static const enum mrt_kind kinds[] = {MRT_DAMAGED, MRT_OTHER, MRT_OTHER, MRT_RIB};
    struct mrt_record record;

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_true(mrt_reader_next(reader, &record));
        assert_int_equal(record.kind, kinds[i]);
    }
    assert_false(mrt_reader_next(reader, &record));
    assert_string_equal(mrt_reader_end(reader), "the record has a length that cannot be");
    assert_int_equal(mrt_reader_offset(reader), 34 + 14 + 12 + 34);
    assert_false(mrt_reader_next(reader, &record));
    mrt_reader_free(reader);
}

static void entries_before_a_damage_are_read(void **state)
{
    struct mrt_reader *reader = reader_of_hex(HEADER(
        "02", "1e") "00000007 18 cb0071 0002 0000 64000000 0004 " ATTRS "0000 64000000 ffff");
    struct mrt_record record;
    struct mrt_entry entry;

    (void)state;
    assert_true(mrt_reader_next(reader, &record));
    assert_true(mrt_record_next_entry(&record, &entry));
    assert_false(mrt_record_next_entry(&record, &entry));
    assert_true(record.entries.failed);
    assert_int_equal(record.entry_count, 1);
    mrt_reader_free(reader);
}

/* Compressed or not, whole or cut: what is there is read, and the end is told. */
static void files_are_read_as_far_as_they_go(void **state)
{
    enum { RECORDS = 20000, RECORD_SIZE = 34 };
    struct hex hex = hex_make(IPV4);
    struct reader one = hex_reader(&hex);
    struct text plain = {0};
    static uint8_t gzip[1 << 20], zstd[1 << 20];

    (void)state;
    for (unsigned i = 0; i < RECORDS; i++)
        text_append(&plain, one.pos, reader_left(&one));
    assert_int_equal(plain.len, RECORDS * RECORD_SIZE);
    z_stream z = {.next_in = (Bytef *)plain.data,
                  .avail_in = (uInt)plain.len,
                  .next_out = gzip,
                  .avail_out = sizeof gzip};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t gzip_len = z.total_out;
    deflateEnd(&z);
    size_t zstd_len = ZSTD_compress(zstd, sizeof zstd, plain.data, plain.len, 1);
    assert_false(ZSTD_isError(zstd_len));

    const struct {
        const void *data;
        size_t len;
        const char *cut, *damaged;
    } files[] = {
        {plain.data, plain.len, "the file is cut short", NULL},
        {gzip, gzip_len, "the compressed data is cut short", "the compressed data is damaged"},
        {zstd, zstd_len, "the compressed data is cut short", "the compressed data is damaged"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct mrt_reader *reader = reader_of(files[i].data, files[i].len);
        assert_int_equal(read_all(reader), RECORDS);
        assert_null(mrt_reader_end(reader));
        mrt_reader_free(reader);
        reader = reader_of(files[i].data, files[i].len - 1);
        assert_true(read_all(reader) >= RECORDS - 4000); /* zstd has blocks of 128 KB */
        assert_string_equal(mrt_reader_end(reader), files[i].cut);
        mrt_reader_free(reader);
        if (!files[i].damaged)
            continue;
        text_reset(&plain); /* two files, one after the other, and what is no file */
        text_append(&plain, files[i].data, files[i].len);
        text_append(&plain, files[i].data, files[i].len);
        text_append_string(&plain, "what is this?");
        reader = reader_of(plain.data, plain.len);
        assert_int_equal(read_all(reader), 2 * RECORDS);
        assert_string_equal(mrt_reader_end(reader), files[i].damaged);
        mrt_reader_free(reader);
    }
    hex_clear(&hex);
    text_clear(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_read),
        cmocka_unit_test(path_identifiers_are_read),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(damaged_records_are_passed_over),
        cmocka_unit_test(entries_before_a_damage_are_read),
        cmocka_unit_test(files_are_read_as_far_as_they_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
