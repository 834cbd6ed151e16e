#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/first_200.sh BUILD-DIRECTORY [MODULE...]
# The smallest configuration with a key file, in the httpd of this build: configtest, 200 for a
# token, 401 without one. Of httpd's modules only those that it needs are loaded, and MODULE...
# (socache_shmcb, ssl, ...). Says whether there was mod_watchdog.
#   FIRST_APXS  the apxs of another httpd
. "$(dirname "$0")/lib.sh"
shift
if test -n "${FIRST_APXS-}"; then
    httpd=$("$FIRST_APXS" -q SBINDIR)/$("$FIRST_APXS" -q PROGNAME)
    modules=$("$FIRST_APXS" -q LIBEXECDIR)
fi

"$build/htbearer" keygen --private "$scratch/private.json" --public "$scratch/public.json"
chmod 755 "$scratch"
chmod 644 "$scratch/public.json"
echo ok >"$scratch/orders"
write() {
    for module; do
        test ! -e "$modules/mod_$module.so" ||
            echo "LoadModule ${module}_module $modules/mod_$module.so"
    done
    smallest "$build/.libs/mod_auth_bearer.so" | sed -e "s|^Listen .*|Listen 127.0.0.1:$port|" \
        -e "s|^AuthBearerIssuer .*|<&>\nAuthBearerKeys file:$scratch/public.json\n</AuthBearerIssuer>|"
    test "$(id -u)" -ne 0 || printf 'User www-data\nGroup www-data\n'
    echo 'LogLevel auth_bearer:info'
}

port=$((20000 + $$ % 20000))
write "$@" >"$scratch/httpd.conf"
"$httpd" -t -f "$scratch/httpd.conf" 2>"$scratch/out" || {
    cat "$scratch/out"
    fail configtest
}
"$httpd" -f "$scratch/httpd.conf" -k start
stop() {
    pid=$(cat "$scratch/httpd.pid" 2>/dev/null) && kill "$pid" &&
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
    rm -rf "$scratch"
}
trap stop EXIT

token=$("$build/htbearer" sign --key "$scratch/private.json" --issuer https://idp.example.com/ \
    --audience api://orders --subject alice --claim scope=orders.read)
status() {
    curl -s -o "$scratch/body" -w '%{http_code}' --noproxy '*' --retry 20 --retry-delay 1 \
        --retry-connrefused "$@" "http://127.0.0.1:$port/orders"
}
got=$(status -H "Authorization: Bearer $token") || :
test "$got" = 200 || {
    cat "$scratch/error.log"
    fail "$got with a token"
}
grep -qx ok "$scratch/body" || fail 'another page'
got=$(status)
test "$got" = 401 || fail "$got without a token"
if grep -q AB0907 "$scratch/error.log"; then
    echo 'first 200, without mod_watchdog'
else
    echo 'first 200'
fi
