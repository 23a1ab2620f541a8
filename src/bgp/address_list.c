/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a list of addresses line by line; the first wrong line ends it. */
#include "bgp/address_list.h"
#include "base/memory.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *line_trim(char *line)
{
    while (isspace((unsigned char)*line))
        line++;
    size_t len = strlen(line);
    while (len > 0 && isspace((unsigned char)line[len - 1]))
        line[--len] = '\0';
    return line;
}

/* Returns what is wrong with the line, or NULL. */
static const char *entry_parse(char *line, bool has_passwords, struct address_entry *entry)
{
    char *comma = has_passwords ? strchr(line, ',') : NULL;

    if (has_passwords && !comma)
        return "not of the form `address, password`";
    if (comma) {
        *comma = '\0';
        const char *password = line_trim(comma + 1);
        size_t len = strlen(password);
        if (len == 0 || len > MD5_PASSWORD_MAX)
            return "the password must have 1 to 80 characters";
        memcpy(entry->password, password, len + 1);
    }
    return ip_network_parse(line_trim(line), &entry->prefix) < 0 ? "not an IP address or prefix"
                                                                 : NULL;
}

int address_list_load(const char *file, bool has_passwords, struct text *error,
                      struct address_list *ret_list)
{
    struct address_list list = {0};
    char *line = NULL;
    size_t capacity = 0;
    unsigned number = 0;
    int err = 0;

    FILE *stream = fopen(file, "re");
    if (!stream) {
        err = -errno;
        text_append_printf(error, "%s: %s", file, strerror(errno));
        return err;
    }
    while (err == 0 && getline(&line, &capacity, stream) >= 0) {
        char *entry = line_trim(line);
        number++;
        if (*entry == '\0' || *entry == '!' || *entry == '#')
            continue;
        list.entries = mem_realloc_array(list.entries, list.count + 1, sizeof list.entries[0]);
        list.entries[list.count] = (struct address_entry){0};
        const char *wrong = entry_parse(entry, has_passwords, &list.entries[list.count++]);
        if (wrong) {
            text_append_printf(error, "%s:%u: %s", file, number, wrong);
            err = -EINVAL;
        }
    }
    free(line);
    fclose(stream);
    if (err < 0)
        address_list_clear(&list);
    else
        *ret_list = list;
    return err;
}

void address_list_clear(struct address_list *list)
{
    mem_free(list->entries);
    *list = (struct address_list){0};
}

bool address_list_contains(const struct address_list *list, const struct ip_addr *address)
{
    for (size_t i = 0; i < list->count; i++) {
        if (ip_prefix_contains(&list->entries[i].prefix, address))
            return true;
    }
    return false;
}
