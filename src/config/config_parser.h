/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The language of configuration files: `key: value`, `key[instance]: value`, `key[a, b]: value`
 * (two lines in one), `! comment`, `# comment`, `include: file`. The first ':' splits; a value
 * keeps all that follows it, '#' too. Every line keeps its place.
 */
#include <stdbool.h>
#include <stddef.h>

struct text;

struct config_line {
    char *key;      /* lower case */
    char *instance; /* NULL: not bound */
    char *value;
    char *place; /* "file:line" */
};
struct config_lines {
    struct config_line *items;
    size_t count, capacity;
};

void config_lines_clear(struct config_lines *lines);
/* Adds a line and copies all four texts. */
void config_lines_add(struct config_lines *lines, const char *key, const char *instance,
                      const char *value, const char *place);

/* Parses a file. A relative `include` is looked for beside the including file. Negative errno:
 * lines were appended to `errors`. */
int config_parse_file(struct config_lines *lines, const char *path, struct text *errors);
/* Parses text in memory, which errors call `path`; refuses `include`. */
int config_parse_text(struct config_lines *lines, const char *path, const char *data, size_t len,
                      struct text *errors);
