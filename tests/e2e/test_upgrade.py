# Licensed under the Apache License, Version 2.0; see LICENSE.
"""An upgrade: the module's file is replaced as a package does it, and the server
reloaded gracefully. What the old version knew goes on, though the issuer is down.

The old one is version 0.1.0, built from the repository's history."""
import concurrent.futures
import itertools
import json
import os
import shutil
import subprocess

import pytest

from support import httpd, missing
from support.expect import granted, location
from support.httpd import TOP, wait_until
from support.load import Load
from support.tokens import mint

#: Version 0.1.0.
OLD = "d42c6268f1b437ac64a9daf2db2affbe3dd72da2"
LIBRARIES = ["-ljansson", "-lcurl", "-lcrypto", "-lz"]

#: The old version's lines have no numbers.
pytestmark = [pytest.mark.core,
              pytest.mark.allow_log("AB0205", "AB0208", "no number: ")]
_numbers = itertools.count(1)


def ask(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          timeout=60, text=True).stdout.strip()


def history():
    """Has this tree the old version?"""
    return subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", TOP, "cat-file", "-e",
         OLD + "^{commit}"], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL).returncode == 0


@pytest.fixture(scope="module")
def old_module(tmp_path_factory):
    """mod_auth_bearer.so of the old version, as quickly as can be."""
    missing.need("git", shutil.which("git"))
    if not history():
        missing.leave_out("history")
    top = tmp_path_factory.mktemp("old")
    archive = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", TOP, "archive", OLD, "src",
         "mod_auth_bearer.c"], check=True, stdout=subprocess.PIPE, timeout=60)
    subprocess.run(["tar", "-x", "-C", top], check=True, input=archive.stdout,
                   timeout=60)
    apxs = shutil.which("apxs") or shutil.which("apxs2")
    flags = ["-O0", "-w", "-fPIC", "-I" + str(top / "src"),
             "-I" + ask(apxs, "-q", "INCLUDEDIR"),
             *ask("apr-1-config", "--includes", "--cppflags").split()]

    def compile_one(source):
        subprocess.run(["cc", *flags, "-c", source, "-o", source + ".o"],
                       check=True, timeout=300)
        return source + ".o"
    sources = [str(top / "mod_auth_bearer.c"),
               *map(str, sorted(top.glob("src/*/*.c")))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    module = str(top / "mod_auth_bearer.so")
    subprocess.run(["cc", "-shared", "-o", module, *objects, *LIBRARIES],
                   check=True, timeout=60)
    return module


def place(source, target):
    """As a package does: a new file, by its name."""
    shutil.copy(source, target + ".new")
    os.chmod(target + ".new", 0o644)
    os.rename(target + ".new", target)


def loaded(server, target):
    """Do the server's process and all its children have this very file?"""
    inode = str(os.stat(target).st_ino)

    def has(pid):
        try:
            with open("/proc/%d/maps" % pid) as f:
                mine = [line.split() for line in f if target in line]
        except OSError:  # it has just ended
            return False
        return bool(mine) and all(line[4] == inode for line in mine)
    return all(map(has, [server.process.pid, *server.children()]))


def status(server):
    return json.loads(server.get("/bearer-status?format=json").body)


def counted(server):
    """Everything that only ever grows."""
    page = status(server)
    out = {("refused", r["issuer"], r["reason"]): r["total"]
           for r in page["refusals"]}
    for issuer in page["issuers"]:
        out["granted", issuer["name"]] = issuer["granted"]
    return page["since"], out


def bad():
    return mint("rs256-forger", header={"kid": "rs256"}, jti=str(next(_numbers)))


def refused_until_throttled(server, who):
    """How many: the threshold, or one more, since a count may be lost when two
    requests change a bucket at once."""
    for n in range(10):
        if server.get("/a", bad(), who).status == 429:
            return n
    raise AssertionError("never throttled")


@pytest.mark.other_build
def test_upgrade(one_server, issuers, old_module):
    """No 503, the penalty still counts, and so do metrics."""
    made = [issuers.issuer("upgrade-%d" % next(_numbers), "rs256")
            for _ in range(3)]
    server = one_server("""
RemoteIPHeader X-Client
RemoteIPInternalProxy 127.0.0.1
AuthBearerUserFormat %%u
%s%s
<Location "/bearer-status">
    SetHandler bearer-status
    Require all granted
</Location>
""" % ("".join('<AuthBearerIssuer "%s" %s>\n</AuthBearerIssuer>\n'
               % (issuer.url, issuer.name) for issuer in made),
       location("/a", "AuthBearerThrottle threshold=5 window=600s penalty=600s")),
        start=False, modules=["remoteip"], children=2, throttle=True)
    target = server.path("mod_auth_bearer.so")
    place(old_module, target)
    text = open(server.path("httpd.conf")).read()
    assert httpd.MODULE in text
    server.write("httpd.conf", text.replace(httpd.MODULE, target))
    server.start()
    assert loaded(server, target)
    for issuer in made:
        granted(server.get("/a", issuer.mint()))
    who = {"X-Client": "198.51.100.7"}
    almost = {"X-Client": "198.51.100.8"}
    assert refused_until_throttled(server, who) <= 6
    for _ in range(4):
        assert server.get("/a", bad(), almost).status == 401
    since, before = counted(server)
    assert before["granted", made[0].name] >= 1 and len(before) >= 5, before

    for issuer in made:
        for kind in issuer.KINDS:
            issuer.script(kind, cut=True)
    asked = [issuer.count() for issuer in made]
    load = [Load(server.port, issuer.mint(), threads=2, rate=40)
            for issuer in made]
    with load[0], load[1], load[2]:
        place(httpd.MODULE, target)
        server.graceful()
        wait_until(lambda: loaded(server, target), 20, "the new version")
        for one in load:
            one.more(30)
    for one in load:
        one.expect_only(200)
    for issuer in made:
        granted(server.get("/a", issuer.mint(sub="new")), "new")
    assert [issuer.count() for issuer in made] == asked

    assert server.get("/a", made[0].mint(), who).status == 429
    assert refused_until_throttled(server, almost) <= 2

    again, after = counted(server)
    assert again == since
    for name, number in before.items():
        assert after.get(name, 0) >= number, (name, before, after)
    assert sum(after.values()) >= sum(before.values()) + 90

    # and back: nothing is refused, and the penalty goes on
    for issuer in made:
        for kind in issuer.KINDS:
            issuer.script(kind, cut=False)
    load = Load(server.port, made[0].mint(), threads=2, rate=40)
    with load:
        place(old_module, target)
        server.graceful()
        wait_until(lambda: loaded(server, target), 20, "the old version")
        load.more(30)
    load.expect_only(200)
    assert server.get("/a", made[0].mint(), who).status == 429
