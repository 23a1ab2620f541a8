/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The worker that an exporter belongs to: a function of its source address alone, written twice.
 * Once in C, and once as the classic BPF program that lets the kernel pick the socket
 * (SO_ATTACH_REUSEPORT_CBPF); a test holds the two together. IPv4 and mapped IPv6 addresses give
 * the same worker.
 */
#include "base/address.h"
#include <linux/filter.h>
#include <stdint.h>

uint32_t steering_worker(const struct ip_addr *exporter, uint32_t worker_count);

enum { STEERING_PROGRAM_MAX = 48 };
/* Writes the program for `worker_count` sockets bound in order; returns its length in
 * instructions. */
uint16_t steering_program(uint32_t worker_count, struct sock_filter out[STEERING_PROGRAM_MAX]);
