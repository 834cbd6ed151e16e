#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/arm64_httpd.sh BUILD-DIRECTORY [PYTEST-ARGUMENT...]
# Run by hand, as root on amd64. Runs the module, cross-built, in the httpd of an arm64
# Debian 12 under qemu-user: the configuration of README.md, every size that the status
# page names beside that of the build in BUILD-DIRECTORY, and tests/e2e/test_table.py,
# or the end-to-end tests that are named (arm64_httpd.py). The tests themselves run on
# this system. The network has loopback only.
#
# The system is in build/arm64/system after the first run. An interpreter for arm64 is
# registered with binfmt_misc, if there is none, and taken away at the end. Every mount
# but that of binfmt_misc is in a namespace of its own, which ends with the script.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)

# --- in the arm64 Debian -------------------------------------------------------

if test "${1-}" = --system; then
    tests/build/install_packages.sh arm64-httpd
    mkdir -p build
    tar -C / --one-file-system --exclude=./src --exclude=./var/cache \
        --exclude=./var/lib/apt --exclude=./usr/share/doc \
        --exclude=./usr/share/locale --exclude=./usr/share/man \
        -cf build/system.tar .
    exit 0
fi

# --- in the namespaces ---------------------------------------------------------

if test "${1-}" = --namespaces; then
    work=$2
    system=$3
    shift 3
    mount -t proc proc "$system/proc"
    mount --rbind /dev "$system/dev"
    for folder in "$work" "$top"; do   # the tests name files in them
        mkdir -p "$system$folder"
        mount --bind "$folder" "$system$folder"
    done
    exec /usr/bin/python3 -B "$top/tests/build/arm64_httpd.py" "$system" "$@"
fi

# --- outside -------------------------------------------------------------------

build=$(cd "${1:?usage: $0 BUILD-DIRECTORY [PYTEST-ARGUMENT...]}" && pwd)
shift
test $# -gt 0 || set -- test_table.py
test "$(id -u)" -eq 0 || {
    echo "arm64_httpd.sh: only root can mount and register" >&2
    exit 2
}
cross=$top/build/arm64
system=$cross/system
binfmt=/proc/sys/fs/binfmt_misc
entry=auth_bearer_arm64_$$
work=$(mktemp -d "${TMPDIR:-/tmp}/auth_bearer_arm64.XXXXXX")
mounted=
registered=
finish() {
    status=$?
    trap - EXIT
    test -z "$registered" || echo -1 >"$binfmt/$entry" || status=1
    test -z "$mounted" || umount "$binfmt" || status=1
    rm -rf --one-file-system "$work"
    rm -rf --one-file-system "$system$work"
    exit $status
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

"$top"/tests/build/install_packages.sh arm64
"$top"/tests/build/arm64.sh "$cross" --build
test -e "$cross/build/.libs/mod_auth_bearer.so" || {
    echo 'arm64_httpd.sh: there is no cross-built module' >&2
    exit 1
}

# Debian's own lines for binfmt_misc, with F: the kernel opens qemu now, and not in
# the chroot.
magic=7f454c460201010000000000000000000200b700
mask=ffffffffffffff00fffffffffffffffffeffffff
escaped() { echo "$1" | sed 's/../\\x&/g'; }
test -e "$binfmt/register" || {
    mount -t binfmt_misc binfmt_misc "$binfmt"
    mounted=yes
}
if ! grep -qsx "magic $magic" "$binfmt"/*; then
    printf '%s' ":$entry:M::$(escaped $magic):$(escaped $mask):$(
        command -v qemu-aarch64-static):F" >"$binfmt/register"
    registered=yes
fi

if ! test -d "$system"; then
    CHROOT_KEEP=$work/kept "$top"/tests/build/chroot.sh bookworm arm64 \
        tests/build/arm64_httpd.sh --system
    mkdir -p "$system.new"
    tar -xf "$work/kept/system.tar" -C "$system.new"
    rm -rf "$work/kept"
    mv "$system.new" "$system"
fi

# What the tests take for httpd and htbearer: the same paths, in the other system.
chmod 755 "$work"
mkdir "$work/tmp" "$work/bin"
chmod 1777 "$work/tmp"
cp "$cross/build/.libs/mod_auth_bearer.so" "$work/bin/"
cp "$cross/build/htbearer" "$work/bin/htbearer.arm64"
for pair in apache2:/usr/sbin/apache2 "htbearer:$work/bin/htbearer.arm64"; do
    cat >"$work/bin/${pair%%:*}" <<END
#!/bin/sh
exec unshare --root="$system" --wd="\$PWD" ${pair#*:} "\$@"
END
    chmod 755 "$work/bin/${pair%%:*}"
done
# Waiting times are ten times as long; see tests/e2e/support/httpd.py.
BEARER_SLOW=10 TMPDIR=$work/tmp BEARER_BUILDDIR=$build \
    HTTPD=$work/bin/apache2 HTBEARER=$work/bin/htbearer \
    BEARER_MODULE=$work/bin/mod_auth_bearer.so BEARER_MPMS=event \
    BEARER_NATIVE=$build/.libs/mod_auth_bearer.so \
    unshare --mount --pid --fork --kill-child --mount-proc --net \
    "$0" --namespaces "$work" "$system" "$@"
