#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: floors.sh [DIR]
# Checks the layers of docs/architecture.md: a file includes headers of its own
# folder and of those below it, and only src/httpd includes httpd's. Prints each
# include that goes up, and fails.
set -eu
cd "${1:-${srcdir:-$(dirname "$0")/../..}}"

# From the bottom to the top.
floors='base jose trust keys judge state ask login report httpd'

bad=0
below=
for floor in $floors; do
    below=${below:+$below|}$floor
    if grep -nE '^ *# *include "[^"]*/' "src/$floor"/*.[ch] |
        grep -vE "#include \"($below)/[a-z0-9_]+\.h\"" >&2; then
        echo "floors.sh: src/$floor includes what is above it or elsewhere" >&2
        bad=1
    fi
    if test "$floor" != httpd && grep -nE \
        '^ *# *include [<"](httpd|http_|ap_|util_|mod_|scoreboard|mpm_)' \
        "src/$floor"/*.[ch] >&2; then
        echo "floors.sh: only src/httpd knows httpd" >&2
        bad=1
    fi
done
if grep -nE '^ *# *include "httpd/' tools/*.[ch] >&2; then
    echo 'floors.sh: the tools include the glue' >&2
    bad=1
fi
for folder in src/*/; do
    case " $floors " in
    *" $(basename "$folder") "*) ;;
    *)
        echo "floors.sh: $folder is not a floor" >&2
        bad=1 ;;
    esac
done
exit $bad
