/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Makes rows for tests and measurements of backends: a schema out of names of primitives, and one
 * batch that is filled by name. */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>

#define ROWS_COLUMNS_MAX 128

struct rows {
    struct pa_schema schema;
    struct pa_column columns[ROWS_COLUMNS_MAX];
    uint8_t *data;
    uint32_t count, capacity;
    struct pa_bytes *dictionary;
    uint32_t dictionary_count;
};

/* Makes a schema of `aggregate`, written as in a configuration, with packets and bytes added; with
 * bins rows have a time bin. */
void rows_init(struct rows *rows, const char *aggregate, uint32_t bin_seconds);
/* Adds a column that no primitive has; call it before the first row. */
void rows_add_column(struct rows *rows, const struct pa_column *column);
void rows_clear(struct rows *rows);
/* Removes all rows and the dictionary, and keeps the columns. */
void rows_reset(struct rows *rows);

uint8_t *rows_add(struct rows *rows); /* a row of zeros; borrowed until the next one */
void rows_set_bin(const struct rows *rows, uint8_t *row, int64_t bin_s);
void rows_set_uint(const struct rows *rows, uint8_t *row, const char *name, uint64_t value);
void rows_set_addr(const struct rows *rows, uint8_t *row, const char *name, const char *address);
void rows_set_mac(const struct rows *rows, uint8_t *row, const char *name, const char *address);
void rows_set_bytes(struct rows *rows, uint8_t *row, const char *name, const void *data,
                    uint32_t len);
void rows_set_text(struct rows *rows, uint8_t *row, const char *name, const char *text);
struct pa_batch rows_batch(const struct rows *rows);
