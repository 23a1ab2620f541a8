/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as a capture file, pcap or pcapng. Every datagram is read to its end, times
 * are within 1970 to 2106, and a second reading finds the same. */
#include "base/clock.h"
#include "base/thread.h"
#include "input/receive_pcap.h"
#include "support/check.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    uint64_t count, bytes, sum;
    int err;
};

static struct seen read_all(struct pcap_reader *reader, struct text *error)
{
    struct seen seen = {0};
    struct datagram datagram;

    while ((seen.err = pcap_reader_next(reader, &datagram, error)) == 0) {
        CHECK(datagram.received_ns >= 0 &&
              datagram.received_ns <= (UINT32_MAX + 4300LL) * NS_PER_S);
        seen.count++;
        seen.bytes += datagram.len;
        for (uint32_t i = 0; i < datagram.len; i++)
            seen.sum = seen.sum * 31 + datagram.data[i];
    }
    CHECK(seen.err == -ENODATA || (seen.err == -EBADMSG && error->len > 0));
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];
    struct pcap_reader *reader;
    struct text error = {0};

    if (fd < 0) {
        fd = memfd_create("capture", MFD_CLOEXEC);
        thread_enter_role(&worker_thread);
    }
    CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (pcap_reader_open(path, size & 1 ? 2055 : 0, &error, &reader) == 0) {
        struct seen first = read_all(reader, &error);
        struct pcap_reader_counts counts = pcap_reader_counts(reader);
        CHECK(counts.datagrams == first.count);
        CHECK(counts.datagrams + counts.other + counts.other_port + counts.broken <= counts.frames);
        /* Fragments that wait are whole at once in a second reading, so only without them it is the
         * same. */
        if (size % 8 < 2 && counts.fragments_lost == 0 &&
            counts.datagrams + counts.other + counts.other_port + counts.broken == counts.frames &&
            pcap_reader_rewind(reader, &error) == 0) {
            struct seen second = read_all(reader, &error);
            CHECK(second.count == first.count && second.bytes == first.bytes &&
                  second.sum == first.sum && second.err == first.err);
        }
        pcap_reader_free(reader);
    } else {
        CHECK(error.len > 0);
    }
    text_clear(&error);
    return 0;
}
