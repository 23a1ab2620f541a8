/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Unit tests of decoders include this instead of cmocka.h: it gives each test a new rig, and
 * compares addresses with texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/decode_rig.h"

static struct decode_rig rig;

/* Sets up the decoder of NetFlow and IPFIX, not yet started, so that a test can change settings. */
static inline int rig_setup(void **state)
{
    (void)state;
    decode_rig_init(&rig);
    return 0;
}

static inline int rig_setup_sflow(void **state)
{
    (void)state;
    decode_rig_init_sflow(&rig);
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    decode_rig_clear(&rig);
    return 0;
}

static inline void assert_addr(const struct ip_addr *addr, const char *expected)
{
    char text[IP_TEXT_LEN];

    ip_addr_format(addr, text);
    assert_string_equal(text, expected);
}
