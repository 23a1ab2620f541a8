/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A terminal taken over for a full-screen view, with escape sequences that all terminals know. */
#include <stdbool.h>
#include <stddef.h>

struct text;
struct terminal;

/* Takes over standard input and output. -ENOTTY: one of them is no terminal. */
int terminal_open(struct terminal **ret_terminal);
void terminal_close(struct terminal *terminal); /* sets it back as it was; NULL is fine */

void terminal_size(const struct terminal *terminal, size_t *ret_rows, size_t *ret_columns);
/* Shows a screen, which must not have more lines than the terminal. */
void terminal_draw(const struct terminal *terminal, const struct text *screen);

enum terminal_event {
    TERMINAL_TIMEOUT,
    TERMINAL_KEY,
    TERMINAL_RESIZED,
    TERMINAL_GONE, /* or the program was told to end */
};
/* Waits `timeout_ms` at most. */
enum terminal_event terminal_wait(struct terminal *terminal, int timeout_ms, char *ret_key);
