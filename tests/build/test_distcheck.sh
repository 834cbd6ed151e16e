#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# make distcheck: the tarball configures, builds, checks, installs, uninstalls
# and distributes itself, out of tree and from read-only sources. With clang, for
# which every warning is an error.
. "$(dirname "$0")/lib.sh"

copy_sources "$scratch/src"
mkdir "$scratch/build"
cd "$scratch/build"
set -- CC=clang CFLAGS=-O0 --cache-file="$scratch/cache"
../src/configure --quiet "$@"
make -j"$(nproc)" distcheck \
    DISTCHECK_CONFIGURE_FLAGS="--enable-maintainer-mode $*"
tarball=$(echo mod_auth_bearer-*.tar.gz)
tar -tzf "$tarball" | sed 's|^[^/]*/||' >"$scratch/list"

# The tarball contains every file of a clone.
if git -C "$top" rev-parse >/dev/null 2>&1; then
    git -C "$top" ls-files | grep -v -e '\.gitignore$' | while read -r file; do
        grep -Fqx -- "$file" "$scratch/list" ||
            fail "$tarball does not have $file"
    done
fi
if grep -E '(^|/)(__pycache__|\.deps|\.libs)/|\.(o|lo|la|pyc)$' \
    "$scratch/list"; then
    fail "$tarball has build products"
fi
