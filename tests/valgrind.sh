#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/valgrind.sh BUILD-DIRECTORY [PYTEST-ARGUMENT...]
# The end-to-end tests with httpd under valgrind. Fails on an invalid access,
# on the use of an uninitialised value, and on a definite leak, in a stack that
# passes through this module. Takes many times as long as without.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY [PYTEST-ARGUMENT...]}" && pwd)
shift
logs=$(mktemp -d "${TMPDIR:-/tmp}/auth_bearer_valgrind.XXXXXX")
trap 'rm -rf "$logs"' EXIT
trap 'exit 130' INT TERM
chmod 1777 "$logs" # httpd's children write here as another user

status=0
BEARER_WRAPPER="valgrind --quiet --leak-check=full --show-leak-kinds=definite \
    --keep-debuginfo=yes --fullpath-after= --num-callers=40 \
    --log-file=$logs/%p.log" \
    BEARER_SLOW=20 BEARER_MPMS="${BEARER_MPMS:-prefork}" \
    BEARER_BUILDDIR=$build BEARER_MODULE=$build/.libs/mod_auth_bearer.so \
    HTBEARER=$build/htbearer PYTHONDONTWRITEBYTECODE=1 \
    /usr/bin/pytest -p no:cacheprovider "$@" "$top/tests/e2e" || status=$?

# One record a paragraph; ours are those with a frame in our sources.
ls "$logs" | grep -q . || {
    echo 'valgrind.sh: valgrind wrote nothing' >&2
    exit 1
}
sed 's/^==[0-9]*== \{0,1\}//' "$logs"/*.log |
    awk -v RS= '/\/src\/(bearer|httpd)\/|mod_auth_bearer/ {
            print $0 "\n"; n++ }
        END { printf "valgrind: %d records in the module\n", n; exit n > 0 }' ||
    status=1
exit $status
