#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# make install with DESTDIR: which files are installed, which ones a second
# install keeps, how a2enmod uses them, and that make uninstall removes them
# all.
. "$(dirname "$0")/lib.sh"

dest=$scratch/dest
mods=/etc/apache2/mods-available
make_to_dest() {
    make -s -C "$build" "$1" DESTDIR="$dest" modsdir=$mods prefix=/usr
}
if ! grep -q '^modsdir = /' "$build/Makefile"; then
    fail "configure found no mods-available; tests need Debian's httpd"
fi

make_to_dest install
for file in "$modules/mod_auth_bearer.so" $mods/auth_bearer.load \
    $mods/auth_bearer.conf /usr/bin/htbearer /usr/share/man/man1/htbearer.1 \
    /usr/share/man/man5/mod_auth_bearer.5; do
    test -s "$dest$file" || fail "$file was not installed"
done
examples=$dest/usr/share/doc/mod_auth_bearer/examples
for file in "$top"/conf/examples/*; do
    cmp "$file" "$examples/$(basename "$file")" || fail "$file was not installed"
done
leftovers=$(find "$dest" -name '*.la' -o -name '*.a' -o -name '*libbearer*')
test -z "$leftovers" || fail "installed too: $leftovers"
says "LoadModule auth_bearer_module $modules/mod_auth_bearer.so" \
    "$dest$mods/auth_bearer.load"

# Only the module record is visible, so that symbols do not collide with those
# of other modules.
nm -D --defined-only "$dest$modules/mod_auth_bearer.so" >"$scratch/symbols"
symbols=$(awk '{ print $NF }' "$scratch/symbols")
test "$symbols" = auth_bearer_module || fail "it exports $symbols"

# Text and data of the module. A later gcc generates more code from the same
# sources: gcc 14 generates 2 % more than gcc 12.
cc=$(sed -n 's/^CC = //p' "$build/Makefile")
case $($cc -dumpversion) in
12*)
    bound=602000 ;;
*)
    bound=615000 ;;
esac
bytes=$(size "$dest$modules/mod_auth_bearer.so" | awk 'NR == 2 { print $1 + $2 }')
test "$bytes" -lt $bound || fail "text and data are $bytes bytes"

# The administrator's changes survive an upgrade and an uninstall.
echo '# edited' >>"$dest$mods/auth_bearer.conf"
exec 3<"$dest$modules/mod_auth_bearer.so"
make_to_dest install
# Running processes keep the old file.
test "$(stat -L -c %i /dev/fd/3)" != \
    "$(stat -c %i "$dest$modules/mod_auth_bearer.so")" || fail 'the module is written over'
exec 3<&-
says '# edited' "$dest$mods/auth_bearer.conf"

# a2enmod reads the Depends line; auth_bearer.conf loads unchanged.
etc=$scratch/etc
mkdir -p "$etc/mods-enabled"
cp -R /etc/apache2/mods-available "$etc/mods-available"
cp "$dest$mods"/auth_bearer.* "$etc/mods-available"
sed -i "s|$modules/mod_auth_bearer|$dest&|" "$etc/mods-available/auth_bearer.load"
: >"$etc/apache2.conf"
: >"$etc/envvars"
APACHE_CONFDIR=$etc a2enmod -q auth_bearer mpm_event
for module in auth_bearer authn_core authz_core socache_shmcb; do
    test -f "$etc/mods-enabled/$module.load" || fail "a2enmod: no $module"
done
smallest "$dest$modules/mod_auth_bearer.so" | sed '/^LoadModule/d' \
    >"$scratch/rest.conf"
cat >"$scratch/httpd.conf" <<END
DefaultRuntimeDir $scratch
Define APACHE_RUN_DIR $scratch
IncludeOptional $etc/mods-enabled/*.load
IncludeOptional $etc/mods-enabled/*.conf
Include $scratch/rest.conf
END
"$httpd" -t -f "$scratch/httpd.conf"

make_to_dest uninstall
test ! -e "$dest$modules/mod_auth_bearer.so" || fail 'uninstall: the module'
test ! -e "$dest$mods/auth_bearer.load" || fail 'uninstall: auth_bearer.load'
test ! -e "$dest/usr/bin/htbearer" || fail 'uninstall: htbearer'
left=$(find "$dest/usr/share" -type f)
test -z "$left" || fail "uninstall: $left"
says '# edited' "$dest$mods/auth_bearer.conf"
