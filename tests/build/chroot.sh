#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/chroot.sh SUITE [ARCH] COMMAND...
# Runs a command as root in a copy of this tree, in a Debian with no other
# packages installed. chroot.sh bookworm ./runtests.sh proves that the list of
# packages is complete; chroot.sh trixie ./runtests.sh tests the next Debian.
# The copy contains the files that git tracks, as they are on disk; of an unpacked
# tarball, all files but build/ and run/. Run by hand, as root: it needs mount
# namespaces and Debian's mirror.
#
# The bare system is created once, in build/chroot/. CHROOT_KEEP=DIR copies what
# the command left in /src/build to DIR; CHROOT_BRING=DIR copies DIR to /src/build
# before.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

if test $# -lt 2; then
    sed -n '4p' "$0" | sed 's/^# //' >&2
    exit 2
fi
suite=$1
shift
case $1 in
amd64|arm64|armhf|i386|ppc64el|riscv64|s390x)
    arch=$1
    shift ;;
*)
    arch=$(dpkg --print-architecture) ;;
esac
if test "$(id -u)" -ne 0; then
    exec sudo "$0" "$suite" "$arch" "$@"
fi
"$top"/tests/build/install_packages.sh chroot

# --- the bare system -----------------------------------------------------------

store=$top/build/chroot
bare=$store/$suite-$arch
mirror=$(apt-get indextargets --format '$(SITE)' | sed -n 1p)
if ! test -d "$bare"; then
    mkdir -p "$store"
    rm -rf "$bare.new"
    debootstrap --variant=minbase --arch="$arch" "$suite" "$bare.new" "$mirror" \
        >"$bare.log" 2>&1 || { tail -n 20 "$bare.log" >&2; exit 1; }
    mv "$bare.new" "$bare"
fi

# --- a copy for this run -------------------------------------------------------

run=$(mktemp -d "$store/run.XXXXXX")
finish() {
    status=$?
    if test -n "${CHROOT_KEEP-}" && test -d "$run/src/build"; then
        mkdir -p "$CHROOT_KEEP"
        cp -a "$run/src/build/." "$CHROOT_KEEP/"
    fi
    rm -rf --one-file-system "$run"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM
cp -a --reflink=auto "$bare/." "$run/"
mkdir "$run/src"
if test -e "$top/.git"; then
    (cd "$top" && git -c safe.directory='*' ls-files -z |
        tar -c --null --no-recursion --ignore-failed-read -T - 2>/dev/null) |
        tar -xo -C "$run/src"
    # A repository with its history: `make dist` uses git, and a test builds version
    # 0.1.0 from it.
    git -c safe.directory='*' clone -q --bare "$top" "$run/src/.git"
    git -C "$run/src" config core.bare false
    git -C "$run/src" reset -q
else
    tar -c -C "$top" --exclude=./build --exclude=./run . | tar -xo -C "$run/src"
fi
if test -n "${CHROOT_BRING-}"; then
    mkdir "$run/src/build"
    cp -R "$CHROOT_BRING/." "$run/src/build/"
fi

# The files that this machine needs to reach its mirrors and registries. The
# package ca-certificates rebuilds its bundle, which includes /usr/local/.
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf /root/.npmrc \
    /etc/ssl/certs/ca-certificates.crt /usr/local/share/ca-certificates/*.crt; do
    if test -f "$file"; then
        mkdir -p "$run$(dirname "$file")"
        cp -L "$file" "$run$file"
    fi
done
for file in /etc/apt/apt.conf.d/*; do
    if grep -qiE 'proxy|verify|ca(info|path)' "$file" 2>/dev/null; then
        cp "$file" "$run/etc/apt/apt.conf.d/"
    fi
done

# A separate mount namespace, so that nothing stays mounted.
unshare --mount --pid --fork --kill-child sh -eu -c '
    run=$1
    shift
    mount --bind "$run" "$run"  # a root that can be mounted again, read-only
    mount -t proc proc "$run/proc"
    mount --rbind /sys "$run/sys"
    mount --rbind /dev "$run/dev"
    mount -t tmpfs tmpfs "$run/dev/shm"
    exec chroot "$run" sh -c '\''cd /src && exec "$@"'\'' sh "$@"
' sh "$run" env LC_ALL=C.UTF-8 HOME=/root \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    CHROOT=yes "$@"
