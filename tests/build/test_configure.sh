#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# The cases that configure refuses, and its messages.
. "$(dirname "$0")/lib.sh"

headers=$("$apxs" -q INCLUDEDIR)
copy_sources "$scratch/src"

# An apxs with answers that a test changes: variables from files in answers/.
mkdir "$scratch/answers" "$scratch/modules" "$scratch/include"
cat >"$scratch/apxs" <<END
#!/bin/sh
if test "\$1" = -q && test -f "$scratch/answers/\$2"; then
    cat "$scratch/answers/\$2"
else
    exec "$apxs" "\$@"
fi
END
chmod +x "$scratch/apxs"

# configure DIR ARGUMENT...: output in $scratch/out
configure() {
    mkdir -p "$scratch/$1"
    (cd "$scratch/$1" && shift && "$scratch/src/configure" "$@") \
        >"$scratch/out" 2>&1
}

refused() {
    if configure refused --with-apxs="$scratch/apxs" "$@"; then
        fail "not refused: $*"
    fi
}

# --- a httpd with another mod_auth_bearer -------------------------------------

rival='this httpd has a mod_auth_bearer of its own'
echo "$scratch/modules" >"$scratch/answers/LIBEXECDIR"

echo 'AuthBearerProxy' >"$scratch/modules/mod_auth_bearer.so"
refused
says "$rival" "$scratch/out"
says "$scratch/modules/mod_auth_bearer.so is there and is not ours" \
    "$scratch/out"
rm "$scratch/modules/mod_auth_bearer.so"

touch "$scratch/modules/mod_autht_jwt.so"
refused
says "$rival" "$scratch/out"
rm "$scratch/modules/mod_autht_jwt.so"

cp "$headers"/*.h "$scratch/include"
echo '#define AUTHT_PROVIDER_GROUP "autht"' >>"$scratch/include/mod_auth.h"
echo "$scratch/include" >"$scratch/answers/INCLUDEDIR"
refused
says "$rival" "$scratch/out"
cp "$headers/mod_auth.h" "$scratch/include"

echo "$scratch" >"$scratch/answers/SBINDIR"
echo httpd >"$scratch/answers/PROGNAME"
printf '#!/bin/sh\necho "  mod_auth_bearer.c"\n' >"$scratch/httpd"
chmod +x "$scratch/httpd"
refused
says "$rival" "$scratch/out"
rm "$scratch/answers/SBINDIR" "$scratch/answers/PROGNAME"

# --- too old or missing ------------------------------------------------------

sed -i 's/\(AP_SERVER_PATCHLEVEL_NUMBER  *\)[0-9][0-9]*/\151/' \
    "$scratch/include/ap_release.h"
refused
says 'httpd 2.4.52 or later is needed' "$scratch/out"
sed -i 's/\(AP_SERVER_PATCHLEVEL_NUMBER  *\)51/\152/' \
    "$scratch/include/ap_release.h"

if configure refused --with-apxs="$scratch/no-such-apxs"; then
    fail 'not refused: no apxs'
fi
says 'no-such-apxs -q INCLUDEDIR does not work' "$scratch/out"

# A pkg-config with older libraries.
cat >"$scratch/pkg-config" <<'END'
#!/bin/sh
case "$*" in *"$OLD >= "*) exit 1 ;; esac
exec pkg-config "$@"
END
chmod +x "$scratch/pkg-config"
for floor in 'libcrypto >= 3.0' 'jansson >= 2.13' 'libcurl >= 7.76'; do
    export OLD="${floor% >= *}"
    refused PKG_CONFIG="$scratch/pkg-config"
    says "($floor)" "$scratch/out"
done

# --- this module from an earlier install is accepted; no cmocka is not an error

cp "$build/.libs/mod_auth_bearer.so" "$scratch/modules"
export OLD=cmocka
configure accepted --with-apxs="$scratch/apxs" \
    PKG_CONFIG="$scratch/pkg-config" || {
    cat "$scratch/out"
    fail 'httpd 2.4.52 with our own module, without cmocka: refused'
}
says 'cmocka >= 1.1.5 not found' "$scratch/out"
! grep -q -e -Werror "$scratch/accepted/Makefile" ||
    fail '-Werror without --enable-maintainer-mode'
grep -q '^WARNINGS = .*-Werror' "$build/Makefile" ||
    fail 'no -Werror under --enable-maintainer-mode'
# Without building everything: only the check that replaces the unit tests.
if make -C "$scratch/accepted" check-TESTS >"$scratch/out" 2>&1; then
    fail 'make check passes without cmocka'
fi
says 'the unit tests need cmocka >= 1.1.5' "$scratch/out"

# --- hiredis: used if it is installed and not disabled ------------------------

has_hiredis() {
    grep -q '^#define HAVE_HIREDIS 1' "$scratch/$1/config.h"
}
if pkg-config --exists 'hiredis >= 0.14'; then
    has_hiredis accepted || fail 'hiredis is installed, and not used'
fi
export OLD=hiredis
configure hidden --with-apxs="$scratch/apxs" PKG_CONFIG="$scratch/pkg-config"
says 'redis://        no' "$scratch/out"
! has_hiredis hidden || fail 'hiredis is not installed, and used'
refused PKG_CONFIG="$scratch/pkg-config" --with-hiredis
says '--with-hiredis: hiredis >= 0.14 not found' "$scratch/out"

# Without hiredis, one file differs. It gives no warning, and the library needs
# no hiredis. test_one_liner.sh has what redis:// says then.
unset OLD
configure without --with-apxs="$scratch/apxs" --without-hiredis \
    --enable-maintainer-mode
make -C "$scratch/without" src/state/redis_connection.lo >"$scratch/out" 2>&1 || {
    cat "$scratch/out"
    fail 'it does not compile without hiredis'
}
mkdir -p "$scratch/without/.libs"
cp "$build/libbearer.la" "$scratch/without"
cp "$build/.libs/libbearer.a" "$scratch/without/.libs"
ar r "$scratch/without/.libs/libbearer.a" \
    "$scratch/without/src/state/.libs/redis_connection.o"
make -C "$scratch/without" -o libbearer.la tests/unit/test_redis \
    >"$scratch/out" 2>&1 || {
    cat "$scratch/out"
    fail 'it does not link without hiredis'
}
! ldd "$scratch/without/tests/unit/test_redis" | grep hiredis ||
    fail '--without-hiredis, and linked with it'
status=0
"$scratch/without/tests/unit/test_redis" >"$scratch/out" || status=$?
test "$status" = 77 || fail "test_redis without hiredis: $status, not 77 (skipped)"
