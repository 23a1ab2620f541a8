/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A file with an address or prefix on each line: who may send. Immutable; looked up by binary
 * search. */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>

struct text;
struct map_report;
struct allow_list;

/* -EINVAL or -errno; what is wrong is appended to `errors`, line by line. */
int allow_list_read(const char *path, struct map_report *report, struct allow_list **ret_list);
int allow_list_parse(const char *name, const char *data, size_t len, struct text *errors,
                     struct allow_list **ret_list);
void allow_list_free(struct allow_list *list); /* NULL is fine */
bool allow_list_contains(const struct allow_list *list, const struct ip_addr *addr);
/* True if the address stands there by itself, and in no prefix. */
bool allow_list_names(const struct allow_list *list, const struct ip_addr *addr);
