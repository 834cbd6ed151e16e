#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: code_lines.sh [DIR]
# Prints the number of lines of code in each folder of src and tools, and the
# total. Comments and blank lines do not count.
set -eu
cd "${1:-$(dirname "$0")/../..}"

# A line counts if it is not empty after its comments are removed. Quotes begin
# a string or a character only outside comments.
find src tools -name '*.[ch]' | LC_ALL=C sort | xargs awk '
    FNR == 1 { comment = 0 }
    {
        rest = $0
        code = 0
        while (rest != "") {
            if (comment) {
                end = index(rest, "*/")
                if (!end) { break }
                comment = 0
                rest = substr(rest, end + 2)
            } else if (match(rest, /^[ \t\r]+/)) {
                rest = substr(rest, RLENGTH + 1)
            } else if (substr(rest, 1, 2) == "/*") {
                comment = 1
                rest = substr(rest, 3)
            } else if (substr(rest, 1, 2) == "//") {
                break
            } else {
                code = 1
                if (!match(rest, /^("([^"\\]|\\.)*"|\047([^\047\\]|\\.)*\047|[^"\047\/ \t\r]+)/)) {
                    RLENGTH = 1
                }
                rest = substr(rest, RLENGTH + 1)
            }
        }
        if (code) {
            folder = FILENAME
            sub(/\/[^\/]*$/, "", folder)
            if (!(folder in lines)) { order[++folders] = folder }
            lines[folder]++
            all++
        }
    }
    END {
        for (i = 1; i <= folders; i++) {
            printf "%6d %s\n", lines[order[i]], order[i]
        }
        printf "%6d in all\n", all
    }'
