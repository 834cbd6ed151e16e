#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A test that fails in parallel and passes alone is only listed. A run fails if
# a test fails twice, a process crashes, or many tests fail.
. "$(dirname "$0")/lib.sh"

export PYTHONPATH="$top/tests/e2e" E2E_WORKERS=0 E2E_AGAIN="$scratch/again"
mkdir "$scratch/tests"

# run STATUS NAMES BODY: the result of two tests, one with this body and one
# that passes.
run() {
    rm -f "$scratch/again" "$scratch"/tests/*
    cat >"$scratch/tests/test_it.py" <<END
import os, pytest
def mark():
    with open(os.environ["E2E_AGAIN"] + ".mark", "a") as f:
        f.write("x")
    return os.path.getsize(f.name)
def test_good():
    pass
$3
END
    status=0
    : >"$scratch/again"
    rm -f "$scratch/again.mark"
    "$top/tests/e2e.sh" "$build" -p conftest -c "$top/tests/e2e/pytest.ini" \
        --rootdir "$scratch/tests" "$scratch/tests" \
        >"$scratch/out" 2>&1 || status=$?
    test $status -eq "$1" || {
        cat "$scratch/out"
        fail "status $status instead of $1: $3"
    }
    test "$(wc -l <"$scratch/again")" -eq "$2" ||
        fail "$(cat "$scratch/again") instead of $2 names: $3"
}

run 0 0 ''
run 0 1 'def test_by_chance(): assert mark() > 1'
says 'test_it.py::test_by_chance' "$scratch/again"
says 'once more, alone: test_it.py::test_by_chance' "$scratch/out"
run 0 1 '@pytest.fixture
def fragile():
    yield
    assert mark() > 1
def test_teardown(fragile): pass'
run 1 1 'def test_twice(): assert mark() > 2'
run 0 5 '@pytest.mark.parametrize("n", range(5))
def test_five(n): assert mark() > 5'
run 1 6 '@pytest.mark.parametrize("n", range(6))
def test_six(n): assert mark() > 6'
says 'too many for chance' "$scratch/out"
# the process that runs the tests
export E2E_WORKERS=1
run 3 0 'def test_crash(): mark() > 1 or os.abort()'
# one of httpd's processes: as conftest.py reports it from the log
export E2E_WORKERS=0
run 3 0 'from conftest import complaints
from support.httpd import LogLine
def test_crash():
    assert mark() > 1 or not complaints([LogLine(
        "2026-01-01 00:00:00.000000t|core|notice|1|AH00052: child pid 7 exit"
        " signal Segmentation fault (11)")], ())'
