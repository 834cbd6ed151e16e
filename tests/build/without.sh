#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/without.sh WHAT [WHY]
# Reports that WHAT (one word) is missing. Exit status 0: BEARER_WITHOUT permits
# it, and the summary of the run counts it; 1: it does not.
# tests/e2e/support/missing.py does the same for pytest.
case " ${BEARER_WITHOUT-} " in
*" $1 "*)
    echo "left out: $1${2:+ ($2)}"
    test -z "${BEARER_LEFT_OUT-}" || echo "left out: $1" >>"$BEARER_LEFT_OUT" ;;
*)
    echo "$1 is missing${2:+: $2}; BEARER_WITHOUT=$1 goes without it" >&2
    exit 1 ;;
esac
