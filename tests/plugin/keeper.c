/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder as a plugin whose rows are never merged. */
#define RECORDER_NAME  "keeper"
#define RECORDER_FLAGS PA_PLUGIN_KEEPS_HANDOVERS
#include "recorder.c"
