#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Replaces the unit tests if configure found no cmocka: a check that tests
# nothing must not look like one that passed.
echo 'make check: the unit tests need cmocka >= 1.1.5, which configure did not' \
    'find. Install it (Debian: libcmocka-dev), run configure again.' >&2
exit 1
