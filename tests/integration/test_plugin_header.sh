#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The installed header is all that a backend needs: the example builds against it alone, as C with its own build files, and as C++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$BUILD_DIR" --prefix "$work/usr" --component development >/dev/null
test "$(find "$work/usr" -name '*.h' | wc -l)" = 1
include=$(dirname "$(find "$work/usr" -name pathacct_plugin.h)")

cp "$SOURCE_DIR"/examples/plugin/* "$work"
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null
cmake --build "$work/build" >/dev/null
test -s "$work/build/lines.so"

strict=(-Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE "-I$include" -fPIC -shared)
for compiler in gcc $(compgen -c clang | grep -xE 'clang(-[0-9]+)?' | sort -u); do
    command -v "$compiler" >/dev/null || continue
    "$compiler" -x c -std=c11 "${strict[@]}" -o "$work/c.so" "$work/lines.c"
    "$compiler" -x c++ -std=c++11 "${strict[@]}" -o "$work/cpp.so" "$work/lines.c"
done

# Both are plugins to the host, and say the same of themselves.
mkdir "$work/c" "$work/cpp"
cp "$work/build/lines.so" "$work/c/lines.so"
cp "$work/cpp.so" "$work/cpp/lines.so"
"$BUILD_DIR/libexec/pathacct-host" --describe lines "$work/c" >"$work/c.json"
"$BUILD_DIR/libexec/pathacct-host" --describe lines "$work/cpp" >"$work/cpp.json"
cmp "$work/c.json" "$work/cpp.json"
grep -q '"name":"lines_refresh_time","type":"duration","global":false,"role":"refresh_time","default":"60"' "$work/c.json"
