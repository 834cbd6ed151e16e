#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/valgrind.sh BUILD-DIRECTORY [PYTEST-ARGUMENT...]
# Runs end-to-end tests with httpd under valgrind. Fails on an invalid access,
# the use of an uninitialised value, or a definite leak, if its stack includes
# this module. The run takes many times longer than without valgrind. So if no
# test is named, it runs a selection that covers every path through the module:
# all results and attacks, a login with its logout, and the data for the
# application.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY [PYTEST-ARGUMENT...]}" && pwd)
shift
cd "$top/tests/e2e"
test $# -gt 0 ||
    set -- test_table.py test_results.py test_export.py \
        test_browser.py::test_login_deep_link test_browser.py::test_logout \
        test_browser.py::test_refresh_once_for_parallel_requests \
        test_browser.py::test_backchannel
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
    /usr/bin/pytest -p no:cacheprovider -q "$@" || status=$?

# valgrind writes one record per paragraph. The relevant ones have a frame in
# this project's sources. OpenSSL frees its data of a thread when the thread
# ends; mod_watchdog's threads end with the process, one of each per child.
ls "$logs" | grep -q . || {
    echo 'valgrind.sh: valgrind wrote nothing' >&2
    exit 1
}
sed 's/^==[0-9]*== \{0,1\}//' "$logs"/*.log |
    awk -v RS= '/definitely lost/ && /(ERR_set_mark|RAND_get0_[a-z]+) / &&
            /refresh\.c/ { next }
        /\/src\/(bearer|httpd)\/|mod_auth_bearer/ {
            print $0 "\n"; n++ }
        END { printf "valgrind: %d records in the module\n", n; exit n > 0 }' ||
    status=1
exit $status
