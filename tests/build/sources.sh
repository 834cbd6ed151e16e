#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Automake does not support wildcards. Fails if a source file is not in
# Makefile.am: the apxs one-liner would build the file but make would not, or
# the file would never run.
set -eu
cd "${srcdir:-$(dirname "$0")/../..}"

# The file with main() of a unit test is named without its suffix.
missing=0
for file in src/*/*.[ch] tools/*.[ch] tests/unit/test_*.c; do
    test -f "$file" || continue
    case $file in
    tests/unit/test_*.c) wanted=${file%.c} ;;
    *) wanted=$file ;;
    esac
    if ! tr -s '[:space:]\\' '\n\n' <Makefile.am | grep -Fqx -- "$wanted"; then
        echo "sources.sh: Makefile.am does not name $wanted" >&2
        missing=1
    fi
done
exit $missing
