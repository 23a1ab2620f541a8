/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocation that ends the process when there is no memory: what a peer can make grow has a limit
 * of its own, so running out means that the machine is too small for the configuration, and nothing
 * could go on.
 */
#include "base/memory.h"
#include "base/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#endif

#define HUGE_PAGE ((uintptr_t)2 << 20)

static _Noreturn void out_of_memory(size_t size)
{
    log_error("out of memory: %zu bytes could not be had; the process ends", size);
    log_stop();
    _exit(EXIT_FAILURE);
}

static void *found_or_end(void *ptr, size_t size)
{
    if (!ptr)
        out_of_memory(size);
    return ptr;
}

static size_t product(size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes))
        out_of_memory(SIZE_MAX);
    return bytes;
}

void *mem_alloc(size_t size)
{
    return found_or_end(malloc(size ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return found_or_end(calloc(1, size ? size : 1), size);
}

void *mem_calloc(size_t count, size_t size)
{
    return mem_zalloc(product(count, size));
}

void *mem_realloc(void *ptr, size_t size)
{
    return found_or_end(realloc(ptr, size ? size : 1), size);
}

void *mem_realloc_array(void *ptr, size_t count, size_t size)
{
    return mem_realloc(ptr, product(count, size));
}

void *mem_aligned_zalloc(size_t alignment, size_t size)
{
    void *ptr;

    if (posix_memalign(&ptr, alignment, size ? size : 1) != 0)
        out_of_memory(size);
    return memset(ptr, 0, size);
}

/* The system makes huge pages only of what nothing has touched yet. So pages of memory that was used
 * before are given back; what comes in their place is zero. */
void *mem_table_calloc(size_t count, size_t size)
{
    size_t bytes = product(count, size), huge_bytes = bytes & ~(HUGE_PAGE - 1);
    uint8_t *table;

    if (huge_bytes == 0)
        return mem_aligned_zalloc(CACHE_LINE, bytes);
    if (posix_memalign((void **)&table, HUGE_PAGE, bytes) != 0)
        out_of_memory(bytes);
    if (madvise(table, huge_bytes, MADV_DONTNEED) < 0) /* as where memory is locked */
        memset(table, 0, huge_bytes);
    madvise(table, huge_bytes, MADV_HUGEPAGE); /* is a wish */
    memset(table + huge_bytes, 0, bytes - huge_bytes);
    return table;
}

void *mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);

    if (len > 0)
        memcpy(copy, data, len);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

char *mem_strndup(const char *text, size_t len)
{
    size_t copy_len = strnlen(text, len);
    char *copy = mem_alloc(copy_len + 1);

    memcpy(copy, text, copy_len);
    copy[copy_len] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...)
{
    char *text;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        out_of_memory(0);
    va_end(args);
    return text;
}

void mem_free(void *ptr)
{
    free(ptr);
}

bool mem_is_checked(void)
{
#ifdef HAS_ASAN
    return true;
#else
    return false;
#endif
}
