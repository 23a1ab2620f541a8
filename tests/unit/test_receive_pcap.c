/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that datagrams are found in capture files of every link type, and which damaged files are
 * refused. Frames are built byte by byte after IEEE 802.1Q, RFC 791, RFC 8200 and the LINKTYPE
 * pages of tcpdump.org. */
#include "base/memory.h"
#include "input/receive_pcap.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ETHERNET = 1, RAW = 101, COOKED = 113, COOKED2 = 276 };

/* A capture file while it is made: little-endian, with microseconds. */
struct capture {
    char path[32];
    FILE *file;
};

static void put_u32(FILE *file, uint32_t value)
{
    fwrite(&value, sizeof value, 1, file);
}

static struct capture capture_new(uint32_t link_type)
{
    struct capture c = {"/tmp/pathacct-test-XXXXXX", NULL};
    static const uint8_t header[] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4,    0,    0, 0,
                                     0,    0,    0,    0,    0, 0, 0xff, 0xff, 0, 0};

    c.file = fdopen(mkstemp(c.path), "wb");
    assert_non_null(c.file);
    fwrite(header, sizeof header, 1, c.file);
    put_u32(c.file, link_type);
    return c;
}

static void capture_add(struct capture *c, const uint8_t *frame, size_t len, uint32_t seconds)
{
    put_u32(c->file, seconds);
    put_u32(c->file, 250000);
    put_u32(c->file, (uint32_t)len);
    put_u32(c->file, (uint32_t)len);
    fwrite(frame, len, 1, c->file);
}

static struct pcap_reader *capture_open(struct capture *c, uint16_t port)
{
    struct pcap_reader *reader;
    struct text error = {0};

    fclose(c->file);
    assert_int_equal(pcap_reader_open(c->path, port, &error, &reader), 0);
    unlink(c->path);
    return reader;
}

struct frame {
    uint8_t data[2048];
    size_t len;
};

static void add(struct frame *f, const void *bytes, size_t len)
{
    memcpy(f->data + f->len, bytes, len);
    f->len += len;
}

static void add_u16(struct frame *f, uint16_t value)
{
    add(f, (uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

static void add_udp(struct frame *f, const char *text, uint16_t port)
{
    add_u16(f, 4321);
    add_u16(f, port);
    add_u16(f, (uint16_t)(8 + strlen(text)));
    add_u16(f, 0);
    add(f, text, strlen(text));
}

/* Adds an IPv4 header from 192.0.2.1 to 192.0.2.2; `fragment` is the header's field of flags and
 * offset. */
static void add_ipv4(struct frame *f, uint16_t payload_len, uint16_t fragment, uint16_t id)
{
    add(f, (uint8_t[]){0x45, 0}, 2);
    add_u16(f, (uint16_t)(20 + payload_len));
    add_u16(f, id);
    add_u16(f, fragment);
    add(f, (uint8_t[]){64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, 12);
}

static void add_ipv4_udp(struct frame *f, const char *text, uint16_t port)
{
    add_ipv4(f, (uint16_t)(8 + strlen(text)), 0, 0);
    add_udp(f, text, port);
}

static void add_ipv6(struct frame *f, uint16_t payload_len, uint8_t next)
{
    static const uint8_t source[16] = {0x20, 1, 0x0d, 0xb8, [15] = 1},
                         target[16] = {0x20, 1, 0x0d, 0xb8, [15] = 2};

    add(f, (uint8_t[]){0x60, 0, 0, 0}, 4);
    add_u16(f, payload_len);
    add(f, (uint8_t[]){next, 64}, 2);
    add(f, source, 16);
    add(f, target, 16);
}

static void expect(struct pcap_reader *reader, const char *text, const char *source)
{
    struct text error = {0};
    struct datagram d;
    char address[IP_TEXT_LEN];

    assert_int_equal(pcap_reader_next(reader, &d, &error), 0);
    assert_int_equal(d.len, strlen(text));
    assert_memory_equal(d.data, text, d.len);
    ip_addr_format(&d.source, address);
    assert_string_equal(address, source);
    assert_int_equal(d.source_port, 4321);
}

static void expect_end(struct pcap_reader *reader)
{
    struct text error = {0};
    struct datagram d;

    assert_int_equal(pcap_reader_next(reader, &d, &error), -ENODATA);
}

static void ethernet(struct frame *f)
{
    f->len = 0;
    add(f, (uint8_t[12]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, 12);
}

static void vlan_tags_are_stepped_over_and_padding_is_left_out(void **state)
{
    struct capture c = capture_new(ETHERNET);
    struct frame f;
    struct pcap_reader *reader;

    (void)state;
    ethernet(&f);
    add_u16(&f, 0x88a8); /* service tag, then customer tag */
    add_u16(&f, 100);
    add_u16(&f, 0x8100);
    add_u16(&f, 200);
    add_u16(&f, 0x0800);
    add_ipv4_udp(&f, "tagged", 2100);
    capture_add(&c, f.data, f.len, 1000);
    ethernet(&f);
    add_u16(&f, 0x0800);
    add_ipv4_udp(&f, "short", 2100);
    add(&f, (uint8_t[20]){0}, 20); /* to the minimum of Ethernet */
    capture_add(&c, f.data, f.len, 1001);
    reader = capture_open(&c, 0);
    expect(reader, "tagged", "192.0.2.1");
    expect(reader, "short", "192.0.2.1");
    expect_end(reader);
    pcap_reader_free(reader);
}

static void cooked_and_raw_link_types_are_read(void **state)
{
    static const int types[] = {COOKED, COOKED2, RAW};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct capture c = capture_new((uint32_t)types[i]);
        struct frame f = {{0}, 0};
        struct pcap_reader *reader;
        if (types[i] == COOKED) {
            add(&f, (uint8_t[14]){0}, 14); /* packet type, ARPHRD, address */
            add_u16(&f, 0x0800);
        } else if (types[i] == COOKED2) {
            add_u16(&f, 0x86dd);
            add(&f, (uint8_t[18]){0}, 18);
        }
        if (types[i] == COOKED) {
            add_ipv4_udp(&f, "hello", 2100);
        } else {
            add_ipv6(&f, 13, 17);
            add_udp(&f, "hello", 2100);
        }
        capture_add(&c, f.data, f.len, 1000);
        reader = capture_open(&c, 0);
        expect(reader, "hello", types[i] == COOKED ? "192.0.2.1" : "2001:db8::1");
        expect_end(reader);
        pcap_reader_free(reader);
    }
}

/* Adds a fragment of "0123456789abcdef", in an UDP datagram of 24 bytes that is cut after 16. */
static void ipv4_piece(struct capture *c, bool is_first, uint16_t id, uint32_t seconds)
{
    struct frame whole = {{0}, 0}, f = {{0}, 0};

    add_udp(&whole, "0123456789abcdef", 2100);
    add_ipv4(&f, is_first ? 16 : 8, is_first ? 0x2000 : 2, id);
    add(&f, whole.data + (is_first ? 0 : 16), is_first ? 16 : 8);
    capture_add(c, f.data, f.len, seconds);
}

static void fragments_in_any_order_make_one_datagram(void **state)
{
    struct capture c = capture_new(RAW);
    struct pcap_reader *reader;

    (void)state;
    ipv4_piece(&c, false, 7, 1000);
    ipv4_piece(&c, true, 8, 1000); /* of another datagram, which stays incomplete */
    ipv4_piece(&c, true, 7, 1001);
    ipv4_piece(&c, true, 9, 1002);
    ipv4_piece(&c, true, 9, 1002); /* the same twice does no harm */
    ipv4_piece(&c, false, 9, 1002);
    reader = capture_open(&c, 0);
    expect(reader, "0123456789abcdef", "192.0.2.1");
    expect(reader, "0123456789abcdef", "192.0.2.1");
    expect_end(reader);
    assert_int_equal(pcap_reader_counts(reader).fragments_lost, 1);
    pcap_reader_free(reader);
}

static void a_fragment_that_comes_too_late_is_lost(void **state)
{
    struct capture c = capture_new(RAW);
    struct pcap_reader *reader;

    (void)state;
    ipv4_piece(&c, true, 7, 1000);
    ipv4_piece(&c, false, 7, 1031);
    reader = capture_open(&c, 0);
    expect_end(reader);
    assert_int_equal(pcap_reader_counts(reader).fragments_lost, 2);
    pcap_reader_free(reader);
}

static void overlapping_fragments_spoil_their_datagram(void **state)
{
    struct capture c = capture_new(RAW);
    struct frame f = {{0}, 0};
    struct pcap_reader *reader;

    (void)state;
    ipv4_piece(&c, true, 7, 1000);
    add_ipv4(&f, 16, 0x2000 | 1, 7); /* bytes 8 to 24 again, with other contents */
    add(&f, "xxxxxxxxxxxxxxxx", 16);
    capture_add(&c, f.data, f.len, 1000);
    ipv4_piece(&c, false, 7, 1000);
    reader = capture_open(&c, 0);
    expect_end(reader);
    assert_int_equal(pcap_reader_counts(reader).fragments_lost, 1);
    pcap_reader_free(reader);
}

static void ipv6_fragments_behind_extension_headers_are_joined(void **state)
{
    struct capture c = capture_new(RAW);
    struct frame whole = {{0}, 0}, f;
    struct pcap_reader *reader;

    (void)state;
    add_udp(&whole, "0123456789abcdef", 2100);
    for (int piece = 0; piece < 2; piece++) {
        f.len = 0;
        add_ipv6(&f, (uint16_t)(8 + 8 + (piece ? 8 : 16)), 60); /* destination options first */
        add(&f, (uint8_t[]){44, 0, 1, 4, 0, 0, 0, 0}, 8);       /* next: fragment; padding */
        add(&f, (uint8_t[]){17, 0}, 2);
        add_u16(&f, piece ? 16 : 1); /* offset in bytes, more-fragments bit */
        add(&f, (uint8_t[]){0, 0, 0, 5}, 4);
        add(&f, whole.data + 16 * piece, piece ? 8 : 16);
        capture_add(&c, f.data, f.len, 1000);
    }
    reader = capture_open(&c, 0);
    expect(reader, "0123456789abcdef", "2001:db8::1");
    expect_end(reader);
    pcap_reader_free(reader);
}

static void a_port_leaves_other_datagrams_out_and_numbers_the_rest(void **state)
{
    struct capture c = capture_new(RAW);
    struct pcap_reader *reader;
    struct text error = {0};
    struct datagram d;

    (void)state;
    for (uint16_t port = 2099; port <= 2101; port++) {
        struct frame f = {{0}, 0};
        add_ipv4_udp(&f, "x", port);
        capture_add(&c, f.data, f.len, 1000);
    }
    reader = capture_open(&c, 2100);
    assert_int_equal(pcap_reader_next(reader, &d, &error), 0);
    assert_int_equal(d.number, 1);
    assert_int_equal(d.received_ns, INT64_C(1000250000000));
    expect_end(reader);
    assert_int_equal(pcap_reader_counts(reader).other_port, 2);
    pcap_reader_free(reader);
}

/* Makes a pcapng file (draft-ietf-opsawg-pcapng, section 4) of one raw frame with that time, in
 * units of `resolution` as if_tsresol has it. */
static struct capture pcapng_new(const struct frame *f, uint64_t time, uint8_t resolution)
{
    struct capture c = {"/tmp/pathacct-test-XXXXXX", NULL};
    uint32_t padded = (uint32_t)((f->len + 3) / 4 * 4);
    const uint32_t section[] = {0x0a0d0d0a, 28, 0x1a2b3c4d, 1, UINT32_MAX, UINT32_MAX, 28};
    const uint32_t interface[] = {1, 32, RAW, 65535, 9 | 1 << 16, resolution, 0, 32};
    const uint32_t packet[] = {6,
                               32 + padded,
                               0,
                               (uint32_t)(time >> 32),
                               (uint32_t)time,
                               (uint32_t)f->len,
                               (uint32_t)f->len};

    c.file = fdopen(mkstemp(c.path), "wb");
    assert_non_null(c.file);
    fwrite(section, sizeof section, 1, c.file);
    fwrite(interface, sizeof interface, 1, c.file);
    fwrite(packet, sizeof packet, 1, c.file);
    fwrite(f->data, f->len, 1, c.file);
    fwrite("\0\0\0", padded - f->len, 1, c.file);
    put_u32(c.file, 32 + padded);
    return c;
}

static void times_of_pcapng_stay_within_1970_to_2106(void **state)
{
    static const struct {
        uint64_t time;
        uint8_t resolution;
        int64_t expected_ns;
    } cases[] = {
        {INT64_C(1000250000000), 9, INT64_C(1000250000000)}, /* nanoseconds */
        {1000250, 3, INT64_C(1000250000000)},                /* milliseconds */
        {UINT32_MAX, 0, UINT32_MAX * INT64_C(1000000000)},   /* seconds */
        {UINT64_C(1) << 40, 0, UINT32_MAX * INT64_C(1000000000)},
        {INT64_MAX, 0, UINT32_MAX * INT64_C(1000000000)},
        {UINT64_MAX, 0, 0}, /* one second before 1970 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frame f = {{0}, 0};
        struct text error = {0};
        struct datagram d;
        add_ipv4_udp(&f, "x", 2100);
        struct capture c = pcapng_new(&f, cases[i].time, cases[i].resolution);
        struct pcap_reader *reader = capture_open(&c, 0);
        assert_int_equal(pcap_reader_next(reader, &d, &error), 0);
        assert_int_equal(d.received_ns, cases[i].expected_ns);
        expect_end(reader);
        pcap_reader_free(reader);
    }
}

static void every_truncation_of_a_frame_is_harmless(void **state)
{
    struct capture c = capture_new(ETHERNET);
    struct frame f;
    struct pcap_reader *reader;
    struct text error = {0};
    struct datagram d;

    (void)state;
    ethernet(&f);
    add_u16(&f, 0x8100);
    add_u16(&f, 5);
    add_u16(&f, 0x86dd);
    add_ipv6(&f, 16, 0);
    add(&f, (uint8_t[]){17, 0, 1, 4, 0, 0, 0, 0}, 8);
    add_udp(&f, "", 2100);
    for (size_t len = 0; len <= f.len; len++) {
        uint8_t *exact =
            mem_dup(f.data, len + 1); /* for the sanitizer: the frame ends where its bytes do */
        capture_add(&c, exact, len, 1000);
        mem_free(exact);
    }
    reader = capture_open(&c, 0);
    assert_int_equal(pcap_reader_next(reader, &d, &error), 0); /* only the whole one */
    expect_end(reader);
    pcap_reader_free(reader);
}

/* Reads a file of these bytes to its end, and counts its datagrams in *ret_count. Returns how the
 * reading ended. */
static int read_all(const uint8_t *bytes, size_t len, int64_t *ret_last_ns, size_t *ret_count)
{
    char path[] = "/tmp/pathacct-test-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "wb");
    struct pcap_reader *reader;
    struct text error = {0};
    struct datagram d;
    int err;

    fwrite(bytes, len, 1, file);
    fclose(file);
    assert_int_equal(pcap_reader_open(path, 0, &error, &reader), 0);
    unlink(path);
    *ret_count = 0;
    while ((err = pcap_reader_next(reader, &d, &error)) == 0) {
        *ret_last_ns = d.received_ns;
        *ret_count += 1;
    }
    pcap_reader_free(reader);
    assert_int_equal(error.len > 0, err == -EBADMSG);
    text_clear(&error);
    return err;
}

static size_t put_u32_be(uint8_t *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (24 - 8 * i));
    return 4;
}

/* Writes a big-endian file of nanoseconds: `count` equal frames of raw IP, each with `padding`
 * bytes behind its 28. */
static size_t big_endian_file(uint8_t *out, uint32_t snap_len, int count, uint32_t padding)
{
    static const uint8_t version[] = {0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t frame[28] = {0x45, 0, 0, 28, [8] = 1, 17, [12] = 192, 0, 2, 1, [25] = 8};
    size_t len = put_u32_be(out, 0xa1b23c4d);

    memcpy(out + len, version, sizeof version);
    len += sizeof version;
    len += put_u32_be(out + len, snap_len);
    len += put_u32_be(out + len, RAW);
    for (int i = 0; i < count; i++) {
        len += put_u32_be(out + len, 1000);
        len += put_u32_be(out + len, 123456789);
        len += put_u32_be(out + len, (uint32_t)sizeof frame + padding);
        len += put_u32_be(out + len, (uint32_t)sizeof frame + padding);
        memcpy(out + len, frame, sizeof frame);
        memset(out + len + sizeof frame, 0, padding);
        len += sizeof frame + padding;
    }
    return len;
}

static void byte_order_and_nanoseconds_of_the_file_are_heeded(void **state)
{
    uint8_t bytes[256];
    int64_t last_ns = 0;
    size_t count;

    (void)state;
    assert_int_equal(read_all(bytes, big_endian_file(bytes, 65535, 1, 0), &last_ns, &count),
                     -ENODATA);
    assert_int_equal(count, 1);
    assert_int_equal(last_ns, INT64_C(1000123456789));
}

static void a_file_that_ends_within_a_frame_is_told(void **state)
{
    uint8_t bytes[256];
    size_t len = big_endian_file(bytes, 65535, 3, 0), count;
    int64_t last_ns;

    (void)state;
    for (size_t cut = 24; cut <= len; cut++) { /* a frame is 16 + 28 bytes behind a header of 24 */
        bool is_whole = (cut - 24) % 44 == 0;
        assert_int_equal(read_all(bytes, cut, &last_ns, &count), is_whole ? -ENODATA : -EBADMSG);
        assert_int_equal(count, (cut - 24) / 44);
    }
    put_u32_be(bytes + 24 + 44 + 8, 262145); /* one more than the most that a frame can have */
    assert_int_equal(read_all(bytes, len, &last_ns, &count), -EBADMSG);
    assert_int_equal(count, 1);
}

static void what_a_frame_has_beyond_the_snap_length_is_passed_over(void **state)
{
    uint8_t bytes[256];
    int64_t last_ns;
    size_t count;

    (void)state;
    read_all(bytes, big_endian_file(bytes, 27, 2, 0), &last_ns, &count);
    assert_int_equal(count, 0); /* the UDP header misses a byte */
    read_all(bytes, big_endian_file(bytes, 28, 2, 7), &last_ns, &count);
    assert_int_equal(count, 2);
}

static void frames_that_lie_across_blocks_are_whole(void **state)
{
    enum { COUNT = 40 };
    static const uint32_t paddings[] = {8191, 100001, 262144 - 28}; /* of blocks of 128 kB */
    uint8_t *bytes = mem_alloc(24 + (size_t)COUNT * (16 + 262144));
    int64_t last_ns;
    size_t count;

    (void)state;
    for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
        size_t len = big_endian_file(bytes, 0, COUNT, paddings[i]);
        assert_int_equal(read_all(bytes, len, &last_ns, &count), -ENODATA);
        assert_int_equal(count, COUNT);
    }
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vlan_tags_are_stepped_over_and_padding_is_left_out),
        cmocka_unit_test(cooked_and_raw_link_types_are_read),
        cmocka_unit_test(fragments_in_any_order_make_one_datagram),
        cmocka_unit_test(a_fragment_that_comes_too_late_is_lost),
        cmocka_unit_test(overlapping_fragments_spoil_their_datagram),
        cmocka_unit_test(ipv6_fragments_behind_extension_headers_are_joined),
        cmocka_unit_test(a_port_leaves_other_datagrams_out_and_numbers_the_rest),
        cmocka_unit_test(times_of_pcapng_stay_within_1970_to_2106),
        cmocka_unit_test(every_truncation_of_a_frame_is_harmless),
        cmocka_unit_test(byte_order_and_nanoseconds_of_the_file_are_heeded),
        cmocka_unit_test(a_file_that_ends_within_a_frame_is_told),
        cmocka_unit_test(what_a_frame_has_beyond_the_snap_length_is_passed_over),
        cmocka_unit_test(frames_that_lie_across_blocks_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
