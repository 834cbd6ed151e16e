#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/arm64.sh DIRECTORY [--build]
#
# Run by hand, and by runtests.sh if a cross compiler is installed. Builds
# everything for arm64 and runs the unit tests and the fuzzers' seeds under
# qemu-user. Needs a cross compiler and qemu (tests/build/install_packages.sh
# arm64). Debian's arm64 libraries are unpacked below DIRECTORY: no foreign
# architecture is added to this system, and nothing is installed. With --build, it
# only builds module and tool, in DIRECTORY/build.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${1:?usage: $0 DIRECTORY [--build]}"
dir=$(cd "$1" && pwd)
triplet=aarch64-linux-gnu
root=$dir/sysroot
packages='libc6-dev libapr1-dev libaprutil1-dev libcmocka-dev
    libcurl4-openssl-dev libhiredis-dev libjansson-dev libssl-dev
    zlib1g-dev'

skip() {
    "$top"/tests/build/without.sh arm64 "$*" || exit 1
    exit 0
}

for tool in $triplet-gcc apt-get dpkg-deb apxs; do
    command -v $tool >/dev/null || skip "no $tool"
done
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) ||
    skip 'no qemu-user'

# An apt that knows no installed packages and uses this system's sources.
apt() {
    APT_CONFIG=$dir/apt/apt.conf apt-get -qq "$@"
}

unpack() {
    rm -rf "$dir/apt" "$root"
    mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$root"
    : >"$dir/apt/status"
    cat >"$dir/apt/apt.conf" <<END
Dir::State "$dir/apt";
Dir::State::lists "$dir/apt/lists";
Dir::State::status "$dir/apt/status";
Dir::Cache "$dir/apt/cache";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Debug::NoLocking "true";
END
    apt update || skip 'no package lists'
    # shellcheck disable=SC2086 # a list of words
    apt install --download-only -y --no-install-recommends $packages ||
        skip 'no arm64 packages'
    for deb in "$dir"/apt/cache/archives/*.deb; do
        dpkg-deb -x "$deb" "$root"
    done
    find "$root" -name '*.la' -delete   # full of paths of another system
    rm -rf "$dir/apt"
    echo "$packages" >"$root/unpacked"
}

if test "$(cat "$root/unpacked" 2>/dev/null)" != "$packages"; then
    unpack
fi

# The answers of apxs and APR for configure. httpd's headers are this system's,
# because they do not differ; the libraries are those below $root.
mkdir -p "$dir/bin" "$dir/build"
cat >"$dir/bin/apxs" <<END
#!/bin/sh
case \$2 in
APR_CONFIG) echo "$dir/bin/apr-config" ;;
APU_CONFIG) echo none ;;
*) exec apxs "\$@" ;;
esac
END
cat >"$dir/bin/apr-config" <<END
#!/bin/sh
case \$1 in
--cppflags) echo -DLINUX -D_REENTRANT -D_GNU_SOURCE ;;
--includes) echo -I$root/usr/include/apr-1.0 ;;
--link-ld) echo -lapr-1 -laprutil-1 ;;
esac
END
chmod +x "$dir/bin/apxs" "$dir/bin/apr-config"

cd "$dir/build"
export PKG_CONFIG_SYSROOT_DIR="$root"
export PKG_CONFIG_LIBDIR="$root/usr/lib/$triplet/pkgconfig"
export PKG_CONFIG_LIBDIR="$PKG_CONFIG_LIBDIR:$root/usr/share/pkgconfig"
"$top/configure" --quiet --host=$triplet --enable-maintainer-mode \
    --with-apxs="$dir/bin/apxs" PKG_CONFIG="$(command -v pkg-config)" CC="$triplet-gcc --sysroot=$root" \
    LDFLAGS="-Wl,-rpath-link,$root/lib/$triplet:$root/usr/lib/$triplet"
if test "${2-}" = --build; then
    make -s -j"$(nproc)"
    exit 0
fi
make -s -j"$(nproc)" check TESTS=

failed=
run=0
for test in tests/unit/test_* tests/fuzz/fuzz_*; do
    case $test in *.*) continue ;; esac
    seeds=
    case $test in tests/fuzz/*) seeds=$top/tests/fuzz/seeds/${test##*/fuzz_} ;; esac
    run=$((run + 1))
    # shellcheck disable=SC2086 # nothing, or one word
    srcdir=$top BEARER_SLOW=10 timeout 600 "$qemu" -L "$root" "$test" $seeds \
        >"$test.log" 2>&1 || {
        failed="$failed $test"
        tail -n 20 "$test.log"
    }
done
test "$run" -gt 0
if test -n "$failed"; then
    echo "arm64: FAILED:$failed"
    exit 1
fi
echo "arm64: $run programs pass under $(basename "$qemu")"
