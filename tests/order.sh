#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/order.sh BUILD-DIRECTORY [FILE...]
# Runs each file of the end-to-end tests alone, once with its tests from the
# last to the first and once in a random order (SEED=N repeats one). A test that
# needs an earlier one fails. By hand.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${1:?usage: $0 BUILD-DIRECTORY [FILE...]}
shift
test $# -gt 0 || set -- "$top"/tests/e2e/test_*.py
seed=${SEED:-$(date +%s)}
log=$build/order.log
failed=
for file in "$@"; do
    for order in reversed "$seed"; do
        BEARER_ORDER=$order E2E_WORKERS=0 "$top/tests/e2e.sh" "$build" -rfE \
            --tb=short "$(basename "$file")" >"$log" 2>&1 && continue
        failed="$failed $(basename "$file")"
        echo "== $(basename "$file"), BEARER_ORDER=$order"
        cat "$log"
    done
done
rm -f "$log"
test -z "$failed" || {
    echo "failed:$failed"
    exit 1
}
