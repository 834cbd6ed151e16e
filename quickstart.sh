#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: ./quickstart.sh         build, start a separate httpd on loopback, and
#                                send it requests (401, 200, 403)
#        ./quickstart.sh stop    stop that httpd
#
# Installs the missing packages (tests/packages.txt, [build] and [run]) and
# changes nothing else on the system. The build is in build/, and the server's
# files are in run/.
set -eu
cd "$(dirname "$0")"
top=$PWD
build=$top/build/quickstart
run=$top/run/quickstart
exec </dev/null

curl() { command curl --noproxy '*' "$@"; }
say() { printf '\n%s\n' "$*"; }

stop() {
    pid=$(cat "$run/httpd.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.5
    done
}

case ${1-} in
'') ;;
stop)
    stop
    echo 'stopped'
    exit 0
    ;;
*)
    sed -n '4,6s/^# //p' "$0" >&2
    exit 2
    ;;
esac

# --- build -------------------------------------------------------------------

# quietly COMMAND...: prints the output only if the command fails.
quietly() {
    "$@" >"$build/log" 2>&1 || {
        status=$?
        tail -n 40 "$build/log"
        echo "quickstart.sh: failed: $*" >&2
        exit $status
    }
}

tests/build/plain_path.sh quickstart.sh
tests/build/install_packages.sh build run
say 'Building (into build/quickstart) ...'
mkdir -p "$build"
test -x configure || quietly autoreconf -i
cd "$build"
test -f Makefile || quietly "$top/configure"
quietly make -j"$(nproc)"
cd "$top"
htbearer=$build/htbearer
apxs=$(sed -n 's/^APXS = //p' "$build/Makefile")
httpd=$("$apxs" -q SBINDIR)/$("$apxs" -q PROGNAME)
modules=$("$apxs" -q LIBEXECDIR)

# --- a separate httpd ---------------------------------------------------------

stop
user=
test "$(id -u)" -ne 0 || user=www-data
test ! -L "$run" || rm -rf "$(readlink "$run")"
rm -rf "$run"
mkdir -p "$run"
# The children must be able to read the files; below /root they cannot.
if test -n "$user" && ! runuser -u "$user" -- test -x "$run"; then
    rmdir "$run"
    ln -s "$(mktemp -d "${TMPDIR:-/tmp}/auth_bearer_quickstart.XXXXXX")" "$run"
    chmod 755 "$run/."
fi
files=$(cd "$run" && pwd -P)
mkdir "$files/htdocs" "$files/htdocs/orders"

"$htbearer" keygen --alg ES256 --private "$run/private.json" \
    --public "$run/public.json" >/dev/null
chmod 644 "$run/public.json"

cat >"$run/htdocs/orders/index.shtml" <<'END'
The application sees
  REMOTE_USER                 <!--#echo var="REMOTE_USER" -->
  BEARER_METHOD               <!--#echo var="BEARER_METHOD" -->
  BEARER_CLAIM_department     <!--#echo var="BEARER_CLAIM_department" -->
  X-Forwarded-User (header)   <!--#echo var="HTTP_X_FORWARDED_USER" -->
  Authorization (header)      <!--#echo var="HTTP_AUTHORIZATION" -->
END

port=8080
while curl -s -o /dev/null --max-time 1 "http://127.0.0.1:$port/" ||
    test $? -ne 7; do
    port=$((port + 1))
done

load() {
    for module; do
        test -f "$modules/mod_$module.so" || continue
        printf '<IfModule !%s_module>\nLoadModule %s_module %s\n</IfModule>\n' \
            "$module" "$module" "$modules/mod_$module.so"
    done
}
{
    load mpm_event unixd log_config watchdog authn_core authz_core \
        socache_shmcb dir mime include
    cat <<END
LoadModule auth_bearer_module $build/.libs/mod_auth_bearer.so
ServerName 127.0.0.1:$port
Listen 127.0.0.1:$port
ServerRoot $files
DefaultRuntimeDir $files
PidFile $files/httpd.pid
ErrorLog $files/error.log
LogLevel warn auth_bearer:info
TypesConfig /dev/null
DocumentRoot $files/htdocs
DirectoryIndex index.shtml
AddType text/plain .shtml
AddOutputFilter INCLUDES .shtml
${user:+User $user
Group $user}
<Directory "$files/htdocs">
    Options +Includes
    Require all granted
</Directory>

# The following lines configure mod_auth_bearer.
<AuthBearerIssuer "https://idp.example.com/">
    AuthBearerKeys "file:$files/public.json"
</AuthBearerIssuer>
<Location "/orders">
    AuthType Bearer
    AuthName "orders"
    AuthBearerAudience api://orders
    Require claim department:sales
</Location>
END
} >"$run/httpd.conf"
"$httpd" -f "$files/httpd.conf" -k start

url=http://127.0.0.1:$port/orders/
tries=0
while test ! -f "$run/httpd.pid" || ! curl -s -o /dev/null "$url"; do
    tries=$((tries + 1))
    if test $tries -gt 50; then
        cat "$run/error.log" >&2
        echo 'quickstart.sh: httpd does not answer' >&2
        exit 1
    fi
    sleep 0.1
done

# --- the demonstration -------------------------------------------------------

failed=0
# ask STATUS [TOKEN]: prints the response and the log line about it
ask() {
    wanted=$1
    shift
    before=$(wc -l <"$run/error.log")
    # The token is passed in a file, so that other users' ps does not show it.
    test $# -eq 0 || printf 'header = "Authorization: Bearer %s"\n' "$1" \
        >"$run/curl.conf"
    test $# -ne 0 || : >"$run/curl.conf"
    curl -s -i -K "$run/curl.conf" "$url" | tr -d '\r' >"$run/answer"
    rm -f "$run/curl.conf"
    sed -n -e '1p' -e '/^WWW-Authenticate:/p' "$run/answer" | sed 's/^/    /'
    if test "$wanted" = 200; then
        sed '1,/^$/d; s/^/    /' "$run/answer"
    fi
    tail -n +$((before + 1)) "$run/error.log" | grep auth_bearer |
        sed 's/^.*\[auth_bearer:[^]]*\] \(\[pid [^]]*\] \)\{0,1\}/    log: /' ||
        true
    head -n 1 "$run/answer" | grep -q " $wanted " || {
        echo "    (expected $wanted)"
        failed=1
    }
}
token() {
    "$htbearer" sign --key "$run/private.json" \
        --issuer https://idp.example.com/ --audience api://orders \
        --subject alice --expires 3600 "$@"
}

say "1. No token: 401    curl -i $url"
ask 401
say '2. A token of alice, department sales: 200'
good=$(token --claim 'department="sales"')
ask 200 "$good"
say '3. A token of alice without that claim: 403'
ask 403 "$(token)"
say '4. A token for another audience: 401'
ask 401 "$("$htbearer" sign --key "$run/private.json" \
    --issuer https://idp.example.com/ --audience account --subject alice \
    --expires 3600 --claim 'department="sales"')"

if test $failed -ne 0; then
    stop
    exit 1
fi
say 'The httpd is still running. To create a token:'
cat <<END
    TOKEN=\$(build/quickstart/htbearer sign --key run/quickstart/private.json \\
        --issuer https://idp.example.com/ --audience api://orders \\
        --subject bob --expires 3600 --claim 'department="sales"')
    curl -i -H "Authorization: Bearer \$TOKEN" $url

Configuration: run/quickstart/httpd.conf    log: run/quickstart/error.log
Stop it: ./quickstart.sh stop
END
