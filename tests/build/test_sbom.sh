#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# make sbom: a valid SPDX document that names the built files and every library
# that they are linked with, in the version that is installed; twice the same.
. "$(dirname "$0")/lib.sh"

export SOURCE_DATE_EPOCH=1700000000
version=$(sed -n 's/^PACKAGE_VERSION = //p' "$build/Makefile")
made=$build/mod_auth_bearer-$version.spdx.json
make -s -C "$build" sbom
cp "$made" "$scratch/first.json"
make -s -C "$build" sbom
cmp "$made" "$scratch/first.json" || fail 'twice is not the same'
rm "$made"
python3 "$top/tests/build/check_sbom.py" "$scratch/first.json" "$build" || fail 'not valid'

# The checker sees what is wrong.
broken() {
    sed "$1" "$scratch/first.json" >"$scratch/broken.json"
    ! cmp -s "$scratch/first.json" "$scratch/broken.json" || fail "sed $1: no match"
    ! python3 "$top/tests/build/check_sbom.py" "$scratch/broken.json" "$build" \
        2>/dev/null || fail "a bill after sed $1 passes"
}
broken 's/"SPDX-2.3"/"SPDX-2.4"/'
broken 's/"SPDXRef-httpd"/"SPDXRef-httpd 2"/'
broken '/"DYNAMIC_LINK"/{n;s/: .*/: "SPDXRef-none"/}'
broken 's/"provides libcurl.so.4"/"provides libcurl.so.3"/'
broken '/"SHA256"/{n;s/[0-9a-f]\{64\}/'"$(printf '%064d' 0)"'/}'
broken 's/"PACKAGE-MANAGER"/"PACKAGE_MANAGERS"/'
broken '/"versionInfo"/d'
broken 's/"licenseDeclared": "MIT"/"licenseDeclared": "MITT"/'
