/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Exports out of a capture file (pcap, pcapng), in file order. Each worker reads the file by itself
 * and keeps the datagrams of its exporters; all count the same datagrams, so that a position in the
 * file means the same to all. A worker owns its reader.
 *
 * Datagrams are the UDP payloads to `port`, or all UDP payloads if no port is asked for.
 */
#include "base/text.h"
#include "base/thread.h"
#include "flow/decoder.h"
#include <stdbool.h>
#include <stdint.h>

struct pcap_reader;

/* Appends the reason to `error`: the file cannot be read, or its link type is unknown. */
int pcap_reader_open(const char *path, uint16_t port, struct text *error,
                     struct pcap_reader **ret_reader);
void pcap_reader_free(struct pcap_reader *reader);

/*
 * The next datagram, its bytes borrowed until the next call; `number` counts from 1 over all
 * datagrams of the file, and goes on counting after pcap_reader_rewind(). 0: one was read;
 * -ENODATA: the end; -EBADMSG: the file is damaged from here on, which is told in `error`.
 */
int pcap_reader_next(struct pcap_reader *reader, struct datagram *ret_datagram, struct text *error)
    ON_THREAD(worker_thread);
/* Goes back to the start of the file, to read it once more. Errors are those of pcap_reader_open().
 * */
int pcap_reader_rewind(struct pcap_reader *reader, struct text *error) ON_THREAD(worker_thread);

/* Bytes of the file that have been read, but for what a buffer holds; 0: nobody can tell. */
uint64_t pcap_reader_position(const struct pcap_reader *reader);

struct pcap_reader_counts {
    uint64_t frames, datagrams;
    uint64_t other;          /* frames without UDP */
    uint64_t other_port;     /* UDP to another port */
    uint64_t broken;         /* frames that are cut off or make no sense */
    uint64_t fragments_lost; /* IP datagrams that never became whole */
};
struct pcap_reader_counts pcap_reader_counts(const struct pcap_reader *reader);
