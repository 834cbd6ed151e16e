#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# quickstart.sh in a clone: it shows a refused, an accepted and a forbidden
# request, and it stops.
. "$(dirname "$0")/lib.sh"

chmod 755 "$scratch" # for httpd's children
copy_sources "$scratch/clone"

# if configure would fail, the script reports the cause and the fix
mkdir "$scratch/a clone"
(cd "$scratch/clone" && tar -cf - quickstart.sh runtests.sh tests/build) |
    tar -xf - -C "$scratch/a clone"
for script in quickstart.sh runtests.sh; do
    ! "$scratch/a clone/$script" 2>"$scratch/out" || fail "$script: a blank"
    says "$script: move the clone elsewhere" "$scratch/out"
done

cd "$scratch/clone"
trap './quickstart.sh stop; rm -rf "$scratch"' EXIT
CFLAGS=-O0 ./quickstart.sh >"$scratch/out" || {
    cat "$scratch/out"
    fail 'exit status not 0'
}
for text in 'HTTP/1.1 401 Unauthorized' 'HTTP/1.1 200 OK' \
    'HTTP/1.1 403 Forbidden' 'WWW-Authenticate: Bearer realm="orders"' \
    'log: ' 'department:sales' 'AuthBearerAudience (api://orders)'; do
    says "$text" "$scratch/out"
done
grep -Eq 'REMOTE_USER +alice' "$scratch/out" || fail 'no REMOTE_USER'

pid=$(cat run/quickstart/httpd.pid)
kill -0 "$pid" || fail 'it does not run on'
./quickstart.sh stop
if kill -0 "$pid" 2>/dev/null; then
    fail 'stop does not stop it'
fi
