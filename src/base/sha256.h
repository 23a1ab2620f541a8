/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * SHA-256 (FIPS 180-4): hashes that are stored, where outsiders choose the bytes and must not be
 * able to choose two texts with one hash. For tables in memory base/hash.h is much quicker.
 */
#include <stddef.h>
#include <stdint.h>

enum { SHA256_LEN = 32 };

void sha256(const void *data, size_t len, uint8_t out[SHA256_LEN]);
