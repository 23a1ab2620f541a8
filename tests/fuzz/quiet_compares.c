/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libFuzzer is told of comparisons of 64 bits: nothing. No wire format has numbers of that size
 * which must be guessed. Nearly all of them are checks of the sanitizers' own, of alignment and
 * bounds, and to note each took a fifth of the time. Smaller ones go on to guide it.
 */
#include <stdint.h>

void __wrap___sanitizer_cov_trace_cmp8(uint64_t a, uint64_t b);
void __wrap___sanitizer_cov_trace_const_cmp8(uint64_t a, uint64_t b);

void __wrap___sanitizer_cov_trace_cmp8(uint64_t a, uint64_t b)
{
    (void)a;
    (void)b;
}

void __wrap___sanitizer_cov_trace_const_cmp8(uint64_t a, uint64_t b)
{
    (void)a;
    (void)b;
}
