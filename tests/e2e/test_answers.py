# Licensed under the Apache License, Version 2.0; see LICENSE.
"""The table of answers (src/httpd/answer.c): the row of a status cannot be forgotten,
and a category without a status is 500, never a pass. Both are shown on scratch copies."""
import glob
import os
import re
import shlex
import subprocess

import pytest

from support import httpd, missing
from support.expect import granted, issuer_conf, key_files, location, refused
from support.tokens import mint

pytestmark = pytest.mark.core

BUILD = os.environ.get("BEARER_BUILDDIR")
OBJECT = "mod_auth_bearer_la-answer.o"


def variable(name):
    """Words of a variable of the build's Makefile."""
    with open(os.path.join(BUILD, "Makefile")) as f:
        text = f.read().replace("\\\n", " ")

    def expand(name):
        found = re.search(r"^%s = (.*)$" % re.escape(name), text, re.M)
        return re.sub(r"\$\((\w+)\)", lambda used: expand(used.group(1)),
                      found.group(1) if found else "")
    return shlex.split(expand(name))


def compile_answers(scratch, patches):
    """Compiles a copy of answer.c; patches: file -> (pattern, replacement)."""
    for name in ("src/httpd/answer.c", "src/base/reason.h"):
        with open(os.path.join(httpd.TOP, name)) as f:
            text = f.read()
        if name in patches:
            text, changed = re.subn(*patches[name], text)
            assert changed == 1, name
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    include = ["-I" + str(scratch / "src"), "-I" + httpd.TOP + "/src",
               "-I" + httpd.TOP + "/src/httpd"]
    return subprocess.run(
        [*variable("CC"), "-fPIC", "-DPIC", "-c", "-o", str(scratch / OBJECT),
         *include, *variable("APR_CPPFLAGS"), *variable("HTTPD_CPPFLAGS"),
         *variable("CRYPTO_CFLAGS"), *variable("JANSSON_CFLAGS"),
         *variable("CFLAGS"), str(scratch / "src/httpd/answer.c")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def link(scratch):
    """The module with that copy in place of its own."""
    objects = [o for o in glob.glob(BUILD + "/src/httpd/*.o")
               + glob.glob(BUILD + "/mod_auth_bearer_la-*.o")
               + glob.glob(BUILD + "/src/httpd/.libs/*.o")
               + glob.glob(BUILD + "/.libs/mod_auth_bearer_la-*.o")
               if os.path.basename(o) != OBJECT]
    shared = {os.path.basename(o): o for o in objects}
    module = str(scratch / "mod_auth_bearer.so")
    libraries = [word for name in ("mod_auth_bearer_la_LIBADD", "libbearer_la_LIBADD")
                 for word in variable(name) if not word.endswith(".la")]
    subprocess.run(
        [*variable("CC"), "-shared", "-o", module, *shared.values(),
         str(scratch / OBJECT), BUILD + "/.libs/libbearer.a",
         *libraries], check=True)
    os.chmod(module, 0o755)
    return module


#: A build directory, which BEARER_BUILDDIR names.
needs_build = missing.needs(
    "build", BUILD and os.path.exists(BUILD + "/.libs/libbearer.a"))


@needs_build
def test_a_forgotten_row_does_not_compile(tmp_path):
    assert compile_answers(tmp_path, {}).returncode == 0
    done = compile_answers(tmp_path, {"src/base/reason.h": (
        r'( X\(MISCONFIGURED, "misconfigured", 500, 0, NULL, NULL, 0\))',
        r' X(FORGOTTEN, "forgotten", 418, 0, NULL, NULL, 0) \\\n   \1')})
    assert done.returncode != 0
    assert b"ANSWER_418" in done.stdout, done.stdout


@needs_build
@pytest.mark.allow_log("AB0059")
def test_a_category_without_a_status_is_500(one_server, monkeypatch, tmp_path, wire):
    done = compile_answers(tmp_path, {"src/base/reason.h": (
        r'X\(REQUIRE, "require", 403, 0, ', 'X(REQUIRE, "require", 0, 0, ')})
    assert done.returncode == 0, done.stdout
    os.chmod(tmp_path, 0o755)
    for parent in list(tmp_path.parents)[:2]:
        os.chmod(parent, 0o755)
    monkeypatch.setattr(httpd, "MODULE", link(tmp_path))
    server = one_server(issuer_conf() + location("/a", require="role admin"),
                        files=key_files(), h2=True)
    granted(server.get("/a", mint(roles=["admin"]), h2=wire))
    res = server.get("/a", mint(), h2=wire)
    refused(res, 500, None, "require", "require")
    assert res.logged("AB0059", "require/require", level="error"), res
