/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exports out of capture files. libpcap reads the file formats, pcap_records.c the usual one
 * faster; input/frame.c knows what is in a frame. */
#include "input/receive_pcap.h"
#include "base/clock.h"
#include "base/memory.h"
#include "input/fragments.h"
#include "input/frame.h"
#include "input/pcap_records.h"
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* READ_SIZE: bytes per read(2) of libpcap, as stdio's own 4 kB would be a system call every 50
 * flows. */
enum { FRAGMENTED_MAX = 64, READ_SIZE = 256 << 10 };
/* RFC 1122 section 3.3.2 asks for 60 to 120 s; Linux takes 30, and so does this. */
#define FRAGMENT_TIMEOUT_NS (30 * NS_PER_S)

struct pcap_reader {
    char *path;
    uint16_t port; /* 0: any */
    pcap_t *pcap;
    char *buffer; /* of its file: READ_SIZE bytes */
    int link_type;
    bool has_records; /* the file is read by `records`, behind libpcap's back */
    struct pcap_records records;
    struct fragments *fragments;
    struct pcap_reader_counts counts;
};

static int file_open(struct pcap_reader *r, struct text *error)
{
    char reason[PCAP_ERRBUF_SIZE];
    struct stat status;
    FILE *file = fopen(r->path, "rbe");

    if (!file) {
        text_append_printf(error, "capture file %s: %s\n", r->path, strerror(errno));
        return -EINVAL;
    }
    setvbuf(file, r->buffer, _IOFBF, READ_SIZE);
    r->pcap = pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, reason);
    if (!r->pcap) {
        bool is_empty =
            fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0;
        fclose(file);
        text_append_printf(error, "capture file %s: %s\n", r->path,
                           is_empty ? "it is empty" : reason);
        return -EINVAL;
    }
    r->link_type = pcap_datalink(r->pcap);
    if (!frame_link_type_is_known(r->link_type)) {
        const char *name = pcap_datalink_val_to_name(r->link_type);
        text_append_printf(
            error,
            "capture file %s: link type %s cannot be read here; capture on an Ethernet "
            "interface or on \"any\"\n",
            r->path, name ? name : "unknown");
        return -EPROTONOSUPPORT;
    }
    int snap_len = pcap_snapshot(r->pcap);
    r->has_records = pcap_records_init(&r->records, fileno(file), (uint32_t)snap_len);
    return 0;
}

static void file_close(struct pcap_reader *r)
{
    pcap_records_clear(&r->records);
    if (r->pcap)
        pcap_close(r->pcap);
    r->pcap = NULL;
}

int pcap_reader_open(const char *path, uint16_t port, struct text *error,
                     struct pcap_reader **ret_reader)
{
    struct pcap_reader *r = mem_zalloc(sizeof *r);
    int err;

    r->path = mem_strdup(path);
    r->buffer = mem_alloc(READ_SIZE);
    r->port = port;
    r->fragments = fragments_new(FRAGMENTED_MAX, FRAGMENT_TIMEOUT_NS);
    err = file_open(r, error);
    if (err < 0) {
        pcap_reader_free(r);
        return err;
    }
    *ret_reader = r;
    return 0;
}

void pcap_reader_free(struct pcap_reader *r)
{
    if (!r)
        return;
    file_close(r);
    fragments_free(r->fragments);
    mem_free(r->buffer); /* after its file */
    mem_free(r->path);
    mem_free(r);
}

/*
 * Returns a time within 1970 to 2106, where those of exports are too. pcapng has 64 bits of any unit
 * and an offset (draft-ietf-opsawg-pcapng, section 4.2): a damaged file can say any year. With
 * nanosecond precision asked for, tv_usec holds nanoseconds.
 */
static int64_t record_time_ns(const struct timeval *time)
{
    if (time->tv_sec < 0 || time->tv_usec < 0)
        return 0;
    if (time->tv_sec > UINT32_MAX || time->tv_usec > UINT32_MAX)
        return UINT32_MAX * NS_PER_S;
    return time->tv_sec * NS_PER_S + time->tv_usec;
}

/* -ENODATA: the end. Other errors are told in `error`. */
static int next_record(struct pcap_reader *r, struct pcap_record *ret_record, struct text *error)
{
    struct pcap_pkthdr *header;
    const char *reason;
    int err;

    if (r->has_records) {
        err = pcap_records_next(&r->records, ret_record);
        if (err == 0 || err == -ENODATA)
            return err;
        reason = err == -EBADMSG ? "a frame is cut off or too long" : strerror(-err);
    } else {
        int got = pcap_next_ex(r->pcap, &header, &ret_record->data);
        if (got == PCAP_ERROR_BREAK)
            return -ENODATA;
        if (got == 1) {
            ret_record->time_ns = record_time_ns(&header->ts);
            ret_record->len = header->caplen;
            return 0;
        }
        reason = pcap_geterr(r->pcap);
    }
    text_append_printf(error, "capture file %s: frame %llu: %s; the rest of it is not read",
                       r->path, (unsigned long long)r->counts.frames + 1, reason);
    return -EBADMSG;
}

int pcap_reader_next(struct pcap_reader *r, struct datagram *ret_datagram, struct text *error)
{
    struct pcap_record record;
    int err;

    while ((err = next_record(r, &record, error)) == 0) {
        struct frame_udp udp;
        r->counts.frames++;
        switch (frame_parse(r->link_type, record.data, record.len, record.time_ns, r->fragments,
                            &udp)) {
        case FRAME_UDP:
            if (r->port != 0 && udp.destination_port != r->port) {
                r->counts.other_port++;
                continue;
            }
            *ret_datagram = (struct datagram){.data = udp.payload,
                                              .len = udp.payload_len,
                                              .source_port = udp.source_port,
                                              .source = udp.source,
                                              .received_ns = record.time_ns,
                                              .number = ++r->counts.datagrams};
            return 0;
        case FRAME_FRAGMENT:
            break;
        case FRAME_OTHER:
            r->counts.other++;
            break;
        case FRAME_BROKEN:
            r->counts.broken++;
            break;
        }
    }
    return err;
}

int pcap_reader_rewind(struct pcap_reader *r, struct text *error)
{
    file_close(r);
    return file_open(r, error);
}

uint64_t pcap_reader_position(const struct pcap_reader *r)
{
    off_t place = r->has_records ? r->records.offset - (off_t)(r->records.end - r->records.pos)
                                 : ftello(pcap_file(r->pcap));

    return place > 0 ? (uint64_t)place : 0;
}

struct pcap_reader_counts pcap_reader_counts(const struct pcap_reader *r)
{
    struct pcap_reader_counts counts = r->counts;

    counts.fragments_lost = fragments_lost(r->fragments);
    return counts;
}
