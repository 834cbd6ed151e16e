#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/deb.sh [bookworm|trixie ...]
# Run by hand, as root. For each Debian release, default both: builds the .deb
# packages in a fresh system that has only what debian/control names, checks them
# with lintian, and tries them in another fresh system (deb_try.py): the first
# request, an upgrade under load, removal without residue. The packages of this
# version stay in build/deb/SUITE/.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
name=libapache2-mod-auth-bearer
#: The version of the package to upgrade from.
old=0.8.99

say() { printf '%s: %s\n' "$suite" "$*"; }
fail() {
    echo "deb.sh: ${suite-}: $*" >&2
    exit 1
}

# --- outside: two fresh systems for each release -------------------------------

if test -z "${CHROOT-}"; then
    test -d debian || fail 'debian/ is in the repository, not in the tarball'
    test $# -gt 0 || set -- bookworm trixie
    work=$(mktemp -d "${TMPDIR:-/tmp}/auth_bearer_deb.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    for suite; do
        CHROOT_KEEP=$work/$suite tests/build/chroot.sh "$suite" \
            tests/build/deb.sh --build "$suite"
        mkdir -p "build/deb/$suite"
        cp "$work/$suite"/new/* "build/deb/$suite/"
        CHROOT_BRING=$work/$suite tests/build/chroot.sh "$suite" \
            tests/build/deb.sh --try "$suite"
    done
    exit 0
fi
mode=$1
suite=$2
export DEBIAN_FRONTEND=noninteractive
mkdir -p build

# quietly COMMAND...: prints the output only if the command fails.
quietly() {
    "$@" >build/log 2>&1 </dev/null || {
        tail -n 60 build/log
        fail "failed: $*"
    }
}

# --- inside the first: build, lintian -------------------------------------------

as_builder() { runuser -u builder -- env HOME=/home/builder "$@"; }

# package VERSION DIRECTORY KIND OPTIONS: builds in DIRECTORY the sources of
# `make dist`, as if configure.ac had this version, with debian/. KIND is -b without
# a source package; OPTIONS are for DEB_BUILD_OPTIONS.
package() {
    debian=$(echo "$1" | tr - '~')-1~$release
    as_builder mkdir "$2" "$2/sources"
    tar -c --exclude=./build --exclude=./.git . | as_builder tar -xo -C "$2/sources"
    as_builder sh -eu -c '
        cd "$2/sources"
        sed -i "s/^AC_INIT(.*/AC_INIT([mod_auth_bearer], [$1])/" configure.ac
        autoreconf -i && ./configure --quiet && make -s dist
        mv "mod_auth_bearer-$1.tar.gz" "../${3}_${4%-1~*}.orig.tar.gz"
        cd ..
        tar -xzf "${3}_${4%-1~*}.orig.tar.gz"
        test ! -e "mod_auth_bearer-$1/debian"
        cp -a sources/debian "mod_auth_bearer-$1"
        rm -rf sources
        cd "mod_auth_bearer-$1"
        sed -i "1s/(${1%%-*}[^)]*) [a-z]*;/($4) $5;/" debian/$3.NEWS
        sed -i "1s/([^)]*) [a-z]*;/($4) $5;/" debian/changelog
    ' sh "$1" "$2" "$name" "$debian" "$suite" >build/log 2>&1 || {
        tail -n 60 build/log
        fail "the sources of $1"
    }
    cd "$2/mod_auth_bearer-$1"
    as_builder env DEB_BUILD_OPTIONS="parallel=$(nproc) $4" \
        dpkg-buildpackage -us -uc $3 >"$top/build/log" 2>&1 </dev/null || {
        tail -n 60 "$top/build/log"
        fail "dpkg-buildpackage of $1"
    }
    cd "$top"
}

if test "$mode" = --build; then
    release=deb$(sed -n 's/^VERSION_ID="\(.*\)"/\1/p' /etc/os-release)u1
    version=$(sed -n 's/^AC_INIT(.*\[\(.*\)\])/\1/p' configure.ac)
    quietly apt-get -qq update
    quietly apt-get -qq -y --no-install-recommends install build-essential
    quietly apt-get -qq -y --no-install-recommends build-dep ./
    useradd -m builder
    say "build: only the $(dpkg-query -W | wc -l) packages of build-essential and" \
        'debian/control are installed'

    package "$version" /home/builder/new '' ''
    tests=$(grep -c '^PASS: ' build/log) || fail 'no test ran'
    package "$old" /home/builder/old -b 'nocheck noopt noautodbgsym'
    mkdir -p build/new build/old
    find /home/builder/new -maxdepth 1 -type f -exec cp -t build/new {} +
    cp /home/builder/old/*.deb build/old/
    say "build: $(cd build/new && echo "$name"_*.dsc), $(cd build/new &&
        echo *.deb), $tests tests of make check pass"

    # lintian comes last, so that the build cannot need its dependencies.
    quietly tests/build/install_packages.sh deb
    as_builder lintian --version >build/log
    lintian=$(cat build/log)
    # One debian/control serves both releases, and there is no public address yet.
    as_builder lintian --display-info --pedantic --show-overrides \
        --suppress-tags out-of-date-standards-version,no-homepage-field \
        --fail-on error,warning,info,pedantic /home/builder/new/*.changes \
        >build/log 2>&1 || {
        cat build/log
        fail lintian
    }
    if test -s build/log; then
        cat build/log
        fail 'lintian has something to say'
    fi
    say "lintian: $lintian: no error, warning, information or override"
    exit 0
fi

# --- inside the second: try ----------------------------------------------------

quietly apt-get -qq update
# Services start here, unlike in install_packages.sh.
# shellcheck disable=SC2046 # a list of words
quietly apt-get -qq -y --no-install-recommends install $(
    sed -n '/^\[deb-try\]/,/^$/{/^[a-z]/p}' tests/packages.txt)
for one in old new; do
    # Only the downloads of what they depend on; there is no network later.
    quietly apt-get -qq -y --no-install-recommends --download-only install \
        ./build/$one/lib*-bearer_*.deb ./build/$one/htbearer_*.deb
done
exec unshare --net /usr/bin/python3 -B tests/build/deb_try.py "$suite"
