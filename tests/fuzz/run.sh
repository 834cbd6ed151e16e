#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/fuzz/run.sh NAME [SECONDS [LIBFUZZER-OPTION...]]
# Fuzzes for so long (600): builds library and fuzzer below build/fuzz with
# clang's libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer. What it
# learns is kept in build/fuzz/corpus/NAME, what it finds in build/fuzz/found.
# Prints executions and coverage at the end.
set -eu
cd "$(dirname "$0")/../.."
name=${1:?usage: $0 NAME [SECONDS]}
seconds=${2:-600}
shift
test $# -eq 0 || shift
out=build/fuzz
sanitizers='address,undefined -fno-sanitize-recover=all'
flags="-g -O1 -std=gnu11 -Isrc -fno-omit-frame-pointer
    $(apr-1-config --includes --cppflags)"

mkdir -p "$out/corpus/$name" "$out/found"
for file in src/*/*.c; do
    case $file in src/httpd/*) continue ;; esac
    object=$out/$(basename "$file" .c).o
    if test ! "$object" -nt "$file" ||
        test -n "$(find src -name '*.h' -newer "$object")"; then
        # shellcheck disable=SC2086 # lists of words
        clang $flags -fsanitize=fuzzer-no-link,$sanitizers -c -o "$object" \
            "$file"
    fi
done
# shellcheck disable=SC2046,SC2086
clang $flags -fsanitize=fuzzer,$sanitizers -o "$out/fuzz_$name" \
    "tests/fuzz/fuzz_$name.c" "$out"/*.o \
    $(pkg-config --libs jansson libcurl libcrypto zlib) \
    $(apr-1-config --link-ld --libs)
exec "$out/fuzz_$name" -max_total_time="$seconds" -timeout=20 \
    -print_final_stats=1 -artifact_prefix="$out/found/$name-" \
    -dict="tests/fuzz/$name.dict" "$@" "$out/corpus/$name" \
    "tests/fuzz/seeds/$name"
