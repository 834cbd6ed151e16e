#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# usage: tests/asan.sh BUILD-DIRECTORY [PYTEST-ARGUMENT...]
# Runs the end-to-end tests with a module built with --enable-sanitizers. The
# system's httpd is built without them, so AddressSanitizer is loaded before it.
# Fails if a test fails or a sanitizer reports an error. Leaks are not reported,
# because httpd and the libraries keep what they allocate once; fuzzers, unit
# tests and tests/valgrind.sh look for leaks.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY [PYTEST-ARGUMENT...]}" && pwd)
shift
work=$(mktemp -d "${TMPDIR:-/tmp}/auth_bearer_asan.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
mkdir -m 1777 "$work/logs" # httpd's children write here as another user

nm -D "$build/.libs/mod_auth_bearer.so" | grep -q __asan_ || {
    echo "asan.sh: $build was not configured with --enable-sanitizers" >&2
    exit 1
}
libasan=$("${CC:-gcc}" -print-file-name=libasan.so)
libasan=$(readlink -f "$libasan")
cat >"$work/httpd" <<END
#!/bin/sh
# a test may load a library itself
export LD_PRELOAD=$libasan\${LD_PRELOAD:+:\$LD_PRELOAD}
export ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0:log_path=$work/logs/asan
export UBSAN_OPTIONS=print_stacktrace=1:log_path=$work/logs/ubsan
exec ${HTTPD:-/usr/sbin/apache2} "\$@"
END
chmod 755 "$work/httpd"

status=0
HTTPD=$work/httpd BEARER_SLOW=3 \
    ASAN_OPTIONS=detect_leaks=0:use_sigaltstack=0 \
    BEARER_BUILDDIR=$build BEARER_MODULE=$build/.libs/mod_auth_bearer.so \
    HTBEARER=$build/htbearer PYTHONDONTWRITEBYTECODE=1 \
    /usr/bin/pytest -p no:cacheprovider "$@" "$top/tests/e2e" || status=$?

for log in "$work"/logs/*; do
    test -s "$log" || continue
    cat "$log"
    status=1
done
exit $status
