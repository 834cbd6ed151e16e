#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# make distcheck: the tarball configures, builds, checks, installs, uninstalls
# and distributes itself, out of tree and from read-only sources. With clang, for
# which every warning is an error.
#
# make dist: another clone, another time, another umask, and the unpacked tarball
# itself all make the same bytes.
. "$(dirname "$0")/lib.sh"
unset SOURCE_DATE_EPOCH

# Two clones of one commit, of which only the first has been configured before.
copy_sources "$scratch/src"
cd "$scratch/src"
committed=1700000000
git init -q -b main
git add -A
GIT_AUTHOR_DATE="$committed +0000" GIT_COMMITTER_DATE="$committed +0200" \
    git -c user.name=A -c user.email=a@example.com commit -qm sources
(umask 077 && git clone -q . "$scratch/other")
echo 'of nobody' >docs/untracked.md

mkdir "$scratch/build"
cd "$scratch/build"
set -- CC=clang CFLAGS=-O0 --cache-file="$scratch/cache"
../src/configure --quiet "$@"
make -j"$(nproc)" distcheck \
    DISTCHECK_CONFIGURE_FLAGS="--enable-maintainer-mode $*"
tarball=$(echo mod_auth_bearer-*.tar.gz)
tar -tzf "$tarball" | sed 's|^[^/]*/||' >"$scratch/list"

# The tarball contains every file of a clone but debian/, which Debian wants apart
# from the sources.
if git -C "$top" rev-parse >/dev/null 2>&1; then
    git -C "$top" ls-files | grep -v -e '\.gitignore$' -e '^debian/' | while read -r file; do
        grep -Fqx -- "$file" "$scratch/list" ||
            fail "$tarball does not have $file"
    done
fi
if grep -E '(^|/)(__pycache__|\.deps|\.libs)/|\.(o|lo|la|pyc)$|untracked' \
    "$scratch/list"; then
    fail "$tarball has build products, or files that git does not have"
fi

# same_tarball SOURCES: what make dist makes of them
same_tarball() {
    mkdir "$1.build"
    (cd "$1.build" && "$1/configure" --quiet CC=clang CFLAGS=-O0 \
        --cache-file="$scratch/cache" && make -s dist)
    cmp "$1.build/$tarball" "$scratch/build/$tarball" || {
        tar -tvzf "$scratch/build/$tarball" >"$scratch/first"
        tar -tvzf "$1.build/$tarball" | diff "$scratch/first" - | head -n 20
        fail "make dist makes another $tarball of $1"
    }
}
tar -tvzf "$tarball" --full-time --numeric-owner >"$scratch/first"
when=$(date -u -d "@$committed" '+%F %T')
grep -v "^[d-]rw[x-]r-[x-]r-[x-] 0/0 .* $when " "$scratch/first" &&
    fail "$tarball has other owners, modes or times than $when"
umask 077
(cd "$scratch/other" && find . -exec touch -d 2001-01-01 {} + && autoreconf -i)
same_tarball "$scratch/other"
umask 002
mkdir "$scratch/unpacked"
tar -xzf "$tarball" -C "$scratch/unpacked"
same_tarball "$scratch/unpacked/$(basename "$tarball" .tar.gz)"
