/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tells which worker an exporter belongs to, in C and as a BPF program for the kernel. The program
 * sees plain offsets from the UDP payload on, so it loads the network header by SKF_NET_OFF. A
 * dual-stack socket sees IPv4 datagrams with their IPv4 header, which the version nibble tells.
 */
#include "input/steering.h"
#include "base/reader.h"
#include <assert.h>

/* The finalizer of MurmurHash3, without its last shift-multiply round: enough to spread
 * neighbouring addresses. */
#define MIX_1 UINT32_C(0x85ebca6b)
#define MIX_2 UINT32_C(0xc2b2ae35)

enum { IPV4_SOURCE = 12, IPV6_SOURCE = 8 };

static uint32_t address_mix(uint32_t x)
{
    x ^= x >> 16;
    x *= MIX_1;
    x ^= x >> 13;
    x *= MIX_2;
    x ^= x >> 16;
    return x;
}

uint32_t steering_worker(const struct ip_addr *exporter, uint32_t worker_count)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *b = exporter->bytes;
    uint32_t x;

    if (memcmp(b, mapped, sizeof mapped) == 0)
        x = wire_u32(b + 12);
    else
        x = ((wire_u32(b) * MIX_1 ^ wire_u32(b + 4)) * MIX_1 ^ wire_u32(b + 8)) * MIX_1 ^
            wire_u32(b + 12);
    return address_mix(x) % worker_count;
}

struct steering_program {
    struct sock_filter *code;
    uint16_t len;
};

static void program_add(struct steering_program *p, uint16_t code, uint8_t jump_true,
                        uint8_t jump_false, uint32_t k)
{
    assert(p->len < STEERING_PROGRAM_MAX);
    p->code[p->len++] = (struct sock_filter){code, jump_true, jump_false, k};
}

static void program_add_load(struct steering_program *p, uint32_t network_offset)
{
    program_add(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)SKF_NET_OFF + network_offset);
}

/* A = A ^ A >> shift; X is lost. */
static void program_add_xor_shift(struct steering_program *p, uint32_t shift)
{
    program_add(p, BPF_MISC | BPF_TAX, 0, 0, 0);
    program_add(p, BPF_ALU | BPF_RSH | BPF_K, 0, 0, shift);
    program_add(p, BPF_ALU | BPF_XOR | BPF_X, 0, 0, 0);
}

uint16_t steering_program(uint32_t worker_count, struct sock_filter out[STEERING_PROGRAM_MAX])
{
    struct steering_program p = {out, 0};
    uint16_t to_ipv4, to_mix;

    program_add(&p, BPF_LD | BPF_B | BPF_ABS, 0, 0, (uint32_t)SKF_NET_OFF);
    program_add(&p, BPF_ALU | BPF_RSH | BPF_K, 0, 0, 4);
    to_ipv4 = p.len;
    program_add(&p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4);
    program_add_load(&p, IPV6_SOURCE);
    for (uint32_t word = 1; word < 4; word++) {
        program_add(&p, BPF_ALU | BPF_MUL | BPF_K, 0, 0, MIX_1);
        program_add(&p, BPF_MISC | BPF_TAX, 0, 0, 0);
        program_add_load(&p, IPV6_SOURCE + 4 * word);
        program_add(&p, BPF_ALU | BPF_XOR | BPF_X, 0, 0, 0);
    }
    to_mix = p.len;
    program_add(&p, BPF_JMP | BPF_JA, 0, 0, 0);
    out[to_ipv4].jt = (uint8_t)(p.len - to_ipv4 - 1);
    program_add_load(&p, IPV4_SOURCE);
    out[to_mix].k = p.len - to_mix - 1U;
    program_add_xor_shift(&p, 16);
    program_add(&p, BPF_ALU | BPF_MUL | BPF_K, 0, 0, MIX_1);
    program_add_xor_shift(&p, 13);
    program_add(&p, BPF_ALU | BPF_MUL | BPF_K, 0, 0, MIX_2);
    program_add_xor_shift(&p, 16);
    program_add(&p, BPF_ALU | BPF_MOD | BPF_K, 0, 0, worker_count);
    program_add(&p, BPF_RET | BPF_A, 0, 0, 0);
    return p.len;
}
