/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Memory that is there or ends the process with a message. Any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_calloc(size_t count, size_t size); /* checks the product */
void *mem_realloc(void *ptr, size_t size);
void *mem_realloc_array(void *ptr, size_t count, size_t size); /* checks the product */
void *mem_aligned_zalloc(size_t alignment, size_t size);       /* free with mem_free */
/* Does the same as mem_calloc(), for tables that are read here and there: they begin with a cache line,
 * and large ones get huge pages where the system has them, which spares TLB misses. */
void *mem_table_calloc(size_t count, size_t size);
void *mem_dup(const void *data, size_t len);
char *mem_strdup(const char *text);
char *mem_strndup(const char *text, size_t len);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *ptr); /* NULL is fine */
/* Whether a sanitizer looks for memory that is left when the process ends. */
bool mem_is_checked(void);
