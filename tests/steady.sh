#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/steady.sh [-n TIMES] [-b LOOPS] BUILD-DIRECTORY TEST...
# Runs end-to-end tests (FILE or FILE::NAME) TIMES times (50), each time from
# the start, while LOOPS busy loops (2) keep the processors busy. Prints each
# test that failed, and how often. Fails if a test failed. Run by hand.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
times=50
loops=2
while getopts n:b: option; do
    case $option in
    n) times=$OPTARG ;;
    b) loops=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
build=$(cd "${1:?usage: $0 [-n TIMES] [-b LOOPS] BUILD-DIRECTORY TEST...}" && pwd)
shift
test $# -gt 0
logs=$build/steady.$$
mkdir "$logs"

pids=
stop() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    pids=
}
trap stop EXIT
trap 'exit 130' INT TERM
while test "$loops" -gt 0; do
    (while :; do :; done) &
    pids="$pids $!"
    loops=$((loops - 1))
done

round=0
while test $round -lt "$times"; do
    round=$((round + 1))
    if E2E_WORKERS=${E2E_WORKERS:-2} "$top/tests/e2e.sh" "$build" \
        -rfE --tb=short "$@" >"$logs/$round.log" 2>&1; then
        rm "$logs/$round.log"
    else
        echo "round $round of $times failed"
    fi
done
stop

if ls "$logs"/*.log >/dev/null 2>&1; then
    cat "$logs"/*.log | sed -n 's/^\(FAILED\|ERROR\) \([^ ]*\).*/\1 \2/p' |
        sort | uniq -c
    echo "whole logs: $logs"
    exit 1
fi
rmdir "$logs"
echo "passed $times times"
