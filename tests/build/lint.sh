#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: make lint, or make lint-deep. Checks beyond the compilers': layout,
# message numbers, the changelog, cppcheck, clang-tidy, gcc's analyzer.
# lint-deep adds clang's analyzer, which takes longer than everything else. If
# configure did not find a tool, lint complains (tests/build/without.sh).
set -eu
: "${srcdir:?run by make lint}"
failures=0
complain() {
    echo "lint: $*" >&2
    failures=$((failures + 1))
}

library=$(ls "$srcdir"/src/*/*.c | grep -v /src/httpd/)
products="$library $(ls "$srcdir"/mod_auth_bearer.c "$srcdir"/src/httpd/*.c \
    "$srcdir"/tools/*.c 2>/dev/null || :)"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/auth_bearer_lint.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# --- layout -------------------------------------------------------------------

test -n "$CLANG_FORMAT" ||
    "$srcdir"/tests/build/without.sh clang-format >&2 || complain clang-format
srcdir="$srcdir" CLANG_FORMAT="$CLANG_FORMAT" \
    python3 "$srcdir/tests/build/layout.py" || complain 'layout'

# --- messages: each has a number and is in docs/reference/messages.md ---------

srcdir="$srcdir" python3 "$srcdir/tests/build/messages.py" ||
    complain 'the numbers of messages (src/base/message.h)'

python3 "$srcdir/tests/build/words.py" ||
    complain 'words where an end-to-end test should name a number'

# --- the manual pages: generated from htbearer's options and docs/reference ----

srcdir="$srcdir" python3 "$srcdir/tests/build/manpage.py" || complain 'the manual pages'
if command -v mandoc >/dev/null; then
    mandoc -Tlint "$srcdir/tools/htbearer.1" "$srcdir/docs/mod_auth_bearer.5" >&2 ||
        complain mandoc
else
    "$srcdir"/tests/build/without.sh mandoc >&2 || complain mandoc
fi

# --- the changelog: generated from changes/ -----------------------------------

srcdir="$srcdir" python3 "$srcdir/tests/build/changelog.py" || complain CHANGELOG.md
srcdir="$srcdir" python3 "$srcdir/tests/build/release.py" --check ||
    complain 'the version (configure.ac)'
srcdir="$srcdir" python3 "$srcdir/tests/build/interface.py" ||
    complain 'what the last release offers'

# --- analyzers ---------------------------------------------------------------

if test -n "$CPPCHECK"; then
    # Macros from headers that cppcheck does not read.
    for name in SIZE INT64 UINT64 TIME; do
        echo "#define APR_${name}_T_FMT \"ld\""
    done | sed 's/\(U.*\|SIZE.*\)ld/\1lu/' >"$scratch/known.h"
    echo '#define BEARER_VERSION "1"' >>"$scratch/known.h"
    # shellcheck disable=SC2086 # lists of words
    $CPPCHECK --quiet --std=c11 --enable=warning,performance,portability \
        --inline-suppr --suppress=missingInclude --error-exitcode=1 \
        --suppress=unmatchedSuppression --include="$scratch/known.h" \
        --suppress=normalCheckLevelMaxBranches \
        --suppress=returnDanglingLifetime -j 2 -I "$srcdir/src" $products >&2 ||
        complain cppcheck
else
    "$srcdir"/tests/build/without.sh cppcheck >&2 || complain cppcheck
fi

if test -n "$CLANG_TIDY"; then
    test -n "${DEEP-}" || CLANG_TIDY="$CLANG_TIDY --checks=-clang-analyzer-*"
    # shellcheck disable=SC2086
    printf '%s\n' $products | xargs -P 2 -n 1 sh -c '
        set -f
        tidy=$1 flags=$2
        shift 2
        exec $tidy --quiet "$@" -- $flags 2>/dev/null' \
        tidy "$CLANG_TIDY" "$CPPFLAGS $WARNINGS" >&2 || complain clang-tidy
else
    "$srcdir"/tests/build/without.sh clang-tidy >&2 || complain clang-tidy
fi

# valgrind and ASan look for leaks: the analyzer reports memory as lost if a
# structure holds it.
if $CC --version | grep -qi -e gcc -e 'free software foundation'; then
    # shellcheck disable=SC2086
    printf '%s\n' $products | xargs -P 2 -n 1 sh -c '
        cc=$1 flags=$2
        exec $cc $flags -O1 -fanalyzer -Wno-analyzer-malloc-leak -Wno-analyzer-fd-leak \
            -Werror -o /dev/null -c "$3"' \
        analyzer "$CC" "$CPPFLAGS $WARNINGS" >&2 || complain 'gcc -fanalyzer'
else
    echo "lint: $CC is not gcc, no -fanalyzer"
fi

# --- the mutation driver, which is run by hand --------------------------------

if command -v python3 >/dev/null; then
    (cd "$srcdir/tests/mutation" &&
        PYTHONDONTWRITEBYTECODE=1 python3 -m unittest -q test_mutants) \
        >"$scratch/mutation" 2>&1 || {
        cat "$scratch/mutation" >&2
        complain 'tests/mutation'
    }
else
    echo 'lint: no python3, tests/mutation left out'
fi

test $failures -eq 0 || {
    echo "lint: $failures complaints" >&2
    exit 1
}
