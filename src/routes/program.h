/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Each program for routes alone has a file of its own that defines this description. */
#include "daemon/daemon.h"

extern const struct daemon_description program;
