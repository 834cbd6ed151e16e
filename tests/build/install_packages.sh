#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: install_packages.sh SECTION...
# Installs the missing packages of these sections of tests/packages.txt. If none
# is missing, it says so and does nothing. Services of the packages are not
# started. On a system without dpkg, it only prints what is needed.
set -eu
list=$(dirname "$0")/../packages.txt

wanted=$(for section; do
    awk -v section="[$section]" '
        /^\[/ { on = ($0 == section); known = known || on }
        on && /^[a-z0-9]/ { print $1 }
        END { exit !known }' "$list" || {
        echo "install_packages.sh: no section $section" >&2
        exit 2
    }
done)

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian system; the equivalents of these packages are needed:" \
        $wanted >&2
    exit 0
fi

missing=
for package in $wanted; do
    # On systems other than Debian, it is part of nodejs.
    test "$package" != npm || ! command -v npm >/dev/null || continue
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) ||
        status=
    test "$status" = installed || missing="$missing $package"
done
test -n "$missing" || exit 0

as_root=
if test "$(id -u)" -ne 0; then
    if ! command -v sudo >/dev/null; then
        echo "Missing packages; as root: apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi

# policy-rc.d: status 101 prevents package scripts from starting services.
policy=/usr/sbin/policy-rc.d
ours=
restore() { test -z "$ours" || $as_root rm -f "$policy"; }
trap restore EXIT
trap 'exit 130' INT TERM
if test ! -e "$policy"; then
    ours=yes
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

echo "Installing$missing"
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null
}
# shellcheck disable=SC2086 # a list of words
apt install --no-install-recommends -y $missing >/dev/null 2>&1 || {
    apt update
    apt install --no-install-recommends -y $missing >/dev/null
}
