#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Part of `make check`: each fuzzer over its seeds, once, without fuzzing.
set -eu
seeds=${srcdir:-$(dirname "$0")/../..}/tests/fuzz/seeds
status=0
for dir in "$seeds"/*/; do
    name=$(basename "$dir")
    if ! tests/fuzz/fuzz_"$name" "$dir" >replay.log 2>&1; then
        tail -n 30 replay.log
        echo "replay.sh: fuzz_$name failed on the seed named last"
        status=1
    fi
done
rm -f replay.log
for file in "$seeds"/../fuzz_*.c; do
    name=$(basename "$file" .c)
    test -d "$seeds/${name#fuzz_}" || {
        echo "replay.sh: $name has no seeds"
        status=1
    }
done
exit $status
