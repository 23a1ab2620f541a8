/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program pmbmpd: BMP alone. */
#include "base/text.h"
#include "daemon/options.h"
#include "routes/program.h"
#include <errno.h>

static const struct key_option options[] = {
    {'L', "bmp_daemon_ip", NULL, "ADDRESS", "take connections on this address"},
    {'l', "bmp_daemon_port", NULL, "PORT", "take connections on this TCP port"},
    {'I', "pcap_savefile", NULL, "FILE", NULL},
    {'o', "bmp_daemon_msglog_file", NULL, "FILE", NULL},
    {'O', "bmp_dump_file", NULL, "FILE", NULL},
    {'i', "bmp_dump_refresh_time", NULL, "SECONDS", NULL},
    {0},
};

/* pmacct's pmbmpd ends after the capture; one that waits for routers instead would surprise. */
static int refuse_capture(const char *value, struct text *error)
{
    (void)value;
    text_append_string(error, "none: BMP is not read from capture files; let the routers connect");
    return -EINVAL;
}

static const struct config_key keys[] = {
    {.name = "pcap_savefile",
     .type = KEY_STRING,
     .check = refuse_capture,
     .help = "refused: BMP is not read from capture files"},
    {0},
};

const struct daemon_description program = {
    .name = "pmbmpd",
    .data_name = "BMP",
    .service = "bmp_daemon",
    .options = options,
    .keys = keys,
};
