# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Sourced by tests/build/test_*.sh, which take a configured and built directory
# as their argument. Sets top, build and a scratch directory that is removed at
# the end, and defines a few assertions.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY}" && pwd)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/auth_bearer_build.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

apxs=$(sed -n 's/^APXS = //p' "$build/Makefile")
httpd=$("$apxs" -q SBINDIR)/$("$apxs" -q PROGNAME)
modules=$("$apxs" -q LIBEXECDIR)

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# says TEXT FILE
says() {
    grep -Fq -- "$1" "$2" || {
        cat "$2"
        fail "$2 does not say: $1"
    }
}

# The sources only, as in a clone.
copy_sources() {
    mkdir -p "$1"
    (cd "$top" && tar -cf - --exclude=./build --exclude=./run \
        --exclude=./.git --exclude='*.o' --exclude='*.lo' --exclude='*.slo' \
        --exclude='*.la' --exclude=.libs --exclude=.deps .) | tar -xf - -C "$1"
}

# The smallest configuration in README.md, for a module.
smallest() {
    for module in mpm_event authn_core authz_core; do
        echo "LoadModule ${module}_module $modules/mod_$module.so"
    done
    cat <<END
LoadModule auth_bearer_module $1
ServerName localhost
ServerRoot $scratch
DocumentRoot $scratch
PidFile $scratch/httpd.pid
ErrorLog $scratch/error.log
Listen 127.0.0.1:8
AuthBearerIssuer https://idp.example.com/
<Location "/orders">
    AuthType Bearer
    AuthName "orders"
    AuthBearerAudience api://orders
    Require scope orders.read
</Location>
END
}
