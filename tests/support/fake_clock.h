/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A clock that stands until the test moves it. It takes the place of base/clock.c in a program that
 * includes this header, once, so pollers and their timers follow it too; those wait in real time,
 * so poller_wait() is called with a timeout of 0.
 */
#include "base/clock.h"

static int64_t fake_now_ns = 1000 * NS_PER_S;

struct wall_time clock_wall(void)
{
    return (struct wall_time){fake_now_ns};
}

struct mono_time clock_mono(void)
{
    return (struct mono_time){fake_now_ns};
}
