/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The lines of a file, packed into messages, for programs that load brokers. */
#include <stdbool.h>
#include <stddef.h>

struct message_load {
    const char *data; /* the file, in memory */
    size_t len, size; /* bytes of the file, and at most of a message */
    double begun_s;
};

/* Reads the arguments WHERE WHAT FILE SIZE. Returns false after it has told how the program is used. */
bool message_load_open(struct message_load *load, int argc, char **argv, const char *usage);
/* Starts the clock. */
void message_load_begin(struct message_load *load);
/* Returns the length of the message at `at`: as many whole lines as fit. */
size_t message_load_next(const struct message_load *load, size_t at);
/* Stops the clock and prints {"rows": N, "seconds": S}. */
void message_load_end(const struct message_load *load);
