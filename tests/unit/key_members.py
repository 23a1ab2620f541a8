#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A row of a key table compiles only where its member can hold the value.

usage: key_members.py C_COMPILER INCLUDE_DIR
"""
import subprocess
import sys

SOURCE = """
#include "config/config_key.h"
enum word { ONE, TWO };
struct s { bool flag; char letter; int16_t i16; uint16_t u16; int32_t i32; uint32_t u32; int64_t i64; uint64_t u64;
           size_t size; const char *string; char *own; double real; enum word word; };
const struct config_key keys[] = {{"key", %s, .help = ""}, {0}};
"""
GOOD = [
    "KEY_BOOL_AT(struct s, flag)",
    "KEY_STRING_AT(struct s, string)",
    "KEY_CHOICE_AT(struct s, word)",
    "KEY_CHOICE_AT(struct s, flag)",
    "KEY_INT_AT(struct s, i16, INT16_MIN, INT16_MAX)",
    "KEY_INT_AT(struct s, u16, 0, UINT16_MAX)",
    "KEY_INT_AT(struct s, i32, INT32_MIN, INT32_MAX)",
    "KEY_DURATION_AT(struct s, u32, 0, UINT32_MAX)",
    "KEY_INT_AT(struct s, i64, INT64_MIN, INT64_MAX)",
    "KEY_SIZE_AT(struct s, u64, 0, INT64_MAX)",
    "KEY_SIZE_AT(struct s, size, 1, INT64_C(1) << 40)",
]
BAD = [
    "KEY_BOOL_AT(struct s, i32)",
    "KEY_BOOL_AT(struct s, letter)",
    "KEY_BOOL_AT(struct s, word)",
    "KEY_STRING_AT(struct s, own)",
    "KEY_STRING_AT(struct s, flag)",
    "KEY_CHOICE_AT(struct s, u16)",
    "KEY_CHOICE_AT(struct s, i64)",
    "KEY_CHOICE_AT(struct s, string)",
    "KEY_INT_AT(struct s, flag, 0, 1)",
    "KEY_INT_AT(struct s, real, 0, 1)",
    "KEY_INT_AT(struct s, string, 0, 1)",
    "KEY_INT_AT(struct s, i16, INT16_MIN, INT16_MAX + 1)",
    "KEY_INT_AT(struct s, i16, INT16_MIN - 1, INT16_MAX)",
    "KEY_INT_AT(struct s, u16, 0, UINT16_MAX + 1)",
    "KEY_INT_AT(struct s, u16, -1, UINT16_MAX)",
    "KEY_INT_AT(struct s, i32, 0, UINT32_MAX)",
    "KEY_SIZE_AT(struct s, u32, 0, INT64_MAX)",
    "KEY_DURATION_AT(struct s, u32, -1, 1)",
    "KEY_INT_AT(struct s, u64, INT64_MIN, 0)",
]


def compiles(compiler, include_dir, row):
    command = [compiler, "-std=c17", "-Wall", "-Wextra", "-Werror", f"-I{include_dir}", "-fsyntax-only", "-xc", "-"]
    return subprocess.run(command, input=SOURCE % row, text=True, capture_output=True)


def main():
    compiler, include_dir = sys.argv[1:]
    failed = 0
    for rows, is_good in ((GOOD, True), (BAD, False)):
        for row in rows:
            run = compiles(compiler, include_dir, row)
            if (run.returncode == 0) != is_good:
                print(f"{row}: should {'' if is_good else 'not '}compile\n{run.stderr}")
                failed += 1
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
