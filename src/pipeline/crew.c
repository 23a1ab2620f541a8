/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The crew: how many workers there are, and how much each may keep. */
#include "pipeline/worker.h"
#include <unistd.h>

const struct config_key crew_keys[] = {
    {"NAME_workers", KEY_INT_AT(struct crew, worker_count, 0, WORKERS_MAX), "0",
     .help = "threads that receive and aggregate; an exporter stays with one; 0: one less than "
             "there are CPUs"},
    {"exporters_max", KEY_INT_AT(struct crew, exporters_max, 1, 1 << 20), "16384",
     .help = "exporters that a worker knows at once; then the one least recently seen goes, first "
             "of those that nobody names and that have not delivered flows for ten minutes"},
    {"exporter_rate_max", KEY_INT_AT(struct crew, exporter_rate_max, 0, 100000000), "0",
     .help = "datagrams a second that one exporter may send, and one second's at once; those "
             "beyond are refused and counted; 0: any number"},
    {"bgp_wait_buffer_size", KEY_SIZE_AT(struct crew, hold_bytes, 0, INT64_C(1) << 40), "64M",
     .help = "bytes of datagrams that bgp_wait_for_rib holds; beyond that the oldest go on without "
             "waiting"},
    {"tunnel_headers", KEY_CHOICE_AT(struct crew, decoder_settings.tunnel_view), "outer",
     .choices = KEY_CHOICES({"outer", TUNNEL_VIEW_OUTER}, {"inner", TUNNEL_VIEW_INNER}),
     .help = "of a packet in a tunnel src_host, proto and the like tell the outer headers, and "
             "tunnel_src_host and its kin the inner ones; inner: the other way round; a packet "
             "without a tunnel is the same with both"},
    {0},
};

void crew_settings_finish(struct crew *crew)
{
    long count = crew->worker_count ? (long)crew->worker_count : sysconf(_SC_NPROCESSORS_ONLN) - 1;

    crew->worker_count = (uint32_t)(count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : count);
}
