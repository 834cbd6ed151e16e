#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/container.sh
#
# Run by hand, as root. Executes Containerfile without a container runtime: each
# stage is a fresh Debian in a chroot (tests/build/chroot.sh), in place of
# debian:bookworm-slim. Then container.py tests the last stage.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
if test "${CHROOT-}" != yes; then
    exec "$top/tests/build/chroot.sh" bookworm tests/build/container.sh
fi

# The system as it is before anything is installed: the base of each stage.
mkdir -p /stages/base
tar -C / --one-file-system --exclude=./src --exclude=./stages --exclude=./proc/* \
    --exclude=./sys/* --exclude=./dev/* -cf - . | tar -C /stages/base -xf -
tests/build/install_packages.sh container
exec python3 tests/build/container.py /stages
