#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The cost of a new directive with its check: new-directive.patch, applied to a
# copy of the sources, has at most 4 hunks in at most 3 files. With the patch,
# the module builds and the tests of settings and contradictions pass. httpd
# knows the directive and its contexts, and the directive refuses a token.
. "$(dirname "$0")/lib.sh"

patch=$top/tests/build/new-directive.patch
test "$(grep -c '^@@' "$patch")" -le 4 || fail 'more than 4 hunks'
test "$(grep -c '^+++ ' "$patch")" -le 3 || fail 'more than 3 files'

copy=$scratch/copy
mkdir "$copy"
cp -R "$top/src" "$top/mod_auth_bearer.c" "$copy"
(cd "$copy" && git apply -p1 "$patch") || fail 'the patch does not fit'

# variable NAME: the value in the Makefile
variable() {
    make -s --no-print-directory -C "$build" \
        --eval="print-it: ; @printf '%s\\n' '\$($1)'" print-it
}
cc=$(variable CC)
cflags="-O0 -fPIC -I$build -I$copy/src $(variable DEFS)
    $(variable mod_auth_bearer_la_CPPFLAGS) $(variable WARNINGS)"
libs=$(variable bearer_libs)\ $(variable HIREDIS_LIBS)

# Rebuilds the files that use the rows of the settings. The rest is unchanged.
cd "$copy"
library=
glue=
: >"$scratch/anew"
for file in src/*/*.c mod_auth_bearer.c; do
    dir=$(dirname "$file")
    name=$(basename "$file" .c)
    for object in "$build/$dir/.libs/$name.o" \
        "$build/$dir/.libs/mod_auth_bearer_la-$name.o" \
        "$build/$dir/mod_auth_bearer_la-$name.o"; do
        test ! -f "$object" || break
    done
    if grep -Fqs settings_rows.h "$build/$dir/.deps/"*"$name.Plo" ||
        ! test -f "$object"; then
        object=$copy/$dir/$name.o
        echo "$file" >>"$scratch/anew"
    fi
    case $file in
    src/httpd/* | mod_auth_bearer.c) glue="$glue $object" ;;
    *) library="$library $object" ;;
    esac
done
# shellcheck disable=SC2086,SC2016 # lists of words; sh -c expands
cflags="$cflags" cc="$cc" BUILD="$build" xargs -P "$(nproc)" -n 1 sh -c '
    file=$0
    cd "$BUILD" && exec $cc $cflags -iquote "$OLDPWD/$(dirname "$file")" \
        -c "$OLDPWD/$file" -o "$OLDPWD/${file%.c}.o"' <"$scratch/anew" ||
    fail 'it does not compile'
# shellcheck disable=SC2086
$cc -shared -o "$scratch/mod.so" $glue $library $libs

for test in test_settings test_judge_lint; do
    # shellcheck disable=SC2086
    (cd "$build" && $cc $cflags -w -o "$scratch/$test" \
        "$top/tests/unit/$test.c" $library -lcmocka $libs \
        $(variable APR_LIBS))
    srcdir=$top "$scratch/$test" >"$scratch/out" 2>&1 || {
        cat "$scratch/out"
        fail "$test"
    }
done

# A token is valid for an hour; one location accepts half an hour at most.
htbearer=$build/htbearer
"$htbearer" keygen --alg ES256 --private "$scratch/private" --public "$scratch/keys"
"$htbearer" sign --key "$scratch/private" --issuer https://idp.example.com/ \
    --subject alice --audience api --expires 3600 >"$scratch/token"
chmod 755 "$scratch"
port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
mkdir "$scratch/htdocs"
echo page >"$scratch/htdocs/index.html"
for module in mpm_event authn_core authz_core authz_user dir unixd; do
    test ! -f "$modules/mod_$module.so" ||
        echo "LoadModule ${module}_module $modules/mod_$module.so"
done >"$scratch/httpd.conf"
test "$(id -u)" -ne 0 || printf 'User www-data\nGroup www-data\n' >>"$scratch/httpd.conf"
cat >>"$scratch/httpd.conf" <<END
LoadModule auth_bearer_module $scratch/mod.so
ServerName localhost
ServerRoot $scratch
DocumentRoot $scratch/htdocs
PidFile $scratch/httpd.pid
ErrorLog $scratch/error.log
LogLevel info
Listen 127.0.0.1:$port
<AuthBearerIssuer https://idp.example.com/>
    AuthBearerKeys file:$scratch/keys
    AuthBearerMaxLifetime 2h
</AuthBearerIssuer>
<Location "/">
    AuthType Bearer
    AuthName "orders"
    AuthBearerAudience api
    Require valid-user
</Location>
<Location "/short">
    AuthBearerMaxLifetime 30min
</Location>
END
"$httpd" -f "$scratch/httpd.conf" -t -D DUMP_BEARER >"$scratch/out" 2>&1 || {
    cat "$scratch/out"
    fail 'configtest'
}
says '    AuthBearerMaxLifetime 2h' "$scratch/out"
! "$httpd" -f "$scratch/httpd.conf" -t -c "AuthBearerMaxLifetime 0s" \
    >"$scratch/out" 2>&1 || fail '0s is accepted'
says 'AB0576: AuthBearerMaxLifetime: ' "$scratch/out"

"$httpd" -f "$scratch/httpd.conf" -k start
trap 'kill "$(cat "$scratch/httpd.pid")"; rm -rf "$scratch"' EXIT
status() {
    curl -s -o /dev/null -w '%{http_code}' --retry 20 --retry-connrefused \
        --retry-delay 1 -H "Authorization: Bearer $(cat "$scratch/token")" \
        "http://127.0.0.1:$port$1"
}
test "$(status /)" = 200 || fail 'the token is refused everywhere'
test "$(status /short)" = 401 || fail 'the token is accepted'
says 'the token is good for 3600 s (60 min), AuthBearerMaxLifetime is 30min' \
    "$scratch/error.log"
