#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: plain_path.sh SCRIPT
# configure and make take no source tree whose path has a blank or a character
# that means something to a shell. Says so, for SCRIPT, and how to go on.
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
