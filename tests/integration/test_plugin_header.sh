#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The installed header is all that a backend needs: the example builds against it alone, by find_package and
# by pkg-config, as C and as C++.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$BUILD_DIR" --prefix "$work/usr" --component development >/dev/null
test "$(find "$work/usr" -name '*.h' | wc -l)" = 1
plugins=$work/usr/$(cd "$BUILD_DIR" && dirname "$(find lib* -name print.so)")

# find_package(pathacct), with the version and with one that it is not.
mkdir "$work/source"
cp "$SOURCE_DIR"/examples/plugin/* "$work/source"
cmake -S "$work/source" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/usr" >/dev/null
cmake --build "$work/build" >/dev/null
cmake --install "$work/build" >/dev/null
test -s "$plugins/lines.so"
sed -i 's/find_package(pathacct /&99 /' "$work/source/CMakeLists.txt"
if cmake -S "$work/source" -B "$work/build99" -DCMAKE_PREFIX_PATH="$work/usr" >"$work/99.log" 2>&1; then
    echo "version 99 was found" >&2
    exit 1
fi

# pkg-config
PKG_CONFIG_PATH=$(dirname "$(find "$work/usr" -name pathacct.pc)")
export PKG_CONFIG_PATH
read -r -a flags <<<"$(pkg-config --cflags pathacct)"
cc -shared -fPIC -D_GNU_SOURCE "${flags[@]}" -o "$work/pc.so" "$work/source/lines.c"
test "$(readlink -m "$(pkg-config --variable=plugindir pathacct)")" = "$plugins"
test "$(pkg-config --variable=plugin_abi pathacct)" = "$(sed -n 's/^#define PA_PLUGIN_ABI //p' "$SOURCE_DIR/src/plugins/pathacct_plugin.h")"
test "$(pkg-config --modversion pathacct)" = "$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$BUILD_DIR/CMakeCache.txt")"
test "$(sed -n 's/^set(pathacct_PLUGIN_ABI \(.*\))$/\1/p' "$(find "$work/usr" -name pathacct-config.cmake)")" = "$(pkg-config --variable=plugin_abi pathacct)"

strict=(-Wall -Wextra -Wpedantic -Werror -D_GNU_SOURCE "${flags[@]}" -fPIC -shared)
for compiler in gcc $(compgen -c clang | grep -xE 'clang(-[0-9]+)?' | sort -u); do
    command -v "$compiler" >/dev/null || continue
    "$compiler" -x c -std=c11 "${strict[@]}" -o "$work/c.so" "$work/source/lines.c"
    "$compiler" -x c++ -std=c++11 "${strict[@]}" -o "$work/cpp.so" "$work/source/lines.c"
done

# All are plugins to the host, and say the same of themselves.
"$BUILD_DIR/libexec/pathacct-host" --describe lines "$plugins" >"$work/c.json"
for other in pc cpp; do
    mkdir "$work/$other"
    cp "$work/$other.so" "$work/$other/lines.so"
    "$BUILD_DIR/libexec/pathacct-host" --describe lines "$work/$other" >"$work/$other.json"
    cmp "$work/c.json" "$work/$other.json"
done
grep -q '"name":"lines_refresh_time","type":"duration","global":false,"role":"refresh_time","default":"60"' "$work/c.json"
