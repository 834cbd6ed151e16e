#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/order.sh BUILD-DIRECTORY [FILE...]
# Runs each file of the end-to-end tests alone: once with its tests from the
# last to the first, and once in random order (SEED=N repeats one). A test that
# depends on an earlier one, or on another file, fails. Run by hand.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY [FILE...]}" && pwd)
shift
SEED=${SEED:-$(date +%s)}
export SEED

if test $# -ne 1; then
    test $# -gt 0 || set -- "$top"/tests/e2e/test_*.py
    printf '%s\n' "$@" |
        xargs -P "$((2 * $(nproc)))" -n 1 "$0" "$build"
    exit
fi

log=$build/order.$$
status=0
for order in reversed "$SEED"; do
    BEARER_ORDER=$order E2E_WORKERS=0 "$top/tests/e2e.sh" "$build" -rfE \
        --tb=short "$(basename "$1")" >"$log" 2>&1 || {
        status=1
        echo "== $(basename "$1"), BEARER_ORDER=$order"
        cat "$log"
    }
done
rm -f "$log"
exit $status
