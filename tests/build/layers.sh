#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: layers.sh [DIR]
# Checks the layers of docs/architecture.md: a file includes headers of its own
# folder and of those below it, and only src/httpd includes httpd's. Prints each
# include that goes up, and fails.
set -eu
cd "${1:-${srcdir:-$(dirname "$0")/../..}}"

# From the bottom to the top.
layers='base jose trust keys judge state ask login report httpd'

bad=0
below=
for layer in $layers; do
    below=${below:+$below|}$layer
    if grep -nE '^ *# *include "[^"]*/' "src/$layer"/*.[ch] |
        grep -vE "#include \"($below)/[a-z0-9_]+\.h\"" >&2; then
        echo "layers.sh: src/$layer includes what is above it or elsewhere" >&2
        bad=1
    fi
    if test "$layer" != httpd && grep -nE \
        '^ *# *include [<"](httpd|http_|ap_|util_|mod_|scoreboard|mpm_)' \
        "src/$layer"/*.[ch] >&2; then
        echo "layers.sh: only src/httpd knows httpd" >&2
        bad=1
    fi
done
if grep -nE '^ *# *include "httpd/' tools/*.[ch] >&2; then
    echo 'layers.sh: the tools include the glue' >&2
    bad=1
fi
for folder in src/*/; do
    case " $layers " in
    *" $(basename "$folder") "*) ;;
    *)
        echo "layers.sh: $folder is not a layer" >&2
        bad=1 ;;
    esac
done
exit $bad
