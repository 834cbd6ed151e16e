#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Runs all tests, from a fresh clone: installs the missing packages
# (tests/packages.txt), builds below build/, and leaves the system's httpd
# unchanged. Exit status 0: all passed. Logs: build/logs/. Run tests/asan.sh and
# tests/valgrind.sh by hand, because they take long.
set -eu
cd "$(dirname "$0")"
top=$PWD
build=$top/build
logs=$build/logs
jobs=$(nproc 2>/dev/null || echo 2)
exec </dev/null

tests/build/plain_path.sh runtests.sh
if test -f config.status; then
    echo 'runtests.sh builds out of tree, which a configured source tree' \
        'forbids: make distclean first' >&2
    exit 1
fi
mkdir -p "$logs"

# Counts what is missing but permitted by BEARER_WITHOUT (a list of words).
# Anything else that is missing is a failure.
export BEARER_LEFT_OUT="$logs/left-out"
: >"$BEARER_LEFT_OUT"

# phase TITLE COMMAND...: prints output only if the command fails.
phase() {
    title=$1
    log=$logs/$(echo "$1" | tr -cs '[:alnum:]\n' '-').log
    shift
    printf '== %s ... ' "$title"
    start=$(date +%s)
    # Not in a condition: there, set -e has no effect inside the command.
    set +e
    (set -e; "$@") >"$log" 2>&1
    status=$?
    set -e
    echo "$(($(date +%s) - start)) s"
    if test $status -ne 0; then
        tail -n 100 "$log"
        echo "== FAILED: $title (exit status $status, whole log: $log)"
        exit 1
    fi
}

# shown TITLE COMMAND...: the output is the result, with a summary as its last
# line.
shown() {
    echo "== $1"
    shift
    ("$@")
}

# Everything, without running tests.
built() {
    mkdir -p "$build/gcc"
    cd "$build/gcc"
    "$top/configure" --quiet --enable-maintainer-mode CC=gcc
    make -j"$jobs" check TESTS=
}

sanitized() {
    mkdir -p "$build/asan"
    cd "$build/asan"
    "$top/configure" --quiet --enable-sanitizers CC=gcc CFLAGS='-g -O1'
    make -j"$jobs" check-programs
    # Without alternate signal stacks: the sanitizer would report them for a
    # thread that ends with pthread_exit(), as all of APR's threads do.
    export ASAN_OPTIONS=use_sigaltstack=0:detect_stack_use_after_return=1
    # shellcheck disable=SC2016 # for make
    make check-TESTS TESTS='$(unit_tests) tests/fuzz/replay.sh'
}

threads() {
    mkdir -p "$build/tsan"
    cd "$build/tsan"
    "$top/configure" --quiet --enable-sanitizers=thread CC=gcc CFLAGS='-g -O1'
    make -j"$jobs" tests/unit/stress_shared tests/unit/stress_keys \
        tests/unit/stress_handover tests/unit/stress_table tests/unit/test_keyset
    export TSAN_OPTIONS="suppressions=$top/tests/tsan.txt"
    tests/unit/stress_shared
    tests/unit/stress_keys
    tests/unit/stress_handover
    tests/unit/stress_table
    srcdir=$top tests/unit/test_keyset
}

# Built without sanitizers: ThreadSanitizer covers one process only.
killed() {
    make -C "$build/gcc" -j"$jobs" tests/unit/stress_table \
        tests/unit/test_table_killed
    "$build/gcc/tests/unit/stress_table"
    BEARER_EVERY_STATE=1 "$build/gcc/tests/unit/test_table_killed"
}

# With a real httpd. The files run in parallel, two for each processor, because
# they wait more than they compute. A test that fails in parallel may pass
# alone, but the summary then lists it.
again=$logs/failed-at-first
: >"$again"
end_to_end() {
    E2E_AGAIN=$again E2E_WORKERS=${workers:-$((2 * jobs))} \
        "$top/tests/e2e.sh" "$build/gcc" "$@"
}
named() {
    sed 's/^/failed at first: /' "$again"
}
trap named EXIT

# Tests that measure time run separately, one for each processor.
timing="test_cache_away.py test_neighbours.py test_redis.py test_waits.py"
side_by_side() {
    for file in $timing; do
        set -- "$@" --ignore="$file"
    done
    end_to_end "$@" .
}
what_measures_time() {
    workers=$jobs
    # shellcheck disable=SC2086 # a list of words
    end_to_end $timing
}

# The tests of refusals.
refusals="test_algorithms.py test_attacks.py test_credentials.py
    test_excluded.py test_export.py test_introspection.py test_keys.py
    test_providers.py test_require.py test_resource.py test_results.py
    test_revocation.py test_smoke.py test_throttle.py test_vhosts.py"

# Clients see the same responses if browser sessions are enabled.
with_sessions() {
    export BEARER_MPMS=event BEARER_SESSIONS=cache
    # shellcheck disable=SC2086 # a list of words
    end_to_end $refusals
}

# ... and over HTTP/2, which prefork does not support.
over_http2() {
    export BEARER_MPMS=event BEARER_WIRE=h2
    # shellcheck disable=SC2086 # a list of words
    end_to_end $refusals test_hardening.py test_table.py
}

# Most of what follows is one process at a time, so two lists run side by side.
elsewhere() {
    phase 'unit tests under ASan and UBSan' sanitized
    phase 'threads under ThreadSanitizer' threads
    phase 'test_distcheck' tests/build/test_distcheck.sh "$build/gcc"
}
in_gcc() {
    phase 'make check' make -s -C "$build/gcc" check
    phase 'lasting state, processes killed' killed
    phase 'lint' make -C "$build/gcc" lint
    for script in tests/build/test_*.sh; do
        test "$script" = tests/build/test_distcheck.sh ||
            phase "$(basename "$script" .sh)" "$script" "$build/gcc"
    done
}

phase 'packages' tests/build/install_packages.sh build run test lint
phase 'autoreconf' autoreconf -i
phase 'gcc -Werror' built
elsewhere >"$logs/elsewhere" 2>&1 &
trap 'kill $!; exit 130' INT TERM
set +e
(in_gcc)
status=$?
wait $!
status=$((status + $?))
trap - INT TERM
cat "$logs/elsewhere"
set -e
test $status -eq 0 || {
    echo '== FAILED, see above'
    exit 1
}
if command -v aarch64-linux-gnu-gcc >/dev/null; then
    shown 'arm64' tests/build/arm64.sh "$build/arm64"
fi
shown 'unit tests' cat "$logs/make-check.log"
phase 'refusals, with sessions on' with_sessions
phase 'refusals, over HTTP/2' over_http2
shown 'end to end, what measures time' what_measures_time
shown 'end to end' side_by_side
if test -s "$BEARER_LEFT_OUT"; then
    echo '== left out, over all phases'
    sort "$BEARER_LEFT_OUT" | uniq -c
fi
