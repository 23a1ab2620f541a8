#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `cmake -S . -B build`, as the README has it, finds all it needs where the libraries of tests are not installed, and makes neither
# tests nor benchmarks.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
real=$(command -v pkg-config)
cat >"$work/bin/pkg-config" <<EOF
#!/bin/sh
for word in "\$@"; do
    case \$word in *cmocka*) exit 1 ;; esac
done
exec $real "\$@"
EOF
chmod +x "$work/bin/pkg-config"

# Without cmocka the tests are refused, by name...
if PKG_CONFIG=$work/bin/pkg-config cmake -S "$SOURCE_DIR" -B "$work/tests" -DBUILD_TESTS=ON >"$work/log" 2>&1; then
    echo "the tests do without cmocka" >&2
    exit 1
fi
grep -q 'libcmocka-dev' "$work/log"
# ...and all else is there.
PKG_CONFIG=$work/bin/pkg-config cmake -S "$SOURCE_DIR" -B "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --build "$work/build" --target help | sed 's/^\.\.\. //' >"$work/targets"
for target in nfacctd sfacctd pathacct-host pmacct plugin_print; do
    grep -qxF "$target" "$work/targets" || { echo "no target $target"; exit 1; }
done
if grep -E '^(test_|fuzz_|flowgen|decode_bench|plugin_recorder)' "$work/targets"; then
    echo "these are made though nobody asked" >&2
    exit 1
fi
