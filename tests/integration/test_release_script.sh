#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# scripts/release in a repository of its own: refuses what is amiss, and tags and packs what is in order.
set -euo pipefail
command -v git >/dev/null || { echo "SKIP git is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=test GIT_AUTHOR_EMAIL=test@example.com
export GIT_COMMITTER_NAME=test GIT_COMMITTER_EMAIL=test@example.com
mkdir "$work/tree"
cd "$work/tree"
git init -q .
mkdir -p scripts src debian tests/support tests/data/upgrade/7.8.9
printf 'pathacct (7.8.9) unstable; urgency=medium\n' >debian/changelog
cp "$SOURCE_DIR/scripts/release" scripts/
cp "$SOURCE_DIR/.gitignore" .
sed 's/^\(project(pathacct VERSION \)[0-9.]*/\17.8.9/' "$SOURCE_DIR/CMakeLists.txt" >CMakeLists.txt
printf '#!/bin/sh\ntest ! -e fail\n' >scripts/test
chmod +x scripts/test
printf '# News\n\n## 7.8.9\n\nFixes\n- one\n' >NEWS.md
echo 'const char *version;' >src/a.c
echo '{}' >tests/data/upgrade/7.8.9/sent.json
printf '#!/bin/sh\necho "recorded $*"\n' >tests/support/upgrade.py
chmod +x tests/support/upgrade.py
git add -A
git commit -qm start

# refused WORDS ARGUMENT...: fails, says these words, and leaves no tag.
refused() {
    local words=$1
    shift
    if scripts/release "$@" >../out 2>&1; then echo "not refused: $words"; cat ../out; exit 1; fi
    grep -qF "$words" ../out || { echo "\"$words\" is not in:"; cat ../out; exit 1; }
    test -z "$(git tag)"
}
# back: to the first commit.
back() {
    git reset -q --hard "$(git rev-list --max-parents=0 HEAD)"
    git clean -qfd
}

echo dirt >dirt
refused "is not clean" --dry-run
rm dirt
sed -i 's/7\.8\.9/7.8.8/' NEWS.md && git commit -qam news
refused 'no headline "## 7.8.9"' --skip-tests
back
sed -i 's/^## 7/## Unreleased\n\n&/' NEWS.md && git commit -qam unreleased
refused '"## Unreleased"' --skip-tests
back
sed -i 's/7\.8\.9/7.8.8/' debian/changelog && git commit -qam changelog
refused "debian/changelog does not begin with version 7.8.9" --skip-tests
back
echo '"7.8.9"' >>src/a.c && git commit -qam twice
refused "more places than CMakeLists.txt: src/a.c" --skip-tests
back
git rm -q tests/data/upgrade/7.8.9/sent.json && git commit -qm unrecorded
refused "tests/data/upgrade/7.8.9 is missing: scripts/release --record" --skip-tests
test "$(scripts/release --record)" = "recorded 7.8.9"
back
touch fail && git add fail && git commit -qm failing
refused "scripts/test failed"
back
refused "usage" --nonsense

scripts/release --dry-run >../out
grep -q "would tag .* as v7.8.9" ../out
test -z "$(git tag)" && test ! -e build-dist
scripts/release >../out
test "$(git tag)" = v7.8.9
test "$(git cat-file -t v7.8.9)" = tag
tail -1 ../out >../sum
(cd build-dist && sha256sum -c --quiet ../../sum)
mkdir ../unpacked
tar -C ../unpacked -xf build-dist/pathacct-7.8.9.tar.gz
test "$(cd ../unpacked/pathacct-7.8.9 && find . -type f | sort)" = "$(git ls-files | sed 's#^#./#' | sort)"
if scripts/release --skip-tests >../out 2>&1; then echo "the same version twice"; exit 1; fi
grep -q "a tag v7.8.9 already" ../out
