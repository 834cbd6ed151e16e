#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/bench/rooms.sh
# What revocations and the throttle cost a request, beside one verification of a
# signature: rooms.c, compiled and run. By hand; processor time, so other
# programs disturb it little.
set -eu
cd "$(dirname "$0")/../.."
program=$(mktemp "${TMPDIR:-/tmp}/auth_bearer_rooms.XXXXXX")
trap 'rm -f "$program"' EXIT
trap 'exit 130' INT TERM
# shellcheck disable=SC2046
"${CC:-cc}" -std=gnu11 -O2 -Isrc $(apr-1-config --includes --cppflags) \
    -o "$program" tests/bench/rooms.c $(ls src/*/*.c | grep -v ^src/httpd/) \
    $(pkg-config --cflags --libs jansson libcurl libcrypto zlib) \
    $(apr-1-config --link-ld --libs)
"$program"
