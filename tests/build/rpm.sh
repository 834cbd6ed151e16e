#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/build/rpm.sh BUILD-DIRECTORY
#
# Run by hand. Builds the .rpm from the tarball of `make dist`, in RHEL's layout
# and with RHEL's compiler flags. Runs its unit tests and rpmlint, compares its
# files and dependencies, and loads its configuration. The result needs this
# system's libraries: it tests the spec, and is not a package for RHEL.
. "$(dirname "$0")/lib.sh"
"$top"/tests/build/install_packages.sh build test rpm

make -s -C "$build" dist
version=$(sed -n 's/^PACKAGE_VERSION = //p' "$build/Makefile")
package=mod_auth_bearer-$(echo "$version" | tr - '~')-1.el9
tarball=$scratch/mod_auth_bearer-$version.tar.gz
mv "$build/mod_auth_bearer-$version.tar.gz" "$tarball"

# Of RHEL 9's redhat-rpm-config, without the -specs that Debian lacks.
flags='-O2 %{?_lto_cflags} -fexceptions -g -grecord-gcc-switches -pipe -Wall
    -Werror=format-security -Wp,-D_FORTIFY_SOURCE=2 -Wp,-D_GLIBCXX_ASSERTIONS
    -fstack-protector-strong -m64 -march=x86-64-v2 -mtune=generic
    -fasynchronous-unwind-tables -fstack-clash-protection -fcf-protection'

# shellcheck disable=SC2016 # for rpmbuild
finish='bash /usr/lib/rpm/brp-compress /usr
    && strip $RPM_BUILD_ROOT/usr/bin/* $RPM_BUILD_ROOT/usr/lib64/httpd/modules/*'

# build_rpm NAME OPTION...: builds $scratch/NAME/RPMS and SRPMS. The macros are
# those that httpd-devel and redhat-rpm-config define on RHEL. Manual pages are
# compressed and symbols removed here, because Debian's rpmbuild does neither.
build_rpm() {
    name=$1
    shift
    rpmbuild -ta --nodeps "$@" --define "_topdir $scratch/$name" \
        --define '_lto_cflags -flto=auto -ffat-lto-objects' \
        --define "optflags $(echo "$flags" | tr -s '\n ' ' ')" \
        --define 'build_ldflags -Wl,-z,relro -Wl,--as-needed -Wl,-z,now' \
        --define "_httpd_apxs $apxs" --define '_httpd_mmn 20120211x8664' \
        --define '_httpd_moddir %{_libdir}/httpd/modules' \
        --define '_httpd_confdir %{_sysconfdir}/httpd/conf.d' \
        --define '_httpd_modconfdir %{_sysconfdir}/httpd/conf.modules.d' \
        --define '_docdir /usr/share/doc' --define '_docdir_fmt %%{NAME}' \
        --define '_licensedir /usr/share/licenses' \
        --define "__os_install_post $(echo "$finish" | tr -s '\n ' ' ')" \
        --define 'dist .el9' --define 'debug_package %{nil}' \
        "$tarball" >"$scratch/log" 2>&1 || {
        grep '^FAIL' "$scratch/log" || :
        tail -n 60 "$scratch/log"
        fail "rpmbuild -ta $*"
    }
}

# --- with the options' defaults -------------------------------------------------

build_rpm plain
tests=$(grep -c '^PASS: tests/unit/' "$scratch/log") || fail 'no unit test ran'
says ' -fcf-protection ' "$scratch/log"
plain=$(ls "$scratch"/plain/RPMS/*/"$package".*.rpm)
rpmlint -c "$top/rpm/rpmlint.toml" "$plain" "$scratch/plain/SRPMS/$package.src.rpm" \
    >"$scratch/lint" 2>&1 || {
    cat "$scratch/lint"
    fail rpmlint
}
says ' 0 errors, 0 warnings' "$scratch/lint"

# Every file, its permissions and its kind: c is a configuration file that an
# upgrade does not replace, d is documentation, l a license.
query="[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILEFLAGS:fflags} %{FILENAMES}\n]"
rpm -qp --qf "$query" "$plain" >"$scratch/all"
grep -v -e ' /usr/share/doc/mod_auth_bearer/docs/' -e ' /usr/lib/\.build-id' \
    "$scratch/all" | tr -s ' ' >"$scratch/files"
(
    own='root:root'
    echo "-rw-r--r-- $own cn /etc/httpd/conf.d/auth_bearer.conf"
    echo "-rw-r--r-- $own cn /etc/httpd/conf.modules.d/10-auth_bearer.conf"
    echo "-rwxr-xr-x $own /usr/bin/htbearer"
    echo "-rwxr-xr-x $own /usr/lib64/httpd/modules/mod_auth_bearer.so"
    for folder in doc/mod_auth_bearer doc/mod_auth_bearer/docs \
        doc/mod_auth_bearer/examples licenses/mod_auth_bearer; do
        echo "drwxr-xr-x $own /usr/share/$folder"
    done
    for file in README CHANGELOG CONTRIBUTING SECURITY; do
        echo "-rw-r--r-- $own d /usr/share/doc/mod_auth_bearer/$file.md"
    done
    (cd "$top/conf" && git ls-files examples) | while read -r file; do
        echo "-rw-r--r-- $own d /usr/share/doc/mod_auth_bearer/$file"
    done
    echo "-rw-r--r-- $own l /usr/share/licenses/mod_auth_bearer/LICENSE"
    for page in $(sed -n 's/^dist_man_MANS = //p' "$build/Makefile"); do
        echo "-rw-r--r-- $own d /usr/share/man/man${page##*.}/$(basename "$page").gz"
    done
) | sort >"$scratch/wanted"
sort "$scratch/files" | diff "$scratch/wanted" - || fail 'other files (<: wanted)'
(cd "$top" && git ls-files 'docs/*.md' 'docs/images/*') | while read -r file; do
    says " /usr/share/doc/mod_auth_bearer/$file" "$scratch/all"
done

rpm -qp --requires "$plain" >"$scratch/requires"
for need in 'httpd-mmn = 20120211x8664' 'libcrypto.so.3()(64bit)' \
    'libcurl.so.4()(64bit)' 'libjansson.so.4()(64bit)'; do
    says "$need" "$scratch/requires"
done
rpm -qp --scripts "$plain" >"$scratch/scripts"
test ! -s "$scratch/scripts" || fail "scripts: $(cat "$scratch/scripts")"

# As RHEL's httpd.conf reads it: ServerRoot, and a link to the modules in it.
mkdir "$scratch/root"
(cd "$scratch/root" && rpm2cpio "$plain" | cpio -idm --quiet)
etc=$scratch/root/etc/httpd
ln -s ../../usr/lib64/httpd/modules "$etc/modules"
smallest unused | sed -e '/auth_bearer_module/d' -e "s|^ServerRoot.*|ServerRoot $etc|" \
    -e '/^AuthBearerIssuer/i Include conf.modules.d/*.conf\nIncludeOptional conf.d/*.conf' \
    >"$scratch/httpd.conf"
"$httpd" -t -f "$scratch/httpd.conf"
"$scratch/root/usr/bin/htbearer" --version >"$scratch/version"
says "htbearer $version " "$scratch/version"

# --- with hiredis ---------------------------------------------------------------

build_rpm redis --with hiredis --without tests
rpm -qp --requires "$scratch"/redis/RPMS/*/"$package".*.rpm \
    >"$scratch/requires.redis"
says 'libhiredis.so' "$scratch/requires.redis"
! grep libhiredis "$scratch/requires" || fail 'hiredis without --with hiredis'

echo "rpm.sh: $package: $(grep -c . "$scratch/all") files," \
    "$tests unit tests, rpmlint$(sed -n 's/.*checked;//p' "$scratch/lint" | sed 's/;.*//')"
