#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/matrix.sh [SUITE...]
# Compilers, options and httpds beside those of runtests.sh, in fresh chroots of Debian bookworm
# (OpenSSL 3.0) and trixie (3.5). Each row is built with -Werror, its unit tests run, and a real
# httpd gives the first 200 (tests/build/first_200.sh). Prints one line for each row. Run by hand,
# as root: an hour or more. Logs of rows that failed: build/matrix/SUITE/.
#   MATRIX_ROWS   an extended regular expression: only the rows whose name matches
#   MATRIX_CHECK  all: without unit tests, which take most of the time
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"

if test -z "${CHROOT-}"; then
    status=0
    for suite in ${*:-bookworm trixie}; do
        CHROOT_KEEP=$top/build/matrix/$suite tests/build/chroot.sh "$suite" \
            env MATRIX_ROWS="${MATRIX_ROWS-}" MATRIX_CHECK="${MATRIX_CHECK-check}" tests/build/matrix.sh "$suite" || status=1
    done
    exit $status
fi

# --- inside the chroot --------------------------------------------------------

suite=$1
mkdir -p build
tests/build/install_packages.sh build run matrix "matrix-$suite" >build/packages.log 2>&1 || {
    tail -n 20 build/packages.log
    exit 1
}
autoreconf -i >build/autoreconf.log 2>&1
openssl=$(pkg-config --modversion libcrypto)
failures=0

# row NAME COMMAND...: the log is kept if it fails.
row() {
    name=$1
    shift
    echo "$name" | grep -qE -e "${MATRIX_ROWS-}" || return 0
    start=$(date +%s)
    set +e
    (set -e; "$@") >build/log 2>&1
    result=$?
    set -e
    if test $result -eq 0; then
        result="ok: $(tail -n 1 build/log)"
    else
        failures=$((failures + 1))
        mv build/log "build/$(echo "$name" | tr -cs '[:alnum:]\n' '-').log"
        result="FAILED, see build/matrix/$suite"
    fi
    echo "$suite, OpenSSL $openssl | $name | $(($(date +%s) - start)) s | $result"
}

# built DIRECTORY ARGUMENT-OF-CONFIGURE...
built() {
    mkdir -p "build/$1"
    (cd "build/$1" && shift &&
        "$top/configure" --quiet --enable-maintainer-mode "$@")
}

# whole TARGET ARGUMENT-OF-CONFIGURE...: TARGET is check, or all without the unit tests.
whole() {
    target=$1
    shift
    rm -rf build/row
    built row "$@"
    make -C build/row -j"$(nproc)" -s "$target"
    first=$(tests/build/first_200.sh build/row socache_shmcb ssl)
    test "$target" = all || first="unit tests, $first"
    echo "$first"
}

# Debian's httpd has mod_watchdog compiled in; this one, from Debian's source, has not.
httpd_without_watchdog() {
    sed -n '/^deb /s/^deb/deb-src/p' /etc/apt/sources.list >/etc/apt/sources.list.d/source.list
    apt-get -qq update
    (cd build && apt-get -qq source --download-only apache2)
    mkdir build/source
    tar -xf build/apache2_*.orig.tar.[gx]z -C build/source --strip-components 1
    (cd build/source && ./configure --quiet --prefix=/opt/httpd --with-mpm=event \
        --enable-mpms-shared=event --enable-modules=none --enable-mods-static=unixd \
        --enable-mods-shared='authn_core authz_core' --disable-watchdog && make -j"$(nproc)" -s &&
        make -s install)
    FIRST_APXS=/opt/httpd/bin/apxs loaded >build/first
    grep 'without mod_watchdog' build/first
}

# Without unit tests: they replace functions by the linker's --wrap, which does not see calls that
# link-time optimization resolved before.
lto() {
    whole all CC="$1" CFLAGS='-g -O3 -flto=auto' AR=gcc-ar NM=gcc-nm RANLIB=gcc-ranlib
}

# loaded MODULE...: first 200 of the row before, with these modules of httpd beside the smallest.
loaded() {
    test -f build/row/.libs/mod_auth_bearer.so || {
        rm -rf build/row
        built row CC=gcc
        make -C build/row -j"$(nproc)" -s
    }
    tests/build/first_200.sh build/row "$@"
}

case $suite in
bookworm)
    row gcc-12 whole "$MATRIX_CHECK" CC=gcc-12
    row 'gcc-12, httpd without mod_socache_shmcb' loaded ssl
    row 'gcc-12, httpd without mod_ssl' loaded socache_shmcb
    row 'gcc-12, httpd without mod_watchdog, shmcb, ssl' httpd_without_watchdog
    row clang-14 whole "$MATRIX_CHECK" CC=clang-14
    row 'gcc-12 -O3 -flto' lto gcc-12
    row 'gcc-12 --without-hiredis' whole "$MATRIX_CHECK" CC=gcc-12 --without-hiredis ;;
trixie)
    row gcc-14 whole "$MATRIX_CHECK" CC=gcc-14
    row clang-19 whole "$MATRIX_CHECK" CC=clang-19
    row 'gcc-14 -O3 -flto' lto gcc-14
    row 'gcc-14 --without-hiredis' whole "$MATRIX_CHECK" CC=gcc-14 --without-hiredis ;;
*)
    echo "no rows for $suite" >&2
    exit 2 ;;
esac
rm -rf build/row build/source build/first build/apache2_*
test $failures -eq 0
