/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder as a plugin whose calls may stand still, and which has a thread for them. */
#define RECORDER_NAME  "blocker"
#define RECORDER_FLAGS PA_PLUGIN_BLOCKS
#include "recorder.c"
