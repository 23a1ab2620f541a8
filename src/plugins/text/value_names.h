/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Names of numbers, in const tables. */
#include "base/protocol_name.h"
#include <stdint.h>

/* Returns a forwarding status in words (RFC 7270 section 4.12): "FORWARDED Unknown". Never NULL. */
const char *forwarding_status_name(uint8_t status);

/* The names of the six flags of RFC 793 from the highest (0x20, URG) to the lowest (0x01, FIN). */
#define TCP_FLAG_NAMES_COUNT 6
extern const char tcp_flag_names[TCP_FLAG_NAMES_COUNT][4];

/* Returns who told the route distinguisher, by enum rd_origin: unknown, map, bgp, flow. */
const char *rd_origin_name(uint8_t origin);
