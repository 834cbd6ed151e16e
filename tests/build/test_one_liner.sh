#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The module without configure: the one-line build of README.md, in a scratch
# httpd.
. "$(dirname "$0")/lib.sh"

copy_sources "$scratch/src"
cd "$scratch/src"
rm -f config.h
etc=$scratch/etc
mkdir -p "$scratch/modules" "$etc/mods-available" "$etc/mods-enabled"
export APACHE_CONFDIR="$etc"
: >"$etc/apache2.conf"
: >"$etc/envvars"
for module in authn_core authz_core socache_shmcb; do
    : >"$etc/mods-available/$module.load"
done

line=$(grep -m1 'apxs .*mod_auth_bearer\.c src/' README.md) ||
    fail 'README.md does not show the one line'
set -- -S "LIBEXECDIR=$scratch/modules" -S "SYSCONFDIR=$etc" -Wc,-O0
eval "\"$apxs\" \"\$@\" ${line#*apxs }"

test -f "$etc/mods-enabled/auth_bearer.load" ||
    fail 'apxs -a did not enable the module'
smallest "$scratch/modules/mod_auth_bearer.so" >"$scratch/httpd.conf"
"$httpd" -t -f "$scratch/httpd.conf"

# Features that need configure report it.
echo 'AuthBearerSOCache redis://127.0.0.1' >>"$scratch/httpd.conf"
! "$httpd" -t -f "$scratch/httpd.conf" >"$scratch/out" 2>&1 ||
    fail 'redis:// is accepted without hiredis'
says 'built without hiredis; install libhiredis-dev' "$scratch/out"
