/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Plain files of one entry per line: addresses and prefixes (bgp_daemon_allow_file), or addresses
 * with a TCP-MD5 password each (bgp_daemon_md5_file). Blank lines and those that begin with '!' or
 * '#' are passed over.
 */
#include "base/address.h"
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>

#define MD5_PASSWORD_MAX 80 /* TCP_MD5SIG_MAXKEYLEN */

struct address_entry {
    struct ip_prefix prefix;
    char password[MD5_PASSWORD_MAX + 1]; /* empty in a list without passwords */
};
struct address_list {
    struct address_entry *entries;
    size_t count;
};

/* -errno: the file cannot be read; -EINVAL: a line is wrong; `error` gets the file, the line and
 * what would be right. No password ever stands in `error`. */
int address_list_load(const char *file, bool has_passwords, struct text *error,
                      struct address_list *ret_list);
void address_list_clear(struct address_list *list);
bool address_list_contains(const struct address_list *list, const struct ip_addr *address);
