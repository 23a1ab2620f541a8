/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The format: draft-ietf-opsawg-pcap, sections 4 and 5. */
#include "input/pcap_records.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/reader.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    FILE_HEADER_LEN = 24,
    RECORD_HEADER_LEN = 16,
    CAPTURED_MAX = 262144, /* libpcap's MAXIMUM_SNAPLEN: more is a damaged file */
    READ_SIZE = 128 << 10, /* stays in the second-level cache until it is parsed */
    BUFFER_SIZE = RECORD_HEADER_LEN + CAPTURED_MAX + READ_SIZE,
};
#define MAGIC_MICROSECONDS UINT32_C(0xa1b2c3d4)
#define MAGIC_NANOSECONDS  UINT32_C(0xa1b23c4d)
#define VERSION_2_4        (UINT32_C(2) << 16 | 4)

static uint32_t swapped(uint32_t x)
{
    return x >> 24 | (x >> 8 & 0xff00) | (x & 0xff00) << 8 | x << 24;
}

/* In the byte order of the machine that wrote the file. */
static uint32_t header_number(const struct pcap_records *r, const uint8_t *p)
{
    return r->is_little_endian ? swapped(wire_u32(p)) : wire_u32(p);
}

static bool is_magic(uint32_t x)
{
    return x == MAGIC_MICROSECONDS || x == MAGIC_NANOSECONDS;
}

bool pcap_records_init(struct pcap_records *r, int fd, uint32_t snap_len)
{
    uint8_t header[FILE_HEADER_LEN];

    *r = (struct pcap_records){.fd = fd, .offset = FILE_HEADER_LEN, .snap_len = snap_len};
    /* Fails on a pipe, which libpcap reads. */
    if (pread(fd, header, sizeof header, 0) != (ssize_t)sizeof header)
        return false;
    r->is_little_endian = is_magic(swapped(wire_u32(header)));
    uint32_t magic = header_number(r, header);
    uint32_t major = r->is_little_endian ? header[5] << 8 | header[4] : wire_u16(header + 4);
    uint32_t minor = r->is_little_endian ? header[7] << 8 | header[6] : wire_u16(header + 6);
    if (!is_magic(magic) || (major << 16 | minor) != VERSION_2_4)
        return false;
    r->fraction_ns = magic == MAGIC_NANOSECONDS ? 1 : NS_PER_US;
    r->buffer = mem_alloc(BUFFER_SIZE);
    return true;
}

void pcap_records_clear(struct pcap_records *r)
{
    mem_free(r->buffer);
    r->buffer = NULL;
}

/* At least `len` bytes in the buffer, `len` being no more than a record can have. -ENODATA: there
 * are less in the file. */
static int buffer_fill(struct pcap_records *r, size_t len)
{
    if (r->end - r->pos >= len)
        return 0;
    memmove(r->buffer, r->buffer + r->pos, r->end - r->pos);
    r->end -= r->pos;
    r->pos = 0;
    while (r->end < len) {
        ssize_t n = pread(r->fd, r->buffer + r->end, READ_SIZE, r->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        r->end += (size_t)n;
        r->offset += n;
    }
    return 0;
}

int pcap_records_next(struct pcap_records *r, struct pcap_record *ret_record)
{
    int err = buffer_fill(r, RECORD_HEADER_LEN);

    if (err < 0)
        return err == -ENODATA && r->end > r->pos ? -EBADMSG : err;
    const uint8_t *header = r->buffer + r->pos;
    int64_t time_ns = header_number(r, header) * NS_PER_S +
                      (int64_t)header_number(r, header + 4) * r->fraction_ns;
    uint32_t len = header_number(r, header + 8);
    if (len > CAPTURED_MAX)
        return -EBADMSG;
    err = buffer_fill(r, RECORD_HEADER_LEN + len);
    if (err < 0)
        return err == -ENODATA ? -EBADMSG : err;
    *ret_record = (struct pcap_record){
        .data = r->buffer + r->pos + RECORD_HEADER_LEN,
        .len = len < r->snap_len ? len : r->snap_len,
        .time_ns = time_ns,
    };
    r->pos += RECORD_HEADER_LEN + len;
    return 0;
}
