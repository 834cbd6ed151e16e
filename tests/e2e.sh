#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/e2e.sh BUILD-DIRECTORY PYTEST-ARGUMENT...
# Runs end-to-end tests against the build in that directory, several files in
# parallel. A file is named from here or from tests/e2e.
#   E2E_WORKERS  how many files at a time (2 for each processor)
#   E2E_AGAIN    a file. A test that fails in parallel runs once more, alone, and its
#                name is added to the file. If it passes then, the run passes too.
#                This does not apply if a process crashed, or if the file has
#                more than 5 names.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY PYTEST-ARGUMENT...}" && pwd)
shift
here=$(pwd)
for argument; do
    shift
    case $argument in
    */*) test ! -e "$here/${argument%%::*}" || argument=$here/$argument ;;
    esac
    set -- "$@" "$argument"
done
cd "$top/tests/e2e"
export BEARER_BUILDDIR="$build" HTBEARER="$build/htbearer" \
    BEARER_MODULE="$build/.libs/mod_auth_bearer.so" PYTHONDONTWRITEBYTECODE=1
workers=${E2E_WORKERS:-$((2 * $(nproc 2>/dev/null || echo 2)))}

if test -z "${E2E_AGAIN:-}"; then
    exec /usr/bin/pytest -q -p no:cacheprovider -n "$workers" \
        --dist loadfile "$@"
fi

cache=$build/pytest.$$
trap 'rm -rf "$cache"' EXIT
trap 'exit 130' INT TERM
# pytest.ini sets no cache, so that none is left in the source tree
set -- -q -o addopts=--strict-markers -o cache_dir="$cache" "$@"
status=0
/usr/bin/pytest -n "$workers" --dist loadfile "$@" || status=$?
# 1: tests failed; any other status is worse, and conftest.py turns it into a
# crash
test $status -eq 1 || exit $status

/usr/bin/python3 -c 'import json, sys
print(*json.load(open(sys.argv[1])), sep="\n")' \
    "$cache/v/cache/lastfailed" >"$cache/names"
cat "$cache/names" >>"$E2E_AGAIN"
count=$(wc -l <"$E2E_AGAIN")
if test "$count" -gt 5; then
    echo "$count tests failed, too many for chance"
    exit 1
fi
sed 's/^/once more, alone: /' "$cache/names"
/usr/bin/pytest -n 0 --last-failed --last-failed-no-failures none "$@"
