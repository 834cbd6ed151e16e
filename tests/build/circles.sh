#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: circles.sh [DIR]
# Checks the dependencies among the files in src/httpd. Reads from the object
# files in DIR which file uses symbols of which other file. Fails if more than
# three files depend on each other, directly or through others: such a circle
# can only be understood as a whole. Also fails if a header in src/httpd has
# more than 200 lines.
set -eu
dir=${1:-src/httpd}
source=${srcdir:-$(dirname "$0")/../..}/src/httpd
most=3
lines=200

objects=$(ls "$dir"/.libs/*.o 2>/dev/null || ls "$dir"/*.o 2>/dev/null || :)
test -n "$objects" || {
    echo "circles.sh: there are no object files in $dir" >&2
    exit 1
}
bad=0
# One line per symbol: FILE: NAME TYPE ...
# shellcheck disable=SC2086
${NM:-nm} -A -P $objects | awk -v most=$most '
    {
        file = $1
        sub(/:$/, "", file)
        sub(/.*\//, "", file)
        sub(/^mod_auth_bearer_la-/, "", file)
        sub(/\.o$/, "", file)
        files[file]
        if ($3 == "U") {
            wanted[file, $2]
        } else if ($3 ~ /^[A-Z]$/) {
            owner[$2] = file
        }
    }
    END {
        for (pair in wanted) {
            split(pair, use, SUBSEP)
            if (use[2] in owner && owner[use[2]] != use[1]) {
                uses[use[1], owner[use[2]]] = use[2]
                reaches[use[1], owner[use[2]]]
            }
        }
        for (via in files) {
            for (from in files) {
                if ((from, via) in reaches) {
                    for (to in files) {
                        if ((via, to) in reaches) {
                            reaches[from, to]
                        }
                    }
                }
            }
        }
        for (one in files) {
            circle = one
            n = 1
            for (other in files) {
                if (other != one && (one, other) in reaches && (other, one) in reaches) {
                    circle = circle " " other
                    n++
                }
            }
            if (n > most && !(one in told)) {
                print "circles.sh: " n " files use each other: " circle
                split(circle, round, " ")
                for (i in round) {
                    told[round[i]]
                    for (k in round) {
                        if ((round[i], round[k]) in uses) {
                            print "    " round[i] " uses " uses[round[i], round[k]] \
                                " of " round[k]
                        }
                    }
                }
                bad = 1
            }
        }
        exit bad
    }' >&2 || bad=1

for header in "$source"/*.h; do
    if test "$(wc -l <"$header")" -gt $lines; then
        echo "circles.sh: $header has more than $lines lines" >&2
        bad=1
    fi
done
exit $bad
