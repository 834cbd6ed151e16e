#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: test_tables.sh BUILDDIR
# No table can be forgotten: see tables.py.
set -eu
exec python3 "$(dirname "$0")/tables.py" "$1"
