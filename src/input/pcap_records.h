/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The records of a file in the classic pcap format, version 2.4, read in large blocks and handed
 * out where they lie; libpcap would copy each frame twice more and lock its stream for each part of
 * it. libpcap still opens the files, checks them, and reads all other formats. One thread owns a
 * reader.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct pcap_records {
    int fd;
    off_t offset; /* in the file, of the next byte to be read */
    uint8_t *buffer;
    size_t pos, end; /* the part of the buffer that is left */
    bool is_little_endian;
    uint32_t fraction_ns; /* the unit of a time's second part */
    uint32_t snap_len;    /* bytes of a frame beyond it are passed over, as in libpcap */
};

struct pcap_record {
    const uint8_t *data; /* borrowed until the next one */
    uint32_t len;
    int64_t time_ns;
};

/* `fd` stays the caller's. False: not a regular file of that format. */
bool pcap_records_init(struct pcap_records *records, int fd, uint32_t snap_len);
void pcap_records_clear(struct pcap_records *records);
/* -ENODATA: the end; -EBADMSG: a record that is cut off, or longer than one can be; or the error of
 * read(2). */
int pcap_records_next(struct pcap_records *records, struct pcap_record *ret_record);
