/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* An assertion for test programs without cmocka. Unlike assert(), it is there in release builds. */
#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)
