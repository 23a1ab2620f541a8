/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adds up outputs, to be compared with the truth of flowgen (digest.h):
 *
 *   tally csv|json KEY[,KEY]... PACKETS BYTES FILE...
 *
 * KEY, PACKETS and BYTES name columns: of a CSV file by its first line, of JSON lines by member.
 * Other columns are passed over. CSV is as the daemons write it: no quotes, no separator in a
 * value. A file that is not such, or lacks a column, is an error.
 */
#include "digest.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_KEYS    16
#define MAX_COLUMNS 64
#define NO_COLUMN   (-1)

struct slice {
    const char *at;
    size_t len;
};

struct tally {
    struct slice names[MAX_KEYS + 2]; /* the keys, then packets and bytes */
    int name_count;
    const char *path;
    uint64_t line;
    struct digest digest;
};

static void fail(const struct tally *t, const char *what)
{
    fprintf(stderr, "tally: %s, line %lu: %s\n", t->path, t->line, what);
    exit(1);
}

static struct slice slice_until(const char **at, const char *end, char separator)
{
    struct slice s = {*at, 0};
    const char *stop = memchr(*at, separator, (size_t)(end - *at));

    s.len = (size_t)((stop ? stop : end) - *at);
    *at = stop ? stop + 1 : end;
    return s;
}

static int name_find(const struct tally *t, struct slice name)
{
    for (int i = 0; i < t->name_count; i++)
        if (t->names[i].len == name.len && memcmp(t->names[i].at, name.at, name.len) == 0)
            return i;
    return NO_COLUMN;
}

static uint64_t number(const struct tally *t, struct slice s)
{
    uint64_t value = 0;

    if (s.len == 0)
        fail(t, "a counter is empty or not there");
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            fail(t, "a counter is not a number");
        value = value * 10 + (uint64_t)(s.at[i] - '0');
    }
    return value;
}

static void add_row(struct tally *t, const struct slice *values)
{
    int key_count = t->name_count - 2;
    char key[1024];
    size_t len = 0;

    for (int i = 0; i < key_count; i++) {
        if (!values[i].at || len + values[i].len + 1 > sizeof key)
            fail(t, "a column is missing or too long");
        memcpy(key + len, values[i].at, values[i].len);
        len += values[i].len;
        key[len++] = ',';
    }
    digest_add(&t->digest, digest_hash(key, len), number(t, values[key_count]),
               number(t, values[key_count + 1]));
}

static void read_csv(struct tally *t, const char *at, const char *end)
{
    int columns[MAX_COLUMNS], column_count = 0;
    struct slice title = slice_until(&at, end, '\n');
    const char *title_end = title.at + title.len;

    for (const char *p = title.at; p < title_end && column_count < MAX_COLUMNS;)
        columns[column_count++] = name_find(t, slice_until(&p, title_end, ','));
    while (at < end) {
        struct slice line = slice_until(&at, end, '\n'), values[MAX_KEYS + 2] = {{0}};
        const char *p = line.at;
        t->line++;
        for (int i = 0; i < column_count; i++) {
            struct slice value = slice_until(&p, line.at + line.len, ',');
            if (columns[i] != NO_COLUMN)
                values[columns[i]] = value;
        }
        add_row(t, values);
    }
}

/*
 * Reads one flat object a line: "name": value, where a value is a number or a text without escapes.
 */
static void read_json(struct tally *t, const char *at, const char *end)
{
    while (at < end) {
        struct slice line = slice_until(&at, end, '\n'), values[MAX_KEYS + 2] = {{0}};
        const char *p = line.at, *stop = line.at + line.len;
        t->line++;
        if (line.len < 2 || *p != '{' || stop[-1] != '}')
            fail(t, "not a JSON object");
        stop--;
        while ((p = memchr(p, '"', (size_t)(stop - p)))) {
            struct slice name, value;
            p++;
            name = slice_until(&p, stop, '"');
            if (stop - p < 3 || p[0] != ':' || p[1] != ' ')
                fail(t, "not a member of an object");
            p += 2;
            if (*p == '"') {
                p++;
                value = slice_until(&p, stop, '"');
            } else {
                value = slice_until(&p, stop, ',');
            }
            int i = name_find(t, name);
            if (i != NO_COLUMN)
                values[i] = value;
        }
        add_row(t, values);
    }
}

static void read_file(struct tally *t, const char *path, bool is_json)
{
    int fd = open(path, O_RDONLY);
    struct stat status;
    char *data;

    t->path = path;
    t->line = 1;
    if (fd < 0 || fstat(fd, &status) < 0) {
        perror(path);
        exit(1);
    }
    if (status.st_size > 0) {
        data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            perror(path);
            exit(1);
        }
        (is_json ? read_json : read_csv)(t, data, data + status.st_size);
        munmap(data, (size_t)status.st_size);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    struct tally t = {.name_count = 0};

    if (argc < 6 || (strcmp(argv[1], "csv") != 0 && strcmp(argv[1], "json") != 0)) {
        fprintf(stderr, "tally: see the head of tally.c\n");
        return 2;
    }
    const char *names = argv[2], *end = names + strlen(names);
    while (names < end && t.name_count < MAX_KEYS)
        t.names[t.name_count++] = slice_until(&names, end, ',');
    for (int i = 3; i < 5; i++)
        t.names[t.name_count++] = (struct slice){argv[i], strlen(argv[i])};
    for (int i = 5; i < argc; i++)
        read_file(&t, argv[i], argv[1][0] == 'j');
    printf("{\"rows\": %lu, ", t.digest.rows);
    digest_print(&t.digest);
    printf("}\n");
    return 0;
}
