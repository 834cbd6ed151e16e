#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: plain_path.sh SCRIPT
# configure and make cannot use a source tree whose path contains a blank or a
# shell metacharacter. Reports this for SCRIPT, and how to continue.
set -eu
cd "$(dirname "$0")/../.."
case $PWD in
*[[:space:]:\"\#\$\&\'\`\\\(\)\;\<\>\|\*\?]*)
    echo "$1: configure takes no path with blanks or special characters:" \
        "$PWD" >&2
    echo "$1: move the clone elsewhere, or clone it again:" \
        "git clone \"$PWD\" /tmp/mod_auth_bearer" >&2
    exit 2
    ;;
esac
